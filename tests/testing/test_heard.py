"""How much there was to hear, and at which pitch."""

from __future__ import annotations

import pytest

from voxemu.agents import sine
from voxemu.audio import AudioFormat
from voxemu.testing import Heard

FORMAT = AudioFormat(16_000)


def heard(*parts: float, hertz: float = 440.0) -> Heard:
    """Seconds of sound, of silence, of sound …"""
    pcm = b""
    for number, seconds in enumerate(parts):
        silence = FORMAT.silence(FORMAT.samples(seconds))
        pcm += silence if number % 2 else sine(FORMAT, hertz, seconds)
    return Heard(pcm, FORMAT.rate)


def test_what_is_silent_is_not_heard() -> None:
    assert Heard(FORMAT.silence(16_000), FORMAT.rate).stretches == []
    assert Heard(b"", FORMAT.rate).seconds == 0


def test_stretches_are_told_apart_by_silence() -> None:
    places = [place for stretch in heard(0.5, 0.4, 0.3).stretches for place in stretch]
    assert places == pytest.approx([0.0, 0.5, 0.9, 1.2], abs=0.02)


def test_a_pause_inside_a_word_does_not_break_a_stretch() -> None:
    assert heard(0.3, 0.08, 0.3).seconds == pytest.approx(0.68, abs=0.02)


def test_silence_between_stretches_is_not_counted() -> None:
    assert heard(0.5, 2.0, 0.3).seconds == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("hertz", [100.0, 440.0, 881.0, 3000.0])
def test_a_tone_has_its_pitch(hertz: float) -> None:
    assert heard(0.5, 0.2, hertz=hertz).hertz == pytest.approx(hertz, rel=0.002)


def test_too_short_a_sound_has_no_pitch() -> None:
    assert heard(0.05).hertz is None
    assert heard(0.0, 1.0).hertz is None


def test_an_odd_byte_at_the_end_is_no_sample() -> None:
    assert Heard(heard(0.2).pcm + b"\x01", FORMAT.rate).seconds == pytest.approx(0.2, abs=0.01)
