"""The rows of the table, made of runs: what is compared with what, and what is to be reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.capacity import Held
from benchmarks.figures import Row, Run, paired, ratios, row, too_full

TICKING = "ours, ticks told"
# Watched at its work, so not to be compared.

Runs = Mapping[tuple[str, int], Sequence[Run | None]]


def compared(runs: Runs, n: int) -> list[Row]:
    """The ratios that the guard looks at."""
    at = _at(runs, n)
    return [
        _ratio(at, "ours", "bare", n, "≤ 1.35"),
        _ratio(at, "ours, base64", "bare, base64", n, "≤ 1.6"),
    ]


def few(runs: Runs, n: int) -> list[Row]:
    at = _at(runs, n)
    return [
        _ratio(at, "script", "bare", n),
        *compared(runs, n),
        _ratio(at, "ours, 44.1 kHz", "bare, 44.1 kHz", n, "≤ 1.35"),
        _ratio(at, "ours, base64", "bare", n),
        *([_ratio(at, "pipecat", "ours", n, "≥ 8"), *_memory(at, n)] if "pipecat" in at else []),
        *_costs(at, n),
    ]


def many(runs: Runs, n: int) -> list[Row]:
    at = _at(runs, n)
    lateness = _times(at, "ours", "floor", "late_p99")
    tails = _times(at, "ours", "ours, not recorded", "late_p999")
    return [
        _ratio(at, "script", "bare", n),
        _ratio(at, "ours", "bare", n, "≤ 1.30"),
        _ratio(at, "ours, 44.1 kHz", "bare, 44.1 kHz", n, "≤ 1.30"),
        _ratio(at, "ours", "ours, not recorded", n, "≤ 1.20", what="recording on ÷ off"),
        row(f"longest tick of all recorders, ms, N = {n}", _each(at, TICKING, "tick_max", 1000), "≤ 2"),
        row("  by the processor's clock, ms", _each(at, TICKING, "tick_cpu_max", 1000)),
        row("  longer than that, a second", _each(at, TICKING, "ticks_over", 1)),
        row("  lateness p99.9 on less off, ms", tails),
        row(f"lateness p99 less floor's, ms, N = {n}", lateness, "≤ 2", _full(at.get("ours", ()))),
        *(
            row(f"  lateness p99, ms: {name}", _each(at, name, "late_p99", 1000))
            for name in at
            if name != TICKING
        ),
        *_memory(at, n),
        *_costs(at, n),
    ]


def barge_in(runs: Runs, n: int) -> list[Row]:
    at = _at(runs, n)
    what = f"confirming sample sent → last agent byte, p99, ms, N = {n}"
    return [
        row(
            f"{what}: {name}",
            _each(at, name, "stop_p99", 1000),
            "≤ 5" if name == "ours" else "",
            _full(at.get(name, ())),
        )
        for name in ("script", "ours")
    ]


def held(name: str, found: Held, step: int) -> Row:
    reach = {"ours": "≥ 650", "ours, base64": "≥ 500"}.get(name, "")
    what = f"sessions a core holds: {name}"
    if not found.sessions and "generator" in found.why:
        return row(what, [], reach, found.why)
    return row(what, [found.sessions], reach, f"to {step}; the next failed: {found.why}")


def rehearsals(runs: int) -> list[Row]:
    """Best of all runs of each provider, as rehearsal.py has it."""
    from benchmarks.rehearsal import call, measured, yardstick
    from voxemu.wire import ON_SOCKETS

    yardstick()
    _, yard, _ = measured(yardstick, runs)
    rows = []
    for name in ON_SOCKETS:
        seconds, cpu, _ = measured(lambda name=name: call(name), runs)  # type: ignore[misc]
        rows.append(
            row(
                f"a minute rehearsed, × real time: {name}",
                [seconds / cpu],
                "≥ 1000",
                f"{cpu / yard:.1f} yardsticks of the same run",
            )
        )
    return rows


def _at(runs: Runs, n: int) -> dict[str, Sequence[Run | None]]:
    return {name: found for (name, sessions), found in runs.items() if sessions == n}


def _ratio(
    at: Mapping[str, Sequence[Run | None]], over: str, under: str, n: int, reach: str = "", *, what: str = ""
) -> Row:
    runs = at.get(over, ()), at.get(under, ())
    return row(f"CPU: {what or f'{over} ÷ {under}'}, N = {n}", ratios(*runs), reach, _full(*runs))


def _full(*runs: Sequence[Run | None]) -> str:
    """A remark, where one of them was at more of its core than says much."""
    beyond = [run["share"] for each in runs for run in each if run is not None and too_full(run)]
    return f"at {max(beyond):.0%} of a core, over 80 %" if beyond else ""


def _times(at: Mapping[str, Sequence[Run | None]], over: str, under: str, figure: str) -> list[float]:
    """How much later the one was, repeat by repeat, in ms; where nobody kept a server from its core."""
    late, early = (
        [run if run is not None and figure in run else None for run in at.get(name, ())]
        for name in (over, under)
    )
    return [1000 * (a - b) for a, b in paired(late, early, lambda run: run[figure])]


def _each(at: Mapping[str, Sequence[Run | None]], name: str, figure: str, factor: float) -> list[float]:
    return [factor * run[figure] for run in at.get(name, ()) if run is not None and figure in run]


def _memory(at: Mapping[str, Sequence[Run | None]], n: int) -> list[Row]:
    return [
        row(
            f"memory a session, kB: {name}, N = {n}",
            _each(at, name, "memory_per_session", 1e-3),
            "≤ 100" if name == "ours" else "",
        )
        for name in ("bare", "script", "pipecat", "ours")
        if name in at
    ]


def _costs(at: Mapping[str, Sequence[Run | None]], n: int) -> list[Row]:
    return [
        row(f"  µs for 20 ms of a session, N = {n}: {name}", _each(at, name, "us_for_20_ms", 1))
        for name in at
        if name != TICKING
    ]
