"""Rooms on a real LiveKit server: one that is there already, or one that we start.

It may be named (``find_named``: ``LIVEKIT_URL``, ``LIVEKIT_API_KEY`` and ``LIVEKIT_API_SECRET``), run already
(``find_development``: 127.0.0.1:7880 with the keys of development), or be there to be started
(``find_binary``: a ``livekit-server`` beside ``emu`` or on the PATH).
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from voxemu.errors import ConnectionLost, UsageError
from voxemu.events import Closed
from voxemu.rooms.agent_child import ChildRoom, Nursery
from voxemu.rooms.livekit_keys import LivekitKeys
from voxemu.rooms.own_server import OwnServer, answers
from voxemu.rooms.port import TOKEN_LIFE, RoomPlan

if TYPE_CHECKING:
    from livekit.api import LiveKitAPI

DEVELOPMENT_URL = "http://127.0.0.1:7880"
DEVELOPMENT_KEYS = LivekitKeys("devkey", "secret")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
LOOK_WAIT = 5.0
# Seconds that whatever listens at the development URL may take to answer, and
CALL_WAIT = 15.0
# a server that we use, on a busy machine, to a call of its API.

log = logging.getLogger("voxemu.rooms")


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that is not ours."""

    url: str
    # http:// or https://.
    keys: LivekitKeys
    found: str
    # How, for the banner.


@dataclass(frozen=True, slots=True)
class Binary:
    """A server that we may start."""

    path: Path = field()
    found: str = ""


def find_named(environ: Mapping[str, str], url: str | None = None) -> RunningServer | None:
    """The server that was asked for, else that of ``LIVEKIT_URL``. Raises UsageError for half a setting."""
    wanted = url or environ.get("LIVEKIT_URL", "").strip()
    return named_server(wanted, environ, "--livekit" if url else "LIVEKIT_URL") if wanted else None


async def find_development() -> RunningServer | None:
    """One that runs on this machine already and takes the development keys."""
    async with _session(LOOK_WAIT) as http:
        if not await answers(http, DEVELOPMENT_URL) or not await _takes_development_keys():
            return None
    return RunningServer(DEVELOPMENT_URL, DEVELOPMENT_KEYS, "already running, with development keys")


def named_server(url: str, environ: Mapping[str, str], source: str) -> RunningServer:
    parts = urlsplit(url)
    schemes = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
    if parts.scheme not in schemes or not parts.hostname:
        raise UsageError(
            f"{source}: {url!r} is no URL of a LiveKit server; give one like ws://127.0.0.1:7880"
        )
    key, secret = environ.get("LIVEKIT_API_KEY", ""), environ.get("LIVEKIT_API_SECRET", "")
    if not key and not secret and parts.hostname in LOOPBACK:
        keys = DEVELOPMENT_KEYS
    elif key and secret:
        keys = LivekitKeys(key, secret)
    else:
        raise UsageError(f"{source} is {url}; set both LIVEKIT_API_KEY and LIVEKIT_API_SECRET for it")
    return RunningServer(f"{schemes[parts.scheme]}://{parts.netloc}", keys, source)


def find_binary() -> Binary | None:
    # Not resolved: the interpreter of an environment is a link to one outside of it.
    beside = Path(sys.executable).with_name("livekit-server")
    if beside.is_file():
        return Binary(beside, "beside emu")
    found = shutil.which("livekit-server")
    return Binary(Path(found), "on the PATH") if found else None


async def _takes_development_keys() -> bool:
    async with _session(LOOK_WAIT) as http:
        try:
            await _call(_api(DEVELOPMENT_URL, DEVELOPMENT_KEYS, http).room.list_rooms, "ListRoomsRequest")
        except ConnectionLost:
            return False
        return True


def _session(seconds: float) -> ClientSession:
    # Calls are few; a connection that is kept would be a descriptor that outlives its session.
    return ClientSession(timeout=ClientTimeout(total=seconds), connector=TCPConnector(force_close=True))


def _api(url: str, keys: LivekitKeys, http: ClientSession) -> LiveKitAPI:
    from livekit.api import LiveKitAPI

    return LiveKitAPI(url, keys.key, keys.secret, session=http, failover=False)


async def _call(method: Any, request: str, **fields: Any) -> Any:
    """One call of the server's API. Raises ConnectionLost with what it said."""
    from livekit import api

    try:
        return await method(getattr(api, request)(**fields))
    except api.TwirpError as error:
        said = "it does not take these keys" if error.status == 401 else f"{error.code} {error.message}"
        raise ConnectionLost(f"the LiveKit server refused: {said}") from error
    except (ClientError, OSError, TimeoutError) as error:
        raise ConnectionLost(f"the LiveKit server does not answer: {error!r}") from error


