"""The emulator's end of an agent in a child: starting it, keeping a spare, and its room as a socket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from pathlib import Path

from voxemu.audio import sample_count
from voxemu.errors import ConnectionLost
from voxemu.events import Closed, Ponged, Side
from voxemu.provider import Message
from voxemu.rooms.agent_line import AgentLine, Word
from voxemu.rooms.port import BACKGROUND_TRACK, LAST_WORD, VOICE_TRACK, RoomPlan, RoomStats

WARM_WAIT = 45.0
# Seconds that a child may take to start, and
JOIN_WAIT = 30.0
# to join its room: on a busy machine; one that cannot says so at once.
LEAVE_WAIT = 5.0
EPITAPH_WAIT = 0.5
INBOX = 200
# Messages from the room that may wait for the session.
BROKEN = 1006

log = logging.getLogger("voxemu.rooms")


def on_a_leash(command: list[str]) -> list[str]:
    """The same command as a program that is killed when this one is gone."""
    leash = Path(__file__).with_name("leash.py")
    return [sys.executable, "-I", "-S", str(leash), str(os.getpid()), *command]


class Child:
    """A started ``sdk_agent``, warm: its native part is loaded and it waits to be told where to go."""

    def __init__(self, program: asyncio.subprocess.Process, line: AgentLine) -> None:
        self.line = line
        self._program = program
        self._said: deque[str] = deque(maxlen=5)
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls) -> Child:
        """Raises ConnectionLost when it does not come up."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                program = await asyncio.create_subprocess_exec(
                    *on_a_leash([sys.executable, "-m", "voxemu.rooms.sdk_agent", str(theirs.fileno())]),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    pass_fds=(theirs.fileno(),),
                    env=_environment(),
                    start_new_session=True,  # Ctrl-C is ours to handle.
                )
            except BaseException:
                ours.close()
                raise
        child = cls(program, await AgentLine.over(ours))
        try:
            async with asyncio.timeout(WARM_WAIT):
                word = await child.line.receive()
        except TimeoutError:
            word = None
        except BaseException:
            await child.kill()
            raise
        if not isinstance(word, dict):
            why = await child.epitaph()
            raise ConnectionLost(f"the agent's child did not start: {why}")
        return child

    async def _listen(self) -> None:
        assert self._program.stderr is not None
        async for line in self._program.stderr:
            text = line.decode(errors="replace").rstrip()
            self._said.append(text)
            log.debug("agent %d: %s", self._program.pid, text)

    @property
    def alive(self) -> bool:
        return self._program.returncode is None

    async def epitaph(self) -> str:
        """Ends it, and says how it ended and what it said last."""
        # First it may end by itself: a signal sent to what has just died makes its exit code unreadable.
        await self.finish(EPITAPH_WAIT)
        code = self._program.returncode
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return f"{how}; {self._said[-1]}" if self._said else how

    async def finish(self, seconds: float) -> None:
        """Lets it exit by itself; after that it is killed."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._program.wait(), seconds)
        await self.kill()

    async def kill(self) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._program.kill()
        await self._program.wait()
        await self._listening
        self.line.close()


def _environment() -> dict[str, str]:
    """Ours, without what is secret, and with the way to this package."""
    secret = ("LIVEKIT_", "EMU_KEY")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(secret)}
    root = str(Path(__file__).resolve().parents[2])
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, [root, kept.get("PYTHONPATH", "")]))}


class Nursery:
    """Children, one of them started ahead of its time."""

    def __init__(self) -> None:
        self._spare: asyncio.Task[Child] | None = None
        self._closed = False

    def prepare(self) -> None:
        if self._spare is None and not self._closed:
            self._spare = asyncio.create_task(Child.start())

    async def take(self) -> Child:
        """Raises ConnectionLost."""
        self.prepare()
        spare, self._spare = self._spare, None
        if spare is None:
            raise ConnectionLost("the rooms are closed")
        try:
            child = await spare
        except asyncio.CancelledError:
            await _abandon(spare)
            raise
        self.prepare()
        if child.alive:
            return child
        await child.kill()
        return await Child.start()

    async def close(self) -> None:
        self._closed = True
        spare, self._spare = self._spare, None
        if spare is not None:
            await _abandon(spare)


async def _abandon(spare: asyncio.Task[Child]) -> None:
    """What is being started is stopped, or killed if it just came up."""
    spare.cancel()
    with contextlib.suppress(asyncio.CancelledError, ConnectionLost):
        child = await spare
        await child.kill()


class ChildRoom:
    """A room whose agent is in a child; a ``RoomSocket``. ``delete`` deletes the room on the server."""

    def __init__(self, plan: RoomPlan, child: Child, delete: Callable[[ChildRoom], Awaitable[None]]) -> None:
        self.plan = plan
        self.stats = RoomStats()
        self._child = child
        self._delete = delete
        self._inbox: asyncio.Queue[Message | Closed] = asyncio.Queue(INBOX)
        self._hears = asyncio.Event()
        background = () if plan.background == "off" else (BACKGROUND_TRACK,)
        self._tracks: tuple[str, ...] = (*background, VOICE_TRACK)
        self._taken: set[str] = set()
        self._closed: Closed | None = None
        self._gone = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def enter(self, url: str, token: str) -> None:
        """Raises ConnectionLost when the agent cannot join; the child is gone then."""
        line = self._child.line
        try:
            await line.tell(open={"url": url, "token": token, "plan": asdict(self.plan)})
            async with asyncio.timeout(JOIN_WAIT):
                word = await line.receive()
        except TimeoutError:
            word = {"failed": f"it did not join within {JOIN_WAIT:g} s"}
        except ConnectionError:
            word = None
        except BaseException:
            await self._child.kill()
            raise
        if not isinstance(word, dict) or "ready" not in word:
            why = await self._child.epitaph()
            said = word.get("failed", why) if isinstance(word, dict) else why
            raise ConnectionLost(f"the agent could not join the room {self.plan.room}: {said}")
        self._reading = asyncio.create_task(self._read())

    # --- from the child ------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            got = await self._child.line.receive()
            if got is None:
                break
            if isinstance(got, dict):
                self._note(got)
            else:
                self._count(user_samples=sample_count(got) if isinstance(got, bytes) else 0)
                await self._inbox.put(got)
        self._gone.set()
        if self._closed is None:
            why = await self._child.epitaph()
            self.over(Closed(BROKEN, f"the agent's child ended: {why}", "line"))

    def _note(self, word: Word) -> None:
        match word:
            case {"user": "came"}:
                self._count(joins=1)
                self.stats = replace(self.stats, unheard=self._unheard())
            case {"taken": str(track)}:
                self._taken.add(track)
                self.stats = replace(self.stats, unheard=self._unheard())
            case {"user": "hears"}:
                self._hears.set()
            case {"flushed": int(samples)}:
                self._count(flushed_samples=samples)
            case {"over": {"code": int(code), "reason": str(reason), "by": by}}:
                side: Side = by
                self.over(Closed(code, reason, side))

    def _unheard(self) -> tuple[str, ...]:
        return tuple(name for name in self._tracks if name not in self._taken)

    def _count(self, **more: int) -> None:
        counted = {name: getattr(self.stats, name) + value for name, value in more.items()}
        self.stats = replace(self.stats, **counted)

    # --- the socket ------------------------------------------------------------

    def over(self, closed: Closed) -> None:
        """The room is over for this reason, whatever still comes."""
        if self._closed is not None:
            return
        self._closed = closed
        self._hears.set()
        if self._inbox.full():
            self._inbox.get_nowait()
        self._inbox.put_nowait(closed)

    async def joined(self) -> bool:
        try:
            async with asyncio.timeout(self.plan.join_wait):
                await self._hears.wait()
        except TimeoutError:
            self.over(Closed(1000, f"the user did not join within {self.plan.join_wait:g} s", "caller"))
        # Who came and left again before they heard anything has had a session, however short.
        return self._closed is None or self.stats.joins > 0

    async def receive(self) -> Message | Ponged | Closed:
        return await self._inbox.get()

    async def send(self, message: Message) -> None:
        if self._closed is not None:
            await asyncio.sleep(LAST_WORD)
            raise ConnectionResetError(self._closed.reason)
        await self._child.line.send(message)
        if isinstance(message, bytes):
            self._count(agent_samples=sample_count(message))

    async def ping(self) -> None:
        pass

    async def close(self, code: int, reason: str) -> None:
        self.over(Closed(code, reason, "provider"))
        await asyncio.shield(self._ending(gently=code != BROKEN))

    def abort(self) -> None:
        self.over(Closed(BROKEN, "the room was dropped", "provider"))
        self._ending(gently=False)

    def _ending(self, *, gently: bool) -> asyncio.Task[None]:
        """Once: whoever asks again waits for the same."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._end(gently=gently))
        return self._closing

    async def _end(self, *, gently: bool) -> None:
        if gently and not self._gone.is_set():
            with contextlib.suppress(ConnectionError):
                await self._child.line.tell(leave=True)
            await self._child.finish(LEAVE_WAIT)
        else:
            await self._child.kill()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._delete(self)
