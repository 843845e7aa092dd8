from __future__ import annotations

import tracemalloc
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialogue.echoes import Sound, fan, pcm, placed, returned, rms, spoken, tone, white
from voxemu.dialogue.detection import DetectionSettings
from voxemu.dialogue.echo_guard import EchoGuard
from voxemu.dialogue.vad import Detector, SpeechEnded, SpeechStarted

GUARDED = DetectionSettings(echo_guard=True)
BEGIN = 0.5  # where agent audio begins to sound, in seconds
RATES = (8000, 16000, 24000, 44100, 48000)
DELAYS = (0.005, 0.04, 0.12, 0.25, 0.4)
DECIBELS = (-3.0, -12.0, -30.0)
AGENTS = ("story", "Front_Center", "question", "Rear_Left", "numbers")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def onsets(agent: Sound, microphone: Sound, rate: int, begin: float = BEGIN) -> list[SpeechStarted]:
    """What a guarded detector takes for a user's speech while the agent's audio sounds from `begin` on."""
    guard = EchoGuard(rate)
    guard.played(pcm(agent), round(begin * rate))
    detector = Detector(rate, GUARDED, guard)
    return [event for event in detector.feed(pcm(microphone)) if isinstance(event, SpeechStarted)]


def reply(name: str, rate: int) -> Sound:
    """At least two seconds of agent."""
    speech = spoken(name, rate, 0.12)
    return np.concatenate((speech, speech[: 2 * rate])) if len(speech) < 2 * rate else speech[: 4 * rate]


def microphone(agent: Sound, rate: int, echo: Sound, room: Sound | None = None) -> Sound:
    seconds = BEGIN + len(agent) / rate + 1.0
    rng = np.random.default_rng(len(agent))
    carried = placed(seconds, rate, (BEGIN, echo))
    return carried + (white(seconds, rate, 0.005, rng) if room is None else room[: len(carried)])


# The agent's own voice.

MATRIX = [
    (rate, delay, decibels, AGENTS[n % len(AGENTS)])
    for n, (rate, delay, decibels) in enumerate(product(RATES, DELAYS, DECIBELS))
]


