from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxemu.audio import AudioFormat, Framer, Resampler, Scale, floats, mix, pcm16, resample
from voxemu.errors import AudioError

scales = pytest.mark.parametrize("scale", list(Scale))


def ints(pcm: bytes) -> list[int]:
    return [int(sample) for sample in np.frombuffer(pcm, "<i2")]


@scales
def test_every_int16_comes_back_as_it_went(scale: Scale) -> None:
    every = np.arange(-32768, 32768, dtype="<i2").tobytes()
    assert pcm16(floats(every, scale), scale) == every


@scales
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=50))
def test_whatever_floats_come_in_the_result_is_clamped_and_nan_is_silence(
    scale: Scale, values: list[float]
) -> None:
    made = ints(pcm16(np.array(values, np.float32), scale))
    for value, sample in zip(values, made, strict=True):
        if math.isnan(value):
            assert sample == 0
        elif value >= 1:
            assert sample == 32767
        elif value <= -1:
            assert sample == -32768
        else:
            assert abs(sample - value * 32768) <= 1.5


def test_each_pages_own_scale_at_full_level() -> None:
    both = np.array([1.0, -1.0, 0.5, -0.5], np.float32)
    assert ints(pcm16(both, Scale.DIVIDE)) == [32767, -32768, 16384, -16384]
    assert ints(pcm16(both, Scale.ASYMMETRIC)) == [32767, -32768, 16384, -16384]
    top = np.array([32767, -32768], "<i2").tobytes()
    assert floats(top, Scale.DIVIDE).tolist() == [pytest.approx(32767 / 32768), -1.0]
    assert floats(top, Scale.ASYMMETRIC).tolist() == [1.0, -1.0]


def test_an_odd_byte_count_is_no_audio() -> None:
    with pytest.raises(AudioError, match="3 bytes"):
        floats(b"abc")


@given(st.binary(max_size=3000), st.integers(1, 400), st.data())
def test_a_framer_gives_back_what_it_was_given_in_whole_frames(
    pcm: bytes, size: int, data: st.DataObject
) -> None:
    framer, frames, rest = Framer(size), [], pcm
    while rest:
        cut = data.draw(st.integers(1, len(rest)))
        frames += framer.push(rest[:cut])
        rest = rest[cut:]
    last = framer.flush()
    assert {len(frame) for frame in frames} <= {2 * size}
    assert b"".join([*frames, last or b""])[: len(pcm)] == pcm
    assert framer.flush() is None


@pytest.mark.parametrize(("low", "high"), [(16000, 44100), (44100, 16000), (8000, 24000), (48000, 16000)])
def test_resampling_does_not_depend_on_the_chunks_and_keeps_the_length(low: int, high: int) -> None:
    rng = Random(7)
    clip = pcm16(np.sin(np.arange(low) * 0.05).astype(np.float32))
    whole = resample(clip, low, high)
    stream, made, at = Resampler(low, high), b"", 0
    while at < len(clip):
        step = 2 * rng.randrange(1, 900)
        made += stream.push(clip[at : at + step])
        at += step
    assert made + stream.flush() == whole
    assert abs(len(whole) // 2 - high) <= 2


def test_equal_rates_pass_through_untouched() -> None:
    assert resample(b"\1\2\3\4", 16000, 16000) == b"\1\2\3\4"
    assert Resampler(16000, 16000).push(b"\1\2") == b"\1\2"


def test_a_rate_nobody_records_at_is_refused() -> None:
    with pytest.raises(AudioError, match="100 Hz"):
        AudioFormat(100)


def test_two_tracks_interleave_left_first() -> None:
    assert mix(b"\1\0\2\0", b"\3\0\4\0") == b"\1\0\3\0\2\0\4\0"
    with pytest.raises(AudioError, match="cannot be interleaved"):
        mix(b"\1\0", b"")
