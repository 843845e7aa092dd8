"""Who turns the crank: an engine on a websocket, or two engines in virtual time."""

from __future__ import annotations
