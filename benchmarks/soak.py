"""A server under callers without manners, for as long as you like: ``make soak``, or

    python -m benchmarks.soak [--minutes 10] [--sessions 100]

A server in a process of its own, and so many callers in this one. Each calls a provider, talks, and hangs up
as it likes: in words, without any, in the middle of a sentence, after not having read for a while, or with
garbage; or it comes to a room (where the extra livekit is installed) and vanishes. Shown are the server's
memory, its file descriptors, its log, and how long a well-behaved call took meanwhile: the figures of
docs/reliability.md. Exit code 1 when memory or descriptors are not flat at the end, when the log holds
anything, or when one such call in twenty took over 3 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from random import Random

from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType

from tests.hostile.lines import descriptors, memory, waited
from voxemu.agents import sine
from voxemu.events import AgentAudioSent, UserAudioSent
from voxemu.provider import CallPlan, Codec, Provider, Response, Role
from voxemu.wire import ON_SOCKETS

GROWTH = 12 * 1024 * 1024
# Bytes by which memory may be more at the end than it was once 200 sessions were kept, as many as ever are.
KEPT = 600
# Calls after which that is so, and what many calls at once take has been taken: not every one of them becomes
# a session.
LOOKS = 8
# After that, to judge by.
LOOK = 1.0
# Seconds between two looks.
AFTERWARDS = 5.0
# Seconds that what is left has to go.
PUT_OUT = "emu: user-"
SETTINGS = """
[agents]
default = "tone:440:2"
[dialogue]
think_time = 0.1
[limits]
stall = 2.0
outbox = 32
[lyzr_livekit]
join_wait = 2.0
rejoin_wait = 0.5
"""
ROOMS = all(find_spec(package) is not None for package in ("livekit", "livekit.api", "aiortc"))
ONCE = 1 + ROOMS
# Descriptors that the first calls open and all share: /dev/null, and where there are rooms a media socket.


class Caller:
    """One after the other, calls of a provider to the end that chance gives them."""

    def __init__(self, url: str, client: ClientSession, rng: Random, met: Counter[str]) -> None:
        self._url = url
        self._client = client
        self._rng = rng
        self._met = met

    async def call_for(self, until: float) -> None:
        ends = [self.politely, self.rudely, self.midway, self.stalled, self.garbling]
        ends += [self.visiting] if ROOMS else []
        while time.monotonic() < until:
            provider = ON_SOCKETS[self._rng.choice(list(ON_SOCKETS))]
            end = self._rng.choice(ends)
            try:
                await end(provider)
                self._met[end.__name__] += 1
            except (ClientError, ConnectionError, TimeoutError) as error:
                self._met[f"{end.__name__}: {type(error).__name__}"] += 1
            await asyncio.sleep(self._rng.uniform(0.0, 0.3))

    async def politely(self, provider: Provider) -> None:
        ws, codec = await dialled(self._client, self._url, provider)
        for _ in range(self._rng.randint(1, 3)):
            await talk(ws, codec, provider, self._rng.uniform(0.3, 1.5), paced=True)
            await heard(ws, codec, 10.0)
        await ws.close()

    async def rudely(self, provider: Provider) -> None:
        ws, codec = await dialled(self._client, self._url, provider)
        await talk(ws, codec, provider, 0.5)
        dropped(ws)

    async def midway(self, provider: Provider) -> None:
        ws, codec = await dialled(self._client, self._url, provider)
        await talk(ws, codec, provider, 0.5)
        await heard(ws, codec, 10.0)
        dropped(ws)

    async def stalled(self, provider: Provider) -> None:
        ws, codec = await dialled(self._client, self._url, provider)
        for _ in range(3):
            await talk(ws, codec, provider, 0.5, paced=True)
        await asyncio.sleep(self._rng.uniform(0.5, 4.0))
        dropped(ws)

    async def garbling(self, provider: Provider) -> None:
        ws, codec = await dialled(self._client, self._url, provider)
        for _ in range(self._rng.randint(1, 30)):
            await ws.send_bytes(self._rng.randbytes(self._rng.randint(0, 2000)))
            await ws.send_str(self._rng.choice(["{", "[]", '{"type":[]}', "\0"]))
        await talk(ws, codec, provider, 0.5)
        await ws.close()

    async def visiting(self, provider: Provider) -> None:
        """A room instead: joined without media, and left in one way or another."""
        started, headers = f"{self._url}/v1/sessions/start", {"x-api-key": "soak"}
        async with self._client.post(started, json={}, headers=headers) as answered:
            said = await answered.json()
        ws = await self._client.ws_connect(said["livekitUrl"] + "/rtc?access_token=" + said["userToken"])
        await ws.receive()
        if self._rng.random() < 0.3:
            await ws.send_bytes(self._rng.randbytes(200))
        await asyncio.sleep(self._rng.uniform(0.0, 1.0))
        if self._rng.random() < 0.5:
            dropped(ws)
            return
        await ws.close()
        body = {"roomName": said["roomName"]}
        async with self._client.post(f"{self._url}/v1/sessions/end", json=body, headers=headers):
            pass


async def dialled(
    client: ClientSession, url: str, provider: Provider
) -> tuple[ClientWebSocketResponse, Codec]:
    plan = CallPlan(url, "soak")
    asked, response = provider.ask(plan), None
    if asked is not None:
        async with client.request(
            asked.method, asked.url, headers=dict(asked.headers), data=asked.body
        ) as got:
            response = Response(got.status, await got.json())
    target = provider.reach(plan, response)
    ws = await client.ws_connect(target.url, headers=dict(target.headers))
    codec = provider.codec(Role.CALLER, provider.settings_type(), Random(1))
    for event in target.opening:
        for message in codec.encode(event):
            await (ws.send_bytes(message) if isinstance(message, bytes) else ws.send_str(message))
    return ws, codec


async def talk(
    ws: ClientWebSocketResponse, codec: Codec, provider: Provider, seconds: float, *, paced: bool = False
) -> None:
    """Speech and the silence that ends a turn, in real time where it is ``paced``."""
    ours = provider.format
    pcm = sine(ours, 300.0, seconds) + ours.silence(ours.samples(0.8))
    step = 2 * provider.frame_samples
    for at in range(0, len(pcm), step):
        for message in codec.encode(UserAudioSent(pcm[at : at + step], ours.rate)):
            await (ws.send_bytes(message) if isinstance(message, bytes) else ws.send_str(message))
        if paced:
            await asyncio.sleep(step / 2 / ours.rate)


async def heard(ws: ClientWebSocketResponse, codec: Codec, patience: float) -> None:
    """Reads until the agent sounds."""
    async with asyncio.timeout(patience):
        while True:
            got = await ws.receive()
            if got.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                raise ConnectionResetError(f"closed {ws.close_code}")
            if any(isinstance(event, AgentAudioSent) for event in codec.decode(got.data)):
                return


def dropped(ws: ClientWebSocketResponse) -> None:
    """Without a word: there is no polite way to ask aiohttp for that."""
    line = ws._response.connection
    if line is not None and line.transport is not None:
        line.transport.abort()


# --- the server ---------------------------------------------------------------------------------------------


def started(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    (folder / "emu.toml").write_text(SETTINGS)
    command = [sys.executable, "-m", "voxemu.cli", "serve", "--port", "0", "--ready-file", "ready"]
    command += ["--livekit", "embedded"] if ROOMS else []
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        server = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err)
    while not (folder / "ready").exists():
        if server.poll() is not None:
            raise SystemExit((folder / "err").read_text())
        time.sleep(0.05)
    return server, json.loads((folder / "ready").read_text())["url"]


@dataclass
class Seen:
    """At every look: bytes of memory, sessions that were open, and seconds to the first sound of a call that
    behaves well."""

    memory: list[int] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    # That were over by then.
    sessions: list[int] = field(default_factory=list)
    took: list[float] = field(default_factory=list)

    @property
    def growth(self) -> tuple[float, float] | None:
        """Its memory once all is kept that is ever kept, and in the end; None where that came too late."""
        full = [size for size, calls in zip(self.memory, self.calls, strict=True) if calls >= KEPT]
        if len(full) < LOOKS:
            return None
        return statistics.median(full[: len(full) // 2]), statistics.median(full[-(len(full) // 4) :])


async def watched(pid: int, url: str, until: float, met: Counter[str]) -> Seen:
    found = Seen()
    seen, took = found.memory, found.took
    async with ClientSession() as client:
        while time.monotonic() < until:
            await asyncio.sleep(LOOK)
            seen.append(memory(pid))
            found.calls.append(met.total())
            async with client.get(url + "/health") as answered:
                found.sessions.append((await answered.json())["sessions"])
            provider = ON_SOCKETS[list(ON_SOCKETS)[len(seen) % len(ON_SOCKETS)]]
            before, began = waited(str(pid)) + waited("self"), time.monotonic()
            ws, codec = await dialled(client, url, provider)
            await talk(ws, codec, provider, 0.3)
            await heard(ws, codec, 30.0)
            # What either program waits for a processor is the machine's time, and not theirs.
            took.append(time.monotonic() - began - (waited(str(pid)) + waited("self") - before))
            await ws.close()
            if len(seen) % 30 == 0:
                sys.stdout.write(f"  {seen[-1] / 2**20:6.1f} MB, {descriptors(pid)} descriptors\n")
                sys.stdout.flush()
    return found


async def soak(pid: int, url: str, seconds: float, sessions: int) -> tuple[Seen, Counter[str]]:
    met: Counter[str] = Counter()
    until = time.monotonic() + seconds
    async with ClientSession(connector=TCPConnector(limit=0)) as client:
        callers = [Caller(url, client, Random(seed), met).call_for(until) for seed in range(sessions)]
        watching = asyncio.create_task(watched(pid, url, until, met))
        await asyncio.gather(*callers)
        return await watching, met


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--sessions", type=int, default=100)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server, url = started(folder)
        before = descriptors(server.pid)
        try:
            seen, met = asyncio.run(soak(server.pid, url, asked.minutes * 60, asked.sessions))
            time.sleep(AFTERWARDS)
            after, left = descriptors(server.pid), memory(server.pid)
        finally:
            server.terminate()
            code = server.wait(30)
        # Whom it put out of a room, and why, is a line each.
        log = [line for line in (folder / "err").read_text().splitlines() if not line.startswith(PUT_OUT)]
    grown = seen.growth
    middle, end = grown or (seen.memory[-1], seen.memory[-1])
    slow = statistics.quantiles(seen.took, n=20)[-1]
    said = ", ".join(f"{name} {count}" for name, count in sorted(met.items()))
    troubles = [
        *([f"memory grew by {(end - middle) / 2**20:.1f} MB"] if end - middle > GROWTH else []),
        *([f"{after - before} descriptors were left open"] if after > before + ONCE else []),
        *([f"the log is not empty: {' / '.join(log)[:500]}"] if log else []),
        *([f"one call in twenty took over {slow:.1f} s to its first sound"] if slow > 3 else []),
        *([f"the server ended with {code}"] if code else []),
    ]
    sys.stdout.write(
        f"{sum(met.values())} calls in {asked.minutes:g} min by {asked.sessions} callers, up to "
        f"{max(seen.sessions)} at once: {said}\n"
        f"memory {middle / 2**20:.1f} MB after {KEPT} calls, {end / 2**20:.1f} MB at the end, "
        f"{left / 2**20:.1f} MB {AFTERWARDS:g} s after; descriptors {before} before, {after} after"
        f" ({ONCE} of them opened once, for the first calls); {len(log)} lines in the log; exit code {code}\n"
        f"a well-behaved call: first sound after {statistics.median(seen.took):.2f} s in the middle, "
        f"{slow:.2f} s for the slowest of twenty, {max(seen.took):.2f} s at worst\n"
        f"load average {os.getloadavg()[1]:.1f} over five minutes, on {os.cpu_count()} processors\n"
    )
    if grown is None:
        sys.stdout.write(f"fewer than {KEPT} calls early enough: whether its memory is flat cannot be said\n")
    for trouble in troubles:
        sys.stdout.write(f"soak: {trouble}\n")
    return 1 if troubles else 0


if __name__ == "__main__":
    raise SystemExit(main())
