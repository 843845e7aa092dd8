from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialogue.echoes import CLIPS, HUMANS, Sound, fan, pcm, placed, spoken, tone, vowel, white
from voxemu.dialogue.detection import DetectionSettings
from voxemu.dialogue.noise_floor import pitched
from voxemu.dialogue.vad import Detector, SpeechEnded, SpeechStarted

RATES = (8000, 16000, 24000, 44100, 48000)
Found = SpeechStarted | SpeechEnded


def detect(sound: Sound, rate: int, **changes: Any) -> list[Found]:
    return Detector(rate, DetectionSettings(**changes)).feed(pcm(sound))


def starts(found: list[Found]) -> list[SpeechStarted]:
    return [event for event in found if isinstance(event, SpeechStarted)]


def ends(found: list[Found]) -> list[SpeechEnded]:
    return [event for event in found if isinstance(event, SpeechEnded)]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(2)


# A call as a call.


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_is_found_where_it_stands_to_the_window(rate: int) -> None:
    found = detect(placed(3, rate, (1.0, tone(440, 0.6, rate))), rate)
    window = round(0.02 * rate)
    (start,) = starts(found)
    (end,) = ends(found)
    assert abs(start.start - rate) <= window
    assert start.confirmed == start.start + 3 * window
    assert end.start == start.start
    assert abs(end.end - 1.6 * rate) <= window
    assert end.confirmed == end.end + round(0.5 * rate)


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("level", [0.04, 0.1, 0.2])
@pytest.mark.parametrize("clip", CLIPS + HUMANS)
def test_speech_quiet_or_loud_is_found_within_a_fifth_of_a_second(
    clip: str, level: float, rate: int, rng: np.random.Generator
) -> None:
    speech = spoken(clip, rate, level)
    sound = placed(2.0 + len(speech) / rate, rate, (1.0, speech))
    found = detect(sound + white(len(sound) / rate, rate, 0.002, rng), rate)
    assert rate - 0.04 * rate <= starts(found)[0].start
    assert starts(found)[0].confirmed <= 1.2 * rate
    assert len(ends(found)) == len(starts(found))


def test_two_utterances_further_apart_than_the_hangover_are_two() -> None:
    sound = placed(4, 16000, (0.5, tone(300, 0.5, 16000)), (1.6, tone(300, 0.5, 16000)))
    assert [type(event) for event in detect(sound, 16000)] == [SpeechStarted, SpeechEnded] * 2


def test_a_pause_shorter_than_the_hangover_stays_inside_one_utterance() -> None:
    sound = placed(4, 16000, (0.5, tone(300, 0.5, 16000)), (1.4, tone(300, 0.5, 16000)))
    (end,) = ends(detect(sound, 16000))
    assert abs(end.end - 1.9 * 16000) <= 320


def test_speech_goes_on_at_a_level_that_would_not_begin_it() -> None:
    soft = tone(300, 1.0, 16000, 0.015)
    loud_then_soft = placed(4, 16000, (0.5, tone(300, 0.5, 16000, 0.1)), (1.0, soft))
    (end,) = ends(detect(loud_then_soft, 16000))
    assert abs(end.end - 2.0 * 16000) <= 320
    assert detect(placed(4, 16000, (1.0, soft)), 16000) == []


# What is no speech.


@pytest.mark.parametrize("rate", RATES)
def test_zeros_never_start_speech(rate: int) -> None:
    assert Detector(rate, DetectionSettings()).feed(bytes(2 * rate * 5)) == []


@pytest.mark.parametrize("offset", [-32768, -5000, 3000, 32767])
def test_a_constant_offset_is_no_sound(offset: int) -> None:
    detector = Detector(16000, DetectionSettings())
    assert detector.feed(np.full(32000, offset, "<i2").tobytes()) == []
    assert detector.floor == 0.0


def test_speech_on_an_offset_is_found_as_without_it() -> None:
    sound = placed(3, 16000, (1.0, tone(440, 0.5, 16000, 0.1)))
    assert detect(sound + 0.25, 16000) == detect(sound, 16000) != []


@pytest.mark.parametrize("windows", [1, 2])
def test_a_knock_shorter_than_the_confirmation_is_nothing(windows: int) -> None:
    knock = np.full(320 * windows, 0.4) * np.resize([1.0, -1.0], 320 * windows)
    assert detect(placed(2, 16000, (0.5, knock)), 16000) == []


def test_one_weaker_window_is_forgiven_while_confirming() -> None:
    levels = [0.1, 0.1, 0.015, 0.1, 0.0]
    (start,) = starts(detect(_steps(levels), 16000))
    assert (start.start, start.confirmed) == (0, 4 * 320)


@pytest.mark.parametrize("levels", [[0.1, 0.1, 0.015, 0.015, 0.1], [0.1, 0.1, 0.004, 0.1, 0.1]])
def test_two_weaker_windows_or_a_silent_one_begin_the_confirmation_anew(levels: list[float]) -> None:
    assert detect(_steps(levels), 16000) == []


