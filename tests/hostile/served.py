"""``emu`` that counts what it holds: ``python -m tests.hostile.served FILE serve …``.

Told so by SIGUSR2, it takes what there is by now for its furniture. Told by SIGUSR1, it writes to FILE how
many objects of each of KINDS there are beside that, as JSON: what a session is made of, and its connections.
So what is left of a case is counted and not weighed; how much memory a system gives back is its own affair.
"""

from __future__ import annotations

import gc
import json
import signal
import sys
from collections import Counter
from pathlib import Path

from voxemu.cli import main

KINDS = frozenset(
    {
        # A connection, and who serves it.
        *("TcpConnection", "Request", "WebSocketResponse", "WebSocketReader", "AiohttpSocket", "Task"),
        # A session.
        *("Connection", "Pump", "Session", "Doorkeeper", "Rebuff", "Spoiler", "Recorder", "Playout", "Turns"),
        # A room, and who is in it.
        *("HeldRoom", "Room", "Seat", "Guest", "SignalWire", "MediaLine", "IceLine", "RTCSctpTransport"),
    }
)


def furnish(number: int, frame: object) -> None:
    gc.collect()
    gc.freeze()


def count(file: Path) -> None:
    gc.collect()
    found = Counter(type(each).__name__ for each in gc.get_objects())
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps({name: found[name] for name in KINDS if found[name]}))
    beside.replace(file)


if __name__ == "__main__":
    asked = Path(sys.argv.pop(1))
    signal.signal(signal.SIGUSR1, lambda number, frame: count(asked))
    signal.signal(signal.SIGUSR2, furnish)
    main()
