"""RoomService, called with livekit-api as its users do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from livekit import api

from tests.rooms.house_of_rooms import HouseOfRooms, embedded_house

pytestmark = pytest.mark.sockets


@pytest.fixture
async def house() -> AsyncIterator[HouseOfRooms]:
    async with embedded_house() as house:
        yield house


@pytest.fixture
async def service(house: HouseOfRooms) -> AsyncIterator[api.LiveKitAPI]:
    keys = house.backend.keys  # type: ignore[attr-defined]
    service = api.LiveKitAPI(house.base, keys.key, keys.secret)
    yield service
    await service.aclose()


async def test_rooms_are_created_listed_and_deleted(service: api.LiveKitAPI) -> None:
    room = await service.room.create_room(api.CreateRoomRequest(name="mine", metadata="m"))
    assert (room.name, room.metadata) == ("mine", "m")
    listed = await service.room.list_rooms(api.ListRoomsRequest())
    assert [one.name for one in listed.rooms] == ["mine"]
    await service.room.delete_room(api.DeleteRoomRequest(room="mine"))
    assert list((await service.room.list_rooms(api.ListRoomsRequest())).rooms) == []


async def test_a_room_created_twice_is_one_room(service: api.LiveKitAPI) -> None:
    rooms = [await service.room.create_room(api.CreateRoomRequest(name="mine")) for _ in range(2)]
    assert len({room.sid for room in rooms}) == 1


async def test_the_agent_is_listed_in_its_room(house: HouseOfRooms, service: api.LiveKitAPI) -> None:
    held = await house.hold()
    listed = await service.room.list_participants(api.ListParticipantsRequest(room=held.plan.room))
    assert [(one.identity, one.kind) for one in listed.participants] == [(held.plan.agent, 4)]


async def test_removing_the_agent_ends_the_room(house: HouseOfRooms, service: api.LiveKitAPI) -> None:
    held = await house.hold()
    who = api.RoomParticipantIdentity(room=held.plan.room, identity=held.plan.agent)
    await service.room.remove_participant(who)
    assert not await held.socket.joined()


async def test_a_user_who_is_removed_is_told_so(house: HouseOfRooms, service: api.LiveKitAPI) -> None:
    from livekit.protocol import models

    from tests.rooms.embedded.test_signalling import join

    held = await house.hold()
    async with aiohttp.ClientSession() as http:
        line = await join(http, house, held)
        await line.hear()
        await service.room.remove_participant(
            api.RoomParticipantIdentity(room=held.plan.room, identity="ann")
        )
        assert (await line.hear_kind("leave")).reason == models.PARTICIPANT_REMOVED


@pytest.mark.parametrize(
    ("named", "passed"), [([], [b"news"]), (["ann"], [b"news"]), (["bob"], [])], ids=["all", "ann", "bob"]
)
async def test_data_is_for_those_who_are_named(
    house: HouseOfRooms,
    service: api.LiveKitAPI,
    monkeypatch: pytest.MonkeyPatch,
    named: list[str],
    passed: list[bytes],
) -> None:
    from tests.rooms.embedded.test_signalling import join
    from voxemu.rooms.embedded.room import Room

    got: list[bytes] = []
    monkeypatch.setattr(Room, "pass_on", lambda room, packet, *, reliable: got.append(packet.user.payload))
    held = await house.hold()
    async with aiohttp.ClientSession() as http:
        line = await join(http, house, held)
        await line.hear()
        asked = api.SendDataRequest(room=held.plan.room, data=b"news", destination_identities=named)
        await service.room.send_data(asked)
    assert got == passed


@pytest.mark.parametrize("call", ["delete", "list", "remove", "send"])
async def test_a_room_that_is_not_there_is_not_found(service: api.LiveKitAPI, call: str) -> None:
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "delete": lambda: service.room.delete_room(api.DeleteRoomRequest(room="nowhere")),
        "list": lambda: service.room.list_participants(api.ListParticipantsRequest(room="nowhere")),
        "remove": lambda: service.room.remove_participant(
            api.RoomParticipantIdentity(room="nowhere", identity="ann")
        ),
        "send": lambda: service.room.send_data(api.SendDataRequest(room="nowhere", data=b"news")),
    }
    with pytest.raises(api.TwirpError) as caught:
        await calls[call]()
    assert (caught.value.code, caught.value.status) == ("not_found", 404)


async def test_a_key_of_somebody_else_is_refused(house: HouseOfRooms) -> None:
    other = api.LiveKitAPI(house.base, "APIother", "another-secret-of-thirty-two-bytes")
    try:
        with pytest.raises(api.TwirpError) as caught:
            await other.room.list_rooms(api.ListRoomsRequest())
    finally:
        await other.aclose()
    assert caught.value.status == 401


async def test_a_users_token_may_not_look_after_rooms(house: HouseOfRooms) -> None:
    held = await house.hold()
    headers = {"Authorization": f"Bearer {held.token}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as http:
        url = f"{house.base}/twirp/livekit.RoomService/DeleteRoom"
        async with http.post(url, data='{"room": "' + held.plan.room + '"}') as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, "permission_denied")


@pytest.mark.parametrize(
    ("method", "body", "kind", "code"),
    [
        ("ListRooms", b"\xff\xff", "application/protobuf", "malformed"),
        ("ListRooms", b"{", "application/json", "malformed"),
        ("MuteEverybody", b"", "application/protobuf", "bad_route"),
    ],
)
async def test_a_call_that_cannot_be_read_is_refused(
    house: HouseOfRooms, method: str, body: bytes, kind: str, code: str
) -> None:
    keys = house.backend.keys  # type: ignore[attr-defined]
    grants = api.VideoGrants(room_list=True)
    token = api.AccessToken(keys.key, keys.secret).with_grants(grants).to_jwt()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
    url = f"{house.base}/twirp/livekit.RoomService/{method}"
    async with aiohttp.ClientSession(headers=headers) as http, http.post(url, data=body) as answer:
        assert (await answer.json())["code"] == code
