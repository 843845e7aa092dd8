"""Baseline ``bare``: aiohttp and, where it is there, uvloop; frames go back at their pace, nothing else.

    python -m benchmarks.bare PORT [FRAMES OF A PERIOD]

It goes by the clock: the newest frame that came, as it came, each 20 ms, as long as an agent would sound.
"""

from __future__ import annotations

import asyncio
import itertools
import sys

from aiohttp import WSMsgType, web

from benchmarks.workload import PTIME, Workload

NUMBERS = itertools.count()


async def echo(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    newest = [(await ws.receive()).data]
    pacing = asyncio.create_task(pace(ws, newest, request.app[WORK]))
    async for message in ws:
        if message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
            newest[0] = message.data
    pacing.cancel()
    return ws


async def pace(ws: web.WebSocketResponse, newest: list[bytes | str], work: Workload) -> None:
    """The newest frame, on a grid of 20 ms; sessions are silent at different times, as agents are."""
    loop = asyncio.get_running_loop()
    first = work.quiet(next(NUMBERS))
    start = loop.time() - first * PTIME
    send = ws.send_str if isinstance(newest[0], str) else ws.send_bytes
    for number in itertools.count(first):
        if number % work.frames >= work.spoken:
            continue
        await asyncio.sleep(start + number * PTIME - loop.time())
        await send(newest[0])  # type: ignore[arg-type]


async def health(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


def loop_factory() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def serve(app: web.Application, port: int) -> None:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


def run(app: web.Application, port: int) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(serve(app, port))


WORK: web.AppKey[Workload] = web.AppKey("work", Workload)


def main() -> None:
    app = web.Application()
    app[WORK] = Workload(*map(int, sys.argv[2:3]))
    app.add_routes([web.get("/", echo), web.get("/health", health)])
    run(app, int(sys.argv[1]))


if __name__ == "__main__":
    main()
