"""Durations as counts: percentiles, sums, and what survives a pipe."""

from __future__ import annotations

import json

import pytest

from voxemu_client.load.spread import Spread


@pytest.mark.parametrize(
    ("seconds", "share", "expected"),
    [
        ([], 50, None),
        ([0.2], 50, 0.2),
        ([0.2], 99, 0.2),
        ([0.1, 0.2], 50, 0.1),
        ([0.1, 0.2, 0.3], 50, 0.2),
        ([0.3, 0.1, 0.2], 100, 0.3),
        ([n / 1000 for n in range(1, 101)], 50, 0.050),
        ([n / 1000 for n in range(1, 101)], 90, 0.090),
        ([n / 1000 for n in range(1, 101)], 99, 0.099),
        ([n / 1000 for n in range(1, 51)], 99, 0.050),
        ([0.0] * 99 + [9.0], 99, 0.0),
        ([0.0] * 98 + [9.0] * 2, 99, 9.0),
    ],
)
def test_a_percentile_is_a_duration_that_did_occur(
    seconds: list[float], share: float, expected: float | None
) -> None:
    assert Spread(seconds).percentile(share) == expected


def test_the_longest_is_kept_among_very_many() -> None:
    spread = Spread([0.001] * 100_000)
    spread.add(3.21)
    assert (spread.percentile(99), spread.most) == (0.001, 3.21)


def test_durations_are_exact_to_a_tenth_of_a_millisecond() -> None:
    assert Spread([0.01234]).most == pytest.approx(0.0123)


def test_what_came_too_early_is_not_late() -> None:
    assert Spread([-0.5]).most == 0


def test_spreads_add_up() -> None:
    whole = Spread([0.1, 0.2])
    whole.merge(Spread([0.2, 0.3]))
    assert whole.counts == {1000: 1, 2000: 2, 3000: 1}


def test_a_spread_survives_a_pipe() -> None:
    spread = Spread([0.1, 0.1, 7.5])
    assert Spread.unpacked(json.loads(json.dumps(spread.packed()))).counts == spread.counts


def test_figures_are_milliseconds() -> None:
    assert Spread([0.1, 0.2]).figures() == {
        "count": 2,
        "p50": 100.0,
        "p90": 200.0,
        "p99": 200.0,
        "max": 200.0,
    }


def test_of_nothing_there_are_no_figures() -> None:
    assert Spread().figures() == {"count": 0, "p50": None, "p90": None, "p99": None, "max": None}
