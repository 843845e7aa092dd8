"""A client's peer connections, one or two, and the descriptions that go to and fro about them.

A client on ``/rtc`` has two: it offers the one it publishes on, we offer the one with the agent's tracks. A
client on ``/rtc/v1`` has one and always offers, with sections to receive on when it is asked for them.
"""

from __future__ import annotations

from livekit.protocol import rtc

from voxemu.rooms.embedded import sdp
from voxemu.rooms.embedded.media_line import Ear, MediaLine
from voxemu.rooms.embedded.publications import Publications
from voxemu.rooms.embedded.stage import Stage
from voxemu.rooms.embedded.subscriptions import Subscriptions

# Our part in DTLS for each part that the client takes: (DTLS's word, SDP's word).
PARTS = {"actpass": ("server", "passive"), "active": ("server", "passive"), "passive": ("client", "active")}


class Connections:
    def __init__(
        self,
        stage: Stage,
        ear: Ear,
        who: str,
        publications: Publications,
        subscriptions: Subscriptions,
        *,
        single: bool,
    ) -> None:
        self._publications = publications
        self._subscriptions = subscriptions
        self._publisher = stage.new_line(ear, f"{who} up")
        self._subscriber = None if single else stage.new_line(ear, f"{who} down")
        self._scribes = {line: stage.scribe(line.ice) for line in self.lines}
        self._offers = 0
        if self._subscriber is not None:
            self._subscriber.open_channels()

    @property
    def lines(self) -> list[MediaLine]:
        return [line for line in (self._publisher, self._subscriber) if line is not None]

    @property
    def primary(self) -> MediaLine:
        """The one that carries what goes to the client."""
        return self._subscriber or self._publisher

    def renew(self) -> rtc.SignalResponse:
        """What to say when the subscriptions are others than before: our offer, or that we want theirs."""
        if self._subscriber is None:
            wanted = rtc.MediaSectionsRequirement(num_audios=self._subscriptions.missing)
            return rtc.SignalResponse(media_sections_requirement=wanted)
        self._offers += 1
        text = self._scribes[self._subscriber].write(self._subscriptions.offered(), setup="actpass")
        mids = self._subscriptions.mids
        offer = rtc.SessionDescription(type="offer", sdp=text, id=self._offers, mid_to_track_id=mids)
        return rtc.SignalResponse(offer=offer)

    def answered(self, answer: rtc.SessionDescription) -> None:
        """The client's answer to our offer; one to an offer that has been overtaken is passed over.

        Raises RemoteProtocolError.
        """
        if self._subscriber is not None and answer.id in (0, self._offers):
            theirs = sdp.read(answer.sdp)
            we_are, _ = PARTS.get(theirs.setup, PARTS["active"])
            self._subscriber.start(theirs, we_are=we_are)

    def answer(self, offer: rtc.SessionDescription) -> tuple[rtc.SignalResponse, bool]:
        """Our answer to the client's offer, and whether a track of theirs came or went.

        Raises RemoteProtocolError.
        """
        theirs = sdp.read(offer.sdp)
        changed = self._publications.settle(theirs)
        we_are, setup = PARTS.get(theirs.setup, PARTS["actpass"])
        lines = [self._answer_section(section) for section in theirs.sections]
        text = self._scribes[self._publisher].write(lines, setup=setup)
        mids = self._subscriptions.mids if self._subscriber is None else {}
        answer = rtc.SessionDescription(type="answer", sdp=text, id=offer.id, mid_to_track_id=mids)
        self._publisher.start(theirs, we_are=we_are)
        return rtc.SignalResponse(answer=answer), changed

    def _answer_section(self, section: sdp.Section) -> sdp.Line:
        if section.kind == "application":
            return sdp.Line("application", section.mid)
        if section.kind == "audio" and section.opus is not None:
            if section.direction in sdp.SENDS:
                return sdp.Line("audio", section.mid, "recvonly", str(section.opus))
            if self._subscriber is None and (line := self._subscriptions.answer(section)) is not None:
                return line
            return sdp.Line("audio", section.mid, "inactive", str(section.opus))
        return sdp.Line(section.kind, section.mid, "inactive", section.format, section.rtpmap)

    @property
    def wanting(self) -> bool:
        """Whether the client must offer more sections."""
        return self._subscriber is None and self._subscriptions.missing > 0
