"""The server, telling how long its recorders hold the event loop up: ``python -m benchmarks.ticks serve …``

A tick is what all recorders do in one turn of the loop, by the wall's clock and by the processor's. When
the server ends, those longer than 0.1 ms go to stdout as a line of JSON. What a recording's end takes
(digests, the manifest) is not among them: no audio of that call waits for it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from time import perf_counter, thread_time
from typing import Any

from voxemu.cli import main as cli
from voxemu.events import Closed
from voxemu.record.recorder import Recorder

WATCHED = ("saw", "settle", "keep_up")
WORTH = 0.0001
# Seconds.


class Ticks:
    """``told`` are the ticks worth telling: when each ended, its seconds by the wall and by the processor."""

    def __init__(self) -> None:
        self.told: list[tuple[float, float, float]] = []
        self._wall = self._cpu = 0.0
        self._inside = self._open = False

    def timed(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def timing(*given: Any, **named: Any) -> Any:
            if self._inside or isinstance(given[1], Closed):
                return act(*given, **named)
            self._inside = True
            wall, cpu = perf_counter(), thread_time()
            try:
                return act(*given, **named)
            finally:
                self._inside = False
                self._add(perf_counter() - wall, thread_time() - cpu)

        return timing

    def _add(self, wall: float, cpu: float) -> None:
        self._wall += wall
        self._cpu += cpu
        if not self._open:
            self._open = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """The loop has gone round."""
        if self._wall > WORTH:
            self.told.append((perf_counter(), self._wall, self._cpu))
        self._wall = self._cpu = 0.0
        self._open = False


def main() -> None:
    ticks = Ticks()
    for name in filter(vars(Recorder).__contains__, WATCHED):
        setattr(Recorder, name, ticks.timed(getattr(Recorder, name)))
    try:
        cli()
    finally:
        sys.stdout.write(json.dumps({"ticks": ticks.told}) + "\n")


if __name__ == "__main__":
    main()
