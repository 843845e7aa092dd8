"""Faults on purpose, between an engine and its codec: sans-io, so every driver and clock gives the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxemu.loading import on_demand

if TYPE_CHECKING:
    from voxemu.spoiler.aim import EVENT_NAMES
    from voxemu.spoiler.engine import Spoiler
    from voxemu.spoiler.start import Starts, Struck
    from voxemu.spoiler.support import supporters, supports
    from voxemu.spoiler.words import SpoiledCodec

__all__ = [
    "EVENT_NAMES",
    "SpoiledCodec",
    "Spoiler",
    "Starts",
    "Struck",
    "supporters",
    "supports",
]
__getattr__ = on_demand(
    __name__,
    {
        "EVENT_NAMES": "aim",
        "Spoiler": "engine",
        "Starts": "start",
        "Struck": "start",
        "supporters": "support",
        "supports": "support",
        "SpoiledCodec": "words",
    },
)
