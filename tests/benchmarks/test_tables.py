"""Which figures stand in the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import machine, tables
from benchmarks.bench import Bench, page
from benchmarks.capacity import Held
from benchmarks.figures import Row, row, timeless
from benchmarks.repeats import Size


def run(**more: Any) -> dict[str, float]:
    return {
        "cpu": 1.0,
        "seconds": 4.0,
        "sessions": 400,
        "share": 0.4,
        "late_p99": 0.002,
        "late_p999": 0.003,
        "memory_per_session": 50_000.0,
        "us_for_20_ms": 30.0,
        "stop_p50": 0.001,
        "stop_p99": 0.004,
        **more,
    }


def by_name(rows: list[Row]) -> dict[str, Row]:
    return {each.what: each for each in rows}


def test_lateness_is_shown_less_the_floors_of_the_same_repeat() -> None:
    runs = {
        ("ours", 400): [run(late_p99=0.004), run(late_p99=0.009)],
        ("floor", 400): [run(late_p99=0.001), run(late_p99=0.008)],
    }
    found = by_name(tables.many(runs, 400))["lateness p99 less floor's, ms, N = 400"]
    assert (round(found.low, 6), round(found.high, 6)) == (1.0, 3.0)


def test_lateness_is_compared_where_both_have_it() -> None:
    runs = {
        ("ours", 400): [timeless(run()), run(late_p99=0.009)],
        ("floor", 400): [run(late_p99=0.001), run(late_p99=0.008)],
    }
    found = by_name(tables.many(runs, 400))["lateness p99 less floor's, ms, N = 400"]
    assert found.repeats == 1


def test_a_barge_in_at_a_full_core_says_so() -> None:
    runs = {("ours", 200): [run(), run(share=0.97)], ("script", 200): [run()]}
    found = by_name(tables.barge_in(runs, 200))
    what = "confirming sample sent → last agent byte, p99, ms, N = 200"
    assert found[f"{what}: ours"].remark == "at 97% of a core, over 80 %"
    assert found[f"{what}: script"].remark == ""


def test_without_a_floor_there_is_no_figure_for_it() -> None:
    found = by_name(tables.many({("ours", 400): [run()]}, 400))["lateness p99 less floor's, ms, N = 400"]
    assert found.repeats == 0


def test_recording_on_and_off_are_compared_by_processor_time() -> None:
    runs = {("ours", 400): [run(cpu=1.2)], ("ours, not recorded", 400): [run(cpu=1.0)]}
    assert by_name(tables.many(runs, 400))["CPU: recording on ÷ off, N = 400"].value == 1.2


def test_a_ratio_at_more_than_four_fifths_of_a_core_says_so() -> None:
    runs = {("ours", 400): [run(share=0.91)], ("bare", 400): [run()]}
    found = by_name(tables.many(runs, 400))["CPU: ours ÷ bare, N = 400"]
    assert found.remark == "at 91% of a core, over 80 %"


def test_runs_of_other_numbers_of_sessions_are_left_alone() -> None:
    runs = {("ours", 25): [run(cpu=9.0)], ("ours", 400): [run(cpu=1.0)], ("bare", 400): [run()]}
    assert by_name(tables.many(runs, 400))["CPU: ours ÷ bare, N = 400"].value == 1.0


def test_pipecat_has_a_row_where_it_was_run() -> None:
    runs = {("ours", 25): [run()], ("pipecat", 25): [run(cpu=8.0)]}
    assert by_name(tables.few(runs, 25))["CPU: pipecat ÷ ours, N = 25"].value == 8.0
    assert not any("pipecat" in each.what for each in tables.few({("ours", 25): [run()]}, 25))


def test_a_late_generator_is_no_word_about_what_a_core_holds() -> None:
    assert tables.held("ours", Held(0, "the generator itself was late (p99 9.0 ms)"), 25).repeats == 0
    assert tables.held("ours", Held(0, "p99 lateness 30.0 ms"), 25).value == 0.0


def test_how_many_a_core_holds_says_what_was_not_held() -> None:
    found = tables.held("ours", Held(650, "p99 lateness 30.0 ms"), 25)
    assert (found.value, found.remark) == (650, "to 25; the next failed: p99 lateness 30.0 ms")


def test_the_guard_has_binary_and_base64() -> None:
    assert [each.what for each in tables.compared({}, 25)] == [
        "CPU: ours ÷ bare, N = 25",
        "CPU: ours, base64 ÷ bare, base64, N = 25",
    ]


def test_the_page_says_when_on_what_and_under_which_load(tmp_path: Path) -> None:
    bench = Bench(Size(), tmp_path)
    bench.rows = [row("a ÷ b", [1.0, 2.0, 3.0], "≤ 2")]
    bench.remarks = ["pipecat: left out, not asked for"]
    facts = {**machine.facts(), "date": "2026-03-04", "load": 0.5, "load_after": 1.5}
    said = page(bench, facts)
    assert "2026-03-04" in said
    assert "load average 0.5 before, 1.5 after" in said
    assert "| a ÷ b | 2.00 | 1.00 – 3.00 | ≤ 2 |" in said
    assert "- pipecat: left out, not asked for" in said
