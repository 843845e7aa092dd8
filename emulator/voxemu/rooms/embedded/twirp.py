"""RoomService over Twirp: what ``livekit-api`` calls to look after rooms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from aiohttp import web
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from livekit.api.access_token import VideoGrants
from livekit.protocol import models
from livekit.protocol import room as service

from voxemu.errors import ConnectionLost, Refused
from voxemu.rooms.embedded.room import Room
from voxemu.rooms.embedded.tokens import Keys

PROTOBUF = "application/protobuf"
STATUS = {
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "malformed": 400,
    "bad_route": 404,
    "resource_exhausted": 429,
}


class Hall(Protocol):
    keys: Keys
    rooms: dict[str, Room]

    def create_room(self, name: str, *, empty_limit: float, away_limit: float) -> Room: ...

    def end_now(self, name: str) -> bool: ...


class TwirpError(Exception):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class RoomService:
    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._methods: dict[str, tuple[type[Message], Callable[[Any, VideoGrants], Message]]] = {
            "CreateRoom": (service.CreateRoomRequest, self._create),
            "ListRooms": (service.ListRoomsRequest, self._list),
            "DeleteRoom": (service.DeleteRoomRequest, self._delete),
            "ListParticipants": (service.ListParticipantsRequest, self._list_participants),
            "GetParticipant": (service.RoomParticipantIdentity, self._get_participant),
            "RemoveParticipant": (service.RoomParticipantIdentity, self._remove_participant),
            "SendData": (service.SendDataRequest, self._send_data),
        }

    async def serve(self, request: web.Request) -> web.Response:
        try:
            said, plain = await self._answer(request)
        except TwirpError as error:
            body = {"code": error.code, "msg": str(error)}
            return web.json_response(body, status=STATUS[error.code])
        if plain:
            return web.Response(text=json_format.MessageToJson(said), content_type="application/json")
        return web.Response(body=said.SerializeToString(), content_type=PROTOBUF)

    async def _answer(self, request: web.Request) -> tuple[Message, bool]:
        try:
            claims = self._hall.keys.verify(request.headers.get("Authorization", "").removeprefix("Bearer "))
        except Refused as refused:
            raise TwirpError("unauthenticated", str(refused)) from refused
        found = self._methods.get(request.match_info["method"])
        if found is None:
            raise TwirpError("bad_route", f"embedded rooms have no {request.match_info['method']}")
        kind, act = found
        body = await request.read()
        asked = kind()
        plain = request.content_type == "application/json"
        try:
            if plain:
                json_format.Parse(body, asked, ignore_unknown_fields=True)
            else:
                asked.ParseFromString(body)
        except (DecodeError, UnicodeDecodeError, json_format.ParseError) as error:
            raise TwirpError("malformed", f"the request cannot be read: {error}") from error
        return act(asked, claims.video or VideoGrants()), plain

    # --- methods ------------------------------------------------------------

    def _create(self, asked: service.CreateRoomRequest, grants: VideoGrants) -> models.Room:
        _allow(grants.room_create, "roomCreate")
        if not asked.name:
            raise TwirpError("malformed", "a room needs a name")
        try:
            room = self._hall.create_room(
                asked.name, empty_limit=asked.empty_timeout, away_limit=asked.departure_timeout
            )
        except ConnectionLost as error:
            raise TwirpError("resource_exhausted", str(error)) from error
        room.metadata = asked.metadata or room.metadata
        return room.spell()

    def _list(self, asked: service.ListRoomsRequest, grants: VideoGrants) -> service.ListRoomsResponse:
        _allow(grants.room_list, "roomList")
        names = set(asked.names)
        rooms = [room.spell() for room in self._hall.rooms.values() if not names or room.name in names]
        return service.ListRoomsResponse(rooms=rooms)

    def _delete(self, asked: service.DeleteRoomRequest, grants: VideoGrants) -> service.DeleteRoomResponse:
        _allow(grants.room_create, "roomCreate")
        if not self._hall.end_now(asked.room):
            raise TwirpError("not_found", "requested room does not exist")
        return service.DeleteRoomResponse()

    def _list_participants(
        self, asked: service.ListParticipantsRequest, grants: VideoGrants
    ) -> service.ListParticipantsResponse:
        room = self._administered(asked.room, grants)
        return service.ListParticipantsResponse(participants=[one.spell() for one in room.participants])

    def _get_participant(
        self, asked: service.RoomParticipantIdentity, grants: VideoGrants
    ) -> models.ParticipantInfo:
        room = self._administered(asked.room, grants)
        for participant in room.participants:
            if participant.identity == asked.identity:
                return participant.spell()
        raise TwirpError("not_found", "participant does not exist")

    def _remove_participant(
        self, asked: service.RoomParticipantIdentity, grants: VideoGrants
    ) -> service.RemoveParticipantResponse:
        room = self._administered(asked.room, grants)
        if room.agent is not None and room.agent.identity == asked.identity:
            room.end("the agent was removed", "provider")
        elif not room.remove(asked.identity):
            raise TwirpError("not_found", "participant does not exist")
        return service.RemoveParticipantResponse()

    def _send_data(self, asked: service.SendDataRequest, grants: VideoGrants) -> service.SendDataResponse:
        """To everybody, or to those who are named; the agent has no use for it."""
        room = self._administered(asked.room, grants)
        named = set(asked.destination_identities)
        if not named or (room.guest is not None and room.guest.me.identity in named):
            said = models.UserPacket(payload=asked.data)
            if asked.HasField("topic"):
                said.topic = asked.topic
            room.pass_on(models.DataPacket(user=said), reliable=asked.kind == models.DataPacket.RELIABLE)
        return service.SendDataResponse()

    def _administered(self, name: str, grants: VideoGrants) -> Room:
        _allow(grants.room_admin and grants.room in ("", name), f"roomAdmin of {name}")
        room = self._hall.rooms.get(name)
        if room is None:
            raise TwirpError("not_found", "requested room does not exist")
        return room


def _allow(granted: bool | None, what: str) -> None:
    if not granted:
        raise TwirpError("permission_denied", f"permissions denied: the token does not grant {what}")
