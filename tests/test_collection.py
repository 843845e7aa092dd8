"""The tests are the same tests wherever and whenever they are collected.

Workers that collect different ones (a time, an order of a set, a path in a test's name) do not begin at all.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def collected(top: Path, seed: str) -> list[str]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--no-cov", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-n", "0", "tests"],
        cwd=top,
        env=os.environ | {"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_every_collection_finds_the_same_tests_in_the_same_order() -> None:
    top = Path(__file__).parents[1]
    first, second = collected(top, "1"), collected(top, "2")
    assert len(first) > 1000
    assert first == second
