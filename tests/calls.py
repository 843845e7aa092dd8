"""Writing a call as a call: a session driven in virtual time, one line of a test a moment of the call."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace
from typing import Any, TypeVar

from voxemu.agent import Agent
from voxemu.agents import make_agent
from voxemu.audio import AudioFormat
from voxemu.dialogue.session import Session
from voxemu.dialogue.settings import DialogueSettings
from voxemu.engine import Engine
from voxemu.events import AgentAudioSent, Closed, Event, Opened, UserAudioSent
from voxemu.provider import Provider
from voxemu.wire import PROVIDERS

E = TypeVar("E", bound=Event)

LOUD = 8000
# Amplitude of test speech: 0.17 RMS of full scale.


def speech(format: AudioFormat, seconds: float, hertz: float = 180.0) -> bytes:
    """Speech-like sound: a fundamental and two partials, steady and loud. PCM16."""
    count = format.samples(seconds)
    turn = 2 * math.pi * hertz / format.rate
    partials = ((1, 0.6), (2, 0.3), (5, 0.1))
    return array(
        "h",
        (round(LOUD * sum(level * math.sin(turn * k * n) for k, level in partials)) for n in range(count)),
    ).tobytes()


class Timed:
    """An engine run in virtual time: every deadline is met at its own time, and all that is said is kept."""

    def __init__(self, engine: Engine, now: float = 1000.0) -> None:
        self.engine = engine
        self.opened = now
        self.now = now
        self.said: list[tuple[float, Event]] = []

    def take(self, event: Event) -> None:
        self._keep(self.engine.receive(event, self.now))

    def wait(self, seconds: float) -> None:
        self.until(self.now + seconds)

    def until(self, end: float) -> None:
        while (due := self.engine.deadline) is not None and due <= end:
            self.now = max(self.now, due)
            self._keep(self.engine.advance(self.now))
        self.now = end

    def _keep(self, events: list[Event]) -> None:
        self.said += [(self.now, event) for event in events]

    def all(self, kind: type[E]) -> list[E]:
        return [event for _, event in self.said if isinstance(event, kind)]

    def only(self, kind: type[E]) -> E:
        found = self.all(kind)
        assert len(found) == 1, f"expected one {kind.__name__}, got {found}"
        return found[0]

    def when(self, kind: type[Event], nth: int = 0) -> float:
        """Seconds since the call opened."""
        return [at - self.opened for at, event in self.said if isinstance(event, kind)][nth]

    def kinds(self, *, without: tuple[type[Event], ...] = (AgentAudioSent,)) -> list[str]:
        return [type(event).__name__ for _, event in self.said if not isinstance(event, without)]


class Talk(Timed):
    """A session with a user who speaks, keeps quiet, or stops sending."""

    def __init__(
        self,
        provider: str | Provider = "workbuddy",
        agent: str | Agent = "echo",
        *,
        frame: float = 0.02,
        opened: bool = True,
        **settings: Any,
    ) -> None:
        self.provider = PROVIDERS[provider] if isinstance(provider, str) else provider
        defaults = DialogueSettings(
            **{**self.provider.dialogue_defaults, "echo_guard": False, "ready_delay": 0.0}
        )
        self.settings = replace(defaults, input_rate=None, **settings)
        self.session = Session(
            self.provider,
            self.settings,
            make_agent(agent) if isinstance(agent, str) else agent,
            session_id="s1",
        )
        super().__init__(self.session)
        self.frame = frame
        self.format = self.provider.format
        if opened:
            self.take(Opened())

    def say(self, seconds: float) -> None:
        self.send(speech(self.format, seconds))

    def quiet(self, seconds: float) -> None:
        """Sends silence."""
        self.send(self.format.silence(self.format.samples(seconds)))

    def send(self, pcm: bytes) -> None:
        """Sends audio in real time: a frame arrives when its last sample has been spoken."""
        size = 2 * self.format.samples(self.frame)
        for at in range(0, len(pcm), size):
            frame = pcm[at : at + size]
            self.wait(len(frame) / 2 / self.format.rate)
            self.take(UserAudioSent(frame))

    def hang_up(self) -> None:
        self.take(Closed(1005, "", "caller"))

    @property
    def agent_audio(self) -> bytes:
        return b"".join(event.pcm for event in self.all(AgentAudioSent))
