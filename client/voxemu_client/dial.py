"""Dialling: the handshake over HTTP, the websocket, the pump, and again when the line is lost.

The one part of the client that opens sockets. What the pages ask of a client holds here: the URL is opaque
and used as given, no redirect is followed, a new socket is a new session, and the key goes to the host
that it was given for and to no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp

from voxemu.drive.clock import Clock, RunningClock
from voxemu.drive.pump import Pump
from voxemu.drive.websocket import AiohttpSocket
from voxemu.engine import Tap, Tapped
from voxemu.errors import ConnectionLost, Refused
from voxemu.events import Closed, EndAsked, Event, TokenPresented
from voxemu.provider import CallPlan, Provider, Request, Response, Role, Target
from voxemu.record import CallFacts, Recorder, fresh_directory
from voxemu_client.caller import Caller
from voxemu_client.script import Script
from voxemu_client.web import as_given, parsed, translated, turn_down_redirect, without_secrets

LOST = frozenset({1001, 1006, 1011, 1012, 1013, 1014})
# Close codes after which a new session may do better.
BODY = 1 << 20
MESSAGE = 1 << 24
# Bytes, at most, of an answer and of a websocket message.


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds."""

    connect: float = 10.0
    answer: float = 15.0
    # Of the start request and of the upgrade, connecting included.
    settle: float = 1.0
    # Between two writes of a recording while nothing happens.
    again: float = 0.5
    # Before the first reconnection; it doubles.


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call that was connected."""

    caller: Caller
    closed: Closed
    recording: Path | None
    failure: str | None
    # Why the recording is not whole, when it is not.

    @property
    def lost(self) -> bool:
        ended = self.caller.account.ended
        if ended is not None:
            return ended.cause == "shutdown"
        return self.closed.by == "line" and self.closed.code in LOST


class Telephone:
    """Places calls to one provider, one at a time.

    ``watchers`` are taps behind the recorder; ``sounds`` are devices that run while a call does, given the
    way to tell the engine what they capture. ``wall`` gives the time of day, as ``time.time`` does.
    """

    def __init__(
        self,
        provider: Provider,
        plan: CallPlan,
        *,
        recordings: Path | None = None,
        watchers: Sequence[Tap] = (),
        sounds: Callable[[Callable[[Event], None]], contextlib.AbstractContextManager[None]] | None = None,
        patience: Patience = Patience(),
        versions: dict[str, str] | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._provider = provider
        self._plan = plan
        self._recordings = recordings
        self._watchers = watchers
        self._sounds = sounds
        self._patience = patience
        self._versions = versions or {}
        self._wall = wall
        self._pump: Pump | None = None
        self._over = asyncio.Event()
        # Nobody wants another call.

    def hang_up(self, reason: str) -> bool:
        """Ends the call in order; False when none is connected."""
        self._over.set()
        if self._pump is None:
            return False
        self._pump.tell(EndAsked("closed", reason))
        return True

    async def call(self, script: Script, *, reconnect: int = 0) -> list[Outcome]:
        """Every call that it took, the last one last; after a lost line at most ``reconnect`` new sessions.

        Raises Refused, ConnectionLost, RemoteProtocolError, UsageError, RecordingError for the first one; a
        later one that cannot be placed counts as one of the ``reconnect``.
        """
        outcomes = [await self._place(script)]
        wait = self._patience.again
        for _ in range(reconnect):
            if not outcomes[-1].lost or await self._nobody_waits(wait):
                break
            rest = replace(script, clips=outcomes[-1].caller.unsaid)
            try:
                outcomes.append(await self._place(rest))
                wait = self._patience.again
            except (ConnectionLost, Refused):
                wait *= 2
        return outcomes

    async def _nobody_waits(self, seconds: float) -> bool:
        """After so long, or at once when the call is not wanted any more."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)
        return self._over.is_set()

    async def _place(self, script: Script) -> Outcome:
        async with self._http() as http:
            request = self._provider.ask(self._plan)
            response = None if request is None else await self._ask(http, request)
            target = self._provider.reach(self._plan, response)
            caller = Caller(self._provider, target, script)
            ws = await self._connect(http, target)
            try:
                return await self._hold(ws, caller, target, script)
            finally:
                if not ws.closed:
                    await ws.close()

    # --- over HTTP ------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _http(self) -> AsyncIterator[aiohttp.ClientSession]:
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(turn_down_redirect)
        async with aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._patience.connect),
            trace_configs=[trace],
        ) as http:
            yield http

    async def _ask(self, http: aiohttp.ClientSession, request: Request) -> Response:
        """Raises ConnectionLost."""
        with translated(request.url):
            async with (
                asyncio.timeout(self._patience.answer),
                http.request(
                    request.method,
                    as_given(request.url),
                    headers=dict(request.headers),
                    data=request.body,
                    allow_redirects=False,
                ) as got,
            ):
                content = await got.content.read(BODY)
                while len(content) < BODY and (more := await got.content.read(BODY - len(content))):
                    content += more
                return Response(got.status, parsed(content))

    async def _connect(
        self, http: aiohttp.ClientSession, target: Target
    ) -> aiohttp.ClientWebSocketResponse[Literal[True]]:
        """Raises ConnectionLost, Refused."""
        with translated(target.url):
            async with asyncio.timeout(self._patience.answer):
                return await http.ws_connect(
                    as_given(target.url),
                    headers=self._headers(target),
                    autoping=False,
                    autoclose=True,
                    compress=0,
                    max_msg_size=MESSAGE,
                    timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                )

    def _headers(self, target: Target) -> dict[str, str]:
        """The target's, without the key when the target is on another host than the one it was given for."""
        key = self._plan.key
        if not key or urlsplit(target.url).hostname == urlsplit(self._plan.url).hostname:
            return dict(target.headers)
        return {name: value for name, value in target.headers.items() if key not in value}

    # --- the call ------------------------------------------------------------

    async def _hold(
        self,
        ws: aiohttp.ClientWebSocketResponse[Literal[True]],
        caller: Caller,
        target: Target,
        script: Script,
    ) -> Outcome:
        clock = RunningClock(asyncio.get_running_loop().time)
        recorder = self._recorder(caller, target, script)
        taps = [*([recorder] if recorder else []), *self._watchers]
        codec = self._provider.codec(Role.CALLER, self._provider.settings_type(), random.Random(0))
        connection = ws._response.connection
        # aiohttp has no public way to drop a connection without a word.
        socket = AiohttpSocket(ws, connection.transport if connection else None)
        pump = self._pump = Pump(socket, codec, Tapped(caller, taps), clock=clock, full="tell")
        settling = asyncio.create_task(self._settle(recorder, clock))
        try:
            with self._sounds(pump.tell) if self._sounds else contextlib.nullcontext():
                closed = await pump.run()
        finally:
            self._pump = None
            settling.cancel()
            if recorder is not None:
                recorder.close(clock.now())
        failure = recorder.failure if recorder else None
        return Outcome(
            caller, closed, recorder.directory if recorder else None, str(failure) if failure else None
        )

    def _recorder(self, caller: Caller, target: Target, script: Script) -> Recorder | None:
        if self._recordings is None:
            return None
        started = datetime.fromtimestamp(self._wall(), UTC)
        directory = fresh_directory(
            self._recordings, self._provider.id, f"{started:%Y-%m-%dT%H-%M-%S}-client"
        )
        facts = CallFacts(
            agent=self._plan.agent,
            session_id=target.session_id,
            started=started.isoformat(timespec="milliseconds"),
            settings=_settings(self._plan, script),
            versions={"aiohttp": aiohttp.__version__, **self._versions},
            secrets=_secrets(self._plan, target),
            input_rate=caller.microphone.rate,
        )
        return Recorder(directory, self._provider, Role.CALLER, facts)

    async def _settle(self, recorder: Recorder | None, clock: Clock) -> None:
        while recorder is not None:
            await asyncio.sleep(self._patience.settle)
            recorder.settle(clock.now())


def _secrets(plan: CallPlan, target: Target) -> tuple[str, ...]:
    tokens = [event.token for event in target.opening if isinstance(event, TokenPresented)]
    query = urlsplit(target.url).query
    return tuple(secret for secret in (plan.key, target.url, query, *tokens) if secret)


def _settings(plan: CallPlan, script: Script) -> dict[str, Any]:
    """What was asked of this call, for the manifest."""
    return {
        "url": without_secrets(plan.url),
        "clips": [step.clip.name for step in script.plan if step.clip is not None],
        "rate": plan.rate,
        "silence": script.silence.mode,
        "keepalive": script.silence.every or None,
        "barge_in": script.barge_in,
        "half_duplex": script.half_duplex,
        "microphone": script.live,
        "jitter_buffer": script.jitter_buffer,
        "session": dict(plan.settings),
    }
