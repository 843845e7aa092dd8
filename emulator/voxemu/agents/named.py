"""The agents that need no script: echo, tone, loopback; and the greeting that any agent can have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from voxemu.agent import Agent, Call, CallBegan, Cue, Listener, Say, Step, UserTurn
from voxemu.agents.sounds import mouth, sine
from voxemu.audio import AudioFormat, sample_count
from voxemu.errors import UnknownName, UsageError


@dataclass(frozen=True, slots=True)
class Echo:
    """Repeats each user turn, without the endpointing hangover."""

    name: str = "echo"
    passes_through: bool = False

    def respond(self, cue: Cue, call: Call) -> Iterable[Step]:
        if isinstance(cue, UserTurn):
            yield line(f"(echo of {cue.seconds:.2f} s of speech)", cue.speech, call.format)


@dataclass(frozen=True, slots=True)
class Tone:
    """Answers every turn with a sine."""

    hertz: float = 440.0
    seconds: float = 2.0
    passes_through: bool = False

    @property
    def name(self) -> str:
        return f"tone:{self.hertz:g}:{self.seconds:g}"

    def respond(self, cue: Cue, call: Call) -> Iterable[Step]:
        if isinstance(cue, UserTurn):
            text = f"(a tone of {self.hertz:g} Hz for {self.seconds:.2f} s)"
            yield line(text, sine(call.format, self.hertz, self.seconds), call.format)


@dataclass(frozen=True, slots=True)
class Loopback:
    """Sends every user frame straight back, for measuring."""

    name: str = "loopback"
    passes_through: bool = True

    def respond(self, cue: Cue, call: Call) -> Iterable[Step]:
        return ()


@dataclass(frozen=True, slots=True)
class Greeter:
    """``agent``, who speaks first. ``sound`` makes the greeting's PCM16 for the call's format."""

    agent: Agent
    text: str
    sound: Callable[[AudioFormat], bytes]

    @property
    def name(self) -> str:
        return self.agent.name

    @property
    def passes_through(self) -> bool:
        return self.agent.passes_through

    def respond(self, cue: Cue, call: Call) -> Iterable[Step]:
        if isinstance(cue, CallBegan):
            yield line(self.text, self.sound(call.format), call.format)
        yield from self.agent.respond(cue, call)

    def hears(self, turn: UserTurn, call: Call) -> str | None:
        return self.agent.hears(turn, call) if isinstance(self.agent, Listener) else None


def line(text: str, pcm: bytes, format: AudioFormat) -> Say:
    return Say(text, pcm, mouth(text, format.seconds(sample_count(pcm))))


_TONE = re.compile(r"tone(?::(?P<hertz>\d+(?:\.\d+)?))?(?::(?P<seconds>\d+(?:\.\d+)?))?", re.ASCII)
_PLAIN: dict[str, Callable[[], Agent]] = {"echo": Echo, "loopback": Loopback}


_FROM_FILES = ("script:", "replay:")


def known_agents() -> list[str]:
    return [*_PLAIN, "tone[:hz[:seconds]]", "script:FILE", "replay:RECORDING"]


def file_behind(name: str) -> tuple[str, str] | None:
    """``script`` or ``replay`` and the path, for an agent that a file makes; None for any other.

    Such a name is good in settings alone: a client that could ask for it would choose what is read here.
    """
    if not name.startswith(_FROM_FILES):
        return None
    kind, _, path = name.partition(":")
    return kind, path


def names_an_agent(name: str) -> bool:
    return name in _PLAIN or _TONE.fullmatch(name) is not None


def make_agent(name: str) -> Agent:
    """``echo``, ``tone``, ``tone:440``, ``tone:880:2.5``, ``loopback``.

    Raises UnknownName, or UsageError for a tone that nobody could hear.
    """
    if name in _PLAIN:
        return _PLAIN[name]()
    tone = _TONE.fullmatch(name)
    if tone is None:
        raise UnknownName("agent", name, known_agents())
    hertz, seconds = float(tone["hertz"] or 440), float(tone["seconds"] or 2)
    if not 20 <= hertz <= 7000 or not 0.02 <= seconds <= 60:
        raise UsageError(f"agent {name!r}: a tone has 20 to 7000 Hz and lasts 0.02 to 60 seconds")
    return Tone(hertz, seconds)
