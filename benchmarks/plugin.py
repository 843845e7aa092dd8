"""What a project pays that has voxemu installed and uses none of it: ``python -m benchmarks.plugin``.

The time to load the plugin's module in a process that has loaded pytest, as the interpreter measures it; and
what a test with the fixture ``emu`` takes that does nothing.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = 15
BAR = 5.0
# Milliseconds.

EMPTY = "import pytest\n\n@pytest.mark.parametrize('nth', range(50))\ndef test_it(emu, nth):\n    pass\n"


def loading(runs: int = RUNS) -> list[float]:
    """Milliseconds, the voxemu package's own among them."""
    found = []
    for _ in range(runs):
        command = [sys.executable, "-X", "importtime", "-c", "import pytest; import voxemu.pytest_plugin"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        times = re.findall(r"\|\s+(\d+) \| voxemu(?:\.pytest_plugin)?$", said, re.MULTILINE)
        found.append(sum(map(int, times)) / 1000)
    return found


def setting_up() -> tuple[float, float]:
    """Milliseconds of the first test of a run, which starts the emulator, and of the ones after it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_it.py").write_text(EMPTY)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:aiohttp", "--junitxml=report.xml"]
        subprocess.run(command, cwd=folder, capture_output=True, check=True)
        report = (Path(folder) / "report.xml").read_text()
    times = [1000 * float(each) for each in re.findall(r'<testcase [^>]*time="([\d.]+)"', report)]
    return max(times), statistics.median(times)


def main() -> int:
    best, middle = min(times := loading()), statistics.median(times)
    first, later = setting_up()
    sys.stdout.write(
        f"loading the plugin: {best:.2f} ms at best, {middle:.2f} ms in the middle of {RUNS} (bar {BAR:g})\n"
        f"the fixture emu: {first:.0f} ms for the first test, {later:.0f} ms for each one after it\n"
    )
    return 0 if best < BAR else 1


if __name__ == "__main__":
    raise SystemExit(main())
