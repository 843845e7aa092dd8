"""``RoomBackend`` with everything in this process: the rooms, their keys, one UDP port for the media."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from aiortc import RTCCertificate
from livekit.protocol import models

from voxemu.errors import ConnectionLost, UsageError
from voxemu.rooms.embedded.ice import IcePort
from voxemu.rooms.embedded.paths import ROUTES
from voxemu.rooms.embedded.room import Room
from voxemu.rooms.embedded.seat import Seat
from voxemu.rooms.embedded.signalling import Signalling
from voxemu.rooms.embedded.stage import Stage
from voxemu.rooms.embedded.tokens import Keys
from voxemu.rooms.embedded.twirp import RoomService
from voxemu.rooms.port import TOKEN_LIFE, RoomPlan

CAPACITY = 1000
EMPTY_LIMIT = 300.0
AWAY_LIMIT = 20.0
# Seconds that a room which RoomService created may stand empty, as livekit-server has it.


class EmbeddedBackend:
    """``media_host`` is where UDP is listened; ``candidates`` are the addresses that clients are told.

    Loopback by default: nothing outside this machine can reach the rooms.
    """

    def __init__(
        self,
        *,
        media_host: str = "127.0.0.1",
        candidates: tuple[str, ...] = (),
        capacity: int = CAPACITY,
        key: str = "",
        secret: str = "",
    ) -> None:
        if media_host in ("0.0.0.0", "::") and not candidates:
            raise UsageError(f"media on {media_host} needs the addresses that clients are to be told")
        self.keys = Keys(key, secret)
        self.rooms: dict[str, Room] = {}
        self._media_host = media_host
        self._candidates = candidates or (media_host,)
        self._capacity = capacity
        self._port = IcePort()
        self._stage: Stage | None = None
        self._signalling = Signalling(self)
        self._service = RoomService(self)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answers one of ``ROUTES``, which the emulator's own application has."""
        if "method" in request.match_info:
            return await self._service.serve(request)
        return await self._signalling.serve(request)

    def room_to_join(self, request: web.Request) -> str:
        """The room that this request's token is good for; "" where it is no request to join one."""
        return self._signalling.room_to_join(request)

    def add_routes(self, app: web.Application) -> None:
        """Mounts the signalling and RoomService into an application."""
        for method, path in ROUTES:
            app.router.add_route(method, path, self.serve)

    # --- RoomBackend ------------------------------------------------------------

    async def start(self) -> None:
        await self._port.open(self._media_host)
        self._stage = Stage(self._port, RTCCertificate.generateCertificate(), self._candidates)

    async def open_room(self, plan: RoomPlan) -> Seat:
        room = self._new_room(plan.room, plan.user, plan.join_wait, plan.rejoin_wait)
        return Seat(room, plan)

    async def end_room(self, room: str) -> bool:
        return self.end_now(room, "the session was ended")

    def mint(self, identity: str, room: str, life: float = TOKEN_LIFE) -> str:
        return self.keys.mint(identity, room, life)

    def url_for(self, base: str) -> str:
        return "ws" + base.removeprefix("http").rstrip("/")

    def describe(self) -> dict[str, Any]:
        media = f"udp {self._media_host}:{self._port.port}"
        return {"backend": "embedded", "url": "", "media": media, "rooms": len(self.rooms)}

    async def close(self) -> None:
        for room in list(self.rooms.values()):
            room.end("the emulator stops", "provider", models.SERVER_SHUTDOWN)
        await self._signalling.drain()
        await self._port.close()

    # --- for signalling and RoomService ------------------------------------------------------------

    @property
    def stage(self) -> Stage:
        assert self._stage is not None, "the backend was not started"
        return self._stage

    def create_room(self, name: str, *, empty_limit: float, away_limit: float) -> Room:
        """A room without an agent; the one that is there, when there is one. Raises ConnectionLost."""
        known = self.rooms.get(name)
        return known or self._new_room(name, "", empty_limit or EMPTY_LIMIT, away_limit or AWAY_LIMIT)

    def end_now(self, name: str, why: str = "the room was deleted") -> bool:
        room = self.rooms.get(name)
        if room is None:
            return False
        room.end(why, "provider")
        return True

    def _new_room(self, name: str, user: str, empty_limit: float, away_limit: float) -> Room:
        if name in self.rooms:
            raise ConnectionLost(f"there is a room {name!r} already; end its session first")
        if len(self.rooms) >= self._capacity:
            raise ConnectionLost(f"{self._capacity} rooms are open; no more are taken")
        room = Room(name, user=user, empty_limit=empty_limit, away_limit=away_limit)
        self.rooms[name] = room
        room.when_over = self._forget
        return room

    def _forget(self, room: Room) -> None:
        if self.rooms.get(room.name) is room:
            del self.rooms[room.name]
