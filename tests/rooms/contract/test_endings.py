"""How a room ends, and who is not let in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.rooms.contract.conftest import Tell
from tests.rooms.house_of_rooms import Held, HouseOfRooms
from tests.rooms.visits import RATE, Visit, refusals, visiting
from voxemu.events import EndAsked

pytestmark = [pytest.mark.sockets, pytest.mark.xdist_group("rooms")]


async def is_in(user: Visit) -> None:
    """Until the session has begun."""
    await user.until(lambda: user.held.runs, "the session runs")


async def deletion(house: HouseOfRooms, client: str) -> Visit:
    held = await house.hold("echo")
    async with visiting(house, held, client) as user:
        await is_in(user)
        assert await house.backend.end_room(held.plan.room)
        await user.until(lambda: user.all("disconnected") and held.ended, "the end")
    return user


def test_a_user_learns_that_the_room_was_deleted(tell: Tell) -> None:
    said = tell(deletion)
    assert [one["reason"] for one in said.all("disconnected")] == ["ROOM_DELETED"]


def test_a_session_whose_room_is_deleted_is_closed_by_the_provider(tell: Tell) -> None:
    ended = tell(deletion).held.ended
    assert ended is not None
    assert (ended.code, ended.by) == (1000, "provider")


async def agent_leaves(house: HouseOfRooms, client: str) -> Visit:
    held = await house.hold("echo")
    async with visiting(house, held, client) as user:
        await is_in(user)
        held.tell(EndAsked("agent_left"))
        await user.until(lambda: user.all("disconnected"), "the end")
    return user


def test_a_user_sees_the_agent_leave_before_the_room_is_gone(tell: Tell) -> None:
    said = tell(agent_leaves)
    (left,) = said.all("left", who=said.held.plan.agent)
    (over,) = said.all("disconnected")
    assert left["at"] <= over["at"]
    assert over["reason"] == "ROOM_DELETED"


async def twice_under_one_name(house: HouseOfRooms, client: str) -> Visit:
    """A second user of the same identity joins while the first one is in."""
    held = await house.hold("echo")
    async with visiting(house, held, client) as first:
        await is_in(first)
        async with visiting(house, held, "sdk-dual") as second:
            await first.until(lambda: first.all("disconnected"), "the first one's end")
            await second.until(lambda: held.socket.stats.joins == 2, "the second one is in")
            samples = held.socket.stats.user_samples
            await second.until(lambda: held.socket.stats.user_samples > samples + RATE // 2, "is listened to")
            await second.say("hello")
            await second.hears("roomio_audio")
        first.second = second
    return first


def test_the_first_of_two_of_one_identity_is_told_so(tell: Tell) -> None:
    said = tell(twice_under_one_name)
    assert [one["reason"] for one in said.all("disconnected")] == ["DUPLICATE_IDENTITY"]


def test_the_second_of_two_of_one_identity_is_heard(tell: Tell) -> None:
    second = tell(twice_under_one_name).second
    assert second is not None
    assert second.loudest("roomio_audio") > 0.05


# --- who is not let in -------------------------------------------------------------------------------------


def signed(house: HouseOfRooms, held: Held, *, key: str = "", secret: str = "", life: float = 600.0) -> str:
    """A token like the user's own, but for what is given."""
    from livekit.api import AccessToken, VideoGrants

    keys = house.backend.keys  # type: ignore[attr-defined]
    grants = VideoGrants(room_join=True, room=held.plan.room)
    token = AccessToken(key or keys.key, secret or keys.secret).with_identity(held.plan.user)
    return token.with_grants(grants).with_ttl(timedelta(seconds=life)).to_jwt()


async def being_refused(house: HouseOfRooms, client: str) -> Visit:
    held, over = await house.hold("echo"), await house.hold("echo")
    assert await house.end(over) == 204
    head, claims, _ = held.token.split(".")
    tokens = {
        "forged": f"{head}.{claims}.{held.token[:43]}",
        "wrong secret": signed(house, held, secret="another-secret-of-thirty-two-bytes"),
        "foreign key": signed(house, held, key="APIforeign"),
        "expired": signed(house, held, life=-120),
        "of another room": house.backend.mint(held.plan.user, "nowhere"),
        "no token": "not-a-token",
        "of a session that is over": over.token,
    }
    return await refusals(house, held, client, tokens)


REFUSED = [
    *("forged", "wrong secret", "foreign key", "expired", "of another room", "no token"),
    "of a session that is over",
]


@pytest.mark.parametrize("token", REFUSED)
def test_a_user_without_a_good_token_is_not_let_in(tell: Tell, token: str) -> None:
    said = tell(being_refused)
    (attempt,) = said.all("attempt", token=token)
    assert attempt["refusal"] != ""
    assert said.held.socket.stats.joins == 0
