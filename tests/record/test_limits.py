"""How much a recording may take: of a file, of the memory, and of its directory."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import pytest

from tests.record.calls import FRAME, PROVIDER, RATE, T0, samples, silence
from voxemu.audio import mix
from voxemu.errors import AudioError, RecordingError
from voxemu.events import (
    AgentAudioSent,
    Event,
    InputStarted,
    Interrupted,
    LimitReached,
    Note,
    Opened,
    PlaybackFlushed,
    PlaybackStarted,
    RecordingFailed,
    UserAudioSent,
)
from voxemu.provider import Role
from voxemu.record import Allowance, Recorder, Recording, RecordingLimits, fresh_directory, usable_root
from voxemu.record.audio_file import read_audio
from voxemu.record.golden import compare_exactly
from voxemu.record.parts import CLOSE, WavParts, parts_of
from voxemu.record.recorder import AHEAD
from voxemu.record.recovery import recover

SMALL = 44 + 4 * RATE // 10
# Bytes of a file that holds a tenth of a second of both channels.


def recorded(path: Path, limits: RecordingLimits, frames: int = 50) -> tuple[Recorder, list[Note]]:
    """A second of both sides."""
    path.mkdir(parents=True)
    recorder = Recorder(path, PROVIDER, Role.CALLER, limits=limits)
    notes: list[Note] = []

    def at(seconds: float, *events: Event) -> None:
        for event in events:
            notes.extend(recorder.saw(event, T0 + seconds))

    at(0.0, Opened(), InputStarted(0), PlaybackStarted(0))
    for number in range(frames):
        pcm = samples(number * FRAME, FRAME)
        at(number * 0.02, UserAudioSent(pcm), AgentAudioSent(pcm))
    return recorder, notes


# --- a file ----------------------------------------------------------------------------------------------


def test_sound_goes_on_in_the_next_file_and_is_read_as_one(tmp_path: Path) -> None:
    recorder, notes = recorded(tmp_path / "parts", RecordingLimits(SMALL))
    recorder.close(T0 + 1.0)
    whole, _ = recorded(tmp_path / "whole", RecordingLimits())
    whole.close(T0 + 1.0)
    assert [path.name for path in parts_of(tmp_path / "parts/call.wav")][:3] == [
        *("call.wav", "call.2.wav", "call.3.wav"),
    ]
    one, other = (Recording.open(tmp_path / name) for name in ("parts", "whole"))
    assert (one.left, one.right, one.agent_wire) == (other.left, other.right, other.agent_wire)
    assert one.manifest["digests"]["call.wav"] == other.manifest["digests"]["call.wav"]
    assert LimitReached("recording", SMALL) in notes


def test_every_part_is_a_wav_file_of_its_own(tmp_path: Path) -> None:
    recorder, _ = recorded(tmp_path / "call", RecordingLimits(SMALL))
    recorder.close(T0 + 1.0)
    found = b""
    for path in parts_of(tmp_path / "call/call.wav"):
        assert path.stat().st_size <= SMALL
        with wave.open(str(path)) as file:
            found += file.readframes(file.getnframes())
    recording = Recording.open(tmp_path / "call")
    assert found == mix(recording.left, recording.right)


def test_the_limit_of_a_file_is_in_the_timeline(tmp_path: Path) -> None:
    recorder, _ = recorded(tmp_path / "call", RecordingLimits(SMALL))
    recorder.close(T0 + 1.0)
    lines = Recording.open(tmp_path / "call").timeline.lines
    assert {line.fields["limit"] for line in lines if line.type == "limit_reached"} == {"recording"}


def test_a_recording_in_parts_compares_to_itself(tmp_path: Path) -> None:
    recorder, _ = recorded(tmp_path / "call", RecordingLimits(SMALL))
    recorder.close(T0 + 1.0)
    recording = Recording.open(tmp_path / "call")
    assert compare_exactly(recording, recording) == []


def test_a_track_in_parts_can_be_said_by_a_caller(tmp_path: Path) -> None:
    recorder, _ = recorded(tmp_path / "call", RecordingLimits(SMALL))
    recorder.close(T0 + 1.0)
    recording = Recording.open(tmp_path / "call")
    assert read_audio(tmp_path / "call/agent-wire.wav", RATE) == recording.agent_wire


def test_files_that_only_look_like_parts_are_none(tmp_path: Path) -> None:
    for name in ("call.wav", "call.2.wav"):
        file = WavParts(tmp_path / name, RATE, 1, 1 << 20)
        file.append(samples(0, 100))
        file.declare()
        file.close()
    # Without a recording's manifest beside them.
    assert read_audio(tmp_path / "call.wav", RATE) == samples(0, 100)


@pytest.mark.parametrize("first", [0, 90, 150, 250])
def test_a_place_in_an_earlier_part_can_be_patched(tmp_path: Path, first: int) -> None:
    parts = WavParts(tmp_path / "call.wav", RATE, 2, 44 + 4 * 100)
    parts.extend(300)
    parts.patch([(1, first, samples(0, 120))])
    parts.declare()
    length = parts.frames
    parts.close()
    found = b""
    for path in parts_of(tmp_path / "call.wav"):
        with wave.open(str(path)) as file:
            found += file.readframes(file.getnframes())
    right = silence(first) + samples(0, 120) + silence(length - first - 120)
    assert found == mix(silence(length), right)


def test_pieces_of_both_channels_far_apart_each_lie_at_their_place(tmp_path: Path) -> None:
    parts = WavParts(tmp_path / "call.wav", RATE, 2, 1 << 30)
    parts.patch([(0, 0, samples(0, 100)), (1, CLOSE * 2, samples(5, 100)), (0, 100, samples(9, 50))])
    parts.declare()
    parts.close()
    with wave.open(str(tmp_path / "call.wav")) as file:
        found = file.readframes(file.getnframes())
    left = samples(0, 100) + samples(9, 50) + silence(CLOSE * 2 - 50)
    assert found == mix(left, silence(CLOSE * 2) + samples(5, 100))


# --- the memory ------------------------------------------------------------------------------------------


def test_audio_far_ahead_of_its_time_lies_in_the_file_and_is_taken_back_there(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, PROVIDER, Role.CALLER)
    second = samples(0, RATE)
    recorder.saw(Opened(), T0)
    for number in range(round(AHEAD) + 30):
        recorder.saw(AgentAudioSent(second), T0 + number * 0.001)
        if number == 0:
            recorder.saw(PlaybackStarted(0), T0)
    assert (tmp_path / "call.wav").stat().st_size > 20 * RATE * 4
    recorder.saw(Interrupted(), T0 + 0.5)
    taken_back = (round(AHEAD) + 30) * RATE - RATE // 2
    recorder.saw(PlaybackFlushed(RATE // 2, taken_back), T0 + 0.5)
    recorder.close(T0 + 1.0)
    recording = Recording.open(tmp_path)
    assert recording.right == second[:RATE] + silence(RATE // 2)
    assert recording.manifest["audio"]["agent"]["heard"] == RATE // 2


# --- the directory ---------------------------------------------------------------------------------------


def test_a_full_directory_ends_the_recording_and_is_told(tmp_path: Path) -> None:
    allowance = Allowance(tmp_path, 60_000)
    recorder, notes = recorded(tmp_path / "call", RecordingLimits(directory=allowance), 200)
    recorder.close(T0 + 4.0)
    assert [type(note) for note in notes] == [LimitReached, RecordingFailed]
    assert notes[0] == LimitReached("recordings", 60_000)
    recording = Recording.open(tmp_path / "call")
    assert recording.timeline.lines[-1].type == "limit_reached"
    assert "[limits] recordings" in recording.manifest["failure"]
    assert len(recording.left) > 0


def test_what_lies_in_the_directory_already_counts(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(bytes(60_000))
    assert not Allowance(tmp_path, 50_000).takes(0)


def test_room_that_somebody_made_is_room_again(tmp_path: Path) -> None:
    allowance = Allowance(tmp_path, 50_000)
    (tmp_path / "old").write_bytes(bytes(60_000))
    assert not allowance.takes(0)
    (tmp_path / "old").unlink()
    assert allowance.takes(10)


def test_a_recording_that_its_directory_ended_can_be_recovered(tmp_path: Path) -> None:
    recorder, _ = recorded(tmp_path / "call", RecordingLimits(directory=Allowance(tmp_path, 60_000)), 200)
    recorder.close(T0 + 4.0)
    assert recover(tmp_path / "call")
    recording = Recording.open(tmp_path / "call")
    assert compare_exactly(recording, recording) == []


# --- where recordings may lie ----------------------------------------------------------------------------


def test_a_directory_that_is_missing_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    usable_root(tmp_path / "a/b")
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o700


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match="is no folder, so nothing can be recorded in it"):
        usable_root(tmp_path / "file")
    with pytest.raises(RecordingError, match="recordings cannot be written to"):
        usable_root(tmp_path / "file/below")


def test_a_link_is_followed_to_a_directory_and_to_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    usable_root(tmp_path / "link")
    for name in ("nowhere", "round"):
        with pytest.raises(RecordingError, match=r"is a link to .*, which does not exist"):
            usable_root(tmp_path / name)


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    # Nobody writes there, also not the superuser, whom modes do not hold back.
    root = Path("/proc/voxemu-recordings") if os.geteuid() == 0 else closed
    with pytest.raises(RecordingError, match=f"recordings cannot be written to {root}"):
        usable_root(root)


def test_a_providers_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "calls").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "calls/lokutor").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordingError, match="is a link; the folders of the providers must be none"):
        usable_root(tmp_path / "calls", ["lokutor"])
    with pytest.raises(RecordingError, match="is a link; the folders of the providers must be none"):
        fresh_directory(tmp_path / "calls", "lokutor", "call")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_track_longer_than_an_hour_is_not_read_into_memory(tmp_path: Path) -> None:
    parts = WavParts(tmp_path / "call.wav", 8000, 1, 1 << 30)
    parts.extend(8000 * 3601)
    parts.declare()
    parts.close()
    with pytest.raises(AudioError, match="longer than 3600 s"):
        read_audio(tmp_path / "call.wav", 8000)
