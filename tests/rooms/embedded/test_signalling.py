"""Signalling, spoken by hand: who is let in, what comes first, what is answered."""

from __future__ import annotations

import asyncio
import base64
import gzip
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from livekit.api import AccessToken, VideoGrants
from livekit.protocol import models, rtc

from tests.rooms.house_of_rooms import Held, HouseOfRooms, embedded_house
from voxemu.rooms.embedded.backend import EmbeddedBackend
from voxemu.rooms.embedded.guest import CONNECT_LIMIT, SILENT_LIMIT

pytestmark = pytest.mark.sockets

PATHS = ["/rtc", "/rtc/v1", "/rtc/validate", "/rtc/v1/validate"]


@pytest.fixture
async def house() -> AsyncIterator[HouseOfRooms]:
    async with embedded_house() as house:
        yield house


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


class Line:
    """A signalling connection, held by the test."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def hear(self) -> rtc.SignalResponse:
        message = await self.ws.receive(timeout=60)
        assert message.type is aiohttp.WSMsgType.BINARY, message
        return rtc.SignalResponse.FromString(message.data)

    async def hear_kind(self, kind: str) -> Any:
        """The next message of this kind; what comes before it is passed over."""
        while True:
            said = await self.hear()
            if said.WhichOneof("message") == kind:
                return getattr(said, kind)

    async def say(self, **message: Any) -> None:
        await self.ws.send_bytes(rtc.SignalRequest(**message).SerializeToString())


async def join(
    http: aiohttp.ClientSession, house: HouseOfRooms, held: Held, path: str = "/rtc", **query: str
) -> Line:
    where = {"access_token": held.token, **query}
    return Line(await http.ws_connect(house.base + path, params=where))


def packed(asked: rtc.JoinRequest, *, zipped: bool = True) -> str:
    content = asked.SerializeToString()
    wrapped = rtc.WrappedJoinRequest(
        join_request=gzip.compress(content, mtime=0) if zipped else content,
        compression=rtc.WrappedJoinRequest.GZIP if zipped else rtc.WrappedJoinRequest.NONE,
    )
    return base64.urlsafe_b64encode(wrapped.SerializeToString()).decode()


# --- who is let in ------------------------------------------------------------


def token(
    house: HouseOfRooms, held: Held, *, secret: str = "", ttl: float = 600, key: str = "", **grants: Any
) -> str:
    keys = house.backend.keys  # type: ignore[attr-defined]
    wanted: dict[str, Any] = {"room_join": True, "room": held.plan.room} | grants
    allowed = VideoGrants(**wanted)
    made = AccessToken(key or keys.key, secret or keys.secret).with_identity("ann")
    return made.with_grants(allowed).with_ttl(timedelta(seconds=ttl)).to_jwt()


async def status(http: aiohttp.ClientSession, house: HouseOfRooms, path: str, given: str) -> tuple[int, str]:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    async with http.get(house.base + path, params={"access_token": given}, headers=headers) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize("path", PATHS)
async def test_a_token_that_is_not_ours_is_a_401(
    http: aiohttp.ClientSession, house: HouseOfRooms, path: str
) -> None:
    held = await house.hold()
    bad = {
        "none": "",
        "nonsense": "x.y.z",
        "wrong secret": token(house, held, secret="another-secret-of-thirty-two-bytes"),
        "foreign key": token(house, held, key="APIforeign"),
        "expired": token(house, held, ttl=-120),
        "no room": token(house, held, room="", room_join=False),
        "may not join": token(house, held, room_join=False),
    }
    found = {name: (await status(http, house, path, given))[0] for name, given in bad.items()}
    assert found == dict.fromkeys(bad, 401)


@pytest.mark.parametrize("path", PATHS)
async def test_a_room_that_is_not_there_is_a_404_in_the_servers_own_words(
    http: aiohttp.ClientSession, house: HouseOfRooms, path: str
) -> None:
    found = await status(http, house, path, house.backend.mint("ann", "nowhere"))
    assert found == (404, "requested room does not exist")


@pytest.mark.parametrize("path", PATHS)
async def test_somebody_elses_room_is_a_403(
    http: aiohttp.ClientSession, house: HouseOfRooms, path: str
) -> None:
    held = await house.hold(user="ann")
    found, text = await status(http, house, path, house.backend.mint("bob", held.plan.room))
    assert found == 403
    assert "another identity" in text


async def test_a_good_token_is_valid_and_a_browser_may_see_it(
    http: aiohttp.ClientSession, house: HouseOfRooms
) -> None:
    held = await house.hold()
    async with http.get(f"{house.base}/rtc/validate", params={"access_token": held.token}) as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")


async def test_a_token_may_come_in_the_header(http: aiohttp.ClientSession, house: HouseOfRooms) -> None:
    held = await house.hold()
    async with http.get(
        f"{house.base}/rtc/validate", headers={"Authorization": f"Bearer {held.token}"}
    ) as answer:
        assert answer.status == 200


# --- joining ------------------------------------------------------------


async def test_the_first_message_says_everything(http: aiohttp.ClientSession, house: HouseOfRooms) -> None:
    held = await house.hold(background="ambience")
    line = await join(http, house, held)
    said = (await line.hear()).join
    assert (said.room.name, said.participant.identity) == (held.plan.room, "ann")
    assert (said.subscriber_primary, list(said.ice_servers)) == (True, [])
    assert said.ping_interval > 0
    assert said.ping_timeout > said.ping_interval
    (agent,) = said.other_participants
    assert (agent.kind, agent.identity) == (models.ParticipantInfo.AGENT, held.plan.agent)
    assert [(track.name, track.source) for track in agent.tracks] == [
        ("background_audio", models.TrackSource.UNKNOWN),
        ("roomio_audio", models.MICROPHONE),
    ]


async def test_with_two_connections_the_server_offers_data_and_every_track(
    http: aiohttp.ClientSession, house: HouseOfRooms
) -> None:
    line = await join(http, house, await house.hold(background="ambience"))
    offer = await line.hear_kind("offer")
    assert [part.split()[0] for part in offer.sdp.split("m=")[1:]] == ["application", "audio", "audio"]
    assert sorted(offer.mid_to_track_id) == ["1", "2"]


async def test_without_auto_subscribe_no_track_is_offered(
    http: aiohttp.ClientSession, house: HouseOfRooms
) -> None:
    line = await join(http, house, await house.hold(), auto_subscribe="0")
    offer = await line.hear_kind("offer")
    assert [part.split()[0] for part in offer.sdp.split("m=")[1:]] == ["application"]


@pytest.mark.parametrize("zipped", [True, False])
async def test_with_one_connection_the_client_is_asked_for_sections(
    http: aiohttp.ClientSession, house: HouseOfRooms, zipped: bool
) -> None:
    asked = rtc.JoinRequest(connection_settings=rtc.ConnectionSettings(auto_subscribe=True))
    held = await house.hold(background="ambience")
    line = await join(http, house, held, "/rtc/v1", join_request=packed(asked, zipped=zipped))
    assert not (await line.hear()).join.subscriber_primary
    assert (await line.hear_kind("media_sections_requirement")).num_audios == 2


@pytest.mark.parametrize(
    "text", ["!", "AAAA", packed(rtc.JoinRequest())[:-9]], ids=["no base64", "no message", "cut"]
)
async def test_a_join_request_that_cannot_be_read_is_a_400(
    http: aiohttp.ClientSession, house: HouseOfRooms, text: str
) -> None:
    held = await house.hold()
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await join(http, house, held, "/rtc/v1", join_request=text)
    assert caught.value.status == 400


async def test_a_join_request_that_unpacks_to_too_much_is_a_400(
    http: aiohttp.ClientSession, house: HouseOfRooms
) -> None:
    bomb = rtc.WrappedJoinRequest(
        join_request=gzip.compress(bytes(10_000_000)), compression=rtc.WrappedJoinRequest.GZIP
    )
    held = await house.hold()
    text = base64.urlsafe_b64encode(bomb.SerializeToString()).decode()
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await join(http, house, held, "/rtc/v1", join_request=text)
    assert caught.value.status == 400


async def test_a_connection_is_not_resumed_but_made_anew(
    http: aiohttp.ClientSession, house: HouseOfRooms
) -> None:
    line = await join(http, house, await house.hold(), reconnect="1", sid="PA_old")
    said = await line.hear()
    assert said.leave.action == rtc.LeaveRequest.RECONNECT


async def test_a_second_of_the_same_identity_puts_the_first_out(
    http: aiohttp.ClientSession, house: HouseOfRooms
) -> None:
    held = await house.hold()
    first = await join(http, house, held)
    await first.hear()
    second = await join(http, house, held)
    assert (await first.hear_kind("leave")).reason == models.DUPLICATE_IDENTITY
    assert (await second.hear()).HasField("join")
    assert (await first.ws.receive(timeout=60)).type is aiohttp.WSMsgType.CLOSE


# --- in the room ------------------------------------------------------------


async def test_pings_of_both_kinds_are_answered(http: aiohttp.ClientSession, house: HouseOfRooms) -> None:
    line = await join(http, house, await house.hold())
    await line.say(ping=123)
    assert await line.hear_kind("pong") > 0
    await line.say(ping_req=rtc.Ping(timestamp=456, rtt=1))
    assert (await line.hear_kind("pong_resp")).last_ping_timestamp == 456


async def test_a_track_is_published_muted_and_shown(http: aiohttp.ClientSession, house: HouseOfRooms) -> None:
    line = await join(http, house, await house.hold())
    wanted = rtc.AddTrackRequest(cid="c", name="mic", type=models.AUDIO, source=models.MICROPHONE)
    await line.say(add_track=wanted)
    published = await line.hear_kind("track_published")
    assert (published.cid, published.track.name) == ("c", "mic")
    await line.hear_kind("update")
    await line.say(mute=rtc.MuteTrackRequest(sid=published.track.sid, muted=True))
    (me,) = (await line.hear_kind("update")).participants
    assert [track.muted for track in me.tracks] == [True]


async def test_a_token_that_does_not_say_so_sets_no_attributes(
    http: aiohttp.ClientSession, house: HouseOfRooms
) -> None:
    line = await join(http, house, await house.hold())
    await line.say(update_metadata=rtc.UpdateParticipantMetadata(attributes={"mood": "good"}, request_id=7))
    said = await line.hear_kind("request_response")
    assert (said.request_id, said.reason) == (7, rtc.RequestResponse.NOT_ALLOWED)


async def join_freely(http: aiohttp.ClientSession, house: HouseOfRooms) -> Line:
    """With a token that lets its holder set attributes."""
    held = await house.hold()
    return await join(http, house, held, access_token=token(house, held, can_update_own_metadata=True))


async def test_each_update_is_newer_than_the_one_before(
    http: aiohttp.ClientSession, house: HouseOfRooms
) -> None:
    line = await join_freely(http, house)
    versions = [(await line.hear()).join.participant.version]
    for mood in "abc":
        await line.say(update_metadata=rtc.UpdateParticipantMetadata(attributes={"mood": mood}))
        (me,) = (await line.hear_kind("update")).participants
        versions.append(me.version)
    assert versions == sorted(set(versions))


async def test_an_attribute_set_to_nothing_is_gone(http: aiohttp.ClientSession, house: HouseOfRooms) -> None:
    line = await join_freely(http, house)
    for mood, expected in (("good", {"mood": "good"}), ("", {})):
        await line.say(update_metadata=rtc.UpdateParticipantMetadata(attributes={"mood": mood}))
        (me,) = (await line.hear_kind("update")).participants
        assert dict(me.attributes) == expected


async def test_a_client_that_says_leave_is_gone_at_once(
    http: aiohttp.ClientSession, house: HouseOfRooms
) -> None:
    held = await house.hold(rejoin_wait=0.2)
    line = await join(http, house, held)
    await line.hear()
    await line.say(leave=rtc.LeaveRequest(reason=models.CLIENT_INITIATED))
    await asyncio.wait_for(held.task, 60)
    assert rooms_of(house) == {}


@pytest.mark.parametrize(
    "message",
    [
        b"\xff\xff\xff",
        rtc.SignalRequest(offer=rtc.SessionDescription(type="offer", sdp="v=0")).SerializeToString(),
        rtc.SignalRequest(answer=rtc.SessionDescription(type="answer", sdp="")).SerializeToString(),
    ],
)
async def test_what_cannot_be_read_ends_that_connection_alone(
    http: aiohttp.ClientSession, house: HouseOfRooms, message: bytes
) -> None:
    held = await house.hold()
    line = await join(http, house, held)
    await line.ws.send_bytes(message)
    assert (await line.hear_kind("leave")).reason == models.STATE_MISMATCH
    again = await join(http, house, held)
    assert (await again.hear()).HasField("join")


async def test_a_message_that_is_too_large_ends_that_connection_alone(
    http: aiohttp.ClientSession, house: HouseOfRooms
) -> None:
    held = await house.hold()
    line = await join(http, house, held)
    await line.ws.send_bytes(bytes(1 << 20))
    while (message := await line.ws.receive(timeout=60)).type is aiohttp.WSMsgType.BINARY:
        pass
    assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert (await (await join(http, house, held)).hear()).HasField("join")


# --- how long ------------------------------------------------------------


def rooms_of(house: HouseOfRooms) -> dict[str, Any]:
    backend = house.backend
    assert isinstance(backend, EmbeddedBackend)
    return dict(backend.rooms)


async def test_a_room_that_nobody_comes_to_is_closed(house: HouseOfRooms) -> None:
    held = await house.hold(join_wait=0.1)
    assert not await asyncio.wait_for(held.socket.joined(), 60)
    assert rooms_of(house) == {}


async def test_a_room_is_deleted_for_whoever_is_in_it(
    http: aiohttp.ClientSession, house: HouseOfRooms
) -> None:
    held = await house.hold()
    line = await join(http, house, held)
    await line.hear()
    assert await house.backend.end_room(held.plan.room)
    assert (await line.hear_kind("leave")).reason == models.ROOM_DELETED
    assert rooms_of(house) == {}
    assert not await house.backend.end_room(held.plan.room)


async def test_a_full_house_takes_no_more_rooms() -> None:
    from voxemu.errors import ConnectionLost
    from voxemu.rooms.port import RoomPlan

    backend = EmbeddedBackend(capacity=1)
    await backend.start()
    await backend.open_room(RoomPlan("one", "ann", "agent-1"))
    with pytest.raises(ConnectionLost, match="1 rooms are open"):
        await backend.open_room(RoomPlan("two", "ann", "agent-2"))
    await backend.close()


async def test_one_name_is_one_room(house: HouseOfRooms) -> None:
    from voxemu.errors import ConnectionLost

    await house.hold(room="mine")
    with pytest.raises(ConnectionLost, match="'mine' already"):
        await house.backend.open_room(house.held["mine"].plan)


async def test_a_user_whose_media_never_connects_is_put_out_after_a_while_and_may_come_again(
    http: aiohttp.ClientSession,
    house: HouseOfRooms,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "voxemu.rooms.embedded.room")
    monkeypatch.setattr("voxemu.rooms.embedded.room.LOOK", 0.02)
    held = await house.hold()
    line = await join(http, house, held)
    await line.hear()
    (guest,) = (room.guest for room in rooms_of(house).values())
    # Time passes.
    guest._began -= CONNECT_LIMIT - 5.0
    assert not guest.dead
    guest._began -= 5.0
    assert guest.dead
    while (message := await line.ws.receive(timeout=60)).type is aiohttp.WSMsgType.BINARY:
        pass
    assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert "nothing is heard of" in caplog.text
    assert (await (await join(http, house, held)).hear()).HasField("join")


async def test_a_user_whose_media_is_connected_may_stay_longer_than_that_takes(
    http: aiohttp.ClientSession, house: HouseOfRooms
) -> None:
    held = await house.hold()
    await (await join(http, house, held)).hear()
    (guest,) = (room.guest for room in rooms_of(house).values())
    guest._began -= 2 * CONNECT_LIMIT
    media = guest._connections.primary
    media.ice.heard_at = guest._loop.time()
    guest.line_connected(media)
    assert not guest.dead
    media.ice.heard_at -= SILENT_LIMIT
    assert guest.dead
