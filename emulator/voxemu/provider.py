"""The contract of a provider: its codec, its handshake, and the desk that issues and redeems tickets.

A protocol is one file in ``wire/``: a ``Provider`` whose codec spells the vocabulary of ``events`` and whose
handshake is a handful of pure functions, for both roles. The shells carry their answers over HTTP.
"""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar
from urllib.parse import urlsplit, urlunsplit

from voxemu.audio import AudioFormat, Scale
from voxemu.errors import Refused, UsageError
from voxemu.events import Downlink, Event, SettingSent, Uplink
from voxemu.roombook import RoomBook

if TYPE_CHECKING:
    from random import Random

Message = str | bytes
"""One websocket message: str is a text frame, bytes a binary one."""

S = TypeVar("S")

ROOM_SETTINGS = frozenset({"user_identity", "agent_config", "room_name"})
# Of a start request, and no session settings that could be sent on a socket.


class Role(Enum):
    """Which end of the wire a codec stands at."""

    PROVIDER = "provider"
    CALLER = "caller"


class Codec(Protocol):
    """Spells events as messages and reads messages as events, for one role and one connection.

    PROVIDER encodes ``Downlink`` and decodes ``Uplink``; CALLER the other way round. An event that the
    protocol has no word for encodes to []. ``encode`` raises LocalProtocolError for an event of the wrong
    direction or content (odd bytes, empty audio); ``decode`` never raises for what a peer sent: it answers
    ``Unrecognised``.
    """

    def encode(self, event: Event) -> list[Message]: ...

    def decode(self, message: Message) -> list[Event]: ...


# --- the provider's side of the handshake ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path. What it takes and answers is for the OpenAPI description alone."""

    method: str
    path: str
    summary: str = field(default="", compare=False)
    key: Literal["", "bearer", "x-api-key"] = field(default="", compare=False)
    # Where a key is shown.
    body: Mapping[str, Any] | None = field(default=None, compare=False)
    # JSON Schema of the request's body.
    query: tuple[str, ...] = field(default=(), compare=False)
    # Parameters that may be given, texts all of them.
    answers: Mapping[int, Mapping[str, Any] | None] = field(default_factory=dict, compare=False)
    # For each status the JSON Schema of the body, None where there is none; {"error": …} need not be said.


@dataclass(frozen=True, slots=True)
class Asked:
    """An HTTP request, or the request of an upgrade, as a provider reads it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    # Names in lower case.
    body: bytes
    base: str
    # How the client reached us: scheme and host, no trailing slash; or the configured public URL.
    peer: str = ""
    # The client's address, where requests are counted per client.

    @property
    def socket_base(self) -> str:
        return "ws" + self.base.removeprefix("http")


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    body: Any = None
    # Anything JSON can say; None is no body.
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Key:
    """A key that was let in: who it belongs to and what is set for it."""

    label: str = ""
    agent: str | None = None
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Admission:
    """Leave to hold one session: the outcome of a handshake."""

    provider: str
    session_id: str
    agent: str
    # As asked for, when it names one of ours; else the key's or the server's default.
    key: Key
    facts: Mapping[str, Any] = field(default_factory=dict)
    # What the start request said, no secrets: agentId, userId …


@dataclass(frozen=True, slots=True)
class RoomOrder:
    """Leave to hold one session in a room that the shell opens; see ``RoomProvider``."""

    admission: Admission
    room: str
    user: str
    # The user's identity.
    agent: str
    # The identity of the agent's participant.
    config: Mapping[str, Any]
    # The session's effective configuration, no secrets.
    background: str = "off"
    # As in rooms.port.Background.
    greeting: str = ""
    # What the agent says first; "" where the user begins.
    replaces: tuple[str, ...] = ()
    # Rooms whose sessions make way for this one: they are to be ended first.
    join_wait: float = 60.0
    rejoin_wait: float = 10.0
    # As in rooms.port.RoomPlan.
    settings: Any = None
    # This session's own, where they are others than its agent's and its key's.


@dataclass(frozen=True, slots=True)
class RoomEnding:
    """The shell ends the session in this room, if it is still open, and then answers."""

    room: str
    answered: Answered


@dataclass(frozen=True, slots=True)
class TokenAwaited:
    """The socket may open, and its first message must be a token within this time."""

    seconds: float


class KeyRing:
    """Which keys pass. Compared in constant time; never printed."""

    def __init__(self, keys: Mapping[str, Key], *, closed: bool) -> None:
        self._keys = {value.strip(): key for value, key in keys.items()}
        self._closed = closed

    def __str__(self) -> str:
        return f"{len(self._keys)} configured" if self._closed else "any"

    def check(self, value: str | None) -> Key:
        """The key's facts. Raises Refused: missing_key, bad_key, disabled_key."""
        value = (value or "").strip()
        if not value:
            raise Refused("missing_key", "no API key was sent")
        found = None
        for known, key in self._keys.items():
            if hmac.compare_digest(known.encode(), value.encode("utf-8", "surrogatepass")):
                found = key
        if found is None and self._closed:
            raise Refused("bad_key", "this API key is not one of the configured ones")
        if found is not None and found.disabled:
            raise Refused("disabled_key", "this API key is disabled")
        return found or Key()


