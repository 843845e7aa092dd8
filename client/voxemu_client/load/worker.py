"""One process of a load: told its order on stdin, it tells what it measures on stdout, a line of JSON each.

In: ``{"order": …, "numbers": [first, step]}``, then ``{"begin": seconds}`` on the clock that all processes of
a machine share, then perhaps ``{"stop": true}``. The end of stdin drops everything: nobody is there any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import sys
import threading
from typing import Any

from voxemu_client.load.order import Order
from voxemu_client.load.patter import Part, part_of
from voxemu_client.load.sessions import Sessions

TELL = 1.0
# Seconds between two reports.


def main() -> None:
    told = json.loads(sys.stdin.readline())
    order = Order.unpacked(told["order"])
    first, step = told["numbers"]
    part = part_of(order)
    _say({"ready": True})
    began = json.loads(sys.stdin.readline())["begin"]
    # Thousands of objects a session that live as long as it does: looking through them all would stop the
    # calls for tens of milliseconds.
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)
    asyncio.run(_work(order, part, range(first, order.sessions, step), began))


async def _work(order: Order, part: Part, numbers: range, began: float) -> None:
    sessions = Sessions(order, part, numbers, began)
    _listen(sessions)
    telling = asyncio.create_task(_tell(sessions))
    try:
        tally = await sessions.run()
    finally:
        telling.cancel()
    _say({"over": tally.packed()})


async def _tell(sessions: Sessions) -> None:
    while True:
        await asyncio.sleep(TELL)
        _say({"held": sessions.held, "so_far": sessions.so_far().packed()})


def _listen(sessions: Sessions) -> None:
    """In a thread: a pipe cannot be awaited on every system."""
    loop = asyncio.get_running_loop()

    def listen() -> None:
        for _ in sys.stdin:
            # There is one thing left to be said.
            loop.call_soon_threadsafe(sessions.stop)
        # The loop may be closed by now.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_drop, sessions)

    threading.Thread(target=listen, daemon=True).start()


def _drop(sessions: Sessions) -> None:
    """Leaves at once: a close that a server does not answer would take seconds."""
    _say({"over": sessions.abandon().packed()})
    os._exit(0)


def _say(what: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(what, separators=(",", ":")) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