class LivekitServerBackend:
    """A ``RoomBackend``. ``public_url``: the livekitUrl to be given out, where one is configured."""

    def __init__(self, server: RunningServer | Binary, *, public_url: str | None = None) -> None:
        self._found = server
        self._public_url = public_url
        self._own = OwnServer(server.path, self._server_died) if isinstance(server, Binary) else None
        self._nursery = Nursery()
        self._rooms: dict[str, ChildRoom] = {}
        self._http: ClientSession | None = None
        self._deaths: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        if isinstance(self._found, RunningServer):
            return self._found.url
        assert self._own is not None
        return self._own.url

    @property
    def keys(self) -> LivekitKeys:
        if isinstance(self._found, RunningServer):
            return self._found.keys
        assert self._own is not None
        return self._own.keys

    @property
    def _rooms_api(self) -> Any:
        if self._http is None:
            raise ConnectionLost("the rooms are closed")
        return _api(self.url, self.keys, self._http).room

    # --- the backend ------------------------------------------------------------

    async def start(self) -> None:
        try:
            if self._own is not None:
                await self._own.start()
            self._http = _session(CALL_WAIT)
            if self._own is None and not await answers(self._http, self.url):
                raise ConnectionLost(f"{self._found.found}: no LiveKit server answers at {self.url}")
            await _call(self._rooms_api.list_rooms, "ListRoomsRequest")
            self._nursery.prepare()
        except BaseException:
            await self.close()
            raise

    async def open_room(self, plan: RoomPlan) -> ChildRoom:
        if self._own is not None and not self._own.alive:
            how = self._own.died or "livekit-server is not running"
            raise ConnectionLost(f"{how}; start the emulator anew, or with --livekit embedded")
        if plan.room in self._rooms:
            raise ConnectionLost(f"there is a room {plan.room} already")
        child = await self._nursery.take()
        room = ChildRoom(plan, child, self._forget)
        self._rooms[plan.room] = room
        try:
            await self.make(plan)
            await room.enter(_as_socket(self.url), self.keys.agent_token(plan.agent, plan.room))
        except BaseException:
            await child.kill()
            await self._forget(room)
            raise
        return room

    async def make(self, plan: RoomPlan) -> None:
        """The room, still empty; made twice it is made once. The server closes it by itself, a while after
        we should have."""
        await _call(
            self._rooms_api.create_room,
            "CreateRoomRequest",
            name=plan.room,
            empty_timeout=int(plan.join_wait) + 30,
            departure_timeout=int(plan.rejoin_wait) + 30,
        )

    async def _forget(self, room: ChildRoom) -> None:
        try:
            await _call(self._rooms_api.delete_room, "DeleteRoomRequest", room=room.plan.room)
        except ConnectionLost as error:
            # It is gone already, or goes by itself when its time is over.
            log.debug("the room %s was not deleted: %s", room.plan.room, error)
        if self._rooms.get(room.plan.room) is room:
            del self._rooms[room.plan.room]

    async def end_room(self, room: str) -> bool:
        found = self._rooms.get(room)
        if found is None:
            return False
        await found.close(1000, "the session was ended")
        return True

    def mint(self, identity: str, room: str, life: float = TOKEN_LIFE) -> str:
        return self.keys.user_token(identity, room, life)

    def url_for(self, base: str) -> str:
        """A server on this machine is given by the name that the client called us by, where that is one of
        this machine; any other by its own URL."""
        if self._public_url:
            return _as_socket(self._public_url)
        ours, theirs = urlsplit(self.url), urlsplit(base)
        if ours.hostname in LOOPBACK and theirs.hostname == "localhost":
            return f"ws://localhost:{ours.port}"
        return _as_socket(self.url)

    def describe(self) -> dict[str, Any]:
        found = "started here, " + self._found.found if self._own is not None else self._found.found
        facts = {"backend": "server", "url": _as_socket(self.url), "found": found, "rooms": len(self._rooms)}
        return facts if self._own is None else facts | {"alive": self._own.alive}

    async def close(self) -> None:
        rooms = list(self._rooms.values())
        await asyncio.gather(*(room.close(1000, "the emulator stops") for room in rooms))
        await asyncio.gather(*self._deaths, return_exceptions=True)
        await self._nursery.close()
        http, self._http = self._http, None
        if http is not None:
            await http.close()
        if self._own is not None:
            await self._own.close()

    def _server_died(self, why: str) -> None:
        """Its rooms went with it: their agents would try to come back for a while."""
        for room in list(self._rooms.values()):
            room.over(Closed(1006, why, "line"))
            room.abort()


def _as_socket(url: str) -> str:
    return "ws" + url.removeprefix("http") if url.startswith("http") else url
