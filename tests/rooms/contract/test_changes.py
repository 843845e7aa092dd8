"""A user changes things in the middle of a session: tracks, data, attributes, the connection."""

from __future__ import annotations

import asyncio

import pytest

from tests.rooms.contract.conftest import Tell
from tests.rooms.house_of_rooms import Held, HouseOfRooms
from tests.rooms.visits import PATIENCE, Visit, speech, visiting
from voxemu.events import SpeakingStarted, TurnEnded

pytestmark = [pytest.mark.sockets, pytest.mark.xdist_group("rooms")]

VOICE, BACKGROUND = "roomio_audio", "background_audio"
AMBIENCE = 0.003
LOSSY = 10
# Packets.


def turns(said: Visit) -> list[TurnEnded]:
    return said.held.witness.all(TurnEnded)


async def is_answered(user: Visit, replies: int = 1) -> None:
    """Until so many replies were begun, and the last of them is heard and over."""
    await user.until(lambda: len(begun(user)) == replies, f"{replies} replies")
    await user.hears(VOICE, begun(user)[-1])
    await user.until(lambda: user.states()[-1] == "listening", "the reply is over")
    await user.falls_silent(VOICE)


def begun(user: Visit) -> list[float]:
    """When the agent began to speak, each time."""
    return [at for at, event in user.held.witness.events if isinstance(event, SpeakingStarted)]


async def muting(house: HouseOfRooms, client: str) -> Visit:
    """One "hello" is said while muted, another one after that."""
    held = await house.hold("echo")
    async with visiting(house, held, client) as user:
        await user.do("mute")
        await user.say("hello", 1.0)
        await user.do("unmute")
        await user.say("hello")
        await is_answered(user)
    return user


def test_what_is_said_while_muted_is_not_heard_and_what_comes_after_is(tell: Tell) -> None:
    said = tell(muting)
    assert len(turns(said)) == 1
    unmuted = said.at("did unmute")
    assert said.loudest(VOICE, 0, unmuted) < 0.02
    assert said.loudest(VOICE, unmuted) > 0.05


async def republishing(house: HouseOfRooms, client: str) -> Visit:
    """The track is unpublished after the first "hello" and published anew before the second."""
    held = await house.hold("echo")
    async with visiting(house, held, client) as user:
        await user.say("hello")
        await is_answered(user)
        await user.do("unpublish")
        await user.do("republish")
        await user.is_heard()
        await user.say("hello")
        await is_answered(user, 2)
    return user


def test_a_track_that_was_unpublished_and_published_again_is_heard(tell: Tell) -> None:
    said = tell(republishing)
    assert len(turns(said)) == 2
    assert said.loudest(VOICE, begun(said)[1]) > 0.05


async def speaking_other_ways(house: HouseOfRooms, client: str) -> Visit:
    held = await house.hold("echo", background="ambience")
    async with visiting(house, held, client) as user:
        await user.hears(BACKGROUND, above=AMBIENCE, seconds=0.5)
        await user.do("reliable", "one")
        await user.do("lossy", "two")
        await house.send(held, "three", reliable=True)
        # Any of these may be lost; that all of them are, means that there is no such way.
        for number in range(LOSSY):
            await house.send(held, f"four {number}", reliable=False)
        await user.until(lambda: {one["reliable"] for one in user.all("data")} == {True, False}, "data")
        await user.attempt("attributes", {"mood": "good"})
        await user.do("rpc")
        await user.do("unsubscribe", BACKGROUND)
        await user.until(lambda: user.all("unsubscribed"), "unsubscribed")
        await user.falls_silent(BACKGROUND, below=0.002)
        await user.do("subscribe", BACKGROUND)
        await user.hears(BACKGROUND, user.at("did subscribe"), above=AMBIENCE, seconds=0.5)
    return user


def test_data_may_be_sent_both_ways_of_sending(tell: Tell) -> None:
    said = tell(speaking_other_ways)
    assert said.at("did reliable") <= said.at("did lossy")


def test_data_comes_both_ways_of_sending(tell: Tell) -> None:
    said = tell(speaking_other_ways)
    came = [(one["text"], one["topic"]) for one in said.all("data", reliable=True)]
    assert came == [("three", "news")]
    lossy = {one["text"] for one in said.all("data", reliable=False)}
    assert lossy <= {f"four {number}" for number in range(LOSSY)}


