"""Dialling: the handshake over HTTP, the websocket or room, the pump, and again when the line is lost.

The one part of the client that opens sockets. What the pages ask of a client holds here: the URL is opaque
and used as given, no redirect is followed, a new socket is a new session, and the key goes to the host
that it was given for and to no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from voxemu.drive.clock import Clock, RunningClock
from voxemu.drive.pump import Pump, PumpLimits
from voxemu.drive.websocket import AiohttpSocket, Socket
from voxemu.engine import Tap, Tapped
from voxemu.errors import ConnectionLost, RecordingError, Refused, RemoteProtocolError, VoxemuError
from voxemu.events import Closed, EndAsked, Event, FindingMade, TokenPresented
from voxemu.lint import PeerLinter
from voxemu.provider import CallPlan, Provider, Request, Response, Role, Target
from voxemu.record import Allowance, CallFacts, Recorder, RecordingLimits, fresh_directory
from voxemu.record.masking import Mask
from voxemu.rooms.port import BACKGROUND_TRACK
from voxemu.wire.lyzr_livekit_start import without_secrets as without_keys
from voxemu_client.caller import Caller
from voxemu_client.room import RoomLine, enter, require_sdk
from voxemu_client.script import Script
from voxemu_client.web import as_given, parsed, translated, turn_down_redirect, without_secrets

Lines = aiohttp.ClientSession
LOST = frozenset({1001, 1006, 1011, 1012, 1013, 1014})
# Close codes after which a new session may do better.
LABEL = "X-Emu-Label"
# An emulator's own: it knows our session by it.
BODY = 1 << 20
MESSAGE = 1 << 22
# Bytes, at most, of an answer and of a websocket message.
TICKET, SEGMENT = 12, 20
# Characters from which on a value of a query and a part of a path may be a secret.
ROOM_LIMITS = PumpLimits(goodbye=20.0)
# A room is left in three steps, two of them over the network.


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds."""

    connect: float = 10.0
    answer: float = 15.0
    # Of a request over HTTP, connecting included.
    join: float = 15.0
    # Of the upgrade, and until a room has let us in; connecting included.
    settle: float = 0.05
    # Between two looks at whether a recording has written what it has.
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
    background: float | None = None
    # Seconds of ``background_audio``, in a room.
    findings: tuple[FindingMade, ...] = ()
    # About the provider.

    @property
    def lost(self) -> bool:
        ended = self.caller.account.ended
        if ended is not None:
            return ended.cause == "shutdown"
        return self.closed.by == "line" and self.closed.code in LOST


