"""The emulator in a test run computes in the threads that it has."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LOADED = """
import os
import voxemu.testing
import numpy
numpy.linalg.solve(numpy.eye(300), numpy.ones(300))
tasks = "/proc/self/task"
print(os.environ.get("OPENBLAS_NUM_THREADS"), len(os.listdir(tasks)) if os.path.exists(tasks) else "?")
"""


def said(**environ: str) -> list[str]:
    own = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    command = [sys.executable, "-c", LOADED]
    done = subprocess.run(command, env={**own, **environ}, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted in /proc")
def test_the_fixtures_load_a_numpy_without_threads_and_leave_the_environment_as_it_was() -> None:
    assert said() == ["None", "1"]


def test_whoever_says_how_many_threads_there_are_to_be_is_obeyed() -> None:
    assert said(OPENBLAS_NUM_THREADS="3")[0] == "3"
