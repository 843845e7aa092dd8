"""The engine in front of a session whose token comes on the socket."""

from __future__ import annotations

from collections.abc import Callable

from voxemu.engine import Engine
from voxemu.errors import Refused
from voxemu.events import Closed, EndAsked, Event, LimitReached, Line, Opened, TokenPresented, Unrecognised
from voxemu.provider import Provider


class Doorkeeper:
    """Waits ``patience`` seconds for a token, then is whatever engine ``begin(token, now)`` answers.

    ``begin`` raises Refused for a token that is not good. See workbuddy's protocol notes for the codes.
    """

    def __init__(self, provider: Provider, patience: float, begin: Callable[[str, float], Engine]) -> None:
        self._provider = provider
        self._patience = patience
        self._begin = begin
        self._engine: Engine | None = None
        self._late_at: float | None = None
        self._over = False

    @property
    def deadline(self) -> float | None:
        return self._engine.deadline if self._engine is not None else self._late_at

    def receive(self, event: Event, now: float) -> list[Event]:
        if self._engine is not None:
            return self._engine.receive(event, now)
        said = self.advance(now)
        return said if self._over else said + self._judge(event, now)

    def advance(self, now: float) -> list[Event]:
        if self._engine is not None:
            return self._engine.advance(now)
        if self._late_at is None or now < self._late_at:
            return []
        return [LimitReached("first_message", self._patience), *self._turn_away("timeout")]

    def _judge(self, event: Event, now: float) -> list[Event]:
        match event:
            case Opened():
                self._late_at = now + self._patience
                return []
            case TokenPresented(token=token):
                return self._let_in(token, now)
            case Closed():
                self._over, self._late_at = True, None
                return []
            case EndAsked() as asked:
                self._over, self._late_at = True, None
                code = self._provider.close_codes[asked.cause]
                return [Closed(code, asked.reason, "provider")]
            case Line() if not isinstance(event, Unrecognised):
                return []
        return self._turn_away("invalid")

    def _let_in(self, token: str, now: float) -> list[Event]:
        try:
            self._engine = self._begin(token, now)
        except Refused as refused:
            return self._turn_away(refused.why)
        self._late_at = None
        return self._engine.receive(Opened(), now)

    def _turn_away(self, why: str) -> list[Event]:
        self._over, self._late_at = True, None
        return list(self._provider.refusal(why))
