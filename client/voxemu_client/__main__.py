"""``python -m voxemu_client``: the same as ``emu client``."""

from __future__ import annotations

from voxemu_client.cli import main

main()