@dataclass(slots=True)
class Ticket:
    admission: Admission
    expires: float
    used: bool = False


class Desk:
    """Issues tickets for sessions and redeems them once, within their life.

    Secrets and ids are given (``new_secret``, ``new_id``), time is an argument, so the desk is as pure as
    the engines. ``settings`` answers a provider's effective settings for an agent and a key;
    ``resolve_agent`` maps an asked-for agent id to the agent that serves it, or raises Refused.
    """

    def __init__(
        self,
        keys: KeyRing,
        *,
        new_secret: Callable[[], str],
        new_id: Callable[[], str],
        resolve_agent: Callable[[str, str | None, Key], str],
        settings: Callable[[type[Any], str, Key], Any],
        mint: Callable[[Mapping[str, Any]], str] | None = None,
        names_agent: Callable[[str], bool] | None = None,
        capacity: int = 1000,
    ) -> None:
        self.keys = keys
        self.new_id = new_id
        self.rooms = RoomBook(capacity)
        self._names_agent = names_agent
        self._new_secret = new_secret
        self._resolve_agent = resolve_agent
        self._settings = settings
        self._mint = mint
        self._capacity = capacity
        self._tickets: dict[str, Ticket] = {}

    def agent(self, provider: str, asked: str | None, key: Key) -> str:
        """The agent that serves this request. Raises Refused: unknown_agent."""
        return self._resolve_agent(provider, asked, key)

    def names_agent(self, name: str) -> bool:
        """Whether this is the name of an agent of ours; where nobody can tell, any name may be."""
        return self._names_agent is None or self._names_agent(name)

    def settings(self, kind: type[S], agent: str, key: Key) -> S:
        found = self._settings(kind, agent, key)
        assert isinstance(found, kind)
        return found

    def issue(
        self, admission: Admission, *, life: float, now: float, claims: Mapping[str, Any] | None = None
    ) -> str:
        """A new single-use secret, good for ``life`` seconds; as a JWT when ``claims`` are given.

        Raises Refused ("full") when too many are unused.
        """
        self._forget(now)
        waiting = sum(1 for ticket in self._tickets.values() if not ticket.used and now < ticket.expires)
        if waiting >= self._capacity:
            raise Refused("full", f"{self._capacity} sessions were started and never connected")
        secret = self._new_secret()
        if claims is not None and self._mint is not None:
            secret = self._mint({"jti": secret, **claims})
        self._tickets[secret] = Ticket(admission, now + life)
        return secret

    def redeem(self, secret: str, *, now: float, session_id: str | None = None) -> Admission:
        """The admission behind a secret, once. Raises Refused: unknown, used, expired.

        A refusal for a ticket that was once good names its session, for the finding. With ``session_id``
        the secret is good for that session alone; shown with another one it is unknown, and not used up.
        """
        ticket = self._tickets.get(secret)
        if ticket is None or session_id not in (None, ticket.admission.session_id):
            raise Refused("unknown", "no session was started with this")
        session_id = ticket.admission.session_id
        if ticket.used:
            raise Refused("used", "this was used already; start a new session", session_id=session_id)
        if now >= ticket.expires:
            raise Refused("expired", "this has expired; start a new session", session_id=session_id)
        ticket.used = True
        # Kept for a while, so that a second use can be told from a forgery.
        ticket.expires = now + 3600.0
        return ticket.admission

    def _forget(self, now: float) -> None:
        # An expired one is kept an hour too: "expired" helps more than "unknown".
        old = [secret for secret, ticket in self._tickets.items() if now >= ticket.expires + 3600.0]
        for secret in old + list(self._tickets)[: max(0, len(self._tickets) - 4 * self._capacity)]:
            self._tickets.pop(secret, None)