@pytest.mark.parametrize(("rate", "delay", "decibels", "name"), MATRIX)
def test_an_echo_does_not_interrupt(
    rate: int, delay: float, decibels: float, name: str, rng: np.random.Generator
) -> None:
    agent = reply(name, rate)
    echo = returned(agent, rate, delay=delay, decibels=decibels, rng=rng)
    assert onsets(agent, microphone(agent, rate, echo), rate) == []


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("room", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("name", AGENTS)
def test_an_echo_in_a_room_that_rings_does_not_interrupt(
    name: str, room: float, rate: int, rng: np.random.Generator
) -> None:
    agent = reply(name, rate)
    echo = returned(agent, rate, delay=0.13, decibels=-6, room=room, rng=rng)
    assert onsets(agent, microphone(agent, rate, echo), rate) == []


@pytest.mark.parametrize("level", [0.003, 0.01])
@pytest.mark.parametrize("noise", [white, fan])
@pytest.mark.parametrize("decibels", DECIBELS)
def test_an_echo_in_a_noisy_room_does_not_interrupt(
    decibels: float, noise: object, level: float, rng: np.random.Generator
) -> None:
    agent = reply("story", 16000)
    echo = returned(agent, 16000, delay=0.2, decibels=decibels, rng=rng)
    room = white(6, 16000, level, rng) if noise is white else fan(6, 16000, level, rng)
    assert onsets(agent, microphone(agent, 16000, echo, room), 16000) == []


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize(("muffled", "clipped"), [(1500.0, 1.0), (4000.0, 0.8), (0.0, 0.6)])
@pytest.mark.parametrize("name", AGENTS[:3])
def test_a_muffled_or_clipped_echo_does_not_interrupt(
    name: str, muffled: float, clipped: float, rate: int, rng: np.random.Generator
) -> None:
    agent = reply(name, rate)
    echo = returned(agent, rate, delay=0.08, decibels=-6, muffled=muffled, clipped=clipped, rng=rng)
    assert onsets(agent, microphone(agent, rate, echo), rate) == []


@pytest.mark.parametrize("hertz", [220, 440, 880, 3000])
@pytest.mark.parametrize("delay", DELAYS)
def test_the_echo_of_a_tone_does_not_interrupt(delay: float, hertz: float, rng: np.random.Generator) -> None:
    agent = tone(hertz, 2.0, 24000)
    echo = returned(agent, 24000, delay=delay, decibels=-3, room=0.1, rng=rng)
    assert onsets(agent, microphone(agent, 24000, echo), 24000) == []


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("low", [4500, 6000])
def test_an_agent_that_hisses_does_not_interrupt_itself(
    low: float, rate: int, rng: np.random.Generator
) -> None:
    """Sound above 4 kHz only, as in a long s: it is lost on both sides, not on one."""
    spectrum = np.fft.rfft(white(2, rate, 0.1, rng))
    hertz = np.fft.rfftfreq(2 * rate, 1 / rate)
    agent = rms(np.fft.irfft(np.where((hertz > low) & (hertz < 7500), spectrum, 0)), 0.1)
    echo = returned(agent, rate, delay=0.1, decibels=-3, rng=rng)
    assert onsets(agent, microphone(agent, rate, echo), rate) == []


@pytest.mark.parametrize("offset", range(0, 20, 2))
def test_the_first_moments_of_an_echo_do_not_interrupt_wherever_windows_fall(
    offset: int, rng: np.random.Generator
) -> None:
    agent = spoken("hello", 16000, 0.12)[: 16000 // 2]
    echo = returned(agent, 16000, delay=0.1 + offset / 1000, decibels=-3, room=0.05, rng=rng)
    assert onsets(agent, microphone(agent, 16000, echo), 16000) == []


@pytest.mark.parametrize("end", [0.83, 1.01, 1.37])
def test_the_echo_that_follows_the_end_of_a_reply_does_not_interrupt(
    end: float, rng: np.random.Generator
) -> None:
    agent = spoken("story", 16000, 0.12)[: round(end * 16000)]
    echo = returned(agent, 16000, delay=0.4, decibels=-6, room=0.15, rng=rng)
    assert onsets(agent, microphone(agent, 16000, echo), 16000) == []


def test_the_echo_of_what_sounded_before_a_flush_does_not_interrupt(rng: np.random.Generator) -> None:
    rate, agent = 16000, reply("story", 16000)
    stopped = agent[:rate]
    echo = returned(stopped, rate, delay=0.3, decibels=-6, rng=rng)
    guard = EchoGuard(rate)
    guard.played(pcm(agent), rate // 2)
    guard.flushed(rate // 2 + rate)
    detector = Detector(rate, GUARDED, guard)
    assert detector.feed(pcm(microphone(agent, rate, echo))) == []


# A user.


def test_without_the_guard_the_same_echo_interrupts(rng: np.random.Generator) -> None:
    agent = reply("story", 16000)
    echo = returned(agent, 16000, delay=0.2, decibels=-6, rng=rng)
    assert Detector(16000, DetectionSettings()).feed(pcm(microphone(agent, 16000, echo))) != []


BARGES = [
    (rate, AGENTS[n % len(AGENTS)], user, 0.1 + 0.37 * (n % 5), DELAYS[n % 4], -6.0 - 6 * (n % 3))
    for n, (rate, user) in enumerate(
        product((8000, 16000, 44100), ("stop", "hello", "yes", "goodbye", "Side_Right", "question"))
    )
]


@pytest.mark.parametrize(("rate", "name", "user", "at", "delay", "decibels"), BARGES)
def test_a_user_is_heard_over_the_echo_within_a_fifth_of_a_second(
    rate: int, name: str, user: str, at: float, delay: float, decibels: float, rng: np.random.Generator
) -> None:
    agent = reply(name, rate)
    echo = returned(agent, rate, delay=delay, decibels=decibels, room=0.05, rng=rng)
    carried = microphone(agent, rate, echo)
    carried += placed(len(carried) / rate, rate, (BEGIN + at, spoken(user, rate, 0.12)))
    first = onsets(agent, carried, rate)[0]
    assert 0.0 < first.confirmed / rate - BEGIN - at <= 0.2


@pytest.mark.parametrize("user", ["stop", "hello", "numbers", "Rear_Left"])
@pytest.mark.parametrize("at", [0.05, 0.4, 0.9, 1.3])
def test_a_user_with_headphones_is_heard_within_a_fifth_of_a_second(at: float, user: str) -> None:
    agent = reply("story", 16000)
    carried = microphone(agent, 16000, np.zeros(1))
    carried += placed(len(carried) / 16000, 16000, (BEGIN + at, spoken(user, 16000)))
    assert 0.0 < onsets(agent, carried, 16000)[0].confirmed / 16000 - BEGIN - at <= 0.2


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("decibels", [None, -6.0, -15.0])
def test_the_very_clip_that_is_echoed_is_a_user_when_it_comes_late(
    decibels: float | None, rate: int, name: str, rng: np.random.Generator
) -> None:
    agent = reply(name, rate)
    silence = np.zeros(1)
    echo = silence if decibels is None else returned(agent, rate, delay=0.1, decibels=decibels, rng=rng)
    carried = microphone(agent, rate, echo)
    carried += placed(len(carried) / rate, rate, (BEGIN + 0.8, agent))
    assert 0.0 < onsets(agent, carried, rate)[0].confirmed / rate - BEGIN - 0.8 <= 0.2


@pytest.mark.parametrize(("name", "user"), [("story", "stop"), ("question", "numbers"), ("numbers", "hello")])
def test_the_same_voice_saying_other_words_is_a_user(name: str, user: str, rng: np.random.Generator) -> None:
    agent = reply(name, 16000)
    for at in np.arange(0.1, 1.6, 0.11):
        echo = returned(agent, 16000, delay=0.15, decibels=-9, rng=rng)
        carried = microphone(agent, 16000, echo)
        carried += placed(len(carried) / 16000, 16000, (BEGIN + at, spoken(user, 16000)))
        assert 0.0 < onsets(agent, carried, 16000)[0].confirmed / 16000 - BEGIN - at <= 0.25


@pytest.mark.parametrize("user", ["stop", "hello", "Side_Right"])
@pytest.mark.parametrize("hertz", [440, 880])
def test_a_user_is_heard_over_the_echo_of_a_tone(hertz: float, user: str, rng: np.random.Generator) -> None:
    agent = tone(hertz, 2.5, 24000)
    echo = returned(agent, 24000, delay=0.12, decibels=-9, rng=rng)
    carried = microphone(agent, 24000, echo)
    carried += placed(len(carried) / 24000, 24000, (BEGIN + 0.7, spoken(user, 24000, 0.12)))
    assert 0.0 < onsets(agent, carried, 24000)[0].confirmed / 24000 - BEGIN - 0.7 <= 0.25


def test_where_no_agent_sounds_the_guard_changes_nothing() -> None:
    sound = placed(4, 16000, (1.0, spoken("hello", 16000)))
    plain = Detector(16000, DetectionSettings()).feed(pcm(sound))
    assert Detector(16000, GUARDED, EchoGuard(16000)).feed(pcm(sound)) == plain != []


def test_agent_audio_that_was_flushed_or_is_long_past_explains_nothing() -> None:
    clip = reply("story", 16000)
    for begin, flush in ((1.0, 0.9), (5.0, 3.0)):
        guard = EchoGuard(16000)
        guard.played(pcm(clip), round(begin * 16000))
        guard.flushed(round(flush * 16000))
        detector = Detector(16000, GUARDED, guard)
        sound = placed(6, 16000, (1.1, clip))
        assert detector.feed(pcm(sound)) == Detector(16000, DetectionSettings()).feed(pcm(sound))


def test_a_user_whose_microphone_opens_in_the_middle_of_a_word_is_heard() -> None:
    """A client that suppresses silence sends nothing before the word: there is little to compare with."""
    rate, agent = 16000, reply("story", 16000)
    guard = EchoGuard(rate)
    guard.played(pcm(agent), 0)
    detector = Detector(rate, GUARDED, guard)
    detector.feed(bytes(2 * 4000))
    detector.cut(rate)
    (start,) = [e for e in detector.feed(pcm(spoken("hello", rate)[:8000])) if isinstance(e, SpeechStarted)]
    assert start.confirmed - rate <= 0.2 * rate


# Order, chunks and memory.


def chunked(sizes: list[int], length: int) -> list[tuple[int, int]]:
    found, at, turn = [], 0, 0
    while at < length:
        size = sizes[turn % len(sizes)]
        found.append((at, min(length, at + size)))
        at, turn = at + size, turn + 1
    return found


@settings(max_examples=12, deadline=None)
@given(
    rate=st.sampled_from([8000, 16000, 44100]),
    heard=st.lists(st.integers(1, 4000), min_size=1, max_size=9),
    said=st.lists(st.integers(1, 4000), min_size=1, max_size=9),
)
def test_the_answer_does_not_depend_on_how_either_side_is_cut(
    rate: int, heard: list[int], said: list[int]
) -> None:
    agent = reply("question", rate)
    echo = returned(agent, rate, delay=0.1, decibels=-6, rng=np.random.default_rng(1))
    carried = microphone(agent, rate, echo)
    carried += placed(len(carried) / rate, rate, (BEGIN + 1.2, spoken("stop", rate, 0.12)))
    guard = EchoGuard(rate)
    for first, last in chunked(said, len(agent)):
        guard.played(pcm(agent[first:last]), round(BEGIN * rate) + first)
    detector = Detector(rate, GUARDED, guard)
    found: list[SpeechStarted | SpeechEnded] = []
    for first, last in chunked(heard, len(carried)):
        found += detector.feed(pcm(carried[first:last]))
    assert (
        [event for event in found if isinstance(event, SpeechStarted)] == onsets(agent, carried, rate) != []
    )


def test_agent_audio_given_as_it_goes_out_is_as_good_as_given_ahead(rng: np.random.Generator) -> None:
    rate, agent = 16000, reply("story", 16000)
    echo = returned(agent, rate, delay=0.05, decibels=-6, rng=rng)
    carried, begin = microphone(agent, rate, echo), round(BEGIN * rate)
    guard = EchoGuard(rate)
    detector = Detector(rate, GUARDED, guard)
    for first in range(0, len(carried), 320):
        if 0 <= first - begin < len(agent):
            guard.played(pcm(agent[first - begin : first - begin + 320]), first)
        assert detector.feed(pcm(carried[first : first + 320])) == []


def test_a_break_in_the_microphone_leaves_the_echo_explained(rng: np.random.Generator) -> None:
    rate, agent = 16000, reply("story", 16000)
    echo = returned(agent, rate, delay=0.2, decibels=-6, rng=rng)
    carried = microphone(agent, rate, echo)
    guard = EchoGuard(rate)
    guard.played(pcm(agent), round(BEGIN * rate))
    detector = Detector(rate, GUARDED, guard)
    assert detector.feed(pcm(carried[:16_100])) == []
    assert detector.cut(20_000) is None
    assert detector.feed(pcm(carried[20_000:])) == []


def test_an_hour_of_agent_audio_is_not_kept() -> None:
    guard = EchoGuard(16000)
    second = pcm(tone(440, 1.0, 16000))
    tracemalloc.start()
    for at in range(0, 3600 * 16000, 16000):
        guard.played(second, at)
        guard.heard(bytes(640), at)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000


@pytest.mark.parametrize("rate", [7999, 96000])
def test_a_rate_out_of_range_is_refused(rate: int) -> None:
    with pytest.raises(ValueError, match="between 8000 and 48000"):
        EchoGuard(rate)


def test_a_longest_delay_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="max_delay must lie between 0 and 2"):
        EchoGuard(16000, max_delay=-0.1)


def test_an_odd_number_of_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="even number of bytes, not 3"):
        EchoGuard(16000).played(b"abc", 0)
