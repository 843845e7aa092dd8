"""Reading audio files: whatever they are, PCM16 mono at the rate that is asked for comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voxemu import prompts
from voxemu.audio import Scale, sample_count
from voxemu.errors import AudioError, UnknownName
from voxemu.record.audio_file import read_audio
from voxemu_client.clips import load_clip
from voxemu_client.speech import Clip, audible, spoken


def written(path: Path, wave: np.ndarray, rate: int, **how: str) -> Path:
    soundfile.write(path, wave, rate, **how)
    return path


def ints(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2")


@given(
    rate=st.sampled_from([8000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000]),
    wanted=st.sampled_from([8000, 16_000, 24_000, 44_100, 48_000]),
    channels=st.integers(1, 6),
    count=st.integers(50, 30_000),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_duration_is_kept_for_any_rate_and_channel_count(
    tmp_path: Path, rate: int, wanted: int, channels: int, count: int
) -> None:
    wave = np.zeros((count, channels), np.float32)
    pcm = read_audio(written(tmp_path / "a.wav", wave, rate), wanted)
    assert abs(sample_count(pcm) - count * wanted / rate) <= 1


@pytest.mark.parametrize("wanted", [8000, 16_000, 24_000, 44_100])
def test_the_tail_of_a_resampled_clip_is_not_lost(tmp_path: Path, wanted: int) -> None:
    wave = np.zeros(48_000, np.float32)
    wave[-480:] = 0.5 * np.sin(np.arange(480) * 2 * np.pi * 1000 / 48_000)
    pcm = read_audio(written(tmp_path / "a.wav", wave, 48_000), wanted)
    assert np.abs(ints(pcm)[-wanted // 100 :]).max() > 10_000


@pytest.mark.parametrize(
    ("suffix", "subtype"), [("wav", "PCM_24"), ("wav", "FLOAT"), ("flac", "PCM_16"), ("ogg", "VORBIS")]
)
def test_formats_are_read_alike(tmp_path: Path, suffix: str, subtype: str) -> None:
    tone = (0.4 * np.sin(np.arange(16_000) * 2 * np.pi * 440 / 16_000)).astype(np.float32)
    pcm = read_audio(written(tmp_path / f"a.{suffix}", tone, 16_000, subtype=subtype), 16_000)
    assert ints(pcm).std() == pytest.approx(0.4 / np.sqrt(2) * 32_768, rel=0.02)


def test_16_bit_mono_at_the_rate_asked_for_is_left_untouched(tmp_path: Path) -> None:
    wave = np.arange(-16_000, 16_000, dtype=np.int16)
    path = written(tmp_path / "a.wav", wave, 16_000, subtype="PCM_16")
    assert read_audio(path, 16_000) == wave.tobytes()


def test_channels_are_averaged(tmp_path: Path) -> None:
    wave = np.tile(np.array([[0.5, 0.0]], np.float32), (100, 1))
    assert set(ints(read_audio(written(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT"), 16_000))) == {8192}


def test_what_is_no_number_is_silence_and_what_is_too_loud_is_clamped(tmp_path: Path) -> None:
    wave = np.array([np.nan, 7.0, -7.0, np.inf, 0.0], np.float32)
    found = ints(read_audio(written(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT"), 16_000))
    assert list(found) == [0, 32_767, -32_768, 32_767, 0]


@pytest.mark.parametrize("name", prompts.names())
def test_every_shipped_prompt_can_be_said(name: str) -> None:
    clip = load_clip(name, 44_100)
    assert clip.name == name
    assert sample_count(clip.pcm) > 10_000


def test_human_speech_can_be_said(human_speech: Path) -> None:
    assert sample_count(load_clip(str(human_speech), 24_000).pcm) / 24_000 == pytest.approx(1.43, abs=0.01)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"nothing\.wav is not there; give an audio file or one of: goodbye"):
        load_clip(str(tmp_path / "nothing.wav"), 16_000)


def test_a_mistyped_prompt_is_recognised() -> None:
    with pytest.raises(UnknownName, match="did you mean 'hello'"):
        load_clip("helo", 16_000)


def test_a_file_that_is_no_audio_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_text("not audio at all")
    with pytest.raises(AudioError, match=r"a\.wav is no audio that can be read"):
        load_clip(str(path), 16_000)


def test_a_file_without_samples_is_said(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", np.zeros(0, np.float32), 16_000)
    with pytest.raises(AudioError, match="holds no samples"):
        load_clip(str(path), 16_000)


def test_a_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="is a directory"):
        load_clip(str(tmp_path), 16_000)


def test_a_rate_that_nothing_can_use_is_said(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", np.zeros(100, np.float32), 4000)
    with pytest.raises(AudioError, match="4000 Hz"):
        load_clip(str(path), 16_000)


def test_speech_is_found_between_silence() -> None:
    wave = np.zeros(1000, "<i2")
    wave[200:300] = 5000
    assert spoken(wave.tobytes()) == (200, 300)


def test_a_quiet_clip_is_judged_by_its_own_peak() -> None:
    wave = np.zeros(1000, "<i2")
    wave[200:300] = 100
    assert spoken(wave.tobytes()) == (200, 300)


def test_a_silent_clip_is_taken_whole() -> None:
    assert spoken(bytes(200)) == (0, 100)


def test_leading_silence_is_trimmed_and_nothing_else() -> None:
    wave = np.zeros(1000, "<i2")
    wave[200:300] = 5000
    assert Clip("a", wave.tobytes()).trimmed() == Clip("a", wave[200:].tobytes())


@pytest.mark.parametrize(("level", "heard"), [(0, False), (60, False), (200, True)])
def test_what_is_faint_is_not_audible(level: int, heard: bool) -> None:
    assert audible(np.full(100, level, "<i2").tobytes()) is heard


def test_floats_become_integers_as_the_providers_page_does_it(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", np.array([0.5, -0.5] * 50, np.float32), 16_000, subtype="FLOAT")
    for scale, high in ((Scale.DIVIDE, 16384), (Scale.ASYMMETRIC, 16384)):
        assert set(ints(load_clip(str(path), 16_000, scale).pcm)) == {high, -16384}
    quarter = written(tmp_path / "b.wav", np.full(50, 0.9, np.float32), 16_000, subtype="FLOAT")
    assert set(ints(load_clip(str(quarter), 16_000, Scale.DIVIDE).pcm)) == {29491}
    assert set(ints(load_clip(str(quarter), 16_000, Scale.ASYMMETRIC).pcm)) == {29490}


def test_sixteen_bit_files_are_left_as_they_are_on_every_page(tmp_path: Path) -> None:
    wave = np.arange(-32768, 32768, 7, dtype="<i2")
    path = written(tmp_path / "a.wav", wave, 16_000, subtype="PCM_16")
    for scale in Scale:
        assert load_clip(str(path), 16_000, scale).pcm == wave.tobytes()