# --- the caller's side of the handshake -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What the caller wants: where, with which key, which agent, and the session settings it will send."""

    url: str
    # The server's base (http://127.0.0.1:8090) or the provider's start URL.
    key: str = ""
    agent: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    # prompt, voice, language, max_context_messages …, in the order they are to be sent.
    rate: int | None = None
    # Of the microphone audio that will be sent; None is the provider's own.


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: Any
    # Parsed JSON, or the text when it was none.


@dataclass(frozen=True, slots=True)
class Target:
    """Where the socket is to be opened, and what is to be said first."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    opening: tuple[Event, ...] = ()
    session_id: str = ""
    token: str = field(default="", repr=False)
    room: str = ""
    # Both only where ``url`` leads to a room.


# --- the provider ------------------------------------------------------------------------------------------


class Provider(ABC):
    """One vendor's protocol. Stateless: one instance serves every call, at both ends."""

    id: ClassVar[str]
    title: ClassVar[str]
    page: ClassVar[str]
    # The vendor's page that is the specification, by name.
    media: ClassVar[Literal["websocket", "room"]] = "websocket"
    # What carries a call; those of rooms are ``RoomProvider``.
    format: ClassVar[AudioFormat]
    frame_samples: ClassVar[int]
    # Of one agent audio message, by default.
    pads: ClassVar[bool]
    # True where every frame has full size: the last of a reply is padded with zeros.
    flushes: ClassVar[bool]
    # True where the wire tells the caller to drop audio that it has not played.
    scale: ClassVar[Scale] = Scale.DIVIDE
    # How the page's own code turns float samples into integers and back.
    declares_rate: ClassVar[bool] = False
    # True where every message of user audio says its sample rate.
    spells: ClassVar[frozenset[type[Event]]]
    # Every event that the codec has words for.
    start: ClassVar[Route]
    routes: ClassVar[tuple[Route, ...]]
    # HTTP routes, the start among them where it is one.
    prefix: ClassVar[str] = ""
    # ``answer`` takes every request below it, also those that match no route; "" takes routes only.
    socket_path: ClassVar[str]
    # "" where calls are held in rooms.
    settings_type: ClassVar[type[Any]]
    dialogue_defaults: ClassVar[Mapping[str, Any]] = {}
    # Where the protocol file gives other figures than the dialogue's own defaults.
    close_codes: ClassVar[Mapping[str, int]]
    # For each cause of SessionEnded, and "limit" and "bad_messages".
    start_settings: ClassVar[frozenset[str]] = frozenset()
    # What of ``CallPlan.settings`` the start request has words for, beside what ``SettingSent`` spells.
    ready: ClassVar[type[Event] | None] = None
    # The event after which the caller may send audio; None: at once.
    hosts: ClassVar[tuple[str, ...]] = ()
    # The vendor's own, by the page: good on a TLS listener, for clients whose address cannot be changed.
    asks_for_key: ClassVar[bool] = True
    # False where the page has no authentication: anybody who reaches the server may start a session.
    unverified: ClassVar[str] = "documented, not verified live"

    @abstractmethod
    def codec(self, role: Role, settings: Any, rng: Random) -> Codec: ...

    # provider's side

    @abstractmethod
    def answer(self, asked: Asked, desk: Desk, now: float) -> Answered:
        """Answers one of ``routes``."""

    @abstractmethod
    def admit(
        self, asked: Asked, desk: Desk, now: float
    ) -> Admission | Answered | TokenAwaited | tuple[Event, ...]:
        """Judges an upgrade: let in, refused over HTTP, let in until the token comes, or upgraded only to
        be told these events."""

    def present(self, token: str, desk: Desk, now: float) -> Admission:
        """Redeems a token presented in band. Raises Refused."""
        raise Refused("unknown", f"{self.id} takes no token on the socket")

    def refusal(self, why: str) -> tuple[Event, ...]:
        """What is said on an open socket before it is closed, for a refusal in band."""
        return ()

    # caller's side

    @abstractmethod
    def ask(self, plan: CallPlan) -> Request | None:
        """The HTTP request that starts a session; None where the upgrade itself does."""

    @abstractmethod
    def reach(self, plan: CallPlan, response: Response | None) -> Target:
        """Where to connect. Raises Refused, or RemoteProtocolError for an answer off the page."""

    def closing(self) -> tuple[Event, ...]:
        """What a well-behaved caller says before it hangs up."""
        return ()

    def ending(self, plan: CallPlan, target: Target) -> Request | None:
        """The HTTP request that ends a session; None where hanging up is enough."""
        return None

    # for people

    @abstractmethod
    def start_url(self, base: str) -> str: ...

    @abstractmethod
    def exports(self, base: str) -> Mapping[str, str]:
        """Environment variables that an app would be given to use this provider here."""


