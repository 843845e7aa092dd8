"""One run of ``emu load``: from the options of the command line to the report and the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxemu.errors import UsageError
from voxemu.scenario.reading import load
from voxemu_client.calling import LOCAL_KEY, PROVIDER
from voxemu_client.load.board import Board
from voxemu_client.load.fleet import Fleet, Told
from voxemu_client.load.machine import facts, load_average
from voxemu_client.load.order import Order
from voxemu_client.load.patter import part_of
from voxemu_client.load.report import Report
from voxemu_client.staging import named


async def load_up(order: Order, watch: Told | None = None, *, heed_signals: bool = False) -> Report:
    """Carries ``order`` out in processes of its own, and says what it came to.

    ``watch`` is told how things stand about once a second. With ``heed_signals`` the first SIGINT or SIGTERM
    ends the calls in their protocol's way, the second drops them. Raises UsageError.
    """
    part_of(order)
    machine = facts()
    fleet = Fleet(order, watch)
    stopped = False

    def asked() -> None:
        nonlocal stopped
        if stopped:
            fleet.abort()
        else:
            stopped = True
            fleet.stop()

    if heed_signals:
        for number in (signal.SIGINT, signal.SIGTERM):
            # Windows' loop has no signal handlers; there Ctrl-C is a KeyboardInterrupt.
            with contextlib.suppress(NotImplementedError, RuntimeError):
                asyncio.get_running_loop().add_signal_handler(number, asked)
    tally = await fleet.run()
    machine["load_average_after"] = load_average()
    return Report(order, tally, fleet.size, stopped, machine)


def run(options: Mapping[str, Any], key: str | None) -> int:
    """The exit code. Raises UsageError before anything is dialled."""
    order = _order(options, key)
    out = None if options["json_file"] is None else _open(options["json_file"])
    board = Board(sys.stderr, order)
    report = asyncio.run(load_up(order, board.watch, heed_signals=True))
    board.erase()
    sys.stdout.write("\n".join(report.lines()) + "\n")
    if out is not None:
        out.write_text(json.dumps(report.json(), indent=2) + "\n", encoding="utf-8")
    if report.exit:
        sys.stderr.write(f"emu load: {report.reason}\n")
    return report.exit


def _order(options: Mapping[str, Any], key: str | None) -> Order:
    scenario = options["scenario"] or ""
    provider = options["provider"] or (load(named(scenario)).provider(None).id if scenario else PROVIDER)
    order = Order(
        provider,
        options["url"].strip(),
        options["sessions"],
        options["ramp"],
        options["duration"],
        key or "",
        options["agent"],
        scenario,
        options["processes"],
        options["i_own_this_target"],
    )
    if key is None and order.is_here:
        return Order.unpacked(order.packed() | {"key": LOCAL_KEY})
    return order


def _open(name: str) -> Path:
    """A file that can be written, before a load is made for nothing. Raises UsageError."""
    path = Path(name).expanduser()
    try:
        path.touch()
    except OSError as error:
        raise UsageError(f"--json {path} cannot be written: {error.strerror}") from error
    return path
