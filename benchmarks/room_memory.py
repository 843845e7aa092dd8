"""Whether memory comes back from calls in rooms: ``python -m benchmarks.room_memory [embedded] [server]``.

The emulator is a process as a user starts it, and users come, speak, are spoken to and leave, a few at a
time; each batch is a process of its own, with LiveKit's SDK. After every batch, once nobody is left, the
resident memory is looked at: of the emulator (where rooms are embedded, their media is in it), of
livekit-server, and of the agents, each of which is a process with the SDK in it and ends with its call; one
spare waits for the next. Exit code 1 where the emulator's memory is not flat in the second half.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks.rooms import KINDS, ask, emulator, family

CALLS, CROWD, CLICKS = 100, 4, 4
# A click is half a second of a call, and a second more.
AGENT = "sdk_agent"
GROWTH = 8.0
# Megabytes: what is kept of so many sessions, and what an allocator keeps.
GONE = 60.0
# Seconds that a room and its agent have to go.


def resident(process: Path) -> float:
    """Megabytes; 0.0 of one that is gone, or not collected yet."""
    lines = [each for each in said(process / "status").splitlines() if each.startswith("VmRSS:")]
    return sum(int(line.split()[1]) for line in lines) / 1000


def said(file: Path) -> str:
    """What the system says there; "" of a process that is gone."""
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def running(pid: int, name: str) -> list[Path]:
    """Those of the emulator's processes that have this in their command line."""
    return [process for process in family(pid) if name in said(process / "cmdline")]


def weighed(pid: int) -> dict[str, float]:
    """Megabytes by what they are of."""
    found = {"emulator": resident(Path(f"/proc/{pid}"))}
    for process in running(pid, "livekit-server"):
        found["livekit-server"] = max(found.get("livekit-server", 0.0), resident(process))
    return found


def is_empty(base: str, pid: int) -> bool:
    """Nobody is in a room, and no more than the spare agent is left."""
    with urlopen(f"{base}/health", timeout=30) as answered:
        content: bytes = answered.read()
    return b'"sessions":0' in content.replace(b" ", b"") and len(running(pid, AGENT)) <= 1


async def emptied(base: str, pid: int) -> None:
    async with asyncio.timeout(GONE):
        while not await asyncio.to_thread(is_empty, base, pid):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def heaviest(pid: int, batch: asyncio.Task[Any]) -> float:
    """The most that one agent had while this was going on."""
    most = 0.0
    while not batch.done():
        most = max([most, *map(resident, running(pid, AGENT))])
        await asyncio.sleep(0.2)
    return most


async def measure(kind: str, calls: int) -> bool:
    seen: list[float] = []
    async with emulator(kind) as (base, pid):
        for done in range(CROWD, calls + 1, CROWD):
            batch = asyncio.create_task(
                ask("clicking", base, {"agentId": "loopback"}, CROWD, single=False, clicks=CLICKS)
            )
            most = await heaviest(pid, batch)
            await batch
            await emptied(base, pid)
            found = weighed(pid)
            seen.append(found["emulator"])
            if done % 20 == 0 or done == CROWD:
                shown = ", ".join(f"{name} {size:.1f} MB" for name, size in found.items())
                say(
                    f"{kind}: {shown} after {done} calls"
                    + (f", an agent up to {most:.1f} MB" if most else "")
                )
    half = seen[len(seen) // 2 :]
    middle, end = statistics.median(half[: len(half) // 2]), statistics.median(half[-(len(half) // 2) :])
    say(f"{kind}: {middle:.1f} MB after more than half of the calls, {end:.1f} MB in the end")
    return end - middle < GROWTH


def say(line: str) -> None:
    sys.stdout.write(f"{line} (load {os.getloadavg()[0]:.1f})\n")
    sys.stdout.flush()


def main() -> int:
    asked = argparse.ArgumentParser(description="Memory after calls in rooms.")
    asked.add_argument("kinds", nargs="*", metavar="embedded|server")
    asked.add_argument("--calls", type=int, default=CALLS, help=f"[{CALLS}]")
    given = asked.parse_args()
    flat = [asyncio.run(measure(kind, given.calls)) for kind in given.kinds or KINDS]
    return 0 if all(flat) else 1


if __name__ == "__main__":
    raise SystemExit(main())
