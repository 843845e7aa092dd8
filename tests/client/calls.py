"""A call between the caller's engine and the provider's, in virtual time, and what either end saw of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from tests.calls import speech
from voxemu.agent import Agent, Call, Cue, Step
from voxemu.agents import make_agent
from voxemu.audio import SAMPLE_BYTES, sample_count
from voxemu.dialogue.session import Session
from voxemu.dialogue.settings import DialogueSettings
from voxemu.drive.link import Link
from voxemu.drive.rehearsal import Rehearsed, Told, rehearse
from voxemu.engine import Tap, Tapped
from voxemu.events import Event, Note, SettingSent, UserAudioSent
from voxemu.fault import fault_of
from voxemu.provider import Provider, Role, Target
from voxemu.record import CallFacts, Recorder, Recording
from voxemu.spoiler import SpoiledCodec, Spoiler
from voxemu.wire import PROVIDERS
from voxemu_client.caller import Caller
from voxemu_client.script import Script
from voxemu_client.speech import Clip

E = TypeVar("E", bound=Event)

LYZR, WORKBUDDY, LOKUTOR = (PROVIDERS[name] for name in ("lyzr-sip", "workbuddy", "lokutor"))


class Seen:
    """A tap that keeps what one end saw, and when."""

    def __init__(self) -> None:
        self.events: list[tuple[float, Event]] = []

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        self.events.append((now, event))
        return ()

    def all(self, kind: type[E]) -> list[E]:
        return [event for _, event in self.events if isinstance(event, kind)]

    def only(self, kind: type[E]) -> E:
        found = self.all(kind)
        assert len(found) == 1, f"expected one {kind.__name__}, got {found}"
        return found[0]

    def when(self, kind: type[Event]) -> list[float]:
        return [at for at, event in self.events if isinstance(event, kind)]


@dataclass(frozen=True, slots=True)
class Mute:
    """An agent that never says a word."""

    name: str = "mute"
    passes_through: bool = False

    def respond(self, cue: Cue, call: Call) -> Iterable[Step]:
        return ()


@dataclass
class Played:
    """A rehearsed call."""

    provider: Provider
    caller: Caller
    user: Seen
    service: Seen
    end: Rehearsed
    recording: Recording | None = None
    sent: list[tuple[float, bytes]] = field(default_factory=list)

    def seconds(self, position: int) -> float:
        return self.provider.format.seconds(position)


def clip(provider: Provider, seconds: float, name: str = "speech", *, rate: int | None = None) -> Clip:
    """Speech between two quiet ends of 100 ms each."""
    axis = provider.format if rate is None else type(provider.format)(rate)
    edge = axis.silence(axis.samples(0.1))
    return Clip(name, edge + speech(axis, seconds) + edge)


def play(
    provider: Provider,
    clips: Sequence[Clip],
    *,
    agent: str | Agent = "tone:440:1",
    session: dict[str, Any] | None = None,
    up: Link | None = None,
    down: Link | None = None,
    told: Iterable[Told] = (),
    opening: tuple[Event, ...] = (),
    record: Path | None = None,
    limit: float = 120.0,
    wire: Any = None,
    faults: Iterable[Mapping[str, Any]] = (),
    client: type[Caller] = Caller,
    **script: Any,
) -> Played:
    settings = {**provider.dialogue_defaults, "echo_guard": False, **(session or {})}
    user, service = Seen(), Seen()
    answering = Session(
        provider,
        DialogueSettings(**settings),
        make_agent(agent) if isinstance(agent, str) else agent,
        session_id="s1",
    )
    spoiler = Spoiler(answering, provider, [fault_of(fault) for fault in faults], Random(1))
    caller = client(provider, Target("ws://emulator", opening=opening), Script(tuple(clips), **script))
    taps: list[Tap] = [user]
    recorder = None
    if record is not None:
        facts = CallFacts(input_rate=caller.microphone.rate)
        recorder = Recorder(record, provider, Role.CALLER, facts)
        taps = [recorder, user]
    end = rehearse(
        Tapped(caller, taps),
        Tapped(spoiler, [service]),
        provider,
        words=lambda codec: SpoiledCodec(codec, provider.media),
        rng=Random(1),
        settings=wire,
        up=up,
        down=down,
        told=told,
        limit=limit,
    )
    sent = [(at, event.pcm) for at, event in user.events if isinstance(event, UserAudioSent)]
    played = Played(provider, caller, user, service, end, sent=sent)
    if recorder is not None:
        recorder.close(end.seconds)
        assert recorder.failure is None
        assert record is not None
        played.recording = Recording.open(record)
    return played


def silent(frame: bytes) -> bool:
    return not any(frame)


def at(pcm: bytes, first: int, last: int) -> bytes:
    return pcm[first * SAMPLE_BYTES : last * SAMPLE_BYTES]


def samples(frames: Iterable[bytes]) -> int:
    return sum(sample_count(frame) for frame in frames)


PROMPT: tuple[Event, ...] = (SettingSent("prompt", "Be brief."),)
