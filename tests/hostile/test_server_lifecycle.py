"""A whole server, called and left in whatever order hypothesis thinks of, by every provider's users."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from random import Random
from typing import Any, ClassVar

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from tests.hostile.conftest import ROOMS
from tests.server.phone import Phone
from voxemu.events import AgentAudioSent, SessionStarted, TokenPresented
from voxemu.provider import CallPlan, Codec, Response, Role, Target
from voxemu.server.config import load
from voxemu.server.news import News
from voxemu.server.run import running
from voxemu.wire import ON_SOCKETS, PROVIDERS

PATIENCE = 60.0
SEATS, UNUSED = 3, 4
GARBAGE = ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "\u0000", "ü" * 300]
steady = settings(
    max_examples=6,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


async def until(condition: Callable[[], object]) -> None:
    """For what the server does by itself; a slow machine may take its time."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  the server says nothing when it happens
            await asyncio.sleep(0.005)


class Served(RuleBasedStateMachine):
    """A server in this process, in a loop that runs while something is done."""

    flags: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.do(self.start())

    def do(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(doing, 2 * PATIENCE))

    async def start(self) -> None:
        self.stack = AsyncExitStack()
        limits = {"EMU_LIMITS__SESSIONS": str(SEATS), "EMU_LIMITS__UNUSED_STARTS": str(UNUSED)}
        quick = {"EMU_WORKBUDDY__READY_DELAY": "0", "EMU_DIALOGUE__THINK_TIME": "0"}
        config = load(None, {**limits, **quick}, {"port": "0", "agent": "tone:440:0.1", **self.flags})
        self.server, report = await self.stack.enter_async_context(
            running(config, News(io.StringIO(), as_json=True), grace=0.5)
        )
        # In the end it hangs up first: a server waits for goodbyes.
        self.client = await self.stack.enter_async_context(ClientSession())
        self.url = report["url"]

    def teardown(self) -> None:
        self.do(self.stack.aclose())
        self.loop.close()

    async def post(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        async with self.client.post(self.url + path, json=body or {}, headers=headers) as answered:
            said = await answered.json() if answered.content_length else None
            assert answered.status != 503 or int(answered.headers["Retry-After"]) > 0
            return answered.status, said


# --- the three on websockets --------------------------------------------------------------------------------


class Sessions(Served):
    """Beside a count of who is in, and a list of the starts that nobody has come with."""

    tokens = Bundle("tokens")
    # Numbers of starts.
    calls = Bundle("calls")

    provider_id: ClassVar[str]

    def __init__(self) -> None:
        self.starts: list[Target] = []
        self.unused: set[int] = set()
        self.talking: list[Phone] = []
        super().__init__()
        self.provider = PROVIDERS[self.provider_id]
        self.again = self.provider.ask(CallPlan(self.url, "k", "echo")) is None
        # The start is the upgrade itself: whoever has a key comes as often as they like.

    @property
    def live(self) -> int:
        return len(self.talking)

    @rule(target=tokens)
    def ask(self) -> Any:
        plan = CallPlan(self.url, "k", "echo")
        asked, response = self.provider.ask(plan), None
        if asked is not None:
            response = self.do(self.answered(asked))
            assert (response.status == 503) == (len(self.unused) == UNUSED)
            if response.status == 503:
                return multiple()
        self.starts.append(self.provider.reach(plan, response))
        self.unused.add(len(self.starts) - 1)
        return len(self.starts) - 1

    def codec(self) -> Codec:
        return self.provider.codec(Role.CALLER, self.provider.settings_type(), Random(1))

    async def answered(self, asked: Any) -> Response:
        async with self.client.request(
            asked.method, asked.url, headers=asked.headers, data=asked.body
        ) as answered:
            assert answered.status == 200 or "Retry-After" in answered.headers
            return Response(answered.status, await answered.json())

    @rule(target=calls, token=tokens)
    def show(self, token: int) -> Any:
        """Once for the first time, then again; where there is no place, it stays good."""
        good = (self.again or token in self.unused) and self.live < SEATS
        call = self.shown(self.starts[token])
        assert (call is not None) == good
        if call is None:
            return multiple()
        self.unused.discard(token)
        self.talking.append(call)
        return call

    @rule(token=tokens, forged=st.sampled_from(GARBAGE))
    def forge(self, token: int, forged: str) -> None:
        """Beside an issued one, which stays as it is."""
        true = self.starts[token]
        path = true.url.partition("?")[0]
        opening = tuple(
            TokenPresented(forged) if isinstance(event, TokenPresented) else event for event in true.opening
        )
        assert self.shown(replace(true, url=f"{path}?ticket=forged", opening=opening)) is None

    def shown(self, target: Target) -> Phone | None:
        """The session, once it is there; None where nobody was let in."""

        async def show() -> Phone | None:
            try:
                ws = await self.client.ws_connect(target.url, headers=target.headers)
            except WSServerHandshakeError as refused:
                return {401: None, 503: None}[refused.status]
            phone = Phone(self.provider, ws, self.codec())
            await phone.say(*target.opening)
            while (got := await ws.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
                if any(isinstance(event, SessionStarted) for event in phone.codec.decode(got.data)):
                    return phone
            await ws.close()
            return None

        phone: Phone | None = self.do(show())
        return phone

    @rule(call=calls)
    def talk(self, call: Phone) -> None:
        if call not in self.talking:
            return

        async def talk() -> None:
            await call.speak()
            await call.hear(AgentAudioSent)

        self.do(talk())

    @rule(call=consumes(calls), how=st.sampled_from(["politely", "after garbage", "without a word"]))
    def hang_up(self, call: Phone, how: str) -> None:
        if call in self.talking:
            self.talking.remove(call)
            self.do(self.left(call, how))

    async def left(self, call: Phone, how: str) -> None:
        if how == "after garbage":
            await call.ws.send_str("{")
        if how == "without a word":
            line = call.ws._response.connection
            assert line is not None
            assert line.transport is not None
            line.transport.abort()
        await call.ws.close()
        await self.counted()

    async def counted(self) -> None:
        await until(lambda: len(self.server.registry.live) == self.live == self.server.calls.places_taken)

    @rule()
    def reset(self) -> None:
        async def reset() -> None:
            await self.post("/__emu/reset", **{"x-emu-control": "1"})
            await asyncio.gather(*(call.ws.close() for call in over))
            await self.counted()

        over, self.talking = self.talking, []
        self.do(reset())

    @invariant()
    def who_is_in_is_counted(self) -> None:
        if hasattr(self, "server"):
            assert (self.live, self.live) == (len(self.server.registry.live), self.server.calls.places_taken)


for name in ON_SOCKETS:
    case = type(f"Sessions of {name}", (Sessions,), {"provider_id": name}).TestCase  # type: ignore[attr-defined]
    case.settings = steady
    globals()["TestSessionsOf" + name.title().replace("-", "")] = pytest.mark.sockets(case)
    del case


# --- rooms --------------------------------------------------------------------------------------------------

NAMES, PEOPLE = ["lounge", "study"], ["ann", "bob"]


class Rooms(Served):
    """Beside a table of which room is open, and for whom: a token is good as long as that is so."""

    flags: ClassVar[dict[str, str]] = {"livekit": "embedded"}

    tokens = Bundle("tokens")
    # Room, user, token.
    lines = Bundle("lines")

    def __init__(self) -> None:
        self.open: dict[str, str] = {}
        self.known: set[str] = set()
        self.count = 0
        super().__init__()

    @rule(target=tokens, name=st.sampled_from([*NAMES, ""]), user=st.sampled_from(PEOPLE))
    def start_one(self, name: str, user: str) -> Any:
        body = {"userIdentity": user} | ({"roomName": name} if name else {})
        status, said = self.do(self.post("/v1/sessions/start", body, **{"x-api-key": "k"}))
        full = len(self.open) - (name in self.open) >= SEATS
        assert status == (503 if full else 200)
        if full:
            # It was asked for anew, and is remembered no longer.
            self.known.discard(name)
            return multiple()
        self.open[said["roomName"]] = user
        self.known.add(said["roomName"])
        return said["roomName"], user, said["userToken"]

    @rule(token=tokens)
    def show(self, token: tuple[str, str, str]) -> None:
        room, user, secret = token
        expected = 404 if room not in self.open else 200 if self.open[room] == user else 403
        assert self.validated(secret) == expected

    @rule(token=tokens, how=st.sampled_from(["cut", "flipped", "swapped"]))
    def forge(self, token: tuple[str, str, str], how: str) -> None:
        secret = token[2]
        head, body, signature = secret.split(".")
        forged = {
            "cut": secret[:-2],
            "flipped": f"{head}.{body[:-2]}{'A' if body[-2] != 'A' else 'B'}{body[-1]}.{signature}",
            "swapped": f"{body}.{head}.{signature}",
        }[how]
        assert self.validated(forged) == 401

    def validated(self, token: str) -> int:
        async def validated() -> int:
            async with self.client.get(
                f"{self.url}/rtc/validate", params={"access_token": token}
            ) as answered:
                return answered.status

        status: int = self.do(validated())
        return status

    @rule(target=lines, token=tokens)
    def join(self, token: tuple[str, str, str]) -> Any:
        """Whoever was in the room under the same name is put out."""
        room, user, secret = token

        async def join() -> ClientWebSocketResponse | None:
            try:
                ws = await self.client.ws_connect(f"{self.url}/rtc", params={"access_token": secret})
            except WSServerHandshakeError as refused:
                return {403: None, 404: None}[refused.status]
            assert (await ws.receive()).type is WSMsgType.BINARY
            return ws

        ws = self.do(join())
        assert (ws is not None) == (self.open.get(room) == user)
        return multiple() if ws is None else ws

    @rule(line=consumes(lines), garbage=st.booleans())
    def leave(self, line: ClientWebSocketResponse, garbage: bool) -> None:
        async def leave() -> None:
            with suppress(ConnectionError):
                # The room may be over.
                await line.send_bytes(b"\xff\xff\xff" if garbage else b"")
            await line.close()

        self.do(leave())

    @rule(token=tokens)
    def end_its_room(self, token: tuple[str, str, str]) -> None:
        self.end(token[0])

    @rule(name=st.sampled_from([*NAMES, "nowhere"]))
    def end(self, name: str) -> None:
        status, _ = self.do(self.post("/v1/sessions/end", {"roomName": name}, **{"x-api-key": "k"}))
        assert status == (204 if name in self.known else 404)
        self.open.pop(name, None)
        self.do(until(lambda: len(self.server.registry.live) == len(self.open)))

    @invariant()
    def the_rooms_that_are_open_are_counted(self) -> None:
        if hasattr(self, "server"):
            self.do(until(lambda: self.server.calls.places_taken == len(self.open)))
            assert len(self.server.registry.live) == len(self.open)
            assert self.server.rooms.describe()["rooms"] == len(self.open)


if ROOMS:
    TestRooms = pytest.mark.sockets(Rooms.TestCase)
    TestRooms.settings = steady
