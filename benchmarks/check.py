"""Whether it has become slower: ``make bench-check``.

Instructions a frame (valgrind's, exact) may rise by 10 % over ``baseline.json``; more is exit code 1. The
other figures are ratios to a baseline of the same run and as noisy as the machine: they are shown beside
those of ``baseline.json``, with a word where they are further above than noise explains, and fail nothing.
It takes about a minute. ``--update`` writes both anew.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import tables
from benchmarks.bench import FEW
from benchmarks.instructions import WORK, counted
from benchmarks.repeats import Repeats, Size
from benchmarks.starting import starting_rows
from benchmarks.workload import Workload

BASELINE = Path(__file__).with_name("baseline.json")
MORE = 1.10
PROVIDERS = ("workbuddy",)
# One is enough for a minute; `--all` counts the others too.
NOISE = 0.15
# The share by which a ratio may lie above its baseline without a word: on a machine with other work to do,
# medians of three repeats did by up to a tenth.
REPEATS = 3


def found(providers: tuple[str, ...]) -> dict[str, Any]:
    counts = {f"{provider} {work}": counted(provider, work) for provider in providers for work in WORK}
    return {
        "instructions_a_frame": {name: round(each) for name, each in counts.items() if each},
        "ratios": measured(),
    }


def measured() -> dict[str, float]:
    """Medians; what could not be measured is not among them."""
    with tempfile.TemporaryDirectory(prefix="voxemu-bench-") as folder:
        # Kept whatever the machine does besides: nothing fails for it.
        bench = Repeats(Size(REPEATS, 0, Workload(100)), Path(folder), keep=True)
        bench.take_turns(("bare", "ours"), FEW)
    rows = [*tables.compared(bench.runs, FEW), *starting_rows(REPEATS)]
    return {each.what: round(each.value, 3) for each in rows if not math.isnan(each.value)}


def told(now: dict[str, Any], before: dict[str, Any]) -> tuple[list[str], bool]:
    """Lines for people, and whether all is well."""
    lines, well = [], True
    for name, count in now["instructions_a_frame"].items():
        known = before["instructions_a_frame"].get(name)
        share = count / known if known else 1.0
        slower = share > MORE
        well &= not slower
        lines.append(f"{name:<44} {count:10d} instructions a frame   {share - 1:+7.1%}{'   SLOWER' * slower}")
    if not now["instructions_a_frame"]:
        lines.append("instructions were not counted: valgrind is not there")
    for name in {**before["ratios"], **now["ratios"]}:
        ratio, known = (each["ratios"].get(name, math.nan) for each in (now, before))
        more = "   above it by more than noise" * (ratio > known * (1 + NOISE))
        lines.append(f"{name:<44} {shown(ratio):>10}   baseline {shown(known)}{more}")
    return lines, well


def shown(ratio: float) -> str:
    return "none" if math.isnan(ratio) else f"{ratio:.2f}"


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--all", action="store_true", help="count for every websocket provider")
    asked.add_argument("--update", action="store_true")
    options = asked.parse_args()
    now = found(("workbuddy", "lyzr-sip", "lokutor") if options.all else PROVIDERS)
    if options.update:
        BASELINE.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n")
    lines, well = told(now, json.loads(BASELINE.read_text()))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
