"""What measured repeats come to: which of them count, ratios, medians with p10 and p90."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

LATE = 0.003
# Seconds. A generator whose frames are later than that at the 99th percentile measures itself.
ALIKE = 0.02
# The share by which what a server sent, and what it says happened, may be off the plan.
FULL = 0.8
# Of a core: beyond it a server's CPU says nothing about another's.

WITHOUT = 0.05
# Of the time. A server that others keep from its core for longer is late for no fault of its own.
TIMES = ("late_p50", "late_p99", "late_p999", "late_max", "stop_p50", "stop_p99")
# The figures that say nothing then.

Run = dict[str, float]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. ``low`` and ``high`` are p10 and p90 of ``repeats``."""

    what: str
    value: float
    low: float
    high: float
    reach: str
    repeats: int = 0
    remark: str = ""


def row(what: str, values: Iterable[float], reach: str = "", remark: str = "") -> Row:
    found = list(values)
    return Row(what, *spread(found), reach, len(found), remark)


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, p10, p90; NaN of nothing."""
    if not values:
        return (float("nan"),) * 3
    ordered = sorted(values)
    return (
        statistics.median(ordered),
        ordered[round(0.1 * (len(ordered) - 1))],
        ordered[round(0.9 * (len(ordered) - 1))],
    )


def fault_of(run: Run) -> str | None:
    """Why a repeat says nothing; None where it does."""
    if run["lost"]:
        return f"{run['lost']:.0f} sessions were lost"
    if run["generator_late_p99"] > LATE:
        return f"the generator itself was late (p99 {1000 * run['generator_late_p99']:.1f} ms)"
    pairs = [("frames were sent", run["received"], run["expected"])]
    pairs += [
        (f"{word} are in the recordings", run[f"recorded_{name}"], run[name])
        for name, word in (("turns", "turns"), ("barge_ins", "barge-ins"), ("seconds_each", "s of sound"))
        if f"recorded_{name}" in run
    ]
    for what, found, planned in pairs:
        if abs(found - planned) > ALIKE * planned:
            return f"{found:.0f} {what}, not {planned:.0f}"
    return None


def kept_from_core(run: Run) -> str | None:
    """Why its times say nothing, though its work does; None where they do."""
    if run["without_core"] <= WITHOUT:
        return None
    return f"its times: the server was kept from its core for {run['without_core']:.0%} of the time"


def timeless(run: Run) -> Run:
    """What remains of it."""
    return {name: figure for name, figure in run.items() if name not in TIMES}


def is_whole(run: Run | None) -> bool:
    """Whether it counts, times and all."""
    return run is not None and "late_p99" in run


def too_full(run: Run) -> bool:
    return run["share"] > FULL


def works(run: Run) -> float:
    """Processor seconds for a second of one session."""
    return run["cpu"] / run["seconds"] / run["sessions"]


def paired(
    over: Sequence[Run | None], under: Sequence[Run | None], figure: Any = works
) -> list[tuple[float, float]]:
    """Of each repeat that counts on both sides; nothing where one of the two was not measured at all."""
    pairs = zip(over, under, strict=bool(over and under))
    return [(figure(a), figure(b)) for a, b in pairs if a is not None and b is not None]


def ratios(over: Sequence[Run | None], under: Sequence[Run | None]) -> list[float]:
    """Repeat by repeat, of the work for a second of a session."""
    return [a / b for a, b in paired(over, under)]


def markdown(rows: Sequence[Row]) -> str:
    """The table for a page; rows that only explain another are left out."""
    lines = ["| what | median | p10 – p90 | to be reached |", "|---|---|---|---|"]
    for each in rows:
        if not each.what.startswith(" ") and each.repeats:
            few = (
                f"{each.value:.2f} | {each.low:.2f} – {each.high:.2f}"
                if each.repeats > 1
                else f"{each.value:.2f} |"
            )
            remark = f" ({each.remark})" if each.remark else ""
            lines.append(f"| {each.what}{remark} | {few} | {each.reach} |")
    return "\n".join(lines) + "\n"


def told(rows: Sequence[Row]) -> str:
    width = max((len(each.what) for each in rows), default=0)
    return "\n".join(_line(each, width) for each in rows)


def _line(one: Row, width: int) -> str:
    if one.value != one.value:
        figures = f"{'-':>9}  {'':<19}"
    else:
        figures = f"{one.value:9.2f}  {f'[{one.low:.2f} – {one.high:.2f}]':<19}"
    remark = f"  ({one.remark})" if one.remark else ""
    return f"{one.what:<{width}}  {figures}  {one.reach}{remark}".rstrip()
