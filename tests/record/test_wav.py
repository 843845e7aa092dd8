from __future__ import annotations

import stat
import wave
from pathlib import Path

import pytest

from tests.record.calls import samples, silence
from voxemu.errors import RecordingError
from voxemu.record import wav
from voxemu.record.wav import WavFile, channel, read_wav


def standard(path: Path) -> tuple[int, int, bytes]:
    """As Python's own ``wave`` reads it."""
    with wave.open(str(path)) as file:
        return file.getframerate(), file.getnchannels(), file.readframes(file.getnframes())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.wav"


def test_a_new_file_is_a_playable_file_of_no_length(path: Path) -> None:
    WavFile(path, 24_000, 2).close()
    assert standard(path) == read_wav(path) == (24_000, 2, b"")


def test_appended_samples_are_read_back(path: Path) -> None:
    file = WavFile(path, 16_000, 1)
    file.append(samples(0, 7))
    file.append(samples(7, 5))
    file.declare()
    file.close()
    assert standard(path) == read_wav(path) == (16_000, 1, samples(0, 12))


def test_a_patch_changes_one_channel(path: Path) -> None:
    file = WavFile(path, 16_000, 2)
    file.patch([(0, 0, samples(0, 10))])
    file.patch([(1, 4, samples(100, 3))])
    file.declare()
    file.close()
    _, _, pcm = read_wav(path)
    assert channel(pcm, 0, 2) == samples(0, 10)
    assert channel(pcm, 1, 2) == silence(4) + samples(100, 3) + silence(3)


def test_what_was_never_written_is_silence(path: Path) -> None:
    file = WavFile(path, 16_000, 1)
    file.patch([(0, 1000, samples(0, 1))])
    file.extend(3000)
    file.declare()
    file.close()
    assert standard(path)[2] == silence(1000) + samples(0, 1) + silence(1999)


def test_a_process_killed_before_the_header_leaves_what_the_header_counts(path: Path) -> None:
    file = WavFile(path, 16_000, 2)
    file.append(samples(0, 200))
    file.declare()
    file.append(samples(200, 200))
    assert standard(path) == read_wav(path) == (16_000, 2, samples(0, 200))
    file.close()


def test_an_open_file_can_be_read(path: Path) -> None:
    file = WavFile(path, 16_000, 1)
    file.append(samples(0, 9))
    file.declare()
    assert standard(path)[2] == samples(0, 9)
    file.close()


def test_only_its_owner_may_read_it(path: Path) -> None:
    WavFile(path, 16_000, 1).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_there_already_is_not_written_over(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(RecordingError, match=r"cannot create .*x\.wav: File exists"):
        WavFile(path, 16_000, 1)


def test_more_than_a_wav_file_can_say_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wav, "LIMIT", 100)
    file = WavFile(path, 16_000, 1)
    with pytest.raises(RecordingError, match=r"x\.wav is full"):
        file.append(samples(0, 51))
    file.close()


def test_something_else_than_audio_is_named(path: Path) -> None:
    path.write_text("no audio")
    with pytest.raises(RecordingError, match=r"x\.wav cannot be read as audio"):
        read_wav(path)
