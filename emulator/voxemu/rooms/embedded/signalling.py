"""LiveKit's signalling endpoints: ``/rtc``, ``/rtc/v1`` and the two ``validate``s."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import time
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from aiohttp import web
from google.protobuf.message import DecodeError
from livekit.protocol import models, rtc

from voxemu.errors import Refused, RemoteProtocolError
from voxemu.rooms.embedded.guest import Guest
from voxemu.rooms.embedded.room import Room
from voxemu.rooms.embedded.signal_wire import SignalWire
from voxemu.rooms.embedded.spelled import Participant, leave
from voxemu.rooms.embedded.stage import Stage
from voxemu.rooms.embedded.subscriptions import Subscriptions
from voxemu.rooms.embedded.tokens import Keys

if TYPE_CHECKING:
    from livekit.api.access_token import Claims

log = logging.getLogger(__name__)

LARGEST_MESSAGE = 1 << 18
# Bytes, of a signalling message and of an unpacked join request.
JOINS = ("/rtc", "/rtc/v1")
CORS = {"Access-Control-Allow-Origin": "*"}
STATUS = {"missing_key": 401, "bad_key": 401, "unknown": 404, "full": 403}


class Hall(Protocol):
    """Where the rooms are."""

    keys: Keys
    rooms: dict[str, Room]

    @property
    def stage(self) -> Stage: ...


class Signalling:
    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._running: set[asyncio.Task[None]] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/validate"):
            return await self._validate(request)
        return await self._join(request)

    def room_to_join(self, request: web.Request) -> str:
        """The room that this request's token is good for; "" where it is no request to join one."""
        if request.path not in JOINS:
            return ""
        try:
            return self._hall.keys.verify_join(_token(request))[1]
        except Refused:
            # It will be answered as it is.
            return ""

    async def drain(self) -> None:
        """Waits until every connection has been closed."""
        if self._running:
            await asyncio.wait(self._running, timeout=5.0)

    # --- admission ------------------------------------------------------------

    def _admit(self, request: web.Request) -> tuple[Room, str, Claims]:
        """Raises Refused."""
        identity, name, claims = self._hall.keys.verify_join(_token(request))
        room = self._hall.rooms.get(name)
        if room is None:
            # Clients tell this from an old server, which has no such path, by these very words.
            raise Refused("unknown", "requested room does not exist")
        room.check(identity)
        return room, identity, claims

    async def _validate(self, request: web.Request) -> web.Response:
        try:
            self._admit(request)
        except Refused as refused:
            return _refusal(refused)
        return web.Response(text="success", headers=CORS)

    # --- joining ------------------------------------------------------------

    async def _join(self, request: web.Request) -> web.StreamResponse:
        single = request.path.endswith("/v1")
        try:
            room, identity, claims = self._admit(request)
            asked = _join_request(request.query, single=single)
        except Refused as refused:
            return _refusal(refused)
        except RemoteProtocolError as error:
            return web.Response(status=400, text=str(error), headers=CORS)
        ws = web.WebSocketResponse(max_msg_size=LARGEST_MESSAGE, compress=False, autoping=True)
        await ws.prepare(request)
        if asked.reconnect:
            # A connection is not taken up again; the client makes a new one at once.
            again = leave(models.STATE_MISMATCH, rtc.LeaveRequest.RECONNECT)
            await ws.send_bytes(again.SerializeToString())
            await ws.close()
            return ws
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await self._serve(ws, request, room, identity, claims, asked, single)
        finally:
            self._running.discard(task)
        return ws

    async def _serve(
        self,
        ws: web.WebSocketResponse,
        request: web.Request,
        room: Room,
        identity: str,
        claims: Claims,
        asked: rtc.JoinRequest,
        single: bool,
    ) -> None:
        if room.over.is_set():
            await ws.send_bytes(leave(models.ROOM_DELETED, rtc.LeaveRequest.DISCONNECT).SerializeToString())
            return
        me = Participant(identity, models.ParticipantInfo.STANDARD, int(time.time()))
        me.name, me.metadata = claims.name, claims.metadata or asked.metadata
        me.attributes.update(claims.attributes or {})
        me.may_describe = claims.video is not None and bool(claims.video.can_update_own_metadata)
        agent = room.agent
        tracks = list(agent.tracks) if agent is not None else []
        wanted = asked.connection_settings.auto_subscribe
        subscriptions = Subscriptions(agent.sid if agent is not None else "", tracks, wanted=wanted)
        wire = SignalWire(ws, request.transport, identity)
        guest = Guest(wire, me, room, self._hall.stage, subscriptions, single=single)
        log.info("%s: %s joins (%s)", room.name, identity, request.path)
        await guest.run(room.welcome(guest), asked)


def _token(request: web.Request) -> str:
    header = request.headers.get("Authorization", "")
    return header.removeprefix("Bearer ").strip() or request.query.get("access_token", "")


def _refusal(refused: Refused) -> web.Response:
    return web.Response(status=STATUS[refused.why], text=str(refused), headers=CORS)


def _join_request(query: Mapping[str, str], *, single: bool) -> rtc.JoinRequest:
    """What the client wants, from either form of the URL. Raises RemoteProtocolError."""
    packed = query.get("join_request")
    if not single or packed is None:
        asked = rtc.JoinRequest(reconnect=query.get("reconnect") == "1")
        asked.connection_settings.auto_subscribe = query.get("auto_subscribe", "1") != "0"
        return asked
    try:
        wrapped = rtc.WrappedJoinRequest.FromString(_unbase64(packed))
        content = wrapped.join_request
        if wrapped.compression == rtc.WrappedJoinRequest.GZIP:
            unpacking = zlib.decompressobj(31)
            content = unpacking.decompress(content, LARGEST_MESSAGE)
            if unpacking.unconsumed_tail:
                raise RemoteProtocolError(f"the join request is larger than {LARGEST_MESSAGE} bytes")
        return rtc.JoinRequest.FromString(content)
    except (DecodeError, binascii.Error, zlib.error, ValueError) as error:
        raise RemoteProtocolError(f"the join request cannot be read: {error}") from error


def _unbase64(text: str) -> bytes:
    """Of either alphabet, padded or not: clients differ."""
    text = text.replace("+", "-").replace("/", "_").rstrip("=")
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
