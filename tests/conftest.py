"""Fixtures that every test may ask for; what a test needs from the machine is in tests/needs.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.needs import require_file

pytest_plugins = ["pytester"]

ALSA_SOUNDS = Path("/usr/share/sounds/alsa")


@pytest.fixture(scope="session")
def top() -> Path:
    """The top of the repository."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def human_speech() -> Path:
    """A person saying "front center": 48 kHz mono PCM16, from Debian's alsa-utils."""
    return require_file(ALSA_SOUNDS / "Front_Center.wav", "Debian: apt install alsa-utils")
