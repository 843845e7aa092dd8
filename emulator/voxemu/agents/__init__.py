"""Who answers: agents by name."""

from __future__ import annotations

from voxemu.agents.named import (
    Echo,
    Greeter,
    Loopback,
    Tone,
    file_behind,
    known_agents,
    make_agent,
    names_an_agent,
)
from voxemu.agents.sounds import chime, noise, sine

__all__ = [
    "Echo",
    "Greeter",
    "Loopback",
    "Tone",
    "chime",
    "file_behind",
    "known_agents",
    "make_agent",
    "names_an_agent",
    "noise",
    "sine",
]
