"""What recordings and a ticking server say happened."""

from __future__ import annotations

import json
import os
from pathlib import Path

from benchmarks.recorded import happened
from benchmarks.repeats import ticks_in

TURN = '{"t":1,"pos":1,"dir":"note","type":"turn_ended","turn":1,"why":"silence"}\n'
CUT_OFF = '{"t":1,"pos":1,"dir":"note","type":"turn_ended","turn":1,"why":"hang_up"}\n'
BARGE_IN = '{"t":1,"pos":1,"dir":"note","type":"barged_in","generation":1}\n'
SOUND = '{"t":1,"pos":1,"dir":"up","type":"user_audio_sent","samples":320,"offset":0}\n'


def recording(root: Path, name: str, at: int, *lines: str) -> None:
    folder = root / "workbuddy" / name
    folder.mkdir(parents=True)
    (folder / "call.wav").write_bytes(bytes(100))
    (folder / "timeline.jsonl").write_text("".join(lines))
    os.utime(folder / "timeline.jsonl", (at, at))


def test_turns_barge_ins_and_sound_are_counted_over_all_calls(tmp_path: Path) -> None:
    recording(tmp_path, "a", 1, TURN, SOUND * 100, BARGE_IN)
    recording(tmp_path, "b", 2, TURN, SOUND * 200, TURN)
    found = happened(tmp_path, 2)
    assert (found["recorded_turns"], found["recorded_barge_ins"]) == (3, 1)
    assert found["recorded_seconds_each"] == 3.0


def test_a_turn_that_the_end_cut_off_is_not_one_that_was_planned(tmp_path: Path) -> None:
    recording(tmp_path, "a", 1, TURN, CUT_OFF)
    assert happened(tmp_path, 1)["recorded_turns"] == 1


def test_the_calls_that_warmed_the_server_up_are_not_counted(tmp_path: Path) -> None:
    recording(tmp_path, "warm", 1, TURN)
    recording(tmp_path, "measured", 2, TURN, TURN)
    assert happened(tmp_path, 1)["recorded_turns"] == 2


def test_ticks_count_while_it_is_measured(tmp_path: Path) -> None:
    ticks = [[9.0, 0.5, 0.5], [10.5, 0.003, 0.001], [11.0, 0.001, 0.0015], [12.5, 0.5, 0.5]]
    said = tmp_path / "said"
    said.write_text("listening\n" + json.dumps({"ticks": ticks}) + "\n")
    assert ticks_in(said, 10.0, 12.0) == {"tick_max": 0.003, "tick_cpu_max": 0.0015, "ticks_over": 0.5}


def test_a_server_that_tells_no_ticks_has_none(tmp_path: Path) -> None:
    said = tmp_path / "said"
    said.write_text('{"event": "listening"}\n')
    assert ticks_in(said, 0.0, 1.0) == {}
