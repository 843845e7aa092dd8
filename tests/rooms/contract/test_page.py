"""The vendor's page in our own words: fetch with a key, a session hook, LiveKit's React components."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.rooms.contract.conftest import BROWSER
from tests.rooms.house_of_rooms import HouseOfRooms
from tests.rooms.kinds import KINDS, require_kind
from tests.rooms.visits import Visit, now, page_command, require_browser

pytestmark = [pytest.mark.sockets, pytest.mark.xdist_group("rooms")]

VOICE, BACKGROUND = "roomio_audio", "background_audio"
AMBIENCE, ECHO = 0.003, 0.05
ROOM_DELETED = 5
AGENT_STATES = ("listening", "thinking", "speaking")
# Once it is there: a page that draws late may find it past the state that it drew.


@pytest.fixture(scope="module", params=sorted(KINDS))
def page(request: pytest.FixtureRequest) -> Visit:
    require_browser()
    backend = require_kind(request.param)

    async def story() -> Visit:
        async with KINDS[backend]() as house:
            return await two_sessions(house)

    with BROWSER:
        return asyncio.run(story())


async def two_sessions(house: HouseOfRooms) -> Visit:
    given = {
        "api": {"server": house.base, "key": "any"},
        "agentId": "echo",
        "agentConfig": {"background_audio": {"enabled": True}},
    }
    page = Visit()
    await page.begin(page_command("components", given, None))
    try:
        await page.until(lambda: page.all("ready"), "the page is there")
        await one_session(page, house)
        await page.do("end")
        await page.until(lambda: page.all("session")[-1]["state"] == "idle", "idle again")
        await one_session(page, house)
        # This one is ended by somebody else: a page that ends it itself may be gone before it hears of that.
        await house.backend.end_room(page.all("started")[-1]["room"])
        await page.until(lambda: page.all("disconnected", reason=ROOM_DELETED), "the room's end")
        await page.do("end")
        await page.until(lambda: page.all("session")[-1]["state"] == "idle", "idle again")
        await page.leave()
    finally:
        await page.end()
    return page


async def one_session(page: Visit, house: HouseOfRooms) -> None:
    """The user begins it, says yes when the agent listens, hears it back and sees both lines."""
    start = now()

    def since(kind: str, **like: object) -> list[Any]:
        return [one for one in page.all(kind, **like) if one["at"] >= start]

    await page.do("start")
    await page.until(lambda: since("agent", state="listening"), "the agent listens")
    page.session = house.find(page.all("started")[-1]["room"], {})
    await page.is_heard()
    await page.hears(BACKGROUND, start, above=AMBIENCE, seconds=1.0)
    await page.say("yes")
    await page.hears(VOICE, start, above=ECHO)
    await page.until(lambda: since("caption", who="user", final=True), "the user's line")
    await page.until(lambda: since("caption", who="agent", final=True), "the agent's line")
    await page.until(lambda: since("assistant says", final=True), "the agent's line, once more")
    await page.until(lambda: since("agent")[-1]["state"] == "listening", "the agent listens again")
    await page.until(lambda: since("assistant")[-1]["state"] == "listening", "the hook says so too")
    await page.do("attached")


def rounds(page: Visit) -> list[tuple[int, int]]:
    """When each session was connected, and when all of it had happened but its end."""
    begun = [one["at"] for one in page.all("session", state="connected")]
    return list(zip(begun, [one["at"] for one in page.all("did attached")], strict=True))


def test_the_session_hook_goes_round_twice(page: Visit) -> None:
    states = [one["state"] for one in page.all("session")]
    assert states == ["idle", "connecting", "connected", "idle", "connecting", "connected", "idle"]


def test_each_session_is_started_dispatched_and_ended(page: Visit) -> None:
    assert [(one["status"], one["dispatched"]) for one in page.all("started")] == [(200, True)] * 2
    assert [one["status"] for one in page.all("ended")] == [204, 204]


def test_the_rooms_end_tells_the_page(page: Visit) -> None:
    assert len(page.all("in the room")) == 2
    assert page.all("disconnected")[-1]["reason"] == ROOM_DELETED
    assert page.all("error") == []


def test_the_echo_is_heard_in_both_sessions(page: Visit) -> None:
    assert [page.loudest(VOICE, start, end) > ECHO for start, end in rounds(page)] == [True, True]


def test_background_audio_attached_by_hand_is_heard_in_both_sessions(page: Visit) -> None:
    for start, end in rounds(page):
        levels = page.levels(BACKGROUND, start, end)
        first = next(n for n, rms in enumerate(levels) if rms > AMBIENCE)
        assert sum(rms > AMBIENCE for rms in levels[first:]) > 0.5 * len(levels[first:])


def test_a_page_that_also_has_room_audio_renderer_plays_the_background_twice(page: Visit) -> None:
    assert [one["count"] for one in page.all("did attached")] == [2, 2]


def test_the_agents_states_reach_the_page_in_their_order(page: Visit) -> None:
    for start, end in rounds(page):
        assert shown(page, "agent", start, end)[-4:] == ["listening", "thinking", "speaking", "listening"]


def test_use_voice_assistant_follows_the_agents_state(page: Visit) -> None:
    """It leaves out what is over before it is drawn, and what changes between its render and its effect."""
    for start, end in rounds(page):
        told = iter(shown(page, "agent", start, end))
        drawn = [state for state in shown(page, "assistant", start, end) if state in AGENT_STATES]
        assert all(state in told for state in drawn)
        assert {"thinking", "speaking"} & {*drawn}
        assert drawn[-1] == "listening"


def shown(page: Visit, kind: str, start: float, end: float) -> list[str]:
    """The states that were told in this round, each once in a row."""
    states = [one["state"] for one in page.all(kind) if start <= one["at"] < end]
    return [state for state, before in zip(states, [None, *states], strict=False) if state != before]


def test_use_track_transcription_shows_both_speakers_to_the_end(page: Visit) -> None:
    for start, end in rounds(page):
        for who in ("user", "agent"):
            lines = [one for one in page.all("caption", who=who) if start <= one["at"] < end]
            assert lines[-1]["final"]
            assert len({one["id"] for one in lines}) == 1


def test_use_voice_assistant_gives_the_agents_words(page: Visit) -> None:
    captions = [one["text"] for one in page.all("caption", who="agent") if one["final"]]
    assert [one["text"] for one in page.all("assistant says") if one["final"]] == captions
