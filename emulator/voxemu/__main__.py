"""``python -m voxemu`` is ``emu``."""

from __future__ import annotations

from .cli import main

main()