def test_a_user_whose_token_does_not_say_so_may_not_set_attributes(tell: Tell) -> None:
    # The token that the page describes has no canUpdateOwnMetadata.
    said = tell(speaking_other_ways)
    assert said.all("attributes", who=said.held.plan.user) == []


def test_a_method_the_agent_does_not_have_is_refused_at_once(tell: Tell) -> None:
    said = tell(speaking_other_ways)
    assert [one["code"] for one in said.all("rpc")] == [1400]


def test_a_track_may_be_unsubscribed_and_subscribed_again(tell: Tell, backend: str, client: str) -> None:
    said = tell(speaking_other_ways)
    on = said.at("did subscribe")
    assert [one["name"] for one in said.all("unsubscribed") if one["at"] < on] == [BACKGROUND]
    # Where the real server gives it the same receiver again, this SDK plays on and says nothing of it.
    silent = (backend, client) == ("server", "sdk-dual")
    assert len(said.all("subscribed", name=BACKGROUND)) == (1 if silent else 2)
    assert said.loudest(BACKGROUND, on) > 0.005


async def losing_the_signal(house: HouseOfRooms, client: str) -> Visit:
    held = await house.hold("echo")
    async with visiting(house, held, client) as user:
        await user.do("loseSignal")
        await user.until(lambda: user.all("reconnected"), "reconnected")
        await user.is_heard()
        await user.say("hello")
        await is_answered(user)
    return user


def test_a_client_that_loses_its_signal_connection_comes_back_and_is_heard(tell: Tell) -> None:
    said = tell(losing_the_signal)
    assert said.all("disconnected")[:1] in ([], said.all("disconnected", reason="CLIENT_INITIATED")[:1])
    assert len(turns(said)) == 1
    assert said.loudest(VOICE, said.at("reconnected")) > 0.05


async def being_greeted(house: HouseOfRooms, client: str) -> Visit:
    held = await house.hold("echo", greeting="Good morning")
    async with visiting(house, held, client) as user:
        await user.until(lambda: user.finals(held.plan.agent), "the greeting in words")
        await user.hears(VOICE)
        await user.falls_silent(VOICE)
    return user


def test_an_agent_that_begins_is_heard_from_its_first_word(tell: Tell) -> None:
    said = tell(being_greeted)
    assert [one["text"] for one in said.all("transcription") if one["final"]] == ["Good morning"]
    # The chime lasts 0.6 s.
    assert said.sounded(VOICE) > 0.4


async def being_away(house: HouseOfRooms, client: str) -> Visit:
    """The user leaves, comes back within the time, and goes on."""
    held = await house.hold("echo")
    async with visiting(house, held, client):
        pass
    async with visiting(house, held, client) as user:
        await user.say("hello")
        await is_answered(user)
    return user


def test_a_user_who_comes_back_goes_on_in_the_same_session(tell: Tell) -> None:
    said = tell(being_away)
    assert said.held.socket.stats.joins == 2
    assert len(turns(said)) == 1
    assert said.loudest(VOICE) > 0.05


async def never_coming_back(house: HouseOfRooms, client: str) -> Visit:
    held = await house.hold("echo", rejoin_wait=0.5)
    async with visiting(house, held, client) as user:
        pass
    await asyncio.wait([held.task], timeout=PATIENCE)
    return user


def test_a_session_whose_user_does_not_come_back_is_closed_by_the_caller(tell: Tell) -> None:
    held: Held = tell(never_coming_back).held
    assert held.ended is not None
    assert (held.ended.code, held.ended.by) == (1000, "caller")


async def with_a_microphone_of_its_own(house: HouseOfRooms, client: str) -> Visit:
    """What a browser captures itself, and treats as every microphone: the same again and again."""
    held = await house.hold("echo")
    async with visiting(house, held, client, device=speech(1.5, "hello", 4.0)) as user:
        await user.until(lambda: begun(user), "a reply")
        await user.hears(VOICE, begun(user)[0])
    return user


def test_what_is_captured_of_a_device_is_heard_back(tell: Tell) -> None:
    said = tell(with_a_microphone_of_its_own)
    assert turns(said)[0].why == "silence"
    assert said.loudest(VOICE, begun(said)[0]) > 0.03
