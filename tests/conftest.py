"""Fixtures that every test may ask for; what a test needs from the machine is in tests/needs.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.needs import require_file

# As the command line has it, and before NumPy is loaded: small products are faster on one core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ALSA_SOUNDS = Path("/usr/share/sounds/alsa")


@pytest.fixture(scope="session")
def top() -> Path:
    """The top of the repository."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def human_speech() -> Path:
    """A person saying "front center": 48 kHz mono PCM16, from Debian's alsa-utils."""
    return require_file(ALSA_SOUNDS / "Front_Center.wav", "Debian: apt install alsa-utils")
