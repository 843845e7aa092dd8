"""A few sessions on real sockets: against the emulator, and against servers that bear no load at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.client.calls import LOKUTOR, LYZR, clip
from tests.client.conftest import Serve
from tests.server.conftest import Start
from voxemu.provider import CallPlan, Provider
from voxemu.scenario.moments import AGENT_STARTED
from voxemu.wire import ON_SOCKETS
from voxemu_client.agenda import AT, Step
from voxemu_client.dial import http_client
from voxemu_client.load.order import Order
from voxemu_client.load.patter import Part, part_of
from voxemu_client.load.sessions import Sessions
from voxemu_client.load.tally import Tally
from voxemu_client.script import Script

pytestmark = pytest.mark.sockets

providers = pytest.mark.parametrize("provider", ON_SOCKETS.values(), ids=list(ON_SOCKETS))
QUICK = {"EMU_DIALOGUE__HANGOVER": "0.2"}


def order(provider: Provider, url: str, sessions: int, duration: float = 2.5) -> Order:
    return Order(provider.id, url, sessions, ramp=0.1, duration=duration, key="sk", agent="tone:440:3")


def part(asked: Order) -> Part:
    """One turn, and its answer is interrupted."""
    provider = asked.spoken_to
    steps = (
        Step(clip(provider, 0.3), AT, 0.05, number=1),
        Step(clip(provider, 0.3, "stop"), AGENT_STARTED, 0.2, barge_in=True, number=2),
        Step(clip(provider, 0.3), AT, 3600.0, number=3),
    )
    return Part(provider, CallPlan(asked.url, asked.key, asked.agent), Script(steps=steps))


def ready(asked: Order, what: Part | None = None) -> Sessions:
    return Sessions(asked, what or part(asked), range(asked.sessions), asyncio.get_running_loop().time())


async def load(asked: Order, what: Part | None = None) -> Tally:
    return await ready(asked, what).run()


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(100):
        while not condition():  # noqa: ASYNC110  nobody says when it happens
            await asyncio.sleep(0.02)


# --- against the emulator ----------------------------------------------------------------------------


@providers
async def test_every_session_is_held_to_the_end(provider: Provider, start: Start) -> None:
    server = await start(env=QUICK)
    tally = await load(order(provider, server.url, 3))
    assert (tally.counts["completed"], tally.counts["failed"], tally.peak) == (3, 0, 3)


@providers
async def test_turns_barge_ins_and_agent_audio_are_measured(provider: Provider, start: Start) -> None:
    server = await start(env=QUICK)
    sessions = ready(order(provider, server.url, 2, duration=60.0))
    running = asyncio.create_task(sessions.run())
    await eventually(lambda: sum(caller.account.barge_in is not None for caller in sessions.callers) == 2)
    sessions.stop()
    tally = await asyncio.wait_for(running, 10)
    assert (len(tally.spreads["setup"]), len(tally.spreads["stops"])) == (2, 2)
    assert len(tally.spreads["turns"]) >= 2
    assert len(tally.spreads["agent"]) > 0
    assert len(tally.spreads["sending"]) > 20


async def test_sessions_that_the_server_has_no_room_for_are_counted_by_its_status(start: Start) -> None:
    server = await start("[limits]\nsessions = 2\n", env=QUICK)
    tally = await load(order(LOKUTOR, server.url, 5))
    assert (tally.errors, tally.counts["completed"]) == ({"refused 503": 3}, 2)


async def test_a_start_that_is_refused_is_counted_by_its_status(start: Start) -> None:
    server = await start('[auth]\nkeys = ["another"]\n')
    tally = await load(order(ON_SOCKETS["workbuddy"], server.url, 2))
    assert dict(tally.errors) == {"refused 401": 2}


async def test_when_the_load_is_stopped_calls_end_in_their_protocols_way(start: Start) -> None:
    server = await start(env=QUICK)
    sessions = ready(order(LYZR, server.url, 2, duration=60.0))
    running = asyncio.create_task(sessions.run())
    await eventually(lambda: sessions.held == 2)
    sessions.stop()
    tally = await asyncio.wait_for(running, 10)
    assert (tally.counts["stopped"], tally.counts["failed"]) == (2, 0)
    ended = (await server.get("/__emu/sessions"))["sessions"]
    assert {session["closed"]["code"] for session in ended} == {1000}


async def test_a_load_that_is_cancelled_keeps_what_was_measured(start: Start) -> None:
    server = await start(env=QUICK)
    sessions = ready(order(LOKUTOR, server.url, 2, duration=60.0))
    running = asyncio.create_task(sessions.run())
    await eventually(lambda: sessions.held == 2)
    running.cancel()
    await asyncio.wait([running])
    assert len(sessions.tally.spans) == 2


async def test_a_session_goes_through_its_scenario_again_and_again(start: Start, tmp_path: Any) -> None:
    server = await start(env=QUICK)
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(
        'schema = "voxemu.scenario/1"\ntitle = "brief"\nprovider = "lokutor"\n[caller]\nlead = 0.05\n'
        '[[caller.step]]\nsay = "tone:440:0.2"\n'
        "[[caller.step]]\nhangup = true\nat = 0.4\n"
    )
    asked = Order("lokutor", server.url, 2, ramp=0.1, duration=2.5, key="sk", scenario=str(scenario))
    tally = await load(asked, part_of(asked))
    assert tally.counts["failed"] == 0
    assert tally.counts["calls"] >= 4


# --- against servers that bear nothing ------------------------------------------------------------------


async def test_a_server_that_says_too_many_is_counted(serve: Serve) -> None:
    async def too_many(_: web.Request) -> web.Response:
        return web.Response(status=429)

    url = await serve(**{"GET /ws/agent": too_many})
    tally = await load(order(LOKUTOR, url, 3))
    assert (tally.errors, tally.counts["let_in"]) == ({"refused 429": 3}, 0)


async def test_a_server_that_dies_is_counted(serve: Serve) -> None:
    async def dying(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.receive()
        assert request.transport is not None
        request.transport.abort()
        return ws

    url = await serve(**{"GET /ws/agent": dying})
    tally = await load(order(LOKUTOR, url, 3))
    assert (dict(tally.errors), len(tally.spans)) == ({"lost 1006": 3}, 3)


async def test_a_server_that_hangs_up_too_soon_is_counted(serve: Serve) -> None:
    async def brief(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.close()
        return ws

    url = await serve(**{"GET /ws/agent": brief})
    assert dict((await load(order(LOKUTOR, url, 2))).errors) == {"ended early": 2}


async def test_where_no_server_is_nobody_is_connected(unused_tcp_port: int) -> None:
    tally = await load(order(LOKUTOR, f"http://127.0.0.1:{unused_tcp_port}", 2))
    assert dict(tally.errors) == {"not connected": 2}


async def test_a_call_that_is_never_let_in_counts_its_waiting(serve: Serve) -> None:
    async def stalled(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    url = await serve(**{"GET /ws/agent": stalled})
    asked = order(LOKUTOR, url, 2, duration=1.0)
    tally = await load(asked, Part(LOKUTOR, CallPlan(url), part(asked).script, ends=(0.3,)))
    assert dict(tally.errors) == {"not let in by the end": 2}
    assert tally.spreads["setup_open"].percentile(50) > 0.9  # type: ignore[operator]
    # The turn that was to be over at 0.3 s has waited since then.
    assert (tally.counts["turns_unsaid"], tally.spreads["turns"].percentile(50) > 0.6) == (2, True)  # type: ignore[operator]


async def test_nobody_is_led_to_another_machine(serve: Serve) -> None:
    async def astray(_: web.Request) -> web.Response:
        said = {"wsUrl": "ws://192.0.2.1/session", "sessionId": "s", "audioConfig": {"sampleRate": 24000}}
        return web.Response(text=json.dumps(said), content_type="application/json")

    url = await serve(**{"POST /session/start": astray})
    tally = await load(order(LYZR, url, 1))
    assert dict(tally.errors) == {"sent to an address that cannot be called": 1}
    (sentence,) = tally.examples.values()
    assert "192.0.2.1 is not this machine" in sentence


async def test_no_call_waits_for_a_line() -> None:
    async with http_client() as lines:
        assert isinstance(lines.connector, aiohttp.TCPConnector)
        assert (lines.connector.limit, lines.connector.limit_per_host) == (0, 0)
