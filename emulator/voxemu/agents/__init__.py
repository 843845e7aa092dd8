"""Who answers: agents by name."""

from __future__ import annotations

from .named import Echo, Greeter, Loopback, Tone, known_agents, make_agent, names_an_agent
from .sounds import chime, sine

__all__ = [
    "Echo",
    "Greeter",
    "Loopback",
    "Tone",
    "chime",
    "known_agents",
    "make_agent",
    "names_an_agent",
    "sine",
]
