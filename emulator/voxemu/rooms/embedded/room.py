"""A room: its agent, its one user, and how long it may stand empty."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from livekit.protocol import models, rtc

from voxemu.errors import Refused
from voxemu.rooms.embedded.guest import Guest
from voxemu.rooms.embedded.spelled import VERSION, Participant, new_sid, server_info

log = logging.getLogger(__name__)

PING_INTERVAL = 5
PING_TIMEOUT = 15
# Seconds, as livekit-server asks for them.
LOOK = 2.0
# Seconds between looks at whether the user is still there.


class Occupant(Protocol):
    """The agent of a room, told what its user does."""

    def user_active(self) -> None: ...

    def user_changed(self) -> None: ...

    def user_left(self, reason: models.DisconnectReason) -> None: ...

    def heard(self, pcm: bytes, filled: int) -> None: ...

    def room_over(self, cause: str, by: str) -> None:
        """The room is deleted: by "caller" as the user is gone, by "provider" as somebody asked for it."""
        ...


class Room:
    """``user``: the only identity let in; "" lets anybody in who has a token, one at a time."""

    def __init__(self, name: str, *, user: str, empty_limit: float, away_limit: float) -> None:
        self.name = name
        self.user = user
        self.sid = new_sid("RM_")
        self.metadata = ""
        self.created = int(time.time())
        self.agent: Participant | None = None
        self.occupant: Occupant | None = None
        self.guest: Guest | None = None
        self.over = asyncio.Event()
        self.when_over: Callable[[Room], None] = lambda room: None
        self.joins = 0
        self.user_packets = 0
        # Data packets that the user sent.
        self._empty_limit = empty_limit
        self._away_limit = away_limit
        self._loop = asyncio.get_running_loop()
        self._empty_since: float | None = self._loop.time()
        self._look = self._loop.call_later(self._next_look(), self._look_around)

    # --- who is in it ------------------------------------------------------------

    @property
    def participants(self) -> list[Participant]:
        guest = self.guest.me if self.guest is not None else None
        return [one for one in (self.agent, guest) if one is not None]

    def spell(self) -> models.Room:
        return models.Room(
            sid=self.sid,
            name=self.name,
            empty_timeout=round(self._empty_limit),
            departure_timeout=round(self._away_limit),
            creation_time=self.created,
            creation_time_ms=self.created * 1000,
            num_participants=len(self.participants),
            num_publishers=sum(1 for one in self.participants if one.tracks),
            enabled_codecs=[models.Codec(mime="audio/opus")],
            metadata=self.metadata,
        )

    def check(self, identity: str) -> None:
        """Raises Refused ("full") for somebody else than the user of this room."""
        expected = self.user or (self.guest.me.identity if self.guest is not None else identity)
        if identity != expected:
            raise Refused("full", f"room {self.name} is for one user and one agent, and for another identity")

    def welcome(self, guest: Guest) -> rtc.JoinResponse:
        """Lets somebody in; whoever was in under the same identity is told so and put out."""
        if self.guest is not None:
            self.guest.dismiss(models.DUPLICATE_IDENTITY)
        self.guest = guest
        self.joins += 1
        self._empty_since = None
        return rtc.JoinResponse(
            room=self.spell(),
            participant=guest.me.spell(),
            other_participants=[self.agent.spell()] if self.agent is not None else [],
            server_version=VERSION,
            server_info=server_info(),
            subscriber_primary=not guest.single,
            ping_interval=PING_INTERVAL,
            ping_timeout=PING_TIMEOUT,
            enabled_publish_codecs=[models.Codec(mime="audio/opus")],
        )

    def remove(self, identity: str) -> bool:
        """Puts the user out. False when nobody of that identity is in."""
        if self.guest is None or self.guest.me.identity != identity:
            return False
        self.guest.dismiss(models.PARTICIPANT_REMOVED)
        return True

    def end(self, cause: str, by: str, reason: models.DisconnectReason | None = models.ROOM_DELETED) -> None:
        """The room is over for everybody in it; where no reason is to be given, without a word."""
        if self.over.is_set():
            return
        self.over.set()
        self._look.cancel()
        self.when_over(self)
        if self.guest is not None:
            if reason is None:
                self.guest.cut()
            else:
                self.guest.dismiss(reason)
        if self.occupant is not None:
            self.occupant.room_over(cause, by)

    # --- what the agent says ------------------------------------------------------------

    def show(self, participant: Participant) -> None:
        """Tells the user what a participant is like now."""
        if self.guest is not None:
            update = rtc.ParticipantUpdate(participants=[participant.spell()])
            self.guest.say(rtc.SignalResponse(update=update))

    def send_data(self, packet: models.DataPacket) -> None:
        if self.guest is not None and self.agent is not None:
            packet.participant_sid = self.agent.sid
            packet.participant_identity = packet.participant_identity or self.agent.identity
            self.guest.send_data(packet)

    def pass_on(self, packet: models.DataPacket, *, reliable: bool) -> None:
        """Data for the user that nobody in the room has sent."""
        if self.guest is not None:
            self.guest.send_data(packet, reliable=reliable)

    def send_audio(self, track: str, payload: bytes, frame: int, *, first: bool = False) -> None:
        if self.guest is not None and self.guest.active:
            self.guest.send_audio(track, payload, frame, first=first)

    def show_speaking(self, participant: Participant, *, active: bool) -> None:
        if self.guest is not None:
            speaker = models.SpeakerInfo(sid=participant.sid, level=0.5 if active else 0.0, active=active)
            self.guest.say(rtc.SignalResponse(speakers_changed=rtc.SpeakersChanged(speakers=[speaker])))

    # --- what the guest says ------------------------------------------------------------

    def guest_active(self, guest: Guest) -> None:
        if guest is not self.guest:
            return
        guest.me.state = models.ParticipantInfo.ACTIVE
        self.show(guest.me)
        best = [
            rtc.ConnectionQualityInfo(participant_sid=one.sid, quality=models.EXCELLENT, score=5.0)
            for one in self.participants
        ]
        update = rtc.ConnectionQualityUpdate(updates=best)
        guest.say(rtc.SignalResponse(connection_quality=update))
        if self.occupant is not None:
            self.occupant.user_active()

    def guest_changed(self, guest: Guest) -> None:
        if guest is self.guest:
            self.show(guest.me)
            if self.occupant is not None:
                self.occupant.user_changed()

    def guest_heard(self, pcm: bytes, filled: int) -> None:
        if self.occupant is not None:
            self.occupant.heard(pcm, filled)

    def guest_sent(self, packet: models.DataPacket) -> None:
        self.user_packets += 1
        if packet.WhichOneof("value") == "rpc_request" and self.guest is not None:
            for answer in _refusals(packet.rpc_request):
                self.send_data(answer)

    def guest_gone(self, guest: Guest, reason: models.DisconnectReason) -> None:
        if guest is not self.guest:
            return
        self.guest = None
        self._empty_since = self._loop.time()
        guest.me.state = models.ParticipantInfo.DISCONNECTED
        if self.over.is_set():
            return
        self._look_again()
        if self.occupant is not None:
            self.occupant.user_left(reason)

    # --- time ------------------------------------------------------------

    def _look_around(self) -> None:
        if self.guest is not None and self.guest.dead:
            log.info("%s: nothing is heard of %s any more", self.name, self.guest.me.identity)
            self.guest.cut()
        if self._empty_since is not None:
            limit = self._away_limit if self.joins else self._empty_limit
            if self._loop.time() - self._empty_since > limit:
                why = (
                    f"did not come back within {limit:g} s"
                    if self.joins
                    else f"did not come within {limit:g} s"
                )
                self.end(f"the user {why}", "caller")
                return
        self._look_again()

    def _look_again(self) -> None:
        self._look.cancel()
        self._look = self._loop.call_later(self._next_look(), self._look_around)

    def _next_look(self) -> float:
        if self._empty_since is None:
            return LOOK
        limit = self._away_limit if self.joins else self._empty_limit
        return max(0.01, min(LOOK, self._empty_since + limit - self._loop.time() + 0.001))


def _refusals(request: models.RpcRequest) -> list[models.DataPacket]:
    """The agent has no methods: what LiveKit's SDKs answer for one that is not registered."""
    error = models.RpcError(code=1400, message="Method not supported at destination")
    return [
        models.DataPacket(rpc_ack=models.RpcAck(request_id=request.id)),
        models.DataPacket(rpc_response=models.RpcResponse(request_id=request.id, error=error)),
    ]
