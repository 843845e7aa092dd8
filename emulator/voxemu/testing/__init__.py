"""The emulator as a test holds it: started in a thread, asked and judged from the test, sync or async.

``voxemu.pytest_plugin`` makes fixtures of it; nothing here needs pytest.
"""

from __future__ import annotations

# Before whatever brings numpy.
from voxemu.testing import lone_thread  # noqa: F401

# isort: split
from voxemu.record.likeness import Tolerances
from voxemu.testing.emu import Emu
from voxemu.testing.events import BargeIn, Finding, SeenEvent, Transcript, Turn
from voxemu.testing.heard import Heard
from voxemu.testing.session import EmuSession
from voxemu.testing.thread import EmulatorThread

__all__ = [
    "BargeIn",
    "Emu",
    "EmuSession",
    "EmulatorThread",
    "Finding",
    "Heard",
    "SeenEvent",
    "Tolerances",
    "Transcript",
    "Turn",
]
