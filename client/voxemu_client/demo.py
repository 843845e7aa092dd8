"""``python -m voxemu_client.demo``: one recorded call to every provider, interrupting the agent once.

It starts an emulator of its own on a free port, places the calls side by side, and prints where the
recordings are and what came of the calls. Exit code 0 when every call was answered and interrupted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from voxemu.errors import ConnectionLost, VoxemuError
from voxemu.provider import CallPlan, Provider
from voxemu.wire import PROVIDERS
from voxemu_client.calling import LOCAL_KEY
from voxemu_client.clips import load_clip
from voxemu_client.dial import Telephone
from voxemu_client.script import Script
from voxemu_client.summary import FAILED, INTERRUPTED, UNREACHABLE, summarise, verdict
from voxemu_client.web import fetch

RECORDINGS = Path("recordings/demo")
SAYS = ("story", "stop", "goodbye")
# The second is spoken over the agent.
INTERRUPTS_AFTER = 0.8
PATIENCE = 20.0
# Seconds for the emulator to start.
GRACE = 6.0
# Seconds for it to stop.

COLUMNS = ("provider", "turns", "first audio", "barge-in stop", "heard", "received", "dropped", "findings")
WIDTHS = (12, 5, 17, 13, 8, 8, 8, 8)


def main() -> int:
    try:
        return asyncio.run(_demo())
    except KeyboardInterrupt:
        return INTERRUPTED
    except VoxemuError as error:
        sys.stderr.write(f"demo: {error}\n")
        return UNREACHABLE


async def _demo() -> int:
    async with emulator(RECORDINGS / "server") as url:
        _say(f"An emulator listens on {url}; one call to each provider is being placed (about 20 s) …")
        summaries = await asyncio.gather(*(place(provider, url) for provider in PROVIDERS.values()))
        for summary in summaries:
            summary["findings"] = await findings(url, summary)
        rooms = (await fetch(f"{url}/health"))["livekit"]
    _say("")
    for line in table(summaries):
        _say(line)
    _say("")
    if crowd := crowded():
        _say(f"  {crowd}")
    _say(f"  LiveKit rooms: {rooms['backend']}, {rooms['found']}")
    for summary in summaries:
        for path in summary.get("recordings", ()):
            _say(f"  {summary['provider']:<12} {path}/call.wav  (left: the user, right: what the user heard)")
    _say(f"  the emulator's own recordings are in {RECORDINGS / 'server'}/")
    for summary in summaries:
        for found in summary["findings"]:
            _say(f"  {summary['provider']:<12} {found['code']}: {found['seen']}")
    return _judged(summaries)


def _judged(summaries: list[dict[str, Any]]) -> int:
    failed = [summary for summary in summaries if summary["exit"] or summary.get("barge_in") is None]
    for summary in failed:
        sys.stderr.write(f"demo: {summary['provider']}: {summary['reason']}\n")
    return max((summary["exit"] or FAILED for summary in failed), default=0)


@contextlib.asynccontextmanager
async def emulator(recordings: Path) -> AsyncIterator[str]:
    """``emu serve`` as a child; the URL it listens on. Raises ConnectionLost when it does not come up."""
    with tempfile.TemporaryDirectory(prefix="voxemu-") as scratch:
        ready, log, config = (Path(scratch, name) for name in ("ready.json", "log", "emu.toml"))
        # Empty: what is set for this folder must not change the demo.
        config.touch()
        with log.open("wb") as out:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "voxemu", "serve", "--port", "0"),
                *("--ready-file", str(ready), "--record", str(recordings), "--config", str(config)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={name: value for name, value in os.environ.items() if not name.startswith("EMU_")},
                start_new_session=True,
                # Ctrl-C reaches us alone: the calls end first, then the emulator.
            )
        try:
            yield await _listening(child, ready, log)
        finally:
            await _stop(child)


async def _listening(child: asyncio.subprocess.Process, ready: Path, log: Path) -> str:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            # The file comes from another process: there is nothing to await.
            while not _written(ready) and child.returncode is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    if not (report := _written(ready)):
        raise ConnectionLost(
            f"the emulator did not start: {_written(log).strip()[-600:] or 'it said nothing'}"
        )
    url = json.loads(report)["url"]
    assert isinstance(url, str)
    return url


def _written(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


async def _stop(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(child.wait(), GRACE)
    except TimeoutError:
        child.kill()
        await child.wait()


async def place(provider: Provider, url: str) -> dict[str, Any]:
    """One call; its summary."""
    plan = CallPlan(url, LOCAL_KEY, "echo")
    clips = tuple(load_clip(name, provider.format.rate, provider.scale) for name in SAYS)
    script = Script(clips=clips, barge_in=INTERRUPTS_AFTER)
    try:
        outcomes = await Telephone(provider, plan, recordings=RECORDINGS / "client").call(script)
    except VoxemuError as error:
        return summarise(provider, plan, [], UNREACHABLE, str(error))
    return summarise(provider, plan, outcomes, *verdict(outcomes, script))


async def findings(url: str, summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the emulator found in this call: there was one for each provider."""
    sessions = (await fetch(f"{url}/__emu/sessions"))["sessions"]
    mine = [session["id"] for session in sessions if session["provider"] == summary["provider"]]
    return [found for each in mine for found in (await fetch(f"{url}/__emu/sessions/{each}"))["findings"]]


def crowded() -> str | None:
    """A remark where so much runs on this machine that the figures are not voxemu's."""
    if not hasattr(os, "getloadavg"):
        return None
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load <= processors:
        return None
    return f"This machine is busy (load {load:.0f} on {processors} processors): on a quiet one all is sooner."


def table(summaries: list[dict[str, Any]]) -> list[str]:
    rows = [COLUMNS, *(_row(summary) for summary in summaries)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, WIDTHS, strict=True)) for row in rows]
    return [lines[0].rstrip(), "  ".join("-" * width for width in WIDTHS), *map(str.rstrip, lines[1:])]


def _row(summary: Mapping[str, Any]) -> tuple[str, ...]:
    firsts = [turn["first_audio"] for turn in summary.get("turns", ())]
    audio, barge = summary.get("audio", {}), summary.get("barge_in")
    return (
        summary["provider"],
        str(len(firsts)),
        " ".join("-" if first is None else f"{first * 1000:.0f}" for first in firsts) + " ms",
        "-" if barge is None else f"{barge['stop'] * 1000:.0f} ms",
        *(f"{audio[name]:.2f} s" if audio else "-" for name in ("heard", "received", "dropped")),
        str(len(summary["findings"])),
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
