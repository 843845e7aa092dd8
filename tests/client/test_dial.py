"""The client on real sockets: against the emulator, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.client.calls import LOKUTOR, LYZR, WORKBUDDY, clip
from tests.client.conftest import Serve
from tests.server.conftest import Start
from voxemu.engine import Tap
from voxemu.errors import ConnectionLost, Refused, RemoteProtocolError, UsageError
from voxemu.events import BargedIn, Event, Note, UserAudioSent
from voxemu.provider import CallPlan, Provider, Response, Target
from voxemu.record import Recording
from voxemu.wire import ON_SOCKETS
from voxemu.wire.lokutor import Lokutor
from voxemu_client.dial import Patience, Telephone
from voxemu_client.script import Script
from voxemu_client.summary import broken, lost
from voxemu_client.web import fetch

pytestmark = pytest.mark.sockets

providers = pytest.mark.parametrize("provider", ON_SOCKETS.values(), ids=list(ON_SOCKETS))

QUICK = Patience(again=0.01)
KEY = "sk-secret-of-the-user"


def brief(provider: Provider, **how: Any) -> Script:
    """A call of a second or two."""
    return Script((clip(provider, 0.3),), lead=0.05, quiet=0.1, patience=2.0, **how)


def telephone(provider: Provider, url: str, *, key: str = KEY, agent: str = "", **how: Any) -> Telephone:
    settings = {"prompt": "Be brief."} if provider is LOKUTOR else {}
    return Telephone(provider, CallPlan(url, key, agent, settings), patience=QUICK, **how)


# --- against the emulator ----------------------------------------------------------------------------


@providers
async def test_a_call_to_the_emulator_is_answered(provider: Provider, start: Start) -> None:
    server = await start()
    (outcome,) = await telephone(provider, server.url, agent="tone:440:0.3").call(brief(provider))
    assert lost(outcome) is None
    assert outcome.caller.account.answered
    assert (outcome.closed.code, outcome.closed.by) == (1000, "caller")


@providers
async def test_the_agent_is_interrupted_over_a_real_socket(provider: Provider, start: Start) -> None:
    server = await start(agent="tone:440:5")
    script = brief(provider, barge_in=0.2, stop=clip(provider, 0.4, "stop"))
    seen = Collected()
    call = asyncio.create_task(telephone(provider, server.url, watchers=[seen]).call(script))
    await asyncio.wait_for(seen.came(BargedIn), 8)
    barge = seen.only(BargedIn)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert barge.stop < 0.35


@providers
async def test_a_start_url_does_as_well_as_the_base(provider: Provider, start: Start) -> None:
    server = await start()
    url = server.report["providers"][provider.id]["start"]
    (outcome,) = await telephone(provider, url, agent="tone:440:0.2").call(brief(provider))
    assert outcome.caller.account.answered


@providers
async def test_the_client_earns_no_findings(provider: Provider, start: Start) -> None:
    server = await start()
    await telephone(provider, server.url, agent="tone:440:0.2").call(brief(provider))
    sessions = (await fetch(f"{server.url}/__emu/sessions"))["sessions"]
    found = await fetch(f"{server.url}/__emu/sessions/{sessions[0]['id']}")
    assert found["findings"] == []


@providers
async def test_the_key_is_in_none_of_the_recorded_files(
    provider: Provider, start: Start, tmp_path: Path
) -> None:
    server = await start()
    (outcome,) = await telephone(provider, server.url, recordings=tmp_path / "recordings").call(
        brief(provider)
    )
    assert outcome.recording is not None
    files = [file for file in outcome.recording.iterdir() if file.is_file()]
    assert len(files) == 4
    assert [file.name for file in files if KEY.encode() in file.read_bytes()] == []


async def test_the_recording_lies_by_provider_and_is_whole(start: Start, tmp_path: Path) -> None:
    server = await start()
    (outcome,) = await telephone(LYZR, server.url, recordings=tmp_path / "recordings").call(brief(LYZR))
    assert outcome.recording is not None
    assert outcome.recording.parent == tmp_path / "recordings" / "lyzr-sip"
    recording = Recording.open(outcome.recording)
    assert recording.complete
    assert recording.manifest["settings"]["clips"] == ["speech"]


@pytest.mark.parametrize("provider", [WORKBUDDY, LOKUTOR], ids=lambda each: each.id)
async def test_a_wrong_key_is_refused(provider: Provider, start: Start) -> None:
    server = await start('[auth]\nkeys = ["another"]\n')
    with pytest.raises(Refused, match="401"):
        await telephone(provider, server.url).call(brief(provider))


@providers
async def test_hanging_up_ends_the_call_in_order(provider: Provider, start: Start) -> None:
    server = await start()
    seen = Collected()
    phone = telephone(provider, server.url, watchers=[seen])
    call = asyncio.create_task(phone.call(Script((clip(provider, 20.0),), lead=0.05)))
    await asyncio.wait_for(seen.came(UserAudioSent), 5)
    assert phone.hang_up("interrupted")
    (outcome,) = await asyncio.wait_for(call, 5)
    assert (outcome.closed.reason, outcome.closed.by) == ("interrupted", "caller")


async def test_nobody_hangs_up_what_is_not_connected() -> None:
    assert not telephone(LYZR, "http://127.0.0.1:1").hang_up("interrupted")


# --- against others ------------------------------------------------------------------------------------


def says(status: int, body: str, kind: str = "application/json") -> Callable[[web.Request], Any]:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type=kind)

    return handler


async def test_where_no_server_is_the_call_cannot_be_placed() -> None:
    with pytest.raises(ConnectionLost, match=r"cannot be reached .* is the server running"):
        await telephone(LYZR, "http://127.0.0.1:1").call(brief(LYZR))


async def test_a_server_that_does_not_answer_is_given_up(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    url = await serve(**{"POST /session/start": handler})
    phone = Telephone(LYZR, CallPlan(url), patience=Patience(answer=0.1))
    with pytest.raises(ConnectionLost, match="did not answer in time"):
        await phone.call(brief(LYZR))


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, "<html><h1>Oops</h1></html>", "answered 500: an HTML page"),
        (503, '{"error": "full"}', "answered 503: full"),
        (302, "", "answered 302"),
        (500, "", "answered 500: nothing"),
    ],
)
async def test_a_start_that_is_refused_is_said_in_a_sentence(
    status: int, body: str, said: str, serve: Serve
) -> None:
    url = await serve(**{"POST /session/start": says(status, body, "text/html")})
    with pytest.raises(Refused, match=said):
        await telephone(LYZR, url).call(brief(LYZR))


@pytest.mark.parametrize("body", ["<html>", "", "[]", "{}", '{"sessionId": 3}', "\ud7ff\x00", "[" * 100_000])
async def test_a_start_that_is_answered_off_the_page_is_the_peers_fault(body: str, serve: Serve) -> None:
    url = await serve(**{"POST /session/start": says(200, body)})
    with pytest.raises(RemoteProtocolError):
        await telephone(LYZR, url).call(brief(LYZR))


async def test_no_redirect_of_the_websocket_is_followed(serve: Serve) -> None:
    followed = []

    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPFound("/elsewhere?" + request.query_string)

    async def elsewhere(request: web.Request) -> web.Response:
        followed.append(request)
        return web.Response()

    url = await serve(**{"GET /ws/agent": redirect, "GET /elsewhere": elsewhere})
    with pytest.raises(Refused, match="redirects to") as refused:
        await telephone(LOKUTOR, url).call(brief(LOKUTOR))
    assert followed == []
    assert KEY not in str(refused.value).split("redirects")[0]


async def test_the_key_is_not_sent_along_to_another_host(serve: Serve) -> None:
    got: list[dict[str, str]] = []

    async def handler(request: web.Request) -> web.Response:
        got.append(dict(request.headers))
        return web.Response(status=403)

    url = (await serve(**{"GET /ws/agent": handler})).replace("127.0.0.1", "localhost")

    class Elsewhere(Lokutor):
        def reach(self, plan: CallPlan, response: Response | None) -> Target:
            return Target(f"ws{url.removeprefix('http')}/ws/agent", {"X-API-Key": plan.key, "X-Other": "1"})

    with pytest.raises(Refused):
        await Telephone(Elsewhere(), CallPlan("http://127.0.0.1:1", KEY)).call(brief(LOKUTOR))
    assert [("X-API-Key" in headers, "X-Other" in headers) for headers in got] == [(False, True)]


async def test_an_opaque_url_is_used_as_given(serve: Serve) -> None:
    asked: list[str] = []

    async def start(request: web.Request) -> web.Response:
        audio = {"sampleRate": 24_000, "format": "pcm16", "channels": 1, "encoding": "base64"}
        url = f"ws://{request.host}/s/a%2Fb?t=x%2By+z&u=%7E"
        return web.json_response({"sessionId": "s", "wsUrl": url, "audioConfig": audio})

    async def socket(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.Response(status=403)

    url = await serve(**{"POST /session/start": start, "GET /s/{rest:.*}": socket})
    with pytest.raises(Refused, match="403"):
        await telephone(LYZR, url).call(brief(LYZR))
    assert asked == ["/s/a%2Fb?t=x%2By+z&u=%7E"]


def socket_that(act: Callable[[web.WebSocketResponse, int], Any]) -> Callable[[web.Request], Any]:
    count = 0

    async def handler(request: web.Request) -> web.WebSocketResponse:
        nonlocal count
        count += 1
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await act(ws, count)
        async for _ in ws:
            pass
        return ws

    return handler


async def test_a_lost_line_is_followed_by_a_new_session(serve: Serve) -> None:
    async def act(ws: web.WebSocketResponse, count: int) -> None:
        if count == 1:
            await ws.receive()
            await ws.close(code=1011)

    url = await serve(**{"GET /ws/agent": socket_that(act)})
    script = brief(LOKUTOR)
    outcomes = await telephone(LOKUTOR, url).call(script, reconnect=2)
    assert [outcome.closed.code for outcome in outcomes] == [1011, 1000]
    assert len(outcomes[1].caller.account.turns) == 1


async def test_a_lost_line_stays_lost_without_leave_to_reconnect(serve: Serve) -> None:
    async def act(ws: web.WebSocketResponse, count: int) -> None:
        await ws.close(code=1011)

    url = await serve(**{"GET /ws/agent": socket_that(act)})
    (outcome,) = await telephone(LOKUTOR, url).call(brief(LOKUTOR))
    assert outcome.lost
    assert isinstance(lost(outcome), ConnectionLost)


@pytest.mark.parametrize("code", [1000, 1008])
async def test_an_ending_is_not_reconnected(code: int, serve: Serve) -> None:
    async def act(ws: web.WebSocketResponse, count: int) -> None:
        await ws.close(code=code)

    url = await serve(**{"GET /ws/agent": socket_that(act)})
    assert len(await telephone(LOKUTOR, url).call(brief(LOKUTOR), reconnect=3)) == 1


async def test_a_message_off_the_page_is_counted_and_the_call_goes_on(serve: Serve) -> None:
    async def act(ws: web.WebSocketResponse, count: int) -> None:
        await ws.send_str('{"type": "surprise"}')

    url = await serve(**{"GET /ws/agent": socket_that(act)})
    (outcome,) = await telephone(LOKUTOR, url).call(brief(LOKUTOR))
    assert "surprise" in (broken(outcome) or "")
    assert outcome.closed.by == "caller"


async def test_a_message_beyond_the_limit_ends_the_call(serve: Serve) -> None:
    async def act(ws: web.WebSocketResponse, count: int) -> None:
        await ws.send_bytes(bytes(17 << 20))

    url = await serve(**{"GET /ws/agent": socket_that(act)})
    (outcome,) = await telephone(LOKUTOR, url).call(brief(LOKUTOR))
    assert lost(outcome) is not None


@pytest.mark.parametrize("url", ["http://", "ftp://h", "nonsense"])
async def test_a_url_of_no_server_is_a_matter_of_usage(url: str) -> None:
    with pytest.raises(UsageError):
        await telephone(LYZR, url).call(brief(LYZR))


async def test_what_is_fetched_must_be_there(serve: Serve) -> None:
    url = await serve(**{"GET /a": says(200, json.dumps({"b": 1}))})
    assert await fetch(url + "/a") == {"b": 1}
    with pytest.raises(RemoteProtocolError, match="404"):
        await fetch(url + "/nothing")


class Collected(Tap):
    """Events of a call that is under way."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = asyncio.Event()

    def saw(self, event: Event, now: float) -> list[Note]:
        self.events.append(event)
        self._changed.set()
        return []

    async def came(self, kind: type[Event]) -> None:
        while not any(isinstance(event, kind) for event in self.events):
            self._changed.clear()
            await self._changed.wait()

    def only(self, kind: type[Any]) -> Any:
        (found,) = [event for event in self.events if isinstance(event, kind)]
        return found