def _steps(levels: list[float]) -> Sound:
    wave = np.sin(2 * np.pi * 200 * np.arange(320) / 16000) * np.sqrt(2)
    return np.concatenate([level * wave for level in levels])


# The noise floor.


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("level", [0.025, 0.05])
@pytest.mark.parametrize("noise", [white, fan])
def test_a_fan_switched_on_is_taken_for_the_room_within_five_seconds(
    noise: Any, level: float, rate: int, rng: np.random.Generator
) -> None:
    sound = np.concatenate((white(1, rate, 0.001, rng), noise(20, rate, level, rng)))
    found = detect(sound, rate)
    assert len(starts(found)) == 1
    (end,) = ends(found)
    assert end.confirmed <= 6 * rate


def test_somebody_speaking_over_a_known_fan_is_found(rng: np.random.Generator) -> None:
    speech = spoken("question", 16000, 0.15)
    detector = Detector(16000, DetectionSettings())
    noise = white(12 + len(speech) / 16000, 16000, 0.03, rng)
    found = detector.feed(pcm(noise + placed(len(noise) / 16000, 16000, (8.0, speech))))
    assert starts(found)[1].confirmed <= 8.25 * 16000
    assert ends(found)[1].end <= 8.1 * 16000 + len(speech)
    assert 0.02 < detector.floor < 0.04


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("level", [0.03, 0.1])
@pytest.mark.parametrize("hertz", [110, 440, 1500])
def test_a_tone_held_for_ten_seconds_is_one_utterance(hertz: float, level: float, rate: int) -> None:
    (end,) = ends(detect(placed(13, rate, (1.0, tone(hertz, 10, rate, level))), rate))
    assert abs(end.end - 11 * rate) <= 0.04 * rate


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_vowel_held_for_ten_seconds_is_one_utterance(rate: int, rng: np.random.Generator) -> None:
    sound = placed(13, rate, (1.0, vowel(10, rate, 0.05))) + white(13, rate, 0.003, rng)
    (end,) = ends(detect(sound, rate))
    assert abs(end.end - 11 * rate) <= 0.04 * rate


@pytest.mark.parametrize("clip", ["story", "numbers"])
def test_a_minute_of_speech_without_pauses_does_not_become_the_room(
    clip: str, rng: np.random.Generator
) -> None:
    speech = spoken(clip, 16000, 0.08)
    talk = np.tile(speech, math.ceil(30 * 16000 / len(speech)))
    detector = Detector(16000, DetectionSettings())
    found = detector.feed(pcm(talk + white(len(talk) / 16000, 16000, 0.002, rng)))
    assert len(starts(found)) == 1
    assert detector.floor < 0.01


def test_a_hum_is_taken_for_the_room_in_the_end() -> None:
    (end,) = ends(detect(placed(20, 16000, (1.0, tone(100, 19, 16000, 0.05))), 16000))
    assert 12 * 16000 < end.confirmed < 15 * 16000


def test_the_floor_falls_faster_than_it_rises(rng: np.random.Generator) -> None:
    detector = Detector(16000, DetectionSettings())
    loud, quiet = white(1, 16000, 0.015, rng), white(1, 16000, 0.001, rng)
    detector.feed(pcm(loud))
    risen = detector.floor
    detector.feed(pcm(np.tile(loud, 9)))
    high = detector.floor
    detector.feed(pcm(quiet))
    assert 0.003 < risen < 0.012 < high
    assert detector.floor < 0.0025


def test_digital_silence_teaches_nothing_about_the_room(rng: np.random.Generator) -> None:
    detector = Detector(16000, DetectionSettings())
    detector.feed(pcm(white(5, 16000, 0.015, rng)))
    before = detector.floor
    detector.feed(bytes(2 * 16000 * 5))
    assert detector.floor == before > 0.01


def test_the_floor_stays_below_what_would_make_speakers_inaudible(rng: np.random.Generator) -> None:
    detector = Detector(16000, DetectionSettings())
    detector.feed(pcm(white(20, 16000, 0.3, rng)))
    assert detector.floor <= 0.06


