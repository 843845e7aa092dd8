"""The header that a request must carry which changes something below ``/__emu/``.

A page cannot send it across origins without asking first, and is not given leave: a request that a browser
makes unasked (a form, an image) changes nothing.
"""

from __future__ import annotations

CONTROL = "/__emu/"
CONTROL_HEADER = "x-emu-control"


def changes(method: str, path: str) -> bool:
    """Whether such a request is one that changes something of the emulator itself."""
    return path.startswith(CONTROL) and method not in ("GET", "HEAD", "OPTIONS")
