"""Which repeats count, and what they come to."""

from __future__ import annotations

import math
from typing import Any

import pytest

from benchmarks.figures import (
    fault_of,
    kept_from_core,
    markdown,
    paired,
    ratios,
    row,
    spread,
    timeless,
    told,
    too_full,
)


def run(**more: Any) -> dict[str, float]:
    return {
        "lost": 0,
        "generator_late_p99": 0.001,
        "received": 1000,
        "expected": 1000,
        "share": 0.5,
        "cpu": 2.0,
        "seconds": 4.0,
        "sessions": 10,
        **more,
    }


def test_a_spread_is_the_median_and_the_tenths_beside_it() -> None:
    assert spread([5.0, 1.0, 3.0, 2.0, 4.0]) == (3.0, 1.0, 5.0)
    assert spread([float(n) for n in range(21)]) == (10.0, 2.0, 18.0)


def test_of_nothing_there_is_no_median() -> None:
    assert all(map(math.isnan, spread([])))


def test_a_repeat_as_planned_counts() -> None:
    assert fault_of(run()) is None


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"generator_late_p99": 0.0041}, "the generator itself was late (p99 4.1 ms)"),
        ({"received": 979}, "979 frames were sent, not 1000"),
        ({"received": 1021}, "1021 frames were sent, not 1000"),
        ({"lost": 2}, "2 sessions were lost"),
        ({"turns": 50, "recorded_turns": 40}, "40 turns are in the recordings, not 50"),
        ({"barge_ins": 50, "recorded_barge_ins": 0}, "0 barge-ins are in the recordings, not 50"),
        ({"seconds_each": 8.5, "recorded_seconds_each": 4.0}, "4 s of sound are in the recordings, not 8"),
    ],
)
def test_a_repeat_that_went_otherwise_says_nothing(wrong: dict[str, float], why: str) -> None:
    assert fault_of(run(**wrong)) == why


def test_two_hundredths_more_or_less_are_the_same_work() -> None:
    assert fault_of(run(received=1019)) is None
    assert fault_of(run(turns=100, recorded_turns=99)) is None


def test_ratios_are_of_repeats_that_count_on_both_sides() -> None:
    over = [run(cpu=3.0), None, run(cpu=4.0), run(cpu=9.0)]
    under = [run(cpu=2.0), run(cpu=2.0), run(cpu=2.0), None]
    assert ratios(over, under) == pytest.approx([1.5, 2.0])


def test_a_contestant_that_is_not_there_has_no_ratio() -> None:
    assert ratios([run()], ()) == []
    assert math.isnan(row("x", paired((), [run()])).value)  # type: ignore[arg-type]


def test_the_work_of_a_session_counts_whatever_their_number() -> None:
    assert ratios([run(cpu=4.0, sessions=20)], [run(cpu=2.0, sessions=10)]) == [1.0]


def test_beyond_four_fifths_of_a_core_a_server_is_too_full() -> None:
    assert too_full(run(share=0.81))
    assert not too_full(run(share=0.8))


def test_a_server_that_others_kept_from_its_core_was_late_for_no_fault_of_its_own() -> None:
    assert kept_from_core(run(without_core=0.05)) is None
    why = "its times: the server was kept from its core for 12% of the time"
    assert kept_from_core(run(without_core=0.12)) == why


def test_what_it_worked_counts_all_the_same() -> None:
    left = timeless(run(late_p99=0.3, stop_p99=0.2))
    assert left == run()


def test_a_row_tells_its_spread_and_what_is_to_be_reached() -> None:
    (line,) = told([row("ours ÷ bare", [1.2, 1.3, 1.4], "≤ 1.35")]).splitlines()
    assert line == "ours ÷ bare       1.30  [1.20 – 1.40]        ≤ 1.35"


def test_the_table_for_the_page_has_what_was_measured_and_is_no_explanation() -> None:
    rows = [row("a ÷ b", [1.0, 2.0, 3.0], "≤ 2"), row("  c", [1.0]), row("d", []), row("e", [4.0], "", "why")]
    assert markdown(rows).splitlines()[2:] == [
        "| a ÷ b | 2.00 | 1.00 – 3.00 | ≤ 2 |",
        "| e (why) | 4.00 | |  |",
    ]


def test_a_row_without_repeats_has_no_figure() -> None:
    assert "nan" not in told([row("x", [], "≤ 2")])
