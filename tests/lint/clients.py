"""Clients for the findings: each makes one whole call to an emulator, some of them as no page would have it.

They speak their provider's wire by hand, as people's apps do; time is virtual.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from tests.lint.calls import Floats, integers, speech
from voxemu.provider import Provider
from voxemu.testing.virtual import VirtualEmulator, run_virtual, virtual_emulator
from voxemu.wire import PROVIDERS

JSON = {"Content-Type": "application/json"}
KEY = {"Authorization": "Bearer k"}
Message = str | bytes


@dataclass
class App:
    """Somebody's app: where its emulator is, and its HTTP."""

    emu: VirtualEmulator
    http: ClientSession
    provider: Provider

    @property
    def rate(self) -> int:
        return self.provider.format.rate

    async def start(self, body: Any = None, query: str = "", **headers: str) -> Any:
        """The start request, as the page has it unless said otherwise."""
        route = self.provider.start
        if body is None and self.provider.id == "lyzr-sip":
            body = {"agentId": "a"}
        data = json.dumps(body) if isinstance(body, dict) else body
        headers = headers or (KEY if self.provider.id == "workbuddy" else JSON)
        async with self.http.post(self.emu.url + route.path + query, data=data, headers=headers) as answered:
            return await answered.json()

    async def open(self, url: str = "") -> Line:
        """Connects; where no URL is given it starts a session first."""
        if not url and self.provider.id == "lokutor":
            url = f"{self.emu.url}/ws/agent?api_key=k"
        token = ""
        if not url:
            said = await self.start()
            url, token = said.get("wsUrl") or said["ws_url"], said.get("token", "")
        line = Line(self.provider, await self.http.ws_connect(url))
        if token:
            await line.say(json.dumps({"token": token}))
        return line

    async def call(self) -> Line:
        """Connects, and waits for what the page has it wait for."""
        line = await self.open()
        if self.provider.id == "workbuddy":
            await line.heard("connected")
        return line

    async def over(self) -> None:
        """Until no session is left."""
        while self.emu.server.registry.live:  # noqa: ASYNC110  on the virtual clock
            await asyncio.sleep(0.1)


class Line:
    """An open socket; what comes in is kept."""

    def __init__(self, provider: Provider, ws: ClientWebSocketResponse) -> None:
        self.provider = provider
        self.ws = ws
        self.came: list[Message] = []
        self.agent = b""
        # Its audio since it was last to be flushed.
        self._reading = asyncio.create_task(self._read())
        self._saying: set[asyncio.Future[None]] = set()

    async def _read(self) -> None:
        while (got := await self.ws.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
            self.came.append(got.data)
            if isinstance(got.data, bytes):
                self.agent += got.data
            elif (said := json.loads(got.data)).get("type") == "clear":
                self.agent = b""
            elif "audio" in said:
                self.agent += base64.b64decode(said["audio"])

    async def heard(self, word: str, seconds: float = 20.0) -> None:
        """Until a message says this."""
        async with asyncio.timeout(seconds):
            while not any(f'"{word}"' in each for each in self.came if isinstance(each, str)):  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def say(self, *messages: Message) -> None:
        with suppress(ConnectionError):
            for message in messages:
                await (
                    self.ws.send_bytes(message) if isinstance(message, bytes) else self.ws.send_str(message)
                )

    def spelled(self, pcm: bytes, rate: int | None = None) -> Message:
        if self.provider.id != "lyzr-sip":
            return pcm
        said = {"type": "audio", "audio": base64.b64encode(pcm).decode()}
        return json.dumps({**said, "sampleRate": rate or self.provider.format.rate})

    async def send(
        self,
        pcm: bytes,
        size: int = 0,
        *,
        speed: float = 1.0,
        declares: int | None = None,
        waits: bool = True,
    ) -> None:
        """In messages of ``size`` bytes, each when its last sample was captured; by default as advised.

        ``waits``: for the line, where that is slow.
        """
        size = size or 2 * self.provider.frame_samples
        loop = asyncio.get_running_loop()
        began = loop.time()
        for at in range(0, len(pcm), size):
            piece = pcm[at : at + size]
            due = began + (at + len(piece)) / 2 / self.provider.format.rate / speed
            await asyncio.sleep(max(0.0, due - loop.time()))
            saying = asyncio.ensure_future(self.say(self.spelled(piece, declares)))
            self._saying.add(saying)
            saying.add_done_callback(self._saying.discard)
            if waits:
                await saying

    async def hang_up(self) -> None:
        """As the page has it."""
        if self.provider.id == "lyzr-sip":
            await self.say('{"type":"stop"}')
        await self.ws.close()
        await self._reading


Client = Callable[[App], Awaitable[None]]


def codes(provider: str, client: Client, **settings: Any) -> set[str]:
    """What is found in all that this client does."""

    async def run() -> set[str]:
        async with virtual_emulator(**settings) as emu, ClientSession() as http:
            app = App(emu, http, PROVIDERS[provider])
            await client(app)
            await app.over()
            async with http.get(emu.url + "/__emu/findings") as answered:
                return {each["code"] for each in (await answered.json())["findings"]}

    return run_virtual(run())


# --- a call, by what is said in it ----------------------------------------------------------------------


def talks(app: App, seconds: float = 4.0) -> bytes:
    return integers(speech(app.rate, seconds))


async def speaks(app: App) -> None:
    """Does everything right."""
    line = await app.call()
    await line.send(talks(app))
    await line.hang_up()


def sending(payload: Callable[[Floats], bytes], seconds: float = 4.0, **how: Any) -> Client:
    """Sends this, made of so much speech."""

    async def client(app: App) -> None:
        line = await app.call()
        await line.send(payload(speech(app.rate, seconds)), **how)
        await line.hang_up()

    return client


def paced(**how: Any) -> Client:
    return sending(integers, seconds=16.0, **how)


def saying(*messages: Message) -> Client:
    """Speaks, and says these besides."""

    async def client(app: App) -> None:
        line = await app.call()
        await line.send(talks(app, 0.5))
        await line.say(*messages)
        await line.hang_up()

    return client


def ints(sound: Floats) -> Any:
    return np.frombuffer(integers(sound), "<i2")
