"""Fixtures that every test may ask for; what a test needs from the machine is in tests/needs.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import require_file

pytest_plugins = ["pytester"]
# As the command line has it, and before NumPy is loaded: small products are faster on one core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ALSA_SOUNDS = Path("/usr/share/sounds/alsa")


@pytest.fixture(scope="session")
def top() -> Path:
    """The top of the repository."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def wheel_file(top: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built with the tools that are installed: no network."""
    made = tmp_path_factory.mktemp("wheel")
    build = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(made), str(top)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    (file,) = made.glob("*.whl")
    return file


@pytest.fixture(scope="session")
def human_speech() -> Path:
    """A person saying "front center": 48 kHz mono PCM16, from Debian's alsa-utils."""
    return require_file(ALSA_SOUNDS / "Front_Center.wav", "Debian: apt install alsa-utils")