class RoomProvider(Provider):
    """A protocol whose calls are held in rooms. Its HTTP side asks for rooms; the shell has them."""

    media = "room"
    socket_path = ""

    @abstractmethod
    def order(self, asked: Asked, desk: Desk, now: float) -> Answered | RoomOrder | RoomEnding:
        """Judges a request for one of ``routes``. The shell opens the room of a RoomOrder and answers what
        ``opened`` makes of it, or ``unopened`` when no agent could be brought into it."""

    @abstractmethod
    def opened(self, order: RoomOrder, *, token: str, url: str) -> Answered: ...

    @abstractmethod
    def unopened(self, order: RoomOrder, desk: Desk, now: float, hint: str = "") -> Answered: ...

    def answer(self, asked: Asked, desk: Desk, now: float) -> Answered:
        """For a shell without rooms: whatever wants one is answered as if it could not be opened."""
        judged = self.order(asked, desk, now)
        match judged:
            case Answered():
                return judged
            case RoomEnding(room=room, answered=answered):
                desk.rooms.leave(room, now)
                return answered
        return self.unopened(judged, desk, now, "this server was started without rooms")

    def admit(self, asked: Asked, desk: Desk, now: float) -> Answered:
        return Answered(404, {"error": "Not found", "path": asked.path})


def unspoken(provider: Provider, settings: Iterable[str]) -> list[str]:
    """Those of a call's settings, by name, that this provider has no words for."""
    if SettingSent in provider.spells:
        return [name for name in settings if name in ROOM_SETTINGS]
    return [name for name in settings if name not in provider.start_settings]


def at_path(url: str, path: str, *, socket: bool = False) -> str:
    """``url`` with ``path`` when it is a bare base, as it is when it names a path; ws(s) when ``socket``."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.netloc:
        raise UsageError(f"{url!r} is no URL of a server; give one like http://127.0.0.1:8090")
    secure = parts.scheme in ("https", "wss")
    scheme = ("wss" if secure else "ws") if socket else ("https" if secure else "http")
    where = parts.path if parts.path.strip("/") else path
    return urlunsplit((scheme, parts.netloc, where, parts.query, ""))


def spelled(event: Event, provider: Provider) -> bool:
    """Whether this event is a message on this provider's wire."""
    return isinstance(event, Uplink | Downlink) and type(event) in provider.spells
