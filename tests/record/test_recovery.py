"""``emu recover``: a recording whose process was killed is finished from what lies on the disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.record.calls import FRAME, PROVIDER, RATE, T0, Recorded, samples
from voxemu import cli
from voxemu.errors import RecordingError
from voxemu.events import (
    AgentAudioSent,
    Closed,
    FindingMade,
    InputStarted,
    PlaybackStarted,
    RatesAnnounced,
    SessionStarted,
    TurnEnded,
    TurnStarted,
    UserAudioSent,
)
from voxemu.provider import Role
from voxemu.record import Recorder, Recording
from voxemu.record.folder import CALL, MANIFEST, TIMELINE, WIRE
from voxemu.record.golden import compare_exactly
from voxemu.record.recovery import recordings_below, recover

CLOSED = Closed(1000, "", "caller")


def talked(call: Recorded, frames: int = 50) -> None:
    """A second of both, a turn and a finding."""
    call.at(0.0, SessionStarted("s-1"), InputStarted(0), PlaybackStarted(0), TurnStarted(1, 0, 10))
    for number in range(frames):
        pcm = samples(number * FRAME, FRAME)
        call.at(number * 0.02, UserAudioSent(pcm), AgentAudioSent(pcm))
    call.at(frames * 0.02, TurnEnded(1, 0, 320, 400, 0.02, "silence"), FindingMade("F-X", "r", "p", "s"))


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The files of a call as they lay on the disk when its process was killed."""
    call = Recorded(tmp_path / "live", Role.CALLER)
    talked(call)
    call.settle(1.1)
    shutil.copytree(tmp_path / "live", tmp_path / "killed")
    call.recorder.close(T0 + 1.2)
    return tmp_path / "killed"


