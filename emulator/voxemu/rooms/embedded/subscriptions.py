"""Which of the agent's tracks a user gets, and in which media section.

With two connections the server offers: every track has a section from the start. With one, the client offers
sections to receive on, and a track waits until there is one for it. A track that is given up and taken again
gets a new section: clients end what sounded in the old one for good.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from voxemu.errors import RemoteProtocolError
from voxemu.rooms.embedded import sdp
from voxemu.rooms.embedded.rtp import Outgoing

OPUS = 111
DATA_MID = "0"
MOST = 200
# Sections that may have been given up: every offer names them all.


@dataclass(slots=True)
class Subscription:
    sid: str
    msid: str
    wanted: bool
    mid: str = ""
    # "" while there is no section for it.
    stream: Outgoing | None = None
    paused: bool = False
    # Asked for by the client; the subscription stays.

    @property
    def flowing(self) -> Outgoing | None:
        """The stream to send on; None when nothing is to be sent."""
        return None if self.paused else self.stream

    def place(self, mid: str, payload_type: int) -> None:
        self.mid, self.stream = mid, Outgoing(payload_type)

    def line(self) -> sdp.Line:
        assert self.stream is not None
        track = sdp.Sending(self.msid, self.stream.ssrc)
        return sdp.Line("audio", self.mid, "sendonly", str(self.stream.payload_type), track=track)


class Subscriptions:
    def __init__(self, participant: str, tracks: list[str], *, wanted: bool) -> None:
        """``participant``: the agent's sid; ``tracks``: sids, in the order they are to be heard of."""
        self._all = {sid: Subscription(sid, f"{participant}|{sid} {sid}", wanted) for sid in tracks}
        self._sections: list[str] = []
        # Mids that were ever offered by us, in order.
        self._retired: set[str] = set()

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._all.values())

    def flowing(self, sid: str) -> Outgoing | None:
        subscription = self._all.get(sid)
        return subscription.flowing if subscription else None

    def want(self, sids: list[str], wanted: bool) -> bool:
        """Says whether anything changed, so that descriptions must be exchanged anew.

        Raises RemoteProtocolError for whoever does nothing else.
        """
        changed = [one for one in self if one.sid in sids and one.wanted != wanted]
        for subscription in changed:
            subscription.wanted = wanted
            if subscription.mid:
                self._retired.add(subscription.mid)
            subscription.mid, subscription.stream = "", None
        if len(self._retired) > MOST:
            raise RemoteProtocolError(f"tracks were given up and taken again more than {MOST} times")
        return bool(changed)

    def pause(self, sids: list[str], paused: bool) -> None:
        for sid in sids:
            if sid in self._all:
                self._all[sid].paused = paused

    @property
    def mids(self) -> dict[str, str]:
        """mid: track sid, for what is sent."""
        return {one.mid: one.sid for one in self if one.mid}

    @property
    def missing(self) -> int:
        """Sections that are wanting."""
        return sum(1 for one in self if one.wanted and not one.mid)

    # --- two connections: we offer ------------------------------------------------------------

    def offered(self) -> list[sdp.Line]:
        for subscription in self:
            if subscription.wanted and not subscription.mid:
                self._sections.append(str(len(self._sections) + 1))
                subscription.place(self._sections[-1], OPUS)
        lines = {one.mid: one.line() for one in self if one.mid}
        idle = (sdp.Line("audio", mid) for mid in self._sections)
        return [sdp.Line("application", DATA_MID), *(lines.get(line.mid, line) for line in idle)]

    # --- one connection: they offer ------------------------------------------------------------

    def answer(self, section: sdp.Section) -> sdp.Line | None:
        """Our side of a section that the client wants to receive on; None when there is nothing for it."""
        found = next((one for one in self if one.mid == section.mid), None)
        if found is not None:
            return found.line()
        free = section.direction in sdp.RECEIVES and section.mid not in self._retired
        waiting = next((one for one in self if one.wanted and not one.mid), None)
        if not free or section.opus is None or waiting is None:
            return None
        waiting.place(section.mid, section.opus)
        return waiting.line()
