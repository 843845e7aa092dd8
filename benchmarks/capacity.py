"""How many sessions a core holds: doubling, then halving the gap between what was held and what was not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.figures import LATE, Run

LATENESS = 0.020
# Seconds, p99.
WHOLE = 0.002
# The share by which the frames that came may be off 100 %.


@dataclass(frozen=True, slots=True)
class Held:
    sessions: int
    # Of the largest probe that was held; 0 where none was.
    why: str
    # What the next larger one failed by.


def verdict(run: Run) -> str:
    """What was not as it has to be; empty where the sessions were held."""
    if run["lost"]:
        return f"{run['lost']:.0f} sessions were lost"
    if run["generator_late_p99"] > LATE:
        return f"the generator itself was late (p99 {1000 * run['generator_late_p99']:.1f} ms)"
    if run["late_p99"] >= LATENESS:
        return f"p99 lateness {1000 * run['late_p99']:.1f} ms"
    if abs(run["received"] / run["expected"] - 1) > WHOLE:
        return f"{100 * run['received'] / run['expected']:.2f} % of the frames"
    return ""


def most_held(probe: Callable[[int], str], start: int, step: int, most: int = 4000, tries: int = 2) -> Held:
    """``probe`` says why so many sessions were not held, or nothing. One failure is noise, ``tries`` are not.

    The answer is exact to ``step`` sessions.
    """

    def fails(sessions: int) -> str:
        why = ""
        for _ in range(tries):
            why = probe(sessions)
            if not why:
                return ""
        return why

    held, beyond, why, at = 0, 0, "", start
    while not beyond and at <= most:
        why = fails(at)
        held, beyond = (held, at) if why else (at, 0)
        at *= 2
    if not beyond:
        return Held(held, f"more than {most} were not tried")
    while beyond - held > step:
        middle = (held + beyond) // 2 // step * step or step
        if middle in (held, beyond):
            break
        more = fails(middle)
        if more:
            beyond, why = middle, more
        else:
            held = middle
    return Held(held, why)
