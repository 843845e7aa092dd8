"""What is sent while nobody speaks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from voxemu.errors import UsageError

FRAME = 0.02
# Seconds of one frame.


@dataclass(frozen=True, slots=True)
class Silence:
    """What is sent while nobody speaks."""

    mode: Literal["continuous", "keepalive", "suppress"] = "continuous"
    every: float = 0.0
    # Seconds between the zero frames of keepalive.

    @classmethod
    def parse(cls, text: str) -> Silence:
        """``continuous``, ``keepalive:N`` or ``suppress``. Raises UsageError."""
        mode, _, every = text.partition(":")
        match mode:
            case "continuous" | "suppress" if not every:
                return cls(mode)
            case "keepalive":
                try:
                    seconds = float(every)
                except ValueError:
                    seconds = math.nan
                if FRAME <= seconds <= 3600:
                    return cls("keepalive", seconds)
        raise UsageError(
            f"silence {text!r} is not known; give continuous, suppress, or keepalive:N "
            "with N from 0.02 to 3600 seconds"
        )


CONTINUOUS = Silence()
