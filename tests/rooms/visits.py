"""Visits to a room: one user with one client, told step by step what to do, and what they saw and heard.

The clients are told apart by name: the Python SDK with two peer connections or with one, and headless
Chromium with a current and an old livekit-client. Each is a process that takes lines on its standard input,
``[number, act, argument, …]``, and writes lines as things happen: ``{"event": {"at": …, "kind": …, …}}`` and
``{"heard": [track, at, rms]}``, one for every 20 ms of sound. So a story goes on when something has come
about and not when a time is over; sound is counted in samples, and a machine that is slow makes it take
longer and changes nothing else.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
import wave
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from tests.needs import lack, require_tool
from tests.rooms.house_of_rooms import Held, HouseOfRooms
from voxemu import prompts
from voxemu.audio import resample

SDK = ("sdk-dual", "sdk-single")
BROWSERS = ("chromium-current", "chromium-old")
TOP = Path(__file__).parents[2]
BROWSER = Path(__file__).parent / "browser"
RATE = 48_000
FRAME = 0.02
# Seconds of sound that one level is of.

PATIENCE = 90.0
# Seconds after which what has not come about will not.
QUIET = 25
# Frames: half a second.
LINE_LIMIT = 1 << 22

BUNDLING = Lock()
RECORDINGS = TemporaryDirectory(prefix="voxemu-")
# Gone when the tests are over.


class Visit:
    """What a client sees and hears, while it does and afterwards.

    Times (``at``) are milliseconds of the wall clock, which the client has in common with this side: what is
    heard is heard after it was sent, however slow the machine is.
    """

    def __init__(self, session: Held | None = None) -> None:
        self.session = session
        self.events: list[dict[str, Any]] = []
        self.heard: dict[str, list[tuple[float, float]]] = {}
        # By track: when each 20 ms came, and how loud they were (rms).
        self.second: Visit | None = None
        # Of somebody else who was there.
        self._child: asyncio.subprocess.Process | None = None
        self._reading: list[asyncio.Task[None]] = []
        self._said: deque[str] = deque(maxlen=15)
        self._numbers = 0

    @property
    def held(self) -> Held:
        assert self.session is not None, "the page started its sessions itself"
        return self.session

    # --- what came of it ----------------------------------------------------------------------------

    def all(self, kind: str, **like: Any) -> list[dict[str, Any]]:
        return [
            event
            for event in self.events
            if event["kind"] == kind and all(event.get(name) == value for name, value in like.items())
        ]

    def at(self, kind: str, **like: Any) -> float:
        """When this was seen first."""
        found: float = self.all(kind, **like)[0]["at"]
        return found

    def levels(self, track: str, start: float = 0, end: float = 1e15) -> list[float]:
        return [rms for at, rms in self.heard.get(track, []) if start <= at < end]

    def loudest(self, track: str, start: float = 0, end: float = 1e15) -> float:
        return max(self.levels(track, start, end), default=0.0)

    def sounded(self, track: str, start: float = 0, end: float = 1e15, *, above: float = 0.03) -> float:
        """Seconds of sound, counted in samples."""
        return FRAME * sum(rms > above for rms in self.levels(track, start, end))

    def states(self) -> list[str]:
        """The agent's states as they were shown, each once in a row."""
        (connected,) = self.all("connected")
        first = connected["agents"][0]["attributes"]["lk.agent.state"]
        changes = [event["changed"].get("lk.agent.state") for event in self.all("attributes")]
        told = [first, *(state for state in changes if state)]
        return [state for state, before in zip(told, [None, *told], strict=False) if state != before]

    def finals(self, who: str) -> list[str]:
        """The lines of a speaker that are final in both forms of a transcript."""
        packets = {one["id"]: one["text"] for one in self.all("transcription", who=who) if one["final"]}
        streams = {
            one["attributes"]["lk.segment_id"]
            for one in self.all("text", who=who)
            if one["after"].get("lk.transcription_final") == "true"
        }
        return [text for segment, text in packets.items() if segment in streams]

    # --- while it lasts -----------------------------------------------------------------------------

    async def begin(self, command: list[str]) -> None:
        self._child = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_LIMIT,
            env=environment(),
            cwd=TOP,
        )
        self._reading = [asyncio.create_task(self._read()), asyncio.create_task(self._complain())]

    async def _read(self) -> None:
        assert self._child is not None
        assert self._child.stdout is not None
        async for line in self._child.stdout:
            if not line.startswith(b'{"'):
                self._said.append(line.decode(errors="replace"))
                continue
            match json.loads(line):
                case {"event": event}:
                    self.events.append(event)
                case {"heard": [track, at, rms]}:
                    self.heard.setdefault(track, []).append((at, rms))

    async def _complain(self) -> None:
        assert self._child is not None
        assert self._child.stderr is not None
        async for line in self._child.stderr:
            self._said.append(line.decode(errors="replace"))

    async def until(self, true: Callable[[], object], what: str) -> None:
        """Waits for something to come about; fails when it does not, or the client is no more."""
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE
        while not true():
            reading = self._reading and not self._reading[0].done()
            assert reading, f"{what}: the client is gone; {self}"
            assert loop.time() < end, f"{what}: not within {PATIENCE:g} s; {self}"
            await asyncio.sleep(FRAME)

    async def do(self, act: str, *arguments: Any) -> None:
        """Lets the client do something that it can."""
        came = await self.attempt(act, *arguments)
        assert came["kind"] == f"did {act}", came

    async def attempt(self, act: str, *arguments: Any) -> dict[str, Any]:
        """Lets the client do something; what came of it."""
        assert self._child is not None
        assert self._child.stdin is not None
        self._numbers += 1
        number = self._numbers
        self._child.stdin.write(json.dumps([number, act, *arguments]).encode() + b"\n")
        await self._child.stdin.drain()
        await self.until(lambda: self._outcome(number), f"act {act}")
        return self._outcome(number)[0]

    def _outcome(self, number: int) -> list[dict[str, Any]]:
        return [one for one in self.events if one.get("number") == number]

    async def say(self, *parts: str | float) -> None:
        """Speaks into the microphone; returns when it has been said. Silence follows by itself."""
        sound = base64.b64encode(speech(*parts).read_bytes()).decode()
        await self.do("say", sound)

    async def is_heard(self) -> None:
        """Until the session has half a second more of it: what is said before there is a way is lost."""
        enough = self.held.socket.stats.user_samples + RATE // 2
        await self.until(lambda: self.held.socket.stats.user_samples > enough, "the microphone is heard")

    async def hears(self, track: str, since: float = 0, *, above: float = 0.03, seconds: float = 0.1) -> None:
        """Waits until so much sound has come since then."""
        await self.until(
            lambda: self.sounded(track, since, above=above) >= seconds - 1e-9, f"hears {track} above {above}"
        )

    async def falls_silent(self, track: str, *, below: float = 0.01) -> None:
        """Waits for half a second of silence, or of nothing at all."""

        def silent() -> bool:
            last = self.heard.get(track, [])[-QUIET:]
            return not last or now() - last[-1][0] > 1000 or max(rms for _, rms in last) < below

        await self.until(silent, f"{track} falls silent")

    async def leave(self) -> None:
        if self._reading and not self._reading[0].done():
            await self.do("leave")
        await self.end()

    async def end(self) -> None:
        """Lets the client exit by itself, and sees to it that it does."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        child.stdin.close()
        try:
            await asyncio.wait_for(child.wait(), PATIENCE)
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
            await asyncio.gather(*self._reading, return_exceptions=True)

    def __str__(self) -> str:
        tracks = {
            name: f"{len(levels)} frames, loudest {max((rms for _, rms in levels), default=0)}"
            for name, levels in self.heard.items()
        }
        seen = [one["kind"] for one in self.events]
        mine = self.session.witness.kinds() if self.session is not None else []
        heard = [kind for kind in mine if kind not in ("UserAudioSent", "AgentAudioSent")]
        return f"seen: {seen}; heard: {tracks}; the session: {heard}; said: {''.join(self._said)[-1500:]}"


def now() -> float:
    """Milliseconds of the wall clock."""
    return 1000 * time.time()


@asynccontextmanager
async def visiting(
    house: HouseOfRooms,
    held: Held,
    client: str,
    *,
    device: Path | None = None,
    publish: bool = True,
) -> AsyncIterator[Visit]:
    """A client in the room, with its microphone published; it leaves at the end.

    ``device``: the microphone plays this recording over and over, a browser's as Chromium plays one in place
    of a device; else it is silent but for what it is told to say.
    """
    given = {"url": house.url, "token": held.token, "publish": publish, "device": device is not None}
    user = Visit(held)
    await user.begin(command_of(client, given, device))
    try:
        await user.until(lambda: user.all("ready") or user.all("refused"), "ready")
        assert not user.all("refused"), user.all("refused")
        if publish:
            await user.is_heard()
        yield user
        await user.leave()
    finally:
        await user.end()


async def refusals(house: HouseOfRooms, held: Held, client: str, tokens: dict[str, str]) -> Visit:
    """Tries to join with each of these tokens by turns: events ``attempt``, with what each was told."""
    user = Visit(held)
    await user.begin(command_of(client, {"url": house.url, "tokens": tokens}, None))
    try:
        await user.until(lambda: user.all("ready"), "ready")
        await user.leave()
    finally:
        await user.end()
    return user


def command_of(client: str, given: dict[str, Any], device: Path | None) -> list[str]:
    if client in SDK:
        given = {**given, "single": client == "sdk-single"}
        given |= {} if device is None else {"speech": str(device)}
        return [sys.executable, "-m", "tests.rooms.sdk_user", json.dumps(given)]
    return page_command(client.removeprefix("chromium-"), given, device)


def page_command(bundle: str, given: dict[str, Any], device: Path | None) -> list[str]:
    chromium, node = require_browser()
    microphone = device or speech(1.0)
    return [node, str(BROWSER / "drive.mjs"), chromium, str(microphone), bundle, json.dumps(given)]


@lru_cache(maxsize=16)
def speech(*parts: str | float) -> Path:
    """A microphone recording: prompts by name, seconds of silence. 48 kHz mono."""
    pcm = b""
    for part in parts:
        if isinstance(part, str):
            with wave.open(str(prompts.path(part))) as file:
                pcm += resample(file.readframes(file.getnframes()), file.getframerate(), RATE)
        else:
            pcm += bytes(2 * round(part * RATE))
    place = Path(RECORDINGS.name) / f"{len(list(Path(RECORDINGS.name).iterdir()))}-{abs(hash(parts))}.wav"
    with wave.open(str(place), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm)
    return place


def environment() -> dict[str, str]:
    roots = os.pathsep.join(str(root) for root in (TOP, TOP / "emulator", TOP / "client"))
    return {**os.environ, "PYTHONPATH": roots}


async def run(command: list[str], limit: float) -> dict[str, Any]:
    """Runs a program to its end; the JSON of its last line. Fails with its words when it comes to nothing."""
    child = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
        cwd=TOP,
    )
    try:
        out, err = await asyncio.wait_for(child.communicate(), limit)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    lines = out.decode().splitlines()
    assert child.returncode == 0, f"the client ended with {child.returncode}: {err.decode()[-2000:]}"
    assert lines, err.decode()[-2000:]
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def require_browser() -> tuple[str, str]:
    """The paths of Chromium and Node.js, with the pages bundled; else the test is skipped or fails."""
    chromium = require_tool("chromium", "Debian: apt install chromium")
    node = require_tool("node", "Debian: apt install nodejs")
    with BUNDLING:
        _bundle(node)
    return chromium, node


@lru_cache(maxsize=1)
def _bundle(node: str) -> None:
    npm = require_tool("npm", "Debian: apt install npm")
    with _alone_in(BROWSER):
        installed = _install(npm)
        built = BROWSER / "dist" / ".built"
        sources = [installed, BROWSER / "build.mjs", *(BROWSER / "src").iterdir()]
        # What is there already may be in use by another of pytest's workers.
        if not built.is_file() or any(one.stat().st_mtime > built.stat().st_mtime for one in sources):
            subprocess.run([node, "build.mjs"], cwd=BROWSER, check=True)
            built.touch()


def _install(npm: str) -> Path:
    """The file that stands for what is installed."""
    wanted = (BROWSER / "package-lock.json").read_bytes()
    stamp = BROWSER / "node_modules" / ".installed"
    if not stamp.is_file() or stamp.read_bytes() != wanted:
        command = [npm, "ci", "--ignore-scripts"]
        installed = subprocess.run(command, cwd=BROWSER, capture_output=True, text=True)
        if installed.returncode != 0:
            lack(f"npm ci failed: {installed.stderr.strip()[-300:]}")
        stamp.write_bytes(wanted)
    return stamp


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """pytest's workers are processes: two that install at once leave half of it."""
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
