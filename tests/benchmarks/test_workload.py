"""The plan of a benchmark's call is what a session of ours really does with it."""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.workload import CONFIRM, HANGOVER, PTIME, SILENT, SPEECH, Workload
from voxemu.agents import make_agent
from voxemu.audio import AudioFormat
from voxemu.dialogue.session import Session
from voxemu.dialogue.settings import DialogueSettings
from voxemu.events import AgentAudioSent, BargedIn, Opened, TurnEnded, UserAudioSent
from voxemu.provider import Provider
from voxemu.wire import ON_SOCKETS

QUICK = Workload(100)
every_provider = pytest.mark.parametrize("provider", ON_SOCKETS.values(), ids=list(ON_SOCKETS))


def session(provider: Provider, work: Workload) -> Session:
    said = tomllib.loads("\n".join(work.settings()))
    settings = DialogueSettings(**said["dialogue"], **said.get(provider.id, {}))
    return Session(provider, settings, make_agent(said["agent"]), session_id="s")


def frames_by_period(
    provider: Provider, work: Workload, number: int, sent: int
) -> tuple[list[int], Counter[str]]:
    """Agent frames in each period since the first turn began, and what else happened."""
    engine, frames = session(provider, work), work.talk(provider.format.rate)
    engine.receive(Opened(), 0.0)
    sounded: Counter[int] = Counter()
    met: Counter[str] = Counter()
    for frame in range(sent):
        now = frame * PTIME
        events = []
        while (due := engine.deadline) is not None and due <= now:
            events += engine.advance(due)
        events += engine.receive(UserAudioSent(frames[work.at(number, frame)], None), now)
        for event in events:
            if isinstance(event, AgentAudioSent):
                sounded[(frame - work.quiet(number)) // work.frames] += 1
            elif isinstance(event, TurnEnded | BargedIn):
                met[type(event).__name__] += 1
    return [sounded[period] for period in sorted(sounded)], met


@every_provider
def test_a_session_sounds_in_all_but_the_silent_frames_of_a_period(provider: Provider) -> None:
    found, _ = frames_by_period(provider, QUICK, 0, 4 * QUICK.frames)
    first = QUICK.frames - SPEECH - HANGOVER
    assert found == [first, QUICK.spoken, QUICK.spoken, QUICK.spoken]


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("sent", [QUICK.warm, 2 * QUICK.frames, 3 * QUICK.frames + 7])
def test_the_plan_counts_the_turns_and_barge_ins_that_happen(number: int, sent: int) -> None:
    _, met = frames_by_period(ON_SOCKETS["workbuddy"], QUICK, number, sent)
    expected = {"TurnEnded": QUICK.turns(number, sent), "BargedIn": QUICK.barge_ins(number, sent)}
    assert {name: count for name, count in expected.items() if count} == met


@every_provider
def test_every_barge_in_is_confirmed_by_the_frame_that_the_generator_takes_for_it(provider: Provider) -> None:
    for number in range(0, 200, 20):
        engine, frames = session(provider, QUICK), QUICK.talk(provider.format.rate)
        engine.receive(Opened(), 0.0)
        for frame in range(QUICK.warm + QUICK.frames):
            # Sessions begin at different places of the 20 ms.
            now = frame * PTIME + number / 20_000
            while (due := engine.deadline) is not None and due <= now:
                engine.advance(due)
            at = QUICK.at(number, frame)
            said = engine.receive(UserAudioSent(frames[at], None), now)
            confirmed = [n for n, event in enumerate(said) if isinstance(event, BargedIn)]
            assert bool(confirmed) == (at == CONFIRM - 1 and frame >= QUICK.quiet(number) + QUICK.frames)
            assert not any(isinstance(event, AgentAudioSent) for n in confirmed for event in said[n:])


@pytest.mark.parametrize("work", [QUICK, Workload()])
def test_an_agent_that_is_to_sound_when_a_session_is_warm_has_been_asked(work: Workload) -> None:
    for number in range(200):
        at = work.at(number, work.warm)
        assert work.turns(number, work.warm) or CONFIRM <= at < SPEECH + HANGOVER


def test_the_agent_is_silent_from_the_confirmation_to_the_end_of_the_turn() -> None:
    assert SILENT == 35
    assert Workload().duplex == 115 / 150


def test_sessions_take_their_turns_at_different_times() -> None:
    begun = [Workload().quiet(number) for number in range(20)]
    tenths = Counter(begin // 15 for begin in begun)
    assert len(tenths) == 10


def test_a_frame_is_twenty_milliseconds_at_every_rate() -> None:
    for rate in (16_000, 24_000, 44_100):
        talk = QUICK.talk(rate)
        assert len(talk) == QUICK.frames
        assert {len(frame) for frame in talk} == {2 * AudioFormat(rate).samples(PTIME)}


def test_a_session_is_quiet_before_its_first_turn() -> None:
    work = replace(QUICK)
    number = next(n for n in range(50) if work.quiet(n) > 10)
    assert work.at(number, 0) == work.frames - 1
    assert work.at(number, work.quiet(number)) == 0
