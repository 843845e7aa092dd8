"""How much faster than real time a rehearsal is: a minute of duplex talk with two barge-ins, recorded.

    .venv/bin/python benchmarks/rehearsal.py [--runs 5] [--at-least 500] [PROVIDER…]

Through both codecs, both engines and the recorder's files. Measured is the processor's time of this process,
the best of all runs, so that a busy machine shows less; wall-clock time stands beside it. ``yardstick`` is a
fixed piece of work of the same kind (JSON, base64, small arrays) done in the same run: calls in yardsticks
compare between machines. Exit code 1 when a provider is slower than ``--at-least``.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np

from voxemu.scenario.reading import load
from voxemu.wire import ON_SOCKETS, PROVIDERS
from voxemu_client.rehearsing import perform

SCENARIO = load(Path(__file__).with_name("duplex.toml"))


def call(provider: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        done = perform(SCENARIO, PROVIDERS[provider], record={"caller": Path(folder)})
        assert done.met, done.verdicts
        return done.end.seconds


def yardstick() -> float:
    pcm = bytes(range(256)) * 4
    for _ in range(3000):
        text = json.dumps({"type": "audio", "audio": base64.b64encode(pcm).decode()})
        samples = np.frombuffer(base64.b64decode(json.loads(text)["audio"]), "<i2").astype(np.float64)
        samples.dot(samples)
    return 0.0


def measured(work: Callable[[], float], runs: int) -> tuple[float, float, float]:
    """What the work answered, and its best times: processor, wall."""
    best_cpu = best_wall = float("inf")
    seconds = 0.0
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        seconds = work()
        best_cpu = min(best_cpu, time.process_time() - cpu)
        best_wall = min(best_wall, time.perf_counter() - wall)
    return seconds, best_cpu, best_wall


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--at-least", type=float, default=0.0)
    parser.add_argument("providers", nargs="*", default=list(ON_SOCKETS))
    asked = parser.parse_args()
    yardstick()
    _, yard, _ = measured(yardstick, asked.runs)
    sys.stdout.write(f"yardstick {yard * 1000:.1f} ms\n")
    slow = False
    for provider in asked.providers:
        seconds, cpu, wall = measured(lambda name=provider: call(name), asked.runs)  # type: ignore[misc]
        ratio = seconds / cpu
        slow |= ratio < asked.at_least
        sys.stdout.write(
            f"{provider:<14} {seconds:6.2f} s of call  cpu {cpu * 1000:6.1f} ms = {ratio:5.0f} x real time  "
            f"wall {wall * 1000:6.1f} ms = {seconds / wall:5.0f} x  {cpu / yard:5.1f} yardsticks\n"
        )
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
