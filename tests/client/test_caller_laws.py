"""The laws of an engine, kept by the caller; see voxemu.engine.Engine."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.calls import speech
from tests.client.calls import clip
from tests.test_engine_laws import run
from voxemu.errors import UsageError
from voxemu.events import (
    AgentAudioSent,
    AgentReadied,
    Cleared,
    Closed,
    Congested,
    ErrorReported,
    Event,
    Interrupted,
    ListeningStarted,
    MicrophoneCaptured,
    Opened,
    SessionStarted,
    SpeakingStarted,
    ThinkingStarted,
    Transcribed,
    Unrecognised,
)
from voxemu.provider import Provider, Target
from voxemu.wire import PROVIDERS
from voxemu_client.caller import Caller
from voxemu_client.script import Script
from voxemu_client.silence import Silence

SCRIPTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "barge-in": {"barge_in": 0.2},
    "suppress": {"silence": Silence("suppress")},
    "keepalive": {"silence": Silence("keepalive", 0.3), "barge_in": 0.5},
    "half duplex": {"half_duplex": True},
    "page's playback": {"jitter_buffer": 0.0},
    "live": {"live": True},
}

callers = pytest.mark.parametrize(
    ("provider", "how"),
    [(provider, how) for provider in PROVIDERS.values() for how in SCRIPTS],
    ids=lambda each: each if isinstance(each, str) else each.id,
)


def caller_of(provider: Provider, how: str) -> Caller:
    settings = SCRIPTS[how]
    clips = () if "live" in settings else (clip(provider, 0.4), clip(provider, 0.6), clip(provider, 0.3))
    return Caller(provider, Target("ws://x"), Script(clips, clip(provider, 0.2, "stop"), **settings))


def service(provider: Provider, seed: int) -> list[tuple[float, Event]]:
    """A provider of 6 s or so that says whatever comes to its mind."""
    rng = Random(seed)
    voice, faint = speech(provider.format, 0.05), bytes(1764)
    said: list[tuple[float, Event]] = [(0.0, Opened()), (0.1, SessionStarted("s")), (0.15, AgentReadied())]
    now, generation = 0.2, 1
    while now < 6:
        for _ in range(rng.randrange(1, 30)):
            now += rng.choice((0.0, 0.02, 0.05, 0.08))
            said.append((now, AgentAudioSent(rng.choice((voice, voice, faint)), rng.choice((0, generation)))))
        now += rng.choice((0.0, 0.3, 1.6))
        generation += rng.choice((0, 1))
        odd: list[Event] = [Interrupted(), ThinkingStarted(generation), SpeakingStarted(), ListeningStarted()]
        odd += [
            Congested(),
            Cleared(),
            Transcribed("agent", "…"),
            ErrorReported("no"),
            Unrecognised("not_json", "no"),
        ]
        said.append((now, rng.choice([*odd, MicrophoneCaptured(voice)])))
    return [*said, (now + 1, Closed(1005))]


@callers
@pytest.mark.parametrize("seed", range(2))
def test_a_caller_is_silent_before_its_deadline(provider: Provider, how: str, seed: int) -> None:
    engine = caller_of(provider, how)
    for at, event in service(provider, seed):
        while (due := engine.deadline) is not None and due <= at:
            assert engine.advance(due - 1e-6) == []
            engine.advance(due)
        engine.receive(event, at)


@callers
@pytest.mark.parametrize("late", [0.0, 0.3])
def test_after_advancing_the_deadline_lies_in_the_future(provider: Provider, how: str, late: float) -> None:
    engine = caller_of(provider, how)
    for at, event in service(provider, 1):
        while (due := engine.deadline) is not None and due + late <= at:
            engine.advance(due + late)
            assert engine.deadline is None or engine.deadline > due + late
        engine.receive(event, at)


@callers
def test_the_same_inputs_give_the_same_outputs(provider: Provider, how: str) -> None:
    assert run(caller_of(provider, how), service(provider, 2)) == run(
        caller_of(provider, how), service(provider, 2)
    )


@callers
def test_a_late_timer_changes_nothing_else(provider: Provider, how: str) -> None:
    def said(late: float) -> list[Event]:
        return [event for _, event in run(caller_of(provider, how), service(provider, 3), late=late)]

    assert said(0.015) == said(0.0)


@callers
def test_a_caller_that_was_closed_is_silent_for_ever(provider: Provider, how: str) -> None:
    engine = caller_of(provider, how)
    run(engine, service(provider, 4))
    assert engine.deadline is None
    assert engine.receive(AgentAudioSent(bytes(640)), 100.0) == []
    assert engine.advance(10_000.0) == []


@callers
def test_a_caller_closed_before_it_opened_is_over(provider: Provider, how: str) -> None:
    engine = caller_of(provider, how)
    engine.receive(Closed(1006), 1.0)
    assert engine.deadline is None
    assert engine.receive(Opened(), 2.0) == []


def test_a_microphone_and_clips_exclude_one_another() -> None:
    with pytest.raises(UsageError, match="--mic"):
        Script((clip(PROVIDERS["lokutor"], 0.1),), live=True)


def test_half_duplex_and_barge_in_exclude_one_another() -> None:
    with pytest.raises(UsageError, match="--half-duplex"):
        Script(half_duplex=True, barge_in=1.0)


def test_a_barge_in_needs_something_to_say() -> None:
    with pytest.raises(UsageError, match="--say"):
        Caller(PROVIDERS["lokutor"], Target("ws://x"), Script(barge_in=1.0))


def test_a_rate_that_the_wire_cannot_say_is_refused() -> None:
    with pytest.raises(UsageError, match="workbuddy takes audio at 16000 Hz"):
        Caller(PROVIDERS["workbuddy"], Target("ws://x"), Script(rate=8000))
