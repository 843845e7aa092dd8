"""What `make bench-check` fails for, and what it only shows."""

from __future__ import annotations

from typing import Any

from benchmarks.check import told

BEFORE: dict[str, Any] = {"instructions_a_frame": {"workbuddy": 1000}, "ratios": {"start": 1.5}}


def now(count: int | None, ratio: float = 1.5) -> dict[str, Any]:
    counts = {} if count is None else {"workbuddy": count}
    return {"instructions_a_frame": counts, "ratios": {"start": ratio}}


def test_more_than_a_tenth_more_instructions_fail() -> None:
    lines, well = told(now(1101), BEFORE)
    assert not well
    assert "SLOWER" in lines[0]


def test_a_tenth_more_passes() -> None:
    assert told(now(1100), BEFORE)[1]


def test_a_worse_ratio_is_shown_and_fails_nothing() -> None:
    lines, well = told(now(1000, ratio=9.0), BEFORE)
    assert well
    assert "9.00   baseline 1.50" in lines[-1]


def test_a_ratio_that_is_above_its_baseline_by_no_more_than_noise_passes_without_a_word() -> None:
    assert "more than noise" not in told(now(1000, ratio=1.7), BEFORE)[0][-1]
    assert told(now(1000, ratio=1.8), BEFORE)[0][-1].endswith("above it by more than noise")


def test_a_ratio_without_a_baseline_or_that_was_not_measured_is_none() -> None:
    lines, well = told({"instructions_a_frame": {}, "ratios": {"new": 2.0}}, BEFORE)
    assert well
    assert [line.split() for line in lines[-2:]] == [
        ["start", "none", "baseline", "1.50"],
        ["new", "2.00", "baseline", "none"],
    ]


def test_without_the_tool_it_is_said_that_nothing_was_counted() -> None:
    lines, well = told(now(None), BEFORE)
    assert well
    assert "valgrind is not there" in lines[0]
