"""The laws that every engine keeps; see voxemu.engine.Engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.calls import speech
from voxemu.agents import make_agent
from voxemu.dialogue.doorkeeper import Doorkeeper
from voxemu.dialogue.session import Session
from voxemu.dialogue.settings import DialogueSettings
from voxemu.engine import Engine
from voxemu.events import Closed, Event, InterruptSent, Opened, TokenPresented, Unrecognised, UserAudioSent
from voxemu.fault import fault_of
from voxemu.overheard import Overheard
from voxemu.provider import Provider
from voxemu.scenario.acting import scripted
from voxemu.scenario.reading import read
from voxemu.spoiler import Spoiler
from voxemu.wire import PROVIDERS

MakeEngine = Callable[[], Engine]


def session_of(provider: Provider, **settings: object) -> Session:
    merged = {**provider.dialogue_defaults, **settings}
    return Session(provider, DialogueSettings(**merged), make_agent("tone:440:1"), session_id="s")


def doorkeeper_of(provider: Provider) -> Doorkeeper:
    return Doorkeeper(provider, 10.0, lambda token, now: session_of(provider))


FAULTS: tuple[dict[str, object], ...] = (
    {"kind": "jitter"},
    {"kind": "late_audio"},
    {"kind": "delay", "in_reply": 2, "times": 3},
    {"kind": "reorder", "after_frames": 5, "times": 2},
    {"kind": "drop", "chance": 0.1, "times": 0},
    {"kind": "error", "at": 2.5},
    {"kind": "slow_consumer", "at": 4.0, "times": 3},
)


def spoiled(provider: Provider, *faults: dict[str, object]) -> Spoiler:
    return Spoiler(session_of(provider), provider, [fault_of(fault) for fault in faults], Random(7))


SCRIPT = """
schema = "voxemu.scenario/1"
[[agent.step]]
on = "start"
say = "tone:500:0.4"
[[agent.step]]
on = "turn"
delay = 0.35
say = "tone:440:1"
[[agent.step]]
think = 0.2
[[agent.step]]
say = "tone:440:1"
[[agent.step]]
on = "silence"
delay = 0.4
optional = true
say = "tone:600:0.2"
[[agent.step]]
at = 6
transcript = "in mid-call"
[[agent.step]]
on = "turn"
say = "tone:440:2"
[[agent.step]]
at = 11
hang_up = "closed"
"""


def scripted_of(provider: Provider) -> Session:
    settings = DialogueSettings(**provider.dialogue_defaults)
    agent = scripted(read(SCRIPT, Path("script.toml")), provider)
    return Session(provider, settings, agent, session_id="s")


def overheard(provider: Provider) -> Overheard:
    return Overheard(provider, DialogueSettings(**provider.dialogue_defaults), "elsewhere")


ENGINES: dict[str, MakeEngine] = {
    **{f"session of {name}": lambda p=p: session_of(p) for name, p in PROVIDERS.items()},  # type: ignore[misc]
    **{f"bursting session of {name}": lambda p=p: session_of(p, burst=True) for name, p in PROVIDERS.items()},  # type: ignore[misc]
    **{f"scripted session of {name}": lambda p=p: scripted_of(p) for name, p in PROVIDERS.items()},  # type: ignore[misc]
    **{f"overheard call of {name}": lambda p=p: overheard(p) for name, p in PROVIDERS.items()},  # type: ignore[misc]
    "doorkeeper": lambda: doorkeeper_of(PROVIDERS["workbuddy"]),
    **{f"spoiled session of {name}": lambda p=p: spoiled(p, *FAULTS) for name, p in PROVIDERS.items()},  # type: ignore[misc]
    "half-open session": lambda: spoiled(
        PROVIDERS["lokutor"], {"kind": "half_open", "at": 3.3, "ms": 2000.0}
    ),
}

engines = pytest.mark.parametrize("make", list(ENGINES.values()), ids=list(ENGINES))


def script(seed: int) -> list[tuple[float, Event]]:
    """A call of 12 s or so: speech, silence, holes, interruptions and nonsense at random moments."""
    rng = Random(seed)
    rate = PROVIDERS["workbuddy"].format
    talk, now = [(0.0, Opened()), (0.01, TokenPresented("t"))], 0.01
    while now < 12:
        loud, frames = rng.random() < 0.5, rng.randrange(5, 60)
        for _ in range(frames):
            now += rng.choice((0.0, 0.02, 0.02, 0.04))
            pcm = speech(rate, 0.02) if loud else bytes(640)
            talk.append((now, UserAudioSent(pcm)))
        now += rng.choice((0.0, 0.0, 1.5))
        talk.append(
            (now, rng.choice((InterruptSent(), Unrecognised("not_json", "no"), UserAudioSent(bytes(2)))))
        )
    return [*talk, (now + 1, Closed(1005))]


def run(engine: Engine, talk: list[tuple[float, Event]], *, late: float = 0.0) -> list[tuple[float, Event]]:
    said: list[tuple[float, Event]] = []
    for at, event in talk:
        while (due := engine.deadline) is not None and due + late <= at:
            said += [(due + late, answer) for answer in engine.advance(due + late)]
        said += [(at, answer) for answer in engine.receive(event, at)]
    return said


@engines
@pytest.mark.parametrize("seed", range(4))
def test_an_engine_is_silent_before_its_deadline(make: MakeEngine, seed: int) -> None:
    engine = make()
    for at, event in script(seed):
        while (due := engine.deadline) is not None and due <= at:
            assert engine.advance(due - 1e-6) == []
            engine.advance(due)
        engine.receive(event, at)


@engines
@pytest.mark.parametrize("late", [0.0, 0.3])
def test_after_advancing_the_deadline_lies_in_the_future(make: MakeEngine, late: float) -> None:
    engine = make()
    for at, event in script(1):
        while (due := engine.deadline) is not None and due + late <= at:
            engine.advance(due + late)
            assert engine.deadline is None or engine.deadline > due + late
        engine.receive(event, at)


@engines
@pytest.mark.parametrize("seed", range(3))
def test_the_same_inputs_give_the_same_outputs(make: MakeEngine, seed: int) -> None:
    assert run(make(), script(seed)) == run(make(), script(seed))


@engines
def test_a_late_timer_loses_nothing(make: MakeEngine) -> None:
    def kinds(said: list[tuple[float, Event]]) -> list[str]:
        return [type(event).__name__ for _, event in said]

    assert kinds(run(make(), script(2), late=0.015)) == kinds(run(make(), script(2)))


@engines
def test_an_engine_that_was_closed_is_silent_for_ever(make: MakeEngine) -> None:
    engine = make()
    run(engine, script(3))
    assert engine.deadline is None
    assert engine.receive(UserAudioSent(bytes(640)), 100.0) == []
    assert engine.advance(10_000.0) == []


@engines
def test_an_engine_closed_before_it_opened_is_over(make: MakeEngine) -> None:
    engine = make()
    engine.receive(Closed(1006), 1.0)
    assert engine.deadline is None
    assert engine.receive(UserAudioSent(bytes(640)), 2.0) == []
