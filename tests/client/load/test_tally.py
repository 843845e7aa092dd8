"""What a load came to: sums over processes, the report, its exit code."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from voxemu_client.load.order import Order
from voxemu_client.load.report import Report
from voxemu_client.load.tally import Tally

ORDER = Order("lokutor", "http://127.0.0.1:8090/?api_key=secret", sessions=4, ramp=1.0, duration=9.0)


def report(tally: Tally, *, interrupted: bool = False) -> Report:
    return Report(ORDER, tally, 1, interrupted, {"cores": 2})


def lost(kind: str, *, let_in: int = 1) -> Tally:
    tally = Tally()
    tally.counts.update(failed=1, let_in=let_in)
    tally.failed(kind, "it was")
    return tally


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], 0),
        ([(0, 1), (2, 3), (4, 5)], 1),
        ([(0, 1), (1, 2)], 1),
        ([(0, 3), (1, 2), (1.5, 4)], 3),
    ],
)
def test_the_peak_is_of_calls_at_the_same_time(spans: list[tuple[float, float]], expected: int) -> None:
    assert Tally(spans=spans).peak == expected


def test_peaks_of_processes_that_were_not_at_the_same_time_do_not_add_up() -> None:
    whole = Tally(spans=[(0, 1)])
    whole.merge(Tally(spans=[(2, 3)]))
    assert whole.peak == 1


def test_tallies_add_up_over_a_pipe() -> None:
    one = lost("refused 503")
    one.amounts = {"sent": 1.5, "longest_pause": 2.0, "soonest_stop": 9.0}
    one.spreads["turns"].add(0.2)
    whole = Tally()
    for _ in range(2):
        whole.merge(Tally.unpacked(json.loads(json.dumps(one.packed()))))
    assert (whole.counts["failed"], whole.errors, whole.amounts, whole.spreads["turns"].counts) == (
        2,
        {"refused 503": 2},
        {"sent": 3.0, "longest_pause": 2.0, "soonest_stop": 9.0},
        {2000: 2},
    )


@pytest.mark.parametrize(
    ("tally", "expected"),
    [
        (Tally, 0),
        (lambda: lost("refused 503"), 1),
        (lambda: lost("refused 503", let_in=0), 3),
        (lambda: lost("off the page"), 4),
        (lambda: lost("generator", let_in=0), 1),
    ],
)
def test_the_exit_code_says_whether_all_were_held(tally: Callable[[], Tally], expected: int) -> None:
    assert report(tally()).exit == expected


def test_an_interrupted_load_says_so() -> None:
    assert report(lost("refused 503"), interrupted=True).exit == 130


def test_a_late_generator_is_said() -> None:
    tally = Tally()
    for _ in range(100):
        tally.spreads["sending"].add(0.05)
    said = report(tally)
    assert (said.was_late, said.json()["generator"]["late"]) == (True, True)
    assert any("the generator itself was late" in line for line in said.lines())


def test_a_generator_in_time_is_not_called_late() -> None:
    tally = Tally()
    tally.spreads["sending"].add(0.002)
    assert not report(tally).was_late


def test_a_report_holds_no_secret() -> None:
    said = report(Tally())
    assert "secret" not in json.dumps(said.json()) + "\n".join(said.lines())


def test_a_strangers_words_do_not_move_the_cursor() -> None:
    tally = lost("refused 503")
    tally.examples["refused 503"] = "\x1b[2J"
    assert "\x1b" not in "\n".join(report(tally).lines())
