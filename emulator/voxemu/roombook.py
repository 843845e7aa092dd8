"""Which sessions are and were in which rooms, and who started how many: the memory of a room protocol."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass

MEMORY = 3600.0
# Seconds that an ended session is remembered, so that ending it again is no error.
CLIENTS = 10_000
# Whose starts are counted at once; the one who was quiet longest is forgotten first.


@dataclass(slots=True)
class _Entry:
    session_id: str
    room: str
    ended: float | None = None


class RoomBook:
    """Pure, as the desk is: time is an argument. Bounded: ``capacity`` ended sessions are remembered."""

    def __init__(self, capacity: int = 1000) -> None:
        self._capacity = capacity
        self._sessions: OrderedDict[str, _Entry] = OrderedDict()
        self._rooms: dict[str, _Entry] = {}
        self._starts: OrderedDict[str, deque[float]] = OrderedDict()

    def enter(self, session_id: str, room: str, now: float) -> tuple[str, ...]:
        """A session begins in a room. Another one open there, or under that id, is over with this: answers
        the rooms to be ended before this one is opened."""
        self._forget(now)
        in_the_way = []
        for entry in (self._rooms.get(room), self._sessions.get(session_id)):
            if entry is not None and entry.ended is None:
                entry.ended = now
                in_the_way.append(entry.room)
        self._sessions.pop(session_id, None)
        self._sessions[session_id] = self._rooms[room] = _Entry(session_id, room)
        return tuple(in_the_way)

    def leave(self, room: str, now: float) -> None:
        """The session in this room is over; said twice is said once."""
        entry = self._rooms.get(room)
        if entry is not None and entry.ended is None:
            entry.ended = now

    def forget(self, session_id: str) -> None:
        """As if it had never begun."""
        if session_id in self._sessions:
            self._drop(self._sessions[session_id])

    def knows_room(self, room: str, now: float) -> bool:
        self._forget(now)
        return room in self._rooms

    def room_of(self, session_id: str, now: float) -> str | None:
        """The room of a session that is open or was lately."""
        self._forget(now)
        entry = self._sessions.get(session_id)
        return entry.room if entry is not None else None

    def is_open(self, session_id: str) -> bool:
        entry = self._sessions.get(session_id)
        return entry is not None and entry.ended is None

    def _forget(self, now: float) -> None:
        entries = {id(entry): entry for entry in (*self._sessions.values(), *self._rooms.values())}
        ended = sorted(
            (entry for entry in entries.values() if entry.ended is not None),
            key=lambda entry: entry.ended or 0.0,
        )
        surplus = len(ended) - self._capacity
        for at, entry in enumerate(ended):
            if at < surplus or now >= (entry.ended or 0.0) + MEMORY:
                self._drop(entry)

    def _drop(self, entry: _Entry) -> None:
        if self._sessions.get(entry.session_id) is entry:
            del self._sessions[entry.session_id]
        if self._rooms.get(entry.room) is entry:
            del self._rooms[entry.room]

    # --- starts a minute ------------------------------------------------------------

    def wait_to_start(self, client: str, most: int, now: float) -> float | None:
        """Counts a start of this client. Seconds to wait when it already had ``most`` in a minute."""
        starts = self._starts.setdefault(client, deque())
        self._starts.move_to_end(client)
        if len(self._starts) > CLIENTS:
            self._starts.popitem(last=False)
        while starts and now >= starts[0] + 60.0:
            starts.popleft()
        if len(starts) >= most:
            return starts[0] + 60.0 - now
        starts.append(now)
        return None
