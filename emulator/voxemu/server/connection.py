"""One connection of a client: which engine it has before and after it is a session, and its settling."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from voxemu.dialogue.doorkeeper import Doorkeeper
from voxemu.drive.clock import Clock
from voxemu.engine import Engine, Tap, Tapped
from voxemu.errors import Refused
from voxemu.events import Closed, ErrorReported, Event, LimitReached, Note, Opened
from voxemu.fault import Fault
from voxemu.provider import Admission, Asked, Codec, Message, Provider, TokenAwaited
from voxemu.server.labels import label_in
from voxemu.server.registry import Record

if TYPE_CHECKING:
    from voxemu.drive.pump import Pump

Outcome = Admission | TokenAwaited | tuple[Event, ...]

NOT_SET_UP = (
    ErrorReported("The session could not be set up; the server's log says why"),
    Closed(1011, "session setup failed", "provider"),
)


class Calls(Protocol):
    """What a connection asks of the calls of its server; see ``calls``."""

    def begin(self, provider: Provider, admission: Admission, clock: Clock, asked: Asked) -> Record: ...

    def began(self, record: Record, peer: str) -> None: ...

    def spoiled(self, provider: Provider, record: Record, struck: tuple[Fault, ...]) -> Engine: ...

    def codec(self, provider: Provider, settings: Any) -> Codec: ...

    def taps(self, provider: Provider, record: Record, asked: Asked, token: str | None) -> list[Tap]: ...

    def nobodys_settings(self, provider: Provider) -> Any: ...

    def asks(self, provider: Provider, label: str) -> None: ...

    def present(self, provider: Provider, token: str) -> Admission: ...

    def full(self) -> str | None: ...

    def seat(self, request: web.Request) -> None: ...

    def met(self, reached: LimitReached) -> None: ...

    def ended(self, record: Record, closed: Closed) -> None: ...

    def never_began(self, provider: Provider, closed: Closed, label: str) -> None: ...

    def follow(self, connection: Connection, record: Record) -> None: ...

    def settle(self, record: Record) -> None: ...

    def stands_still(self, record: Record, seconds: float) -> None: ...


class Connection:
    """``clock`` begins to run with it: it is made when the connection opens. ``request``: its upgrade."""

    def __init__(
        self,
        calls: Calls,
        provider: Provider,
        asked: Asked,
        clock: Clock,
        request: web.Request | None = None,
        struck: tuple[Fault, ...] = (),
    ) -> None:
        self._struck = struck
        self._calls = calls
        self._provider = provider
        self._asked = asked
        self._request = request
        self.clock = clock
        self._record: Record | None = None
        self.codec: Codec = calls.codec(provider, calls.nobodys_settings(provider))
        self.pump: Pump | None = None

    def engine(self, outcome: Outcome) -> Engine:
        match outcome:
            case Admission():
                try:
                    return self._session(outcome, None)
                except Refused:
                    return Rebuff(NOT_SET_UP)
            case TokenAwaited(seconds=seconds):
                # One codec reads throughout; whose settings it writes with is known with the token.
                self.codec = Respelled(self.codec)
                return Tapped(Doorkeeper(self._provider, seconds, self._begin), [self])
            case _:
                return Rebuff(outcome)

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        """While there is no session yet, its limits are the server's."""
        if isinstance(event, LimitReached) and self._record is None:
            self._calls.met(event)
        return ()

    def _begin(self, token: str, now: float) -> Engine:
        if self._calls.full() is not None:
            # Before the token is redeemed: it is good for another try.
            raise Refused("full", "every place for a session is taken")
        self._calls.asks(self._provider, label_in(self._asked))
        engine = self._session(self._calls.present(self._provider, token), token)
        assert self._request is not None
        self._calls.seat(self._request)
        return engine

    def _session(self, admission: Admission, token: str | None) -> Engine:
        record = self._calls.begin(self._provider, admission, self.clock, self._asked)
        peer = self._request.remote if self._request is not None else None
        self._calls.began(record, peer or "")
        return self.tapped(record, token)

    def tapped(self, record: Record, token: str | None) -> Engine:
        """The engine of this session, with what is to go wrong of it and everybody who watches it."""
        from voxemu.spoiler import SpoiledCodec

        self._record = record
        record.tell = self._tell
        plain = self._calls.codec(self._provider, record.effective.wire)
        codec = SpoiledCodec(plain, self._provider.media)
        if isinstance(self.codec, Respelled):
            self.codec.write_as(codec)
        else:
            self.codec = codec
        spoiler = self._calls.spoiled(self._provider, record, self._struck)
        taps = self._calls.taps(self._provider, record, self._asked, token)
        self._calls.follow(self, record)
        return Tapped(spoiler, taps)

    def _tell(self, event: Event) -> None:
        if self.pump is not None:
            self.pump.tell(event)

    def keep_up(self) -> None:
        """Lets what is recorded reach the disk."""
        if self._record is not None:
            self._calls.settle(self._record)

    def stands_still(self, seconds: float) -> None:
        """The clock waits for audio that does not come."""
        if self._record is not None:
            self._calls.stands_still(self._record, seconds)

    def over(self, closed: Closed) -> None:
        if self._record is None:
            self._calls.never_began(self._provider, closed, label_in(self._asked))
        else:
            self._record.tell = None
            self._calls.ended(self._record, closed)


class Rebuff:
    """The engine of a connection that is opened only to be told these events."""

    deadline: float | None = None

    def __init__(self, events: tuple[Event, ...]) -> None:
        self._events = list(events)

    def receive(self, event: Event, now: float) -> list[Event]:
        if not isinstance(event, Opened):
            return []
        events, self._events = self._events, []
        return events

    def advance(self, now: float) -> list[Event]:
        return []


class Respelled:
    """A codec that reads as it did, and writes as the one that it is told to write as: the same protocol with
    other settings. Its two are those codecs' own, as every frame goes through them."""

    def __init__(self, codec: Codec) -> None:
        self.decode: Callable[[Message], list[Event]] = codec.decode
        self.encode: Callable[[Event], list[Message]] = codec.encode

    def write_as(self, codec: Codec) -> None:
        self.encode = codec.encode
