"""What a session in a room costs and how quick it is: ``python -m benchmarks.rooms [embedded] [server]``.

The emulator is a process as a user starts it; what it costs is counted over it and all its children (on a
real server: livekit-server, and an agent for each session). Users are in a process of their own, with
LiveKit's Python SDK.

- First audio: from asking for ``/v1/sessions/start`` to the first sample of a greeting that is heard.
- Round trip: clicks go up every half second and come back from the ``loopback`` agent; from handing one to
  the SDK to reading it from the SDK, so both ends' own buffers are in it.
- CPU in percent of a core, memory as proportional set size (what is shared is shared out), per session.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.figures import Row, row

KINDS = ("embedded", "server")
CLICKS = 60
GREETED = 10
CROWD = 5
SETTLE, WATCH = 0.2, 0.4
# Shares of the time that clicks take: until a session is as it will be, and while it is looked at.
GREETING = {"conversation_start": {"who": "ai", "greeting": "Hello"}}
TICKS = os.sysconf("SC_CLK_TCK")


# --- users, in a process of their own ----------------------------------------------------------------------


async def greeted(base: str, config: dict[str, Any]) -> dict[str, float]:
    """Seconds from asking for a session to its answer, to being in the room, to hearing the greeting."""
    import aiohttp
    import numpy as np
    from livekit import rtc

    heard = asyncio.Event()
    times: dict[str, float] = {}
    tasks = []

    async def listen(track: rtc.Track) -> None:
        async for got in rtc.AudioStream(track, sample_rate=48000, num_channels=1, frame_size_ms=10):
            if np.abs(np.frombuffer(got.frame.data, np.int16).astype(int)).max() > 300:
                times["heard"] = time.perf_counter() - began
                heard.set()
                return

    began = time.perf_counter()
    async with aiohttp.ClientSession(headers={"x-api-key": "any"}) as http:
        async with http.post(f"{base}/v1/sessions/start", json=config) as answered:
            session = await answered.json()
        times["started"] = time.perf_counter() - began
        room = rtc.Room()

        @room.on("track_subscribed")
        def on_track(track: rtc.Track, publication: rtc.RemoteTrackPublication, who: object) -> None:
            if publication.name == "roomio_audio":
                tasks.append(asyncio.ensure_future(listen(track)))

        await room.connect(session["livekitUrl"], session["userToken"])
        times["joined"] = time.perf_counter() - began
        await asyncio.wait_for(heard.wait(), 20)
        ended = {"roomName": session["roomName"]}
        async with http.post(f"{base}/v1/sessions/end", json=ended) as answered:
            await answered.read()
        await room.disconnect()
    return times


async def clicking(base: str, config: dict[str, Any], single: bool, clicks: int) -> dict[str, Any]:
    """Seconds that clicks took, and how many did not come back."""
    import aiohttp
    import numpy as np
    from livekit import rtc

    room, listening = rtc.Room(), []
    heard: list[float] = []

    async def listen(track: rtc.Track) -> None:
        async for got in rtc.AudioStream(track, sample_rate=48000, num_channels=1, frame_size_ms=10):
            now = time.perf_counter()
            loud = np.abs(np.frombuffer(got.frame.data, np.int16).astype(int)).max() > 4000
            if loud and (not heard or now - heard[-1] > 0.25):
                heard.append(now)

    @room.on("track_subscribed")
    def on_track(track: rtc.Track, publication: rtc.RemoteTrackPublication, who: object) -> None:
        if publication.name == "roomio_audio":
            listening.append(asyncio.ensure_future(listen(track)))

    async with aiohttp.ClientSession(headers={"x-api-key": "any"}) as http:
        async with http.post(f"{base}/v1/sessions/start", json=config) as answered:
            session = await answered.json()
        options = rtc.RoomOptions(single_peer_connection=single)
        await room.connect(session["livekitUrl"], session["userToken"], options)
        sent = await _click(room, clicks)
        async with http.post(f"{base}/v1/sessions/end", json={"roomName": session["roomName"]}) as answered:
            await answered.read()
    await room.disconnect()
    trips = [min((at - went for at in heard if at > went), default=9.0) for went in sent[2:]]
    return {"trips": [trip for trip in trips if trip < 0.5], "lost": sum(trip >= 0.5 for trip in trips)}


async def _click(room: Any, clicks: int) -> list[float]:
    """Publishes a microphone that clicks; when it did."""
    import numpy as np
    from livekit import rtc

    source = rtc.AudioSource(48000, 1, queue_size_ms=0)
    track = rtc.LocalAudioTrack.create_audio_track("mic", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await room.local_participant.publish_track(track, options)
    t = np.arange(480) / 48000
    click = (20000 * np.sin(2 * np.pi * 1000 * t)).astype(np.int16).tobytes()
    sent: list[float] = []
    start = time.perf_counter()
    for n in range(50 * clicks + 100):
        is_due = n % 50 == 25 and len(sent) < clicks
        if is_due:
            sent.append(time.perf_counter())
        await source.capture_frame(rtc.AudioFrame(click if is_due else bytes(960), 48000, 1, 480))
        await asyncio.sleep(max(0.0, start + (n + 1) * 0.01 - time.perf_counter()))
    return sent


async def users(given: dict[str, Any]) -> None:
    config, found = given["config"], []
    if given["what"] == "greeted":
        for _ in range(given["count"]):
            found.append(await greeted(given["base"], config))
            await asyncio.sleep(1.5)  # As between two people: a spare agent is ready by then.
    else:
        each = given["single"], given["clicks"]
        crowd = (clicking(given["base"], config, *each) for _ in range(given["count"]))
        found = list(await asyncio.gather(*crowd))
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    # Streams that are being read do not always end with their room.
    os._exit(0)


# --- the emulator and its children -------------------------------------------------------------------------


@asynccontextmanager
async def emulator(kind: str) -> AsyncIterator[tuple[str, int]]:
    """Its URL and its process id."""
    with TemporaryDirectory() as folder:
        ready, config = Path(folder) / "ready.json", Path(folder) / "emu.toml"
        config.touch()
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "voxemu", "serve", "--port", "0", "--livekit", kind),
            *("--config", str(config), "--ready-file", str(ready)),
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            while not ready.exists() or not ready.read_text():
                if child.returncode is not None:
                    raise SystemExit(f"the emulator did not start with --livekit {kind}")
                await asyncio.sleep(0.05)
            yield json.loads(ready.read_text())["url"], child.pid
        finally:
            child.terminate()
            await child.wait()


def family(pid: int) -> list[Path]:
    """This process and its children's children."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found, new = {pid}, {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return [Path(f"/proc/{one}") for one in sorted(found)]