@contextlib.asynccontextmanager
async def http_client(patience: Patience = Patience()) -> AsyncIterator[Lines]:
    """Lines for any number of calls at once: beyond aiohttp's own limit of 100 one waits unseen."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(turn_down_redirect)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=patience.connect),
        trace_configs=[trace],
    ) as http:
        yield http


class Telephone:
    """Places calls to one provider, one at a time.

    ``watchers`` are taps behind the recorder; ``sounds`` are devices that run while a call does, given the
    way to tell the engine what they capture. ``wall`` gives the time of day, as ``time.time`` does. Many
    telephones may share one ``http_client``. ``check`` is given the URL of every socket before it is opened.
    ``mask`` has learnt the secrets of a call before anything is said about it. ``insecure`` lets a provider
    that was asked over TLS have the call without. An emulator finds the session again by its ``label``.
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
        label: str = "",
        lines: Lines | None = None,
        check: Callable[[str], None] | None = None,
        mask: Mask | None = None,
        insecure: bool = False,
        limits: RecordingLimits | None = None,
    ) -> None:
        self._provider = provider
        self._plan = plan
        self._recordings = recordings
        self._watchers = watchers
        self._sounds = sounds
        self._patience = patience
        self._versions = versions or {}
        self._wall = wall
        self._label = {LABEL: label} if label else {}
        self._lines = lines
        self._check = check
        self.caller: Caller | None = None
        # Of the call that is on, or was the last.
        self._mask = mask or Mask()
        self._mask.learn([plan.key])
        self._insecure = insecure
        if limits is None:
            limits = RecordingLimits(directory=None if recordings is None else Allowance(recordings))
        self._limits = limits
        self._pump: Pump | None = None
        self._socket: Socket | None = None
        self._over = asyncio.Event()
        # Nobody wants another call.

    def hang_up(self, reason: str) -> bool:
        """Ends the call in order; False when none is connected."""
        self._over.set()
        if self._pump is None:
            return False
        self._pump.tell(EndAsked("closed", reason))
        return True

    def drop(self) -> None:
        """Breaks the connection off without a word, if there is one."""
        self._over.set()
        if self._socket is not None:
            self._socket.abort()

    async def call(self, script: Script, *, reconnect: int = 0) -> list[Outcome]:
        """Every call that it took, the last one last; after a lost line at most ``reconnect`` new sessions.

        Raises Refused, ConnectionLost, RemoteProtocolError, UsageError, RecordingError for the first one,
        with notes where what was begun could not be ended. A later one that cannot be placed counts as one
        of the ``reconnect``.
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
            except (ConnectionLost, Refused, RemoteProtocolError, RecordingError):
                wait *= 2
        return outcomes

    async def _nobody_waits(self, seconds: float) -> bool:
        """After so long, or at once when the call is not wanted any more."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)
        return self._over.is_set()

    async def _place(self, script: Script) -> Outcome:
        if self._provider.media == "room":
            require_sdk()
        lines = self._lines
        async with contextlib.nullcontext(lines) if lines else http_client(self._patience) as http:
            request = self._provider.ask(self._plan)
            response = None if request is None else await self._ask(http, request)
            target = self._provider.reach(self._plan, response)
            self._mask.learn(_secrets(self._plan, target))
            await self._must_be_allowed(http, target)
            caller = Caller(self._provider, target, script)
            line = self._in_room if self._provider.media == "room" else self._on_websocket
            async with line(http, target) as socket:
                outcome = await self._hold(socket, caller, target, script)
            if isinstance(socket, RoomLine):
                caller.account.errors += socket.troubles
            return outcome

    async def _must_be_allowed(self, http: aiohttp.ClientSession, target: Target) -> None:
        """Raises Refused, and what ``check`` does; the session that was started is ended then."""
        try:
            if self._check is not None:
                self._check(target.url)
            self._judge(target)
        except VoxemuError as error:
            if trouble := await self._ender(http, target)():
                error.add_note(trouble)
            raise

    def _judge(self, target: Target) -> None:
        """Raises Refused for a call that would go on without the TLS that it began with."""
        asked = urlsplit(self._plan.url).scheme in ("https", "wss")
        if asked and urlsplit(target.url).scheme not in ("wss", "https") and not self._insecure:
            raise Refused(
                "downgrade",
                f"{without_secrets(self._plan.url)} sends the call to {without_secrets(target.url)}, where "
                "everybody on the way can listen; --insecure lets it",
            )

    def _elsewhere(self, target: Target) -> str:
        """The host that the provider sends the call to, where it is not the one that was asked."""
        asked, given = urlsplit(self._plan.url).hostname, urlsplit(target.url).hostname
        return "" if asked == given else given or ""

    # --- over HTTP ------------------------------------------------------------

    async def _ask(self, http: aiohttp.ClientSession, request: Request) -> Response:
        """Raises ConnectionLost."""
        with translated(request.url):
            async with (
                asyncio.timeout(self._patience.answer),
                http.request(
                    request.method,
                    as_given(request.url),
                    headers={**request.headers, **self._label},
                    data=request.body,
                    allow_redirects=False,
                ) as got,
            ):
                content = await got.content.read(BODY)
                while len(content) < BODY and (more := await got.content.read(BODY - len(content))):
                    content += more
                return Response(got.status, parsed(content))

    # --- the line ------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _on_websocket(self, http: aiohttp.ClientSession, target: Target) -> AsyncIterator[Socket]:
        """Raises ConnectionLost, Refused."""
        with translated(target.url):
            async with asyncio.timeout(self._patience.join):
                ws = await http.ws_connect(
                    as_given(target.url),
                    headers=self._headers(target),
                    autoping=False,
                    # A close without a code would be waited for twice: the pump answers it.
                    autoclose=False,
                    compress=0,
                    max_msg_size=MESSAGE,
                    timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                )
        connection = ws._response.connection
        # aiohttp has no public way to drop a connection without a word.
        try:
            yield AiohttpSocket(ws, connection.transport if connection else None)
        finally:
            if not ws.closed:
                await ws.close()

    @contextlib.asynccontextmanager
    async def _in_room(self, http: aiohttp.ClientSession, target: Target) -> AsyncIterator[Socket]:
        """Raises ConnectionLost, Refused."""
        line = await enter(target, self._ender(http, target), seconds=self._patience.join)
        try:
            yield line
        finally:
            await line.close(1000, "")

    def _ender(self, http: aiohttp.ClientSession, target: Target) -> Callable[[], Awaitable[str]]:
        """Ends the session over HTTP, where the provider has a request for that; answers what went wrong."""
        request = self._provider.ending(self._plan, target)

        async def end() -> str:
            if request is None:
                return ""
            try:
                response = await self._ask(http, request)
            except ConnectionLost as error:
                return f"the session could not be ended: {error}"
            where = without_secrets(request.url)
            return "" if response.status < 300 else f"{request.method} {where} answered {response.status}"

        return end

    def _headers(self, target: Target) -> dict[str, str]:
        """The target's, without the key when the target is on another host than the one it was given for."""
        key = self._plan.key
        if not key or urlsplit(target.url).hostname == urlsplit(self._plan.url).hostname:
            return {**target.headers, **self._label}
        return {name: value for name, value in target.headers.items() if key not in value}

    # --- the call ------------------------------------------------------------

    async def _hold(
        self,
        socket: Socket,
        caller: Caller,
        target: Target,
        script: Script,
    ) -> Outcome:
        self.caller = caller
        clock = RunningClock(asyncio.get_running_loop().time)
        recorder = self._recorder(caller, target, script)
        linter = PeerLinter(self._provider, elsewhere=self._elsewhere(target), hides=self._mask.hides)
        found = _Found()
        taps: list[Tap] = [linter, *([recorder] if recorder else []), *self._watchers, found]
        codec = self._provider.codec(Role.CALLER, self._provider.settings_type(), random.Random(0))
        self._socket = socket
        room = socket if isinstance(socket, RoomLine) else None
        if room is not None and recorder is not None:
            room.ears.on_background = lambda pcm: recorder.overhear(BACKGROUND_TRACK, pcm, clock.now())
        limits = PumpLimits() if room is None else ROOM_LIMITS
        pump = self._pump = Pump(socket, codec, Tapped(caller, taps), clock=clock, full="tell", limits=limits)
        settling = None if recorder is None else asyncio.create_task(self._settle(recorder, clock))
        try:
            with self._sounds(pump.tell) if self._sounds else contextlib.nullcontext():
                closed = await pump.run()
        finally:
            self._pump = self._socket = None
            if recorder is not None and settling is not None:
                settling.cancel()
                recorder.close(clock.now())
        failure = recorder.failure if recorder else None
        return Outcome(
            caller,
            closed,
            recorder.directory if recorder else None,
            str(failure) if failure else None,
            None if room is None else self._provider.format.seconds(room.ears.background_samples),
            tuple(found.findings),
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
            versions={**self._carried_by(), **self._versions},
            secrets=_secrets(self._plan, target),
            input_rate=caller.microphone.rate,
        )
        return Recorder(directory, self._provider, Role.CALLER, facts, limits=self._limits)

    def _carried_by(self) -> dict[str, str]:
        carrier = "livekit" if self._provider.media == "room" else "aiohttp"
        return {carrier: version(carrier)}

    async def _settle(self, recorder: Recorder, clock: Clock) -> None:
        while True:
            await asyncio.sleep(self._patience.settle)
            for note in recorder.keep_up(clock.now()):
                for watcher in self._watchers:
                    watcher.saw(note, clock.now())


class _Found:
    """The last tap: keeps what was found."""

    def __init__(self) -> None:
        self.findings: list[FindingMade] = []

    def saw(self, event: Event, now: float) -> tuple[()]:
        if isinstance(event, FindingMade):
            self.findings.append(event)
        return ()


def _secrets(plan: CallPlan, target: Target) -> tuple[str, ...]:
    """The key, tokens, and what of the URL lets somebody in: its query, or a part of its path that is long.

    Not the URL itself, nor what is too short to be a secret: hosts and words stay readable.
    """
    tokens = [event.token for event in target.opening if isinstance(event, TokenPresented)]
    parts = urlsplit(target.url)
    values = [value for _, value in parse_qsl(parts.query) if len(value) >= TICKET and value != plan.agent]
    segments = [each for each in parts.path.split("/") if len(each) >= SEGMENT and each != target.session_id]
    found = (plan.key, target.token, parts.query, *values, *segments, *tokens)
    return tuple(secret for secret in found if secret)


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
        "session": without_keys(plan.settings),
    }
