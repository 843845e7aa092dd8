"""How fast it is, each figure beside a baseline of the same run: ``make bench``.

Servers run on one core, the generator in its own process on another. Contestants take turns, so that
whatever the machine does meanwhile is done to all of them; figures are medians of the repeats, with p10 and
p90. A repeat says nothing, and is left out and named, when the generator itself was late, when a server sent
other frames than the plan has, or when recordings do not have the turns that were said. ``--quick`` shows
every row in a few minutes, with a repeat each and shorter periods: to see that all works, not to be quoted.
``--only`` takes parts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import machine, tables
from benchmarks.capacity import most_held, verdict
from benchmarks.figures import Row, markdown, told
from benchmarks.pipecat import environment
from benchmarks.repeats import NOT_RUN, Repeats, Size, said_last
from benchmarks.rooms import rows_of_rooms
from benchmarks.servers import pipecat, served
from benchmarks.starting import idle_row, starting_rows

FEW, MANY, CROWD = 25, 400, 200
# Sessions: where CPU is compared, and where barge-ins are.
FIELD = ("bare", "script", "ours", "bare, 44.1 kHz", "ours, 44.1 kHz", "bare, base64", "ours, base64")
MANY_FIELD = ("bare", "floor", "script", "ours", "ours, not recorded", "bare, 44.1 kHz", "ours, 44.1 kHz")
HOLDERS = ("floor", "bare", "ours", "ours, base64")
# The first shows how many the generator can do.
MOST = 1000
# Sessions that are tried.
PARTS = ("few", "many", "barge-in", "capacity", "rehearsal", "starting", "rooms")


class Bench(Repeats):
    """The parts of it, and the rows that they give."""

    def __init__(self, size: Size, folder: Path, *, keep: bool = False) -> None:
        super().__init__(size, folder, keep=keep)
        self.rows: list[Row] = []

    def few(self) -> None:
        self.take_turns((*FIELD, "pipecat"), FEW)
        self.rows += tables.few(self.runs, FEW)

    def many(self) -> None:
        self.take_turns((*MANY_FIELD, tables.TICKING), MANY)
        self.rows += tables.many(self.runs, MANY)

    def barge_in(self) -> None:
        self.take_turns(("script", "ours"), CROWD, self.size.barge_ins)
        self.rows += tables.barge_in(self.runs, CROWD)

    def capacity(self) -> None:
        for name in (*HOLDERS, "pipecat"):
            if name not in self.field:
                continue
            held = most_held(
                lambda sessions, name=name: self._held(name, sessions),  # type: ignore[misc]
                *((10, 5) if name == "pipecat" else (400, self.size.step)),
                MOST,
                self.size.tries,
            )
            self.rows.append(tables.held(name, held, self.size.step))

    def _held(self, name: str, sessions: int) -> str:
        try:
            return verdict(self.run_once(name, sessions))
        except NOT_RUN as error:
            return said_last(error)

    def rehearsal(self) -> None:
        self.rows += tables.rehearsals(self.size.repeats)

    def starting(self) -> None:
        self.rows += starting_rows(self.size.repeats)
        for name in ("bare", "ours"):
            with (
                tempfile.TemporaryDirectory(dir=self._folder) as own,
                served(self.field[name], Path(own), self._cores[0]) as (_, server),
            ):
                self.rows.append(idle_row(name, server.pid, 10.0 if self.size.repeats > 1 else 4.0))

    def rooms(self) -> None:
        try:
            self.rows += asyncio.run(rows_of_rooms("embedded", self.size.clicks))
        except (SystemExit, ImportError, ValueError, OSError) as error:
            self.remark(f"rooms: left out, {error}")


def outcome(bench: Bench, facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "machine": facts,
        "workload": {"period": bench.size.work.seconds, "duplex": bench.size.work.duplex},
        "rows": [asdict(each) for each in bench.rows],
        "remarks": bench.remarks,
        "runs": [
            {"contestant": name, "sessions": sessions, "repeats": runs}
            for (name, sessions), runs in bench.runs.items()
        ],
    }


def page(bench: Bench, facts: dict[str, Any]) -> str:
    remarks = "\n".join(f"- {remark}" for remark in bench.remarks)
    return (
        "# Figures\n\n"
        "Written by `make bench`. What each is, and how it is measured: [benchmarks.md](benchmarks.md).\n\n"
        f"{machine.told(facts)} before, {facts['load_after']:.1f} after.\n\n"
        f"{markdown(bench.rows)}\n{remarks}\n"
    )


def main() -> int:
    asked = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="benchmarks.bench"
    )
    asked.add_argument("--quick", action="store_true")
    asked.add_argument("--pipecat", action="store_true", help="also Pipecat, in an environment made for it")
    asked.add_argument("--repeats", type=int)
    asked.add_argument("--only", action="append", choices=PARTS)
    asked.add_argument("--keep-late", action="store_true", help="also repeats that say nothing")
    asked.add_argument("--json", type=Path)
    asked.add_argument("--markdown", type=Path, help="the figures as a page")
    options = asked.parse_args()
    size = Size.quick() if options.quick else Size()
    if options.repeats:
        size = replace(size, repeats=options.repeats)
    facts = machine.facts()
    sys.stdout.write(machine.told(facts) + "\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory(prefix="voxemu-bench-") as folder:
        bench = Bench(size, Path(folder), keep=options.keep_late)
        python, why = environment() if options.pipecat else (None, "not asked for (make bench pipecat=1)")
        if python is None:
            bench.remark(f"pipecat: left out, {why}")
        else:
            bench.field["pipecat"] = pipecat(python)
        for part in options.only or PARTS:
            getattr(bench, part.replace("-", "_"))()
    bench.remarks += bench.told_faults()
    facts["load_after"] = os.getloadavg()[0]
    sys.stdout.write("\n".join([told(bench.rows), "", *bench.remarks]) + "\n")
    sys.stdout.write(f"load average {facts['load']:.1f} before, {facts['load_after']:.1f} after\n")
    if options.markdown:
        options.markdown.write_text(page(bench, facts), encoding="utf-8")
    if options.json:
        text = json.dumps(outcome(bench, facts), indent=1, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