def run(*paths: Path) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["recover", *map(str, paths)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_recovered_recording_has_the_figures_that_the_recorder_would_have_written(tmp_path: Path) -> None:
    call = Recorded(tmp_path / "live", Role.CALLER)
    talked(call)
    call.at(1.1, CLOSED)
    shutil.copytree(tmp_path / "live", tmp_path / "killed")
    whole = call.close(1.1).manifest
    recover(tmp_path / "killed")
    found = Recording.open(tmp_path / "killed").manifest
    names = ["turns", "barge_ins", "findings", "length", "audio", "digests", "closed", "sent_settings"]
    assert {name: whole[name] for name in names} == {name: found[name] for name in names}


def test_a_recovered_recording_says_so_and_stays_incomplete(killed: Path) -> None:
    recover(killed)
    recording = Recording.open(killed)
    assert (recording.complete, recording.recovered) == (False, True)
    assert recording.manifest["closed"] is None


def test_recovering_twice_changes_nothing(killed: Path) -> None:
    assert recover(killed)
    before = {file.name: file.read_bytes() for file in killed.iterdir()}
    assert recover(killed) == []
    assert before == {file.name: file.read_bytes() for file in killed.iterdir()}


def test_a_complete_recording_is_left_alone(tmp_path: Path) -> None:
    call = Recorded(tmp_path)
    talked(call)
    call.close(1.1)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert recover(tmp_path) == []
    assert before == {file.name: file.read_bytes() for file in tmp_path.iterdir()}


def test_a_torn_last_line_is_cut_off_and_told(killed: Path) -> None:
    lines = len(Recording.open(killed).timeline.lines)
    with (killed / TIMELINE).open("ab") as file:
        file.write(b'{"t":1100,"po')
    done = recover(killed)
    assert f"the last line of {TIMELINE} was torn: 13 bytes cut off" in done
    timeline = Recording.open(killed).timeline
    assert (len(timeline.lines), timeline.torn) == (lines, None)


@pytest.mark.parametrize("told_of", [0, 4, 2**32 - 1])
def test_a_header_that_does_not_count_what_the_file_holds_is_put_right(killed: Path, told_of: int) -> None:
    left = Recording.open(killed).left
    with (killed / CALL).open("r+b") as file:
        file.seek(40)
        file.write(told_of.to_bytes(4, "little"))
    done = recover(killed)
    assert any(text.startswith("the header of call.wav counted") for text in done)
    assert Recording.open(killed).left == left


def test_a_part_of_a_sample_is_cut_off(killed: Path) -> None:
    with (killed / CALL).open("ab") as file:
        file.write(b"\1\2\3")
    assert "call.wav ended in a part of a sample: 3 bytes cut off" in recover(killed)
    assert (killed / CALL).stat().st_size % 4 == 0


def test_a_header_that_was_never_written_is_written(killed: Path) -> None:
    (killed / WIRE).write_bytes(b"RIFF")
    recover(killed)
    assert Recording.open(killed).agent_wire == b""


def test_what_the_timeline_tells_and_no_file_holds_is_counted_as_missing(killed: Path) -> None:
    kept = (50 * FRAME - 1000) * 4 + 44
    with (killed / CALL).open("r+b") as file:
        file.truncate(kept)
    done = recover(killed)
    manifest = Recording.open(killed).manifest
    assert manifest["recovered"]["missing"] == {"user": 1000, "agent": 1000}
    assert "1000 samples of the user were lost with the recorder" in done
    counted = manifest["audio"]["agent"]
    assert counted["received"] == counted["heard"] + counted["dropped"]


def test_a_recording_in_parts_is_recovered_whole(killed: Path) -> None:
    content = (killed / CALL).read_bytes()
    cut = 44 + 4 * 8000
    (killed / CALL).write_bytes(content[:cut])
    (killed / "call.2.wav").write_bytes(bytes(44) + content[cut:])
    left = samples(0, 50 * FRAME)
    recover(killed)
    assert Recording.open(killed).left[: len(left)] == left


def test_a_recovered_recording_can_be_compared(killed: Path) -> None:
    assert [each.kind for each in compare_exactly(*(Recording.open(killed),) * 2)] == ["manifest"]
    recover(killed)
    assert compare_exactly(*(Recording.open(killed),) * 2) == []


def test_one_that_is_still_being_made_is_left_alone(tmp_path: Path) -> None:
    call = Recorded(tmp_path)
    talked(call)
    with pytest.raises(RecordingError, match="still being recorded"):
        recover(tmp_path)
    call.close(1.1)


def test_the_rate_of_the_users_audio_is_known_again(tmp_path: Path) -> None:
    call = Recorded(tmp_path / "live")
    call.at(0.0, InputStarted(0), RatesAnnounced(None, RATE // 2))
    for number in range(50):
        call.at(number * 0.02, UserAudioSent(samples(0, FRAME // 2)))
    call.settle(1.1)
    shutil.copytree(tmp_path / "live", tmp_path / "killed")
    call.recorder.close(T0 + 1.1)
    recover(tmp_path / "killed")
    assert Recording.open(tmp_path / "killed").manifest["audio"]["user"]["laid"] == 50 * FRAME


# --- refusals --------------------------------------------------------------------------------------------


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(RecordingError, match="holds no recording"):
        recordings_below(tmp_path)
    with pytest.raises(RecordingError, match="is no directory"):
        recordings_below(tmp_path / "a.wav")


@pytest.mark.parametrize(
    "manifest",
    [
        {"schema": "voxemu.recording/9"},
        {"rate": 3},
        {"rate": "x"},
        {"role": "judge"},
        {"schema": None},
    ],
)
def test_a_manifest_that_cannot_be_is_refused_and_nothing_changed(
    killed: Path, manifest: dict[str, Any]
) -> None:
    (killed / MANIFEST).write_text(json.dumps({**json.loads((killed / MANIFEST).read_text()), **manifest}))
    before = {file.name: file.read_bytes() for file in killed.iterdir()}
    with pytest.raises(RecordingError, match=r"manifest\.json"):
        recover(killed)
    assert before == {file.name: file.read_bytes() for file in killed.iterdir()}


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        '{"t":1,"pos":1,"dir":"up","type":"user_audio_sent","samples":-1,"offset":0}',
        '{"t":1,"pos":1,"dir":"up","type":"user_audio_sent","samples":1e99,"offset":0}',
        '{"t":1,"pos":1,"dir":"up","type":"user_audio_sent","samples":99999999999999,"offset":0}',
        '{"t":1,"pos":1,"dir":"up","type":"user_audio_sent","samples":4,"rate":1}',
        '{"t":1,"pos":1,"dir":"note","type":"playback_started","position":"x"}',
        '{"t":1,"pos":1,"dir":"note","type":"playback_started"}',
    ],
)
def test_a_line_broken_in_the_middle_is_named_and_nothing_changed(killed: Path, line: str) -> None:
    text = (killed / TIMELINE).read_text().splitlines(keepends=True)
    (killed / TIMELINE).write_text("".join([*text[:3], line + "\n", *text[3:]]))
    before = {file.name: file.read_bytes() for file in killed.iterdir()}
    with pytest.raises(RecordingError, match=r"timeline\.jsonl:4"):
        recover(killed)
    assert before == {file.name: file.read_bytes() for file in killed.iterdir()}


def test_a_word_of_another_version_is_passed_over(killed: Path) -> None:
    with (killed / TIMELINE).open("a") as file:
        file.write('{"t":1100,"pos":1,"dir":"note","type":"moon_risen","phase":1}\n')
    assert recover(killed)


# --- the command -----------------------------------------------------------------------------------------


def test_the_command_finishes_all_below_and_says_what_it_did(
    killed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(killed.parent) == 0
    out = capsys.readouterr().out
    assert f"{killed}: recovered\n  " in out
    assert "1 finished already, left as it is" in out
    assert run(killed.parent) == 0
    assert capsys.readouterr().out == "2 finished already, left as they are\n"


def test_one_that_cannot_be_finished_keeps_no_other_from_it(
    killed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(killed, killed.parent / "aaa")
    (killed.parent / "aaa" / MANIFEST).write_text("{")
    assert run(killed.parent) == 2
    said = capsys.readouterr()
    assert "aaa/manifest.json is no JSON" in said.err
    assert f"{killed}: recovered" in said.out


def test_the_command_refuses_what_is_no_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == 2
    assert "holds no recording" in capsys.readouterr().err


def test_a_recorder_that_never_began_leaves_a_recording_that_can_be_finished(tmp_path: Path) -> None:
    Recorder(tmp_path, PROVIDER, Role.CALLER).close(0.0)
    (tmp_path / MANIFEST).write_text(
        json.dumps({**json.loads((tmp_path / MANIFEST).read_text()), "complete": False})
    )
    assert recover(tmp_path)
