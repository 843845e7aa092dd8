"""Which repeats are kept, and what of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.figures import Run
from benchmarks.repeats import Repeats, Size

WELL: Run = {
    "lost": 0,
    "generator_late_p99": 0.001,
    "received": 1000,
    "expected": 1000,
    "without_core": 0.01,
    "late_p99": 0.002,
    "cpu": 1.0,
}


class Told(Repeats):
    """Repeats that are told what they measured."""

    def __init__(self, folder: Path, *runs: Run, keep: bool = False, spare: int = 0) -> None:
        super().__init__(Size(repeats=len(runs) - spare, spare=spare), folder, keep=keep)
        self._told = list(runs)
        self.asked: list[tuple[Any, ...]] = []

    def run_once(self, name: str, sessions: int, periods: int = 1) -> Run:
        self.asked.append((name, sessions, periods))
        return self._told.pop(0)


@pytest.fixture(autouse=True)
def without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.servers.COMPILERS", ())


def test_of_a_server_that_was_kept_from_its_core_only_the_work_counts(tmp_path: Path) -> None:
    repeats = Told(tmp_path, WELL, WELL | {"without_core": 0.2})
    repeats.take_turns(("ours",), 200)
    first, second = repeats.runs["ours", 200]
    assert first == WELL
    assert second == {
        name: figure for name, figure in (WELL | {"without_core": 0.2}).items() if name != "late_p99"
    }
    assert "kept from its core for 20%" in repeats.told_faults()[0]


def test_a_repeat_that_went_otherwise_does_not_count_at_all(tmp_path: Path) -> None:
    repeats = Told(tmp_path, WELL | {"received": 500, "without_core": 0.2})
    repeats.take_turns(("ours",), 200)
    assert repeats.runs["ours", 200] == [None]


@pytest.mark.parametrize(("share", "runs"), [(0.01, 1), (0.2, 2)])
def test_there_is_one_more_where_one_of_them_has_no_times(tmp_path: Path, share: float, runs: int) -> None:
    repeats = Told(tmp_path, WELL | {"without_core": share}, WELL, spare=1)
    repeats.take_turns(("ours",), 200)
    assert len(repeats.runs["ours", 200]) == runs


def test_who_asks_for_all_of_them_gets_all_of_them(tmp_path: Path) -> None:
    slow = WELL | {"without_core": 0.2}
    repeats = Told(tmp_path, slow, keep=True)
    repeats.take_turns(("ours",), 200)
    assert repeats.runs["ours", 200] == [slow]


def test_barge_ins_are_measured_for_as_many_periods_as_they_are_asked_for(tmp_path: Path) -> None:
    repeats = Told(tmp_path, WELL)
    repeats.take_turns(("ours",), 200, 5)
    assert repeats.asked == [("ours", 200, 5)]
