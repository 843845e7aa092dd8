"""Instructions that a frame takes, counted by valgrind: the same on a busy machine.

    python -m benchmarks.instructions [--only rehearsal|session] [PROVIDER…]

A call is rehearsed twice in one process and eight times in another; what the six more took, by the frames
of both ways, is the figure of a ``rehearsal``. That of a ``session`` is found alike, from three and twelve
seconds of the provider's end alone (``benchmarks/session.py``), by the user's frames. Two counts of the same
code lie within a few thousandths of each other.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

TOOL = "valgrind"
REHEARSE = "benchmarks.instructions"
SCENARIO = Path(__file__).resolve().parents[1] / "recordings" / "{provider}" / "barge-in-echo"
TIMES = (2, 8)
TURN = 75
# Frames of the user's that a session hears each time: half of the generator's period.


def counted(provider: str, work: str = "rehearsal") -> float | None:
    """Instructions a frame; None without the tool."""
    if shutil.which(TOOL) is None:
        return None
    # Once without counting: whatever is compiled on its first use is compiled then.
    command = [sys.executable, "-m", REHEARSE, "--calls", work, provider, "1"]
    subprocess.run(command, capture_output=True, check=True)
    (few, frames), (many, more) = (_run(provider, work, times) for times in TIMES)
    assert many > few, f"{more} frames took {many} instructions, {frames} of them {few}"
    return (many - few) / (more - frames)


def _run(provider: str, work: str, times: int) -> tuple[int, int]:
    """Instructions of the whole process, and the frames of its calls."""
    count, said = instructions_of([sys.executable, "-m", REHEARSE, "--calls", work, provider, str(times)])
    return count, int(said)


def instructions_of(command: list[str]) -> tuple[int, str]:
    """How many a process takes, and what it said."""
    with tempfile.TemporaryDirectory() as folder:
        counting = [TOOL, "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        environ = {**os.environ, "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(counting + command, env=environ, capture_output=True, text=True, check=True)
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1].replace(",", "")), done.stdout


def hold(provider: str, times: int) -> int:
    """Frames of the user's that a session has heard."""
    from benchmarks.session import held
    from voxemu.wire import PROVIDERS

    with ExitStack() as stack:
        session = held(PROVIDERS[provider], "all", stack)
        session.pass_frames(TURN * times)
        return session.frames


def rehearse(provider: str, times: int) -> int:
    """Frames of so many calls, recorded as everybody's are."""
    from voxemu.scenario.reading import load
    from voxemu_client.rehearsing import perform
    from voxemu_client.staging import named

    scenario, frames = load(named(str(SCENARIO).format(provider=provider))), 0
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            done = perform(scenario, scenario.provider(), record={"caller": Path(folder)})
            audio = json.loads((Path(folder) / "manifest.json").read_text())["audio"]
        frames += audio["user"]["messages"] + audio["agent"]["messages"]
        assert done.met
    return frames


WORK: dict[str, Callable[[str, int], int]] = {"rehearsal": rehearse, "session": hold}


def main() -> int:
    if sys.argv[1:2] == ["--calls"]:
        work, provider, times = sys.argv[2:]
        sys.stdout.write(f"{WORK[work](provider, int(times))}\n")
        return 0
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--only", choices=sorted(WORK))
    asked.add_argument("providers", nargs="*", default=["workbuddy", "lyzr-sip", "lokutor"])
    options = asked.parse_args()
    for provider in options.providers:
        for work in [options.only] if options.only else WORK:
            count = counted(provider, work) or 0
            sys.stdout.write(f"{provider:<12} {count:10.0f} instructions a frame of a {work}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
