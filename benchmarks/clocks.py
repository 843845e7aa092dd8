"""How much faster than real time each clock is, and whether twenty runs are one.

``python -m benchmarks.clocks`` places the call of tests/clocks.py: a minute with two barge-ins, through
codecs, engines and recorder; client and server share one process. The figures are the best of the runs: by
the processor's time (what else the machine does hardly counts), and by the wall's.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# As `emu serve` does; before numpy is there.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from tests.clocks import Outcome, Plan, on_media, on_virtual, rehearsed, track
from voxemu.wire import ON_SOCKETS

SECONDS = 60.0
BARS = {"rehearsal": 500, "virtual": 100, "media": 100}


def in_chunks(plan: Plan, folder: Path) -> Outcome:
    return on_media(plan, folder, random.Random(3))


WAYS: dict[str, Callable[[Plan, Path], Outcome]] = {
    "rehearsal": rehearsed,
    "virtual": on_virtual,
    "media": on_media,
    "media, any chunks": in_chunks,
}


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--runs", type=int, default=20)
    asked.add_argument("--load", action="store_true", help="with every processor busy")
    asked.add_argument("--provider", action="append", choices=list(ON_SOCKETS))
    options = asked.parse_args()
    with busy() if options.load else idle():
        alike = [measure(name, options.runs) for name in options.provider or ON_SOCKETS]
    return 0 if all(alike) else 1


def measure(name: str, runs: int) -> bool:
    """Prints a line for each clock; whether all runs on all clocks gave one outcome."""
    plan = Plan(ON_SOCKETS[name], track(ON_SOCKETS[name], SECONDS))
    first: Outcome | None = None
    others = 0
    for clock, way in WAYS.items():
        walls, processors = [], []
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as folder:
                wall, processor = time.perf_counter(), time.process_time()
                found = way(plan, Path(folder))
                walls.append(time.perf_counter() - wall)
                processors.append(time.process_time() - processor)
            first = first or found
            others += found != first
        figures = f"{SECONDS / min(processors):5.0f} x   {SECONDS / min(walls):5.0f} x"
        bar = f"bar {BARS[clock]} x" if clock in BARS else ""
        say(f"{name:<10} {clock:<18} {figures}   {bar}")
    say(
        f"{name:<10} {runs} runs on {len(WAYS)} clocks: {'one outcome' if not others else f'{others} DIFFER'}"
    )
    return not others


@contextmanager
def busy() -> Iterator[None]:
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


@contextmanager
def idle() -> Iterator[None]:
    yield


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
