"""What a call needs and a server that only listens does not: numpy and the rest behind a session.

Modules of that kind are imported inside the functions that use them; here is the list of them.
"""

from __future__ import annotations

import asyncio
import gc
from importlib import import_module

FOR_CALLS = (
    "jwt",
    "voxemu.casting",
    "voxemu.dialogue.session",
    # Brings numpy.
    "voxemu.drive.pump",
    "voxemu.lint.linter",
    "voxemu.record.recorder",
    "voxemu.spoiler.engine",
    "voxemu.spoiler.words",
)
LATER = 0.5
# Seconds after the server listens: whoever waited for that goes first.


async def warm_up() -> None:
    """Loads it once the server is up: the first call is to wait no longer than others."""
    await asyncio.sleep(LATER)
    await asyncio.to_thread(load_for_calls)
    # All of this stays. Looking through it for garbage would hold up every call for some 30 ms, again and
    # again.
    gc.freeze()


def load_for_calls() -> None:
    """At once; nothing where it has been loaded. For a start request, which its caller does not hear."""
    for name in FOR_CALLS:
        import_module(name)