@pytest.mark.parametrize("rate", RATES)
def test_a_voice_has_a_pitch_and_noise_has_none(rate: int, rng: np.random.Generator) -> None:
    def is_pitched(sound: Sound) -> bool:
        return pitched(np.frombuffer(pcm(sound), "<i2"), rate)

    assert is_pitched(vowel(0.04, rate, 0.1))
    assert is_pitched(tone(440, 0.04, rate))
    assert not is_pitched(white(0.04, rate, 0.1, rng))
    assert not is_pitched(np.zeros(rate // 25))


# Positions, chunks and breaks.


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([8000, 16000, 22050, 44100]),
    seed=st.integers(0, 99),
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=40),
)
def test_the_answer_does_not_depend_on_how_the_audio_is_cut(rate: int, seed: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(seed)
    sound = white(6, rate, 0.004, rng)
    for _ in range(3):
        at = rng.uniform(0, 5)
        sound += placed(6, rate, (at, tone(rng.uniform(100, 900), rng.uniform(0.03, 1), rate, 0.05)))
    whole = pcm(sound)
    at_once, by_pieces = (Detector(rate, DetectionSettings(), position=777) for _ in range(2))
    found, at, turn = [], 0, 0
    while at < len(whole):
        size = 2 * sizes[turn % len(sizes)] or 2 * rate * (turn % 2)
        found += by_pieces.feed(whole[at : at + size])
        at, turn = at + size, turn + 1
    assert found == at_once.feed(whole)
    assert (by_pieces.floor, by_pieces.position) == (at_once.floor, at_once.position)
    assert by_pieces.speaking == at_once.speaking


def test_positions_count_from_where_the_stream_began() -> None:
    sound = pcm(placed(2, 16000, (0.5, tone(440, 0.5, 16000))))
    from_zero = Detector(16000, DetectionSettings()).feed(sound)
    later = Detector(16000, DetectionSettings(), position=1_000_000)
    assert [event.start for event in later.feed(sound)] == [event.start + 1_000_000 for event in from_zero]
    assert later.position == 1_032_000


def test_speaking_follows_the_events() -> None:
    detector = Detector(16000, DetectionSettings())
    detector.feed(pcm(tone(440, 0.5, 16000)))
    assert detector.speaking
    detector.feed(bytes(32000))
    assert not detector.speaking


def test_a_break_ends_open_speech_with_its_last_loud_window() -> None:
    detector = Detector(16000, DetectionSettings())
    detector.feed(pcm(placed(0.805, 16000, (0.2, tone(440, 0.4, 16000)))))
    assert detector.cut(50_000) == SpeechEnded(3200, 9600, 12_880)
    assert (detector.position, detector.speaking) == (50_000, False)


def test_a_break_in_silence_ends_nothing() -> None:
    detector = Detector(16000, DetectionSettings())
    detector.feed(bytes(1000))
    assert detector.cut(500) is None


def test_nothing_joins_across_a_break() -> None:
    detector = Detector(16000, DetectionSettings())
    two_windows_and_a_part = pcm(tone(440, 1, 16000)[3200 : 3200 + 2 * 320 + 200])
    assert detector.feed(two_windows_and_a_part) == []
    assert detector.cut(detector.position) is None
    assert detector.feed(two_windows_and_a_part) == []


def test_after_a_break_windows_begin_at_the_new_position() -> None:
    detector = Detector(16000, DetectionSettings())
    detector.feed(bytes(2 * 100))
    detector.cut(12_345)
    (start,) = detector.feed(pcm(tone(440, 1, 16000)[3200 : 3200 + 960]))
    assert start == SpeechStarted(12_345, 12_345 + 960)


def test_the_floor_outlives_a_break(rng: np.random.Generator) -> None:
    detector = Detector(16000, DetectionSettings())
    detector.feed(pcm(white(5, 16000, 0.015, rng)))
    before = detector.floor
    detector.cut(1_000_000)
    assert detector.floor == before


def test_a_stream_cannot_go_back() -> None:
    detector = Detector(16000, DetectionSettings(), position=500)
    with pytest.raises(ValueError, match="at sample 500 and cannot go back to 499"):
        detector.cut(499)


def test_an_odd_number_of_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="even number of bytes, not 3"):
        Detector(16000, DetectionSettings()).feed(b"abc")


@pytest.mark.parametrize("rate", [7999, 48001])
def test_a_rate_out_of_range_is_refused(rate: int) -> None:
    with pytest.raises(ValueError, match="between 8000 and 48000"):
        Detector(rate, DetectionSettings())


def test_an_echo_guard_that_is_set_must_be_given() -> None:
    with pytest.raises(ValueError, match="guard must be given"):
        Detector(16000, DetectionSettings(echo_guard=True))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("start_confirm", -0.1),
        ("hangover", 0.0),
        ("threshold", 0.0),
        ("over_floor", 0.5),
        ("hysteresis", 1.5),
        ("window", math.nan),
    ],
)
def test_a_setting_out_of_range_is_named_with_its_range(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{field} must lie between \S+ and \S+, not"):
        DetectionSettings(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(("confirm", "windows"), [(0.0, 1), (0.02, 1), (0.05, 3), (0.06, 3), (0.2, 10)])
def test_confirmation_takes_as_many_whole_windows_as_it_needs(confirm: float, windows: int) -> None:
    (start,) = detect(tone(440, 1, 16000)[3200:6400], 16000, start_confirm=confirm)[:1]
    assert start.confirmed == windows * 320
