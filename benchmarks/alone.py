"""Our server with a core of its own, whatever else the machine does: how late it is.

    python -m benchmarks.alone [--sessions 200] [--busy 60 80 90] [--provider workbuddy]

Server and callers run on ``own_core.OwnLoop``, by the processor's clock. The callers are those of the live
run; what they take is not counted, what a kernel would take for a message is. For each of ``--busy`` the core
is just so fast that the sessions keep it busy for so many hundredths; without any it is this one. Printed is
how long after the confirming sample the agent's last byte left, how late frames left, how late the user's
were heard, and how long looking through all objects for garbage took.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import io
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import cast
from urllib.parse import urlsplit

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from benchmarks.generator import KEY, SLOTS, lateness, percentile
from benchmarks.line import Line, framed
from benchmarks.own_core import HEAD_ENDS, Kernel, OwnLoop, Wire
from benchmarks.workload import PTIME, Workload
from voxemu.events import UserAudioSent
from voxemu.provider import CallPlan, Provider, Request, Response, Role
from voxemu.server.config import load
from voxemu.server.news import News
from voxemu.server.run import running
from voxemu.server.timing import Timing
from voxemu.server.warming import load_for_calls
from voxemu.testing.virtual_wire import End, listening
from voxemu.wire import ON_SOCKETS, PROVIDERS

PORT = 8090
# In memory: nobody else's.
FEW = 25
# Sessions that tell what one takes.
WORK = Workload()

Figures = dict[str, float]


class Callers:
    """Sessions of the live run's workload, on the loop that is running."""

    def __init__(self, loop: OwnLoop, provider: Provider, work: Workload, kernel: Kernel) -> None:
        self._loop = loop
        self._provider = provider
        self._work = work
        self._kernel = kernel
        self._codec = provider.codec(Role.CALLER, provider.settings_type(), Random(0))
        rate = provider.format.rate if provider.declares_rate else None
        said = [self._codec.encode(UserAudioSent(pcm, rate)) for pcm in work.talk(provider.format.rate)]
        self._frames = [framed(message) for (message,) in said]
        self._frame = 0
        self.wires: list[Wire] = []
        self.lines: list[Line] = []
        self.late: list[float] = []
        # By how much each frame was heard after its time.

    def _wire(self) -> Wire:
        wire = Wire(self._loop.clock, self._kernel)
        self._loop.served[PORT].accept(cast(End, wire))
        return wire

    async def open(self, sessions: int) -> None:
        for _ in range(sessions):
            plan = CallPlan(f"http://127.0.0.1:{PORT}", KEY)
            asked = self._provider.ask(plan)
            response = None if asked is None else await self._started(asked)
            target, wire = self._provider.reach(plan, response), self._wire()
            head = await wire.asked(
                f"GET {_path(target.url)} HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nX-API-Key: {KEY}\r\n\r\n".encode()
            )
            assert b" 101 " in head, head
            line = Line(cast(socket.socket, wire), self._frames)
            wire.heard = line.take
            for said in (framed(text) for event in target.opening for text in self._codec.encode(event)):
                wire.send(said)
                wire.arrive()
            self.wires.append(wire)
            self.lines.append(line)

    async def _started(self, asked: Request) -> Response:
        wire, body = self._wire(), asked.body or b""
        headers = {"Host": f"127.0.0.1:{PORT}", **asked.headers, "Content-Length": str(len(body))}
        lines = [f"{asked.method} {_path(asked.url)} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
        head = await wire.asked("\r\n".join(lines).encode() + HEAD_ENDS + body)
        status = int(head.split(b" ", 2)[1])
        answer = wire.recv(65_536)
        wire.close()
        return Response(status, json.loads(answer))

    async def stream(self, frames: int) -> None:
        """Every session so many frames, one each 20 ms; the loop's time may be behind theirs."""
        done = self._loop.create_future()
        start = self._loop.time() + PTIME

        def speak(slot: int) -> None:
            # All that has come meanwhile is read in one turn of the loop, as from a kernel.
            now = self._loop.time()
            while (due := start + slot * PTIME / SLOTS) <= now and slot < frames * SLOTS:
                self._speak(slot % SLOTS, self._frame + slot // SLOTS, due)
                slot += 1
            if slot < frames * SLOTS:
                self._loop.call_at(due, speak, slot)
            else:
                done.set_result(None)

        self._loop.call_at(start, speak, 0)
        await done
        self._frame += frames

    def _speak(self, first: int, frame: int, due: float) -> None:
        for number in range(first, len(self.lines), SLOTS):
            with self._loop.clock.stopped():
                self.late.append(self._loop.time() - due)
                self.lines[number].speak(self._work.at(number, frame), due)
            self.wires[number].arrive()

    def begin_window(self) -> None:
        self.late = []
        for line in self.lines:
            line.begin_window()

    def close(self) -> None:
        for wire in self.wires:
            wire.close()


def _path(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class Collections:
    """How long each full look for garbage held the loop up."""

    def __init__(self, loop: OwnLoop) -> None:
        self._loop = loop
        self._since = 0.0
        self.full: list[float] = []

    def begin_window(self) -> list[float]:
        """Those before it."""
        before, self.full = self.full, []
        return before

    def __call__(self, phase: str, said: dict[str, int]) -> None:
        if phase == "start":
            self._since = self._loop.time()
        elif said["generation"] == 2:
            self.full.append(self._loop.time() - self._since)


def measured(name: str, sessions: int, periods: int, *, work: Workload = WORK, speed: float = 1.0) -> Figures:
    """``periods`` of so many sessions, on a core that is ``speed`` times as fast as this one."""
    kernel = Kernel()
    before = gc.callbacks[:]
    with (
        tempfile.TemporaryDirectory(prefix="voxemu-bench-") as folder,
        asyncio.Runner(loop_factory=lambda: OwnLoop(speed)) as runner,
    ):
        try:
            return runner.run(_measured(PROVIDERS[name], sessions, periods, work, kernel, Path(folder)))
        finally:
            gc.callbacks[:] = before
            gc.unfreeze()


async def _measured(
    provider: Provider, sessions: int, periods: int, work: Workload, kernel: Kernel, folder: Path
) -> Figures:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, OwnLoop)
    settings = folder / "emu.toml"
    settings.write_text("\n".join(work.settings()) + "\n")
    config = load(str(settings), {}, {"record": str(folder / "recordings")})
    timing, news = Timing(config, time.time, "virtual"), News(io.StringIO(), as_json=True)
    async with running(config, news, bound=listening(PORT), timing=timing):
        # As a server that has been up for a second.
        load_for_calls()
        gc.freeze()
        collections = Collections(loop)
        gc.callbacks.append(collections)
        first = Callers(loop, provider, work, kernel)
        await first.open(2)
        await first.stream(work.answered)
        first.close()
        callers = Callers(loop, provider, work, kernel)
        await callers.open(sessions)
        await callers.stream(work.warm)
        callers.begin_window()
        beginning = collections.begin_window()
        since, worked = loop.time(), loop.clock.worked()
        await callers.stream(periods * work.frames)
        passed, worked = loop.time() - since, loop.clock.worked() - worked
        found = _figures(callers, periods * sessions * work.spoken)
        callers.close()
    return found | {
        "share": worked / passed,
        "us_for_20_ms": worked / passed / sessions * PTIME * 1e6,
        "collection_max": max(collections.full, default=0.0),
        "collection_max_before": max(beginning, default=0.0),
    }


def _figures(callers: Callers, expected: int) -> Figures:
    for line in callers.lines:
        line.judge()
    stops = [each for line in callers.lines for each in line.stops]
    late = [each for line in callers.lines for each in lateness(line.arrivals)]
    return {
        "stops": len(stops),
        "stop_p50": percentile(stops, 0.5),
        "stop_p99": percentile(stops, 0.99),
        "stop_max": max(stops, default=0.0),
        "late_p99": percentile(late, 0.99),
        "heard_p99": percentile(callers.late, 0.99),
        "received": sum(len(line.arrivals) for line in callers.lines),
        "expected": expected,
    }


def told(sessions: int, found: Figures) -> str:
    ms = {name: f"{1000 * found[name]:.1f}" for name in found}
    return (
        f"{sessions} sessions, {found['share']:.0%} of the core: {found['stops']:.0f} barge-ins, "
        f"p50 {ms['stop_p50']} p99 {ms['stop_p99']} max {ms['stop_max']} ms; "
        f"agent frames late p99 {ms['late_p99']} ms, user frames heard late p99 {ms['heard_p99']} ms; "
        f"{found['received'] / found['expected']:.1%} of the frames; "
        f"longest full collection {ms['collection_max']} ms, before that {ms['collection_max_before']}\n"
    )


def speeds(name: str, sessions: int, shares: Sequence[int]) -> Iterator[float]:
    """At which so many sessions keep a core busy for those hundredths."""
    one = measured(name, FEW, 1)["us_for_20_ms"] / (PTIME * 1e6)
    for share in shares:
        yield one * sessions / (share / 100)


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--sessions", type=int, default=200)
    asked.add_argument("--periods", type=int, default=2)
    asked.add_argument("--busy", type=int, nargs="+", metavar="%", help="hundredths of a core")
    asked.add_argument("--provider", default="workbuddy", choices=list(ON_SOCKETS))
    options = asked.parse_args()
    faster = speeds(options.provider, options.sessions, options.busy) if options.busy else [1.0]
    for speed in faster:
        found = measured(options.provider, options.sessions, options.periods, speed=speed)
        sys.stdout.write(told(options.sessions, found))
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
