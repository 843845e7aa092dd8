"""The port that both kinds of rooms are reached through.

A room with an agent in it is a socket: the pump that drives a ``Session`` over a websocket drives it over a
``RoomSocket`` too. Its messages are those of the codec of ``lyzr-livekit`` (wire/lyzr_livekit.py):

down, from the session to the room
    ``bytes``: agent audio, PCM16 mono at 48 kHz, normally 20 ms (960 samples), sent when it is due
    ``{"type": "state", "state": "listening" | "thinking" | "speaking"}``
    ``{"type": "segment", "id": "SG_…", "speaker": "user" | "agent", "text": …, "final": bool}``
    ``{"type": "flush"}``: agent audio that the room still queues must not sound
    ``{"type": "end", "cause": "agent_left" | "closed" | "shutdown"}``: the agent leaves, the room closes
    ``{"type": "data", "topic": …, "text": …}``: a data packet of this topic; nobody's app knows it (a fault)
    A state or a segment with ``"emu_extra"`` has an attribute of that name that no page names (a fault).
up, from the room to the session
    ``bytes``: the user's microphone, PCM16 mono at 48 kHz, in chunks of any length

How a room shows them to its participants is ``agent_face``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from voxemu.events import Closed, Ponged
from voxemu.provider import Message

RATE = 48_000
FRAME_SAMPLES = 960
TOKEN_LIFE = 600.0
# Seconds that a user's token is good for.
OVER = -3600.0
# The life of a token that has expired, for whoever allows for clocks that differ too.
LAST_WORD = 0.1
# Seconds after which a room that is over takes it as an error to be sent to. How it ended is told by
# ``receive()``: whoever sends must not be the first to say that it broke.
VOICE_TRACK = "roomio_audio"
BACKGROUND_TRACK = "background_audio"
STATE_ATTRIBUTE = "lk.agent.state"
TRANSCRIPTION_TOPIC = "lk.transcription"

Background = Literal["off", "ambience", "thinking", "ambience+thinking"]
State = Literal["initializing", "listening", "thinking", "speaking"]


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """One room that is wanted: its name, whom it is for, what the agent brings."""

    room: str
    user: str
    # The identity in the user's token.
    agent: str
    # The agent's own identity, ``agent-…``.
    background: Background = "off"
    # Off publishes no track of that name; anything else publishes it before the voice.
    join_wait: float = 60.0
    # Seconds that the user may take to join.
    rejoin_wait: float = 10.0
    # Seconds that the user may be away, for whatever reason, before the room is over.


@dataclass(frozen=True, slots=True)
class RoomStats:
    """Counters of one room; sample counts at 48 kHz."""

    agent_samples: int = 0
    # Given to the voice track.
    flushed_samples: int = 0
    # Taken back from it before they sounded.
    user_samples: int = 0
    # Handed to the session, filled ones included.
    filled_samples: int = 0
    # Silence put where the user's track sent nothing (Opus DTX, a muted microphone).
    joins: int = 0
    # Times that the user came in.
    unheard: tuple[str, ...] = ()
    # Tracks of the agent's that the user who is there does not take.


class RoomSocket(Protocol):
    """A room as the pump sees it (the five methods of ``drive.websocket.Socket``), and a little more."""

    @property
    def plan(self) -> RoomPlan: ...

    @property
    def stats(self) -> RoomStats: ...

    async def joined(self) -> bool:
        """Waits for the user: True once they are in the room and hear the voice track (or were in it for
        two seconds), or have been there and are gone; False when ``join_wait`` passed or the room was over
        before they came. The pump runs after this."""
        ...

    async def receive(self) -> Message | Ponged | Closed:
        """The user's next audio, or how the room ended; after Closed there is nothing more.

        Closed(1000, …, "caller"): the user left and did not come back within ``rejoin_wait``.
        Closed(1000, …, "provider"): the room was ended on this side, by ``end_room`` for one.
        Closed(1006, …, "line"): the room broke: the server died, the agent was lost, the user's
        connection was lost for good. The reason is a sentence.
        """
        ...

    async def send(self, message: Message) -> None:
        """Returns when the room has taken it. Raises ConnectionError when the room is over."""
        ...

    async def ping(self) -> None:
        """Rooms have a keep-alive of their own: does nothing while the room lives."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """The agent leaves and the room is deleted: no room, participant or token outlives its session."""
        ...

    def abort(self) -> None:
        """Drops the room without a word; whoever waits for it is released."""
        ...


class RoomBackend(Protocol):
    """Where rooms are."""

    async def start(self) -> None:
        """Raises ConnectionLost when no rooms can be had here; what was begun is undone."""
        ...

    async def open_room(self, plan: RoomPlan) -> RoomSocket:
        """A new room with the agent in it, its tracks published, in state ``initializing``. (On a server
        the voice follows a background when the user comes, so that the background is first for everybody.)

        Raises ConnectionLost when the agent cannot be brought into it; then there is no room either.
        """
        ...

    async def end_room(self, room: str) -> bool:
        """Closes a room for everybody in it; its socket reads Closed. False when there is no such room."""
        ...

    def mint(self, identity: str, room: str, life: float = TOKEN_LIFE) -> str:
        """A user's token: HS256, good for ``life`` seconds, never if negative; to join this room, publish,
        subscribe, send data."""
        ...

    def url_for(self, base: str) -> str:
        """The livekitUrl for a client that reached us at ``base`` (http://host:port); ws:// or wss://."""
        ...

    def describe(self) -> dict[str, Any]:
        """For the banner and /health: ``backend`` (embedded, server), ``url``, number of ``rooms``."""
        ...

    async def close(self) -> None:
        """Ends every room and leaves nothing behind."""
        ...