def cpu(pid: int) -> float:
    """Seconds."""
    fields = [one.joinpath("stat").read_text().rpartition(")")[2].split() for one in family(pid)]
    return sum(int(each[11]) + int(each[12]) for each in fields) / TICKS


def memory(pid: int) -> float:
    """Megabytes."""
    lines = [line for one in family(pid) for line in one.joinpath("smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000


async def ask(what: str, base: str, config: dict[str, Any], count: int, **more: Any) -> Any:
    given = {"what": what, "base": base, "config": config, "count": count, **more}
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.rooms", "--users", json.dumps(given)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await child.communicate()
    return json.loads(out.splitlines()[-1])


# --- the figures -------------------------------------------------------------------------------------------


async def measure(kind: str, clicks: int, times: int) -> None:
    async with emulator(kind) as (base, pid):
        config = {"agentId": "echo", "agentConfig": GREETING}
        first = (await ask("greeted", base, config, 1))[0]
        found = await ask("greeted", base, config, times)
        middle = {name: 1000 * statistics.median(one[name] for one in found) for name in first}
        say(
            f"{kind}: first agent audio {middle['heard']:.0f} ms after sessions/start (answered in "
            f"{middle['started']:.0f}, joined at {middle['joined']:.0f} ms; median of {times}, at most "
            f"{1000 * max(one['heard'] for one in found):.0f}; the very first {1000 * first['heard']:.0f})"
        )
        for count, single in ((1, False), (1, True), (CROWD, False)):
            await round_trips(kind, base, pid, count, single, clicks)


@dataclass(frozen=True)
class Found:
    """Milliseconds of each click that came back; percent of a core and megabytes a session."""

    trips: list[float]
    lost: int
    cpu: float
    before: float
    memory: float


async def watched(base: str, pid: int, count: int, clicks: int, *, single: bool = False) -> Found:
    await asyncio.sleep(1.0)
    before = memory(pid)
    loopback = {"agentId": "loopback"}
    asking = asyncio.create_task(ask("clicking", base, loopback, count, single=single, clicks=clicks))
    # Half a second a click.
    await asyncio.sleep(max(3.0, SETTLE * clicks / 2))
    spent, began = cpu(pid), time.perf_counter()
    await asyncio.sleep(max(2.0, WATCH * clicks / 2))
    share = (cpu(pid) - spent) / (time.perf_counter() - began)
    during = memory(pid)
    found = await asking
    trips = sorted(1000 * trip for one in found for trip in one["trips"])
    lost = sum(one["lost"] for one in found)
    return Found(trips, lost, 100 * share / count, before, (during - before) / count)


async def round_trips(kind: str, base: str, pid: int, count: int, single: bool, clicks: int) -> None:
    found = await watched(base, pid, count, clicks, single=single)
    mode = "one peer connection" if single else "two peer connections"
    say(
        f"{kind}, {count} at a time, {mode}: round trip {statistics.median(found.trips):.0f} ms median, "
        f"{found.trips[0]:.0f} ms at best, "
        f"{found.trips[int(len(found.trips) * 0.99) - 1]:.0f} ms p99 ({len(found.trips)} clicks, "
        f"{found.lost} lost); CPU {found.cpu:.1f} % of a core a session; "
        f"memory {found.before:.0f} MB + {found.memory:.1f} MB a session"
    )


async def rows_of_rooms(kind: str, clicks: int) -> list[Row]:
    """For the table of ``benchmarks.bench``."""
    async with emulator(kind) as (base, pid):
        await ask("greeted", base, {"agentId": "echo", "agentConfig": GREETING}, 1)
        # The first session loads what all need.
        alone, crowd = await watched(base, pid, 1, clicks), await watched(base, pid, CROWD, clicks)
    remark = f"{alone.lost} of {clicks - 2} clicks were lost" if alone.lost else ""
    return [
        row(f"CPU a session, % of a core: {kind} room, {CROWD} at a time", [crowd.cpu], "≤ 5"),
        row(f"loopback round trip, ms: {kind} room", alone.trips, "≤ 150", remark),
        row(f"  with {CROWD} at a time, ms", crowd.trips),
        row("  memory a session, MB", [crowd.memory]),
    ]


def say(line: str) -> None:
    sys.stdout.write(f"{line} (load {os.getloadavg()[0]:.1f})\n")
    sys.stdout.flush()


def main() -> int:
    ask_for = argparse.ArgumentParser(description="Figures of rooms.")
    ask_for.add_argument("kinds", nargs="*", metavar="embedded|server")
    ask_for.add_argument("--clicks", type=int, default=CLICKS, help=f"of each round trip [{CLICKS}]")
    ask_for.add_argument("--greeted", type=int, default=GREETED, help=f"first audio, how often [{GREETED}]")
    ask_for.add_argument("--users", help=argparse.SUPPRESS)
    given = ask_for.parse_args()
    if given.users:
        asyncio.run(users(json.loads(given.users)))
    say(f"{os.cpu_count()} cores")
    for kind in given.kinds or KINDS:
        asyncio.run(measure(kind, given.clicks, given.greeted))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
