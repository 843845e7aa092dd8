"""Baseline ``script``: the sixty lines that a user would write in place of an emulator.

    python -m benchmarks.script PORT FRAMES [FOLDER]

Energy detection; quiet ends a turn, which comes back paced, over and over, until the user interrupts. With a
folder a naive recorder writes what was heard and said.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import wave
from pathlib import Path

import numpy as np
from aiohttp import WSMsgType, web

from benchmarks.bare import health, run
from benchmarks.workload import CONFIRM, HANGOVER, PTIME, THINK

RATE, THRESHOLD = 16_000, 650.0


class Call:
    def __init__(self, ws: web.WebSocketResponse, folder: Path | None) -> None:
        self.ws = ws
        self.turn: list[bytes] = []
        self.quiet = 0
        self.reply: asyncio.Task[None] | None = None
        self.files = [recording(folder / f"{id(self)}-{who}.wav") for who in "ua"] if folder else []

    def heard(self, pcm: bytes) -> None:
        if self.files:
            self.files[0].writeframes(pcm)
        samples = np.frombuffer(pcm, np.int16).astype(np.float32)
        loud = np.sqrt(np.mean(samples * samples)) > THRESHOLD
        if loud or self.turn:
            self.turn.append(pcm)
        self.quiet = 0 if loud else self.quiet + 1
        if self.turn and self.quiet >= HANGOVER:
            said, self.turn = self.turn[:-HANGOVER], []
            self.reply = asyncio.create_task(self.say(said))
        elif self.reply is not None and len(self.turn) >= CONFIRM:
            self.reply.cancel()
            self.reply = None

    async def say(self, frames: list[bytes]) -> None:
        clock = asyncio.get_running_loop().time
        start = clock() + THINK
        for number, frame in enumerate(itertools.cycle(frames)):
            await asyncio.sleep(start + number * PTIME - clock())
            await self.ws.send_bytes(frame)
            if self.files:
                self.files[1].writeframes(frame)


def recording(path: Path) -> wave.Wave_write:
    file = wave.open(str(path), "wb")  # noqa: SIM115
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(RATE)
    return file


async def answer(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    call = Call(ws, Path(sys.argv[3]) if len(sys.argv) > 3 else None)
    async for message in ws:
        if message.type is WSMsgType.BINARY:
            call.heard(message.data)
    if call.reply is not None:
        call.reply.cancel()
    for file in call.files:
        file.close()
    return ws


if __name__ == "__main__":
    app = web.Application()
    app.add_routes([web.get("/", answer), web.get("/health", health)])
    run(app, int(sys.argv[1]))
