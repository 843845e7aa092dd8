"""One user in a room: what their client asks for, what they are told, what they say and hear."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from google.protobuf.message import DecodeError
from livekit.protocol import models, rtc

from voxemu.errors import RemoteProtocolError
from voxemu.rooms.embedded.connections import Connections
from voxemu.rooms.embedded.media_line import LOSSY, RELIABLE, MediaLine
from voxemu.rooms.embedded.microphone import Microphone
from voxemu.rooms.embedded.publications import Publications
from voxemu.rooms.embedded.rtp import RtpPacket
from voxemu.rooms.embedded.signal_wire import SignalWire
from voxemu.rooms.embedded.spelled import Participant, leave
from voxemu.rooms.embedded.stage import Stage
from voxemu.rooms.embedded.subscriptions import Subscriptions

log = logging.getLogger(__name__)

CONNECT_LIMIT = 15.0
# Seconds that a media connection may take.
SILENT_LIMIT = 20.0
# Seconds without one of the client's own ICE checks; they come every few seconds while it lives.


class Host(Protocol):
    """What a guest tells the room."""

    def guest_changed(self, guest: Guest) -> None:
        """Their tracks or attributes are others than before."""
        ...

    def guest_active(self, guest: Guest) -> None: ...

    def guest_heard(self, pcm: bytes, filled: int) -> None: ...

    def guest_sent(self, packet: models.DataPacket) -> None: ...

    def guest_gone(self, guest: Guest, reason: models.DisconnectReason) -> None: ...


class Guest:
    def __init__(
        self,
        wire: SignalWire,
        me: Participant,
        host: Host,
        stage: Stage,
        subscriptions: Subscriptions,
        *,
        single: bool,
    ) -> None:
        self.me = me
        self.single = single
        self.active = False
        self.subscriptions = subscriptions
        self._wire = wire
        self._host = host
        self._publications = Publications(me)
        self._microphone = Microphone()
        self._connections = Connections(
            stage, self, me.identity, self._publications, subscriptions, single=single
        )
        self._gone = False
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    @property
    def microphone(self) -> str:
        """Sid of the user's microphone track; "" while there is none."""
        return self._publications.microphone

    # --- the signalling connection ------------------------------------------------------------

    async def run(self, joined: rtc.JoinResponse, asked: rtc.JoinRequest) -> None:
        """Serves the connection until it is over, from the first message on."""
        self.say(rtc.SignalResponse(join=joined))
        reason = models.SIGNAL_CLOSE
        try:
            self._begin(asked)
            async for request in self._wire.requests():
                if request.HasField("leave"):
                    reason = models.CLIENT_INITIATED
                    break
                self._take(request)
        except RemoteProtocolError as error:
            log.warning("%s: %s", self.me.identity, error)
            self.say(leave(models.STATE_MISMATCH, rtc.LeaveRequest.DISCONNECT))
            reason = models.STATE_MISMATCH
        finally:
            self._leave(reason)
            closing = (self._wire.close(), *(line.close() for line in self._connections.lines))
            await asyncio.gather(*closing, return_exceptions=True)

    def say(self, said: rtc.SignalResponse) -> None:
        self._wire.say(said)

    def dismiss(self, reason: models.DisconnectReason) -> None:
        """Tells the client to leave for good, and closes."""
        self.say(leave(reason, rtc.LeaveRequest.DISCONNECT))
        self._leave(reason)
        self._wire.finish()

    def cut(self) -> None:
        """Drops the connection without a word."""
        self._leave(models.SIGNAL_CLOSE)
        self._wire.cut()

    def _leave(self, reason: models.DisconnectReason) -> None:
        if not self._gone:
            self._gone = True
            self.active = False
            self._host.guest_gone(self, reason)

    # --- requests ------------------------------------------------------------

    def _begin(self, asked: rtc.JoinRequest) -> None:
        self.me.attributes.update(asked.participant_attributes)
        for request in asked.add_track_requests:
            self._publish(request)
        if self.single and asked.HasField("publisher_offer"):
            self._answer(asked.publisher_offer)
        elif not self.single or self.subscriptions.missing:
            self._renew()

    def _take(self, request: rtc.SignalRequest) -> None:
        acts: dict[str, Callable[[], None]] = {
            "offer": lambda: self._answer(request.offer),
            "answer": lambda: self._connections.answered(request.answer),
            "add_track": lambda: self._publish(request.add_track),
            "mute": lambda: self._mute(request.mute),
            "subscription": lambda: self._subscribe(request.subscription),
            "track_setting": lambda: self._set_tracks(request.track_setting),
            "update_metadata": lambda: self._describe_me(request.update_metadata),
            "simulate": lambda: self._simulate(request.simulate),
            "ping": lambda: self.say(rtc.SignalResponse(pong=_now_ms())),
            "ping_req": lambda: self._pong(request.ping_req),
        }
        # What is left out has no meaning here: candidates (we are ICE-lite), video layers, permissions.
        act = acts.get(request.WhichOneof("message") or "")
        if act is not None:
            act()

    def _pong(self, ping: rtc.Ping) -> None:
        pong = rtc.Pong(last_ping_timestamp=ping.timestamp, timestamp=_now_ms())
        self.say(rtc.SignalResponse(pong_resp=pong))

    def _simulate(self, request: rtc.SimulateScenario) -> None:
        """What SDKs ask for to test their users' apps."""
        if request.server_leave:
            self.dismiss(models.SERVER_SHUTDOWN)
        elif request.leave_request_full_reconnect:
            self.say(leave(models.UNKNOWN_REASON, rtc.LeaveRequest.RECONNECT))

    def _publish(self, request: rtc.AddTrackRequest) -> None:
        track = self._publications.add(request)
        self.say(rtc.SignalResponse(track_published=rtc.TrackPublishedResponse(cid=request.cid, track=track)))
        self._host.guest_changed(self)

    def _mute(self, request: rtc.MuteTrackRequest) -> None:
        if self._publications.mute(request.sid, request.muted):
            self._host.guest_changed(self)

    def _describe_me(self, request: rtc.UpdateParticipantMetadata) -> None:
        if not self.me.may_describe:
            text = "does not have permission to update own metadata"
            self._respond(request.request_id, rtc.RequestResponse.NOT_ALLOWED, text)
            return
        for name, value in request.attributes.items():
            if value:
                self.me.attributes[name] = value
            else:
                self.me.attributes.pop(name, None)
        self.me.name = request.name or self.me.name
        self.me.metadata = request.metadata or self.me.metadata
        self._respond(request.request_id, rtc.RequestResponse.OK)
        self._host.guest_changed(self)

    def _respond(self, request: int, reason: rtc.RequestResponse.Reason, text: str = "") -> None:
        said = rtc.RequestResponse(request_id=request, reason=reason, message=text)
        self.say(rtc.SignalResponse(request_response=said))

    def _subscribe(self, request: rtc.UpdateSubscription) -> None:
        sids = [*request.track_sids, *(sid for one in request.participant_tracks for sid in one.track_sids)]
        if self.subscriptions.want(sids, request.subscribe):
            self._renew()

    def _set_tracks(self, request: rtc.UpdateTrackSettings) -> None:
        self.subscriptions.pause(list(request.track_sids), request.disabled)

    # --- descriptions ------------------------------------------------------------

    def _renew(self) -> None:
        self.say(self._connections.renew())

    def _answer(self, offer: rtc.SessionDescription) -> None:
        answer, changed = self._connections.answer(offer)
        self.say(answer)
        if changed:
            self._host.guest_changed(self)
        if self._connections.wanting:
            self._renew()

    # --- media ------------------------------------------------------------

    def line_connected(self, line: MediaLine) -> None:
        if line is self._connections.primary and not self.active and not self._gone:
            self.active = True
            self._host.guest_active(self)

    def line_lost(self, line: MediaLine) -> None:
        if not self._gone:
            log.info("%s: the media connection is lost", line.name)
            self.cut()

    def heard_rtp(self, packet: RtpPacket) -> None:
        if self._publications.is_microphone(packet.ssrc):
            filled = self._microphone.filled
            pcm = self._microphone.hear(packet)
            if first := self._publications.first_heard():
                # As on a livekit-server, where the agent has a track once packets of it have come: an app
                # that waits for this loses nothing of what it says then.
                self.say(rtc.SignalResponse(track_subscribed=rtc.TrackSubscribed(track_sid=first)))
            if pcm:
                self._host.guest_heard(pcm, self._microphone.filled - filled)

    def heard_data(self, label: str, message: bytes) -> None:
        if label not in (RELIABLE, LOSSY):
            return
        packet = models.DataPacket()
        try:
            packet.ParseFromString(message)
        except DecodeError as error:
            log.warning("%s: a data packet cannot be read: %s", self.me.identity, error)
            return
        packet.participant_identity = self.me.identity
        packet.participant_sid = self.me.sid
        self._host.guest_sent(packet)

    def send_audio(self, track: str, payload: bytes, frame: int, *, first: bool = False) -> None:
        stream = self.subscriptions.flowing(track)
        if stream is not None:
            self._connections.primary.send_rtp(stream.packet(payload, frame, first=first))

    def send_data(self, packet: models.DataPacket, *, reliable: bool = True) -> None:
        packet.kind = models.DataPacket.RELIABLE if reliable else models.DataPacket.LOSSY
        self._connections.primary.send_data(RELIABLE if reliable else LOSSY, packet.SerializeToString())

    def hears(self, track: str) -> bool:
        """Whether this track reaches the user."""
        return self.active and self.subscriptions.flowing(track) is not None

    @property
    def dead(self) -> bool:
        """The client said nothing for too long."""
        now = self._loop.time()
        if not self.active:
            return now - self._began > CONNECT_LIMIT
        return now - self._connections.primary.ice.heard_at > SILENT_LIMIT


def _now_ms() -> int:
    return int(time.time() * 1000)
