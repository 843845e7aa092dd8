"""Repeats: contestants take turns, one server and one generator at a time, and what each repeat came to."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.figures import Run, fault_of, is_whole, kept_from_core, timeless
from benchmarks.recorded import happened
from benchmarks.servers import Contestant, baselines, ours, served
from benchmarks.workload import Workload

TICK = 0.002
# Seconds that a recorder may hold the loop up.
NOT_RUN = (subprocess.CalledProcessError, RuntimeError, OSError)
# A server that does not start, or that a generator cannot reach.
WORK = Workload()


@dataclass(frozen=True, slots=True)
class Size:
    """How much of it is done."""

    repeats: int = 5
    spare: int = 1
    # More of them, where some say nothing.
    work: Workload = WORK
    step: int = 25
    tries: int = 2
    clicks: int = 60
    barge_ins: int = 5
    # Of each session, where they are measured: the 99th percentile of 200 would be a matter of two.

    @classmethod
    def quick(cls) -> Size:
        return cls(repeats=1, spare=0, work=Workload(100), step=200, tries=1, clicks=12, barge_ins=1)


class Repeats:
    """Contestants take turns; ``runs`` has each one's repeats, None for those that say nothing."""

    def __init__(self, size: Size, folder: Path, *, keep: bool = False) -> None:
        self.size = size
        self.keep = keep
        # Repeats that say nothing, too.
        self.field: dict[str, Contestant] = baselines(size.work, folder) | ours(size.work, folder)
        self.runs: dict[tuple[str, int], list[Run | None]] = {}
        self.remarks: list[str] = []
        self.faults: dict[tuple[str, int], list[str]] = {}
        # Why repeats say nothing.
        self._folder = folder
        self._cores = machine.cores()
        if "floor" not in self.field:
            self.remark("floor: left out, there is no C compiler here")
        if self._cores[0] is None:
            self.remark("there is one core only: servers and generator share it, and no figure means much")

    def remark(self, text: str) -> None:
        self.remarks.append(text)
        sys.stderr.write(f"  {text}\n")

    # --- repeats ----------------------------------------------------------------------------------------

    def take_turns(self, names: Sequence[str], sessions: int, periods: int = 1) -> None:
        """Repeats of all of them, one after the other, until enough say something."""
        there = [name for name in names if name in self.field]
        for repeat in range(self.size.repeats + self.size.spare):
            if repeat >= self.size.repeats and all(self._counted(name, sessions) for name in there):
                return
            for name in there:
                run = self.measured(name, sessions, periods)
                self.runs.setdefault((name, sessions), []).append(run)

    def _counted(self, name: str, sessions: int) -> bool:
        runs = self.runs.get((name, sessions), [])
        return sum(map(is_whole, runs)) >= self.size.repeats

    def measured(self, name: str, sessions: int, periods: int = 1) -> Run | None:
        """None for a repeat that says nothing. One that others slowed down has its work without its times."""
        try:
            run = self.run_once(name, sessions, periods)
        except NOT_RUN as error:
            self._leave_out(name, sessions, said_last(error))
            return None
        fault = fault_of(run)
        late = kept_from_core(run)
        if fault is not None or late is not None:
            self._leave_out(name, sessions, fault or late or "")
        if self.keep:
            return run
        if fault is not None:
            return None
        return run if late is None else timeless(run)

    def _leave_out(self, name: str, sessions: int, why: str) -> None:
        self.faults.setdefault((name, sessions), []).append(why)
        sys.stderr.write(f"    left out: {why}\n" if not self.keep else f"    though {why}\n")

    def told_faults(self) -> list[str]:
        """A line for each contestant with repeats that say nothing."""
        fate = "kept, though they say nothing" if self.keep else "left out"
        lines = []
        for (name, sessions), whys in self.faults.items():
            of = len(self.runs[name, sessions])
            more = ", …" if len(whys) > 1 else ""
            lines.append(f"{name}, N = {sessions}: {len(whys)} of {of} repeats {fate}: {whys[0]}{more}")
        return lines

    def run_once(self, name: str, sessions: int, periods: int = 1) -> Run:
        """A server of its own for each repeat: memory and warmth are the same for all."""
        one = self.field[name]
        with tempfile.TemporaryDirectory(dir=self._folder) as own_name:
            own = Path(own_name)
            with served(one, own, self._cores[0]) as (url, server):
                run = self._generated(one, url, server.pid, sessions, periods)
                if one.records:
                    # What is not written by now would be lost with a killed server, too.
                    time.sleep(0.3)
                    run |= happened(own, sessions)
            if one.tells:
                run |= ticks_in(own / "said", run["began"], run["began"] + run["seconds"])
        sys.stderr.write(
            f"  {name}, N = {sessions}: {run['us_for_20_ms']:.1f} µs, {run['share']:.0%} of a core, "
            f"kept from it for {run['without_core']:.0%}, "
            f"late p99 {1000 * run['late_p99']:.1f} ms (generator {1000 * run['generator_late_p99']:.1f})\n"
        )
        return run

    def _generated(self, one: Contestant, url: str, pid: int, sessions: int, periods: int) -> Run:
        work = self.size.work
        command = [sys.executable, "-m", "benchmarks.generator", "--url", url, "--provider", one.provider]
        command += ["--pid", str(pid), "--sessions", str(sessions), "--periods", str(periods)]
        command += ["--period", str(work.frames), *(["--plain"] if one.plain else [])]
        if self._cores[1] is not None:
            command += ["--core", str(self._cores[1])]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        run: Run = json.loads(said)
        if one.records:
            run["seconds_each"] = (work.warm + periods * work.frames) * work.seconds / work.frames
        return run


def ticks_in(said: Path, since: float, until: float) -> Run:
    """What ``benchmarks.ticks`` told of this time, if it was that."""
    last = said.read_text(errors="replace").splitlines()[-1:]
    if not last or not last[0].startswith('{"ticks"'):
        return {}
    ticks = [(wall, cpu) for at, wall, cpu in json.loads(last[0])["ticks"] if since <= at <= until]
    return {
        "tick_max": max((wall for wall, _ in ticks), default=0.0),
        "tick_cpu_max": max((cpu for _, cpu in ticks), default=0.0),
        "ticks_over": sum(wall > TICK for wall, _ in ticks) / (until - since),
    }


def said_last(error: Exception) -> str:
    """The last line that a child said, or the error's own."""
    text = (getattr(error, "stderr", None) or "").strip() or str(error)
    return text.splitlines()[-1]
