"""How a load goes on, while it does: a table on a terminal, else a line every few seconds."""

from __future__ import annotations

import shutil
from typing import TextIO

from voxemu_client.load.order import Order
from voxemu_client.load.report import figures_line
from voxemu_client.load.tally import Tally
from voxemu_client.telling import printable

EVERY = 5.0
# Seconds between two plain lines.


class Board:
    def __init__(self, out: TextIO, order: Order) -> None:
        self._out = out
        self._order = order
        self._is_table = out.isatty()
        self._drawn = 0
        # Lines of the table that stand there.
        self._said = float("-inf")

    def watch(self, at: float, held: int, tally: Tally) -> None:
        if self._is_table:
            self._draw(self._table(at, held, tally))
        elif at - self._said >= EVERY:
            self._said = at
            self._write(self._line(at, held, tally) + "\n")

    def erase(self) -> None:
        self._draw([])

    def _draw(self, lines: list[str]) -> None:
        wide = shutil.get_terminal_size().columns - 1
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        if self._drawn or lines:
            self._write(up + "\r\x1b[J" + "".join(f"{line[:wide]}\n" for line in lines))
        self._drawn = len(lines)

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()

    def _standing(self, at: float, held: int, tally: Tally) -> str:
        failed = tally.counts["failed"]
        return (
            f"{at:5.0f} of {self._order.over:.0f} s  {held} of {self._order.sessions} held, {failed} failed"
        )

    def _table(self, at: float, held: int, tally: Tally) -> list[str]:
        spreads = tally.spreads
        return [
            f"{self._order.provider}  {self._standing(at, held, tally)}",
            f"  {'milliseconds':<22} {'count':>9} {'p50':>8} {'p90':>8} {'p99':>8} {'max':>8}",
            figures_line("call let in", spreads["setup"]),
            figures_line("turn latency", spreads["turns"]),
            figures_line("barge-in stop", spreads["stops"]),
            figures_line("agent audio late", spreads["agent"]),
            figures_line("our own audio late", spreads["sending"]),
            *(f"  failed: {times} {printable(kind)}" for kind, times in tally.errors.most_common(5)),
        ]

    def _line(self, at: float, held: int, tally: Tally) -> str:
        def ms(name: str) -> str:
            seconds = tally.spreads[name].percentile(99)
            return "-" if seconds is None else f"{seconds * 1000:.1f} ms"

        return (
            f"{self._standing(at, held, tally)}; p99: turn {ms('turns')}, agent audio late {ms('agent')}, "
            f"ours {ms('sending')}"
        )
