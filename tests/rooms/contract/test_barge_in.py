"""The user speaks over the agent, and the agent falls silent."""

from __future__ import annotations

import pytest

from tests.rooms.contract.conftest import Tell
from tests.rooms.house_of_rooms import HouseOfRooms
from tests.rooms.visits import FRAME, RATE, Visit, visiting
from voxemu.events import BargedIn, SpeakingStarted, ThinkingStarted, TurnStarted

pytestmark = [pytest.mark.sockets, pytest.mark.xdist_group("rooms")]

VOICE, BACKGROUND = "roomio_audio", "background_audio"
TICK = 0.01
# The sound of thinking is louder than this; without ambience there is nothing else.
THINKS = 3.0
# Seconds of silence between the agent's replies.


async def interruption(house: HouseOfRooms, client: str) -> Visit:
    """ "Yes", then a tone of a minute, and "stop" into it."""
    held = await house.hold("tone:440:60", think_time=THINKS, background="thinking")
    plan = held.plan
    async with visiting(house, held, client) as user:
        await user.say("yes")
        await user.hears(VOICE, above=0.1, seconds=1.0)
        await user.hears(BACKGROUND, above=TICK, seconds=FRAME)
        await user.say("stop")
        await user.until(lambda: len(held.witness.all(SpeakingStarted)) == 2, "an answer to it")
        await user.until(lambda: len(user.finals(plan.user)) == 2, "both lines of the user")
        await user.until(lambda: user.finals(plan.agent), "what was heard of the tone")
        await user.hears(VOICE, answered(user), above=0.1)
        await user.until(lambda: user.states()[-1] == "speaking", "speaking again")
    return user


def answered(user: Visit) -> float:
    """When the session began to speak for the second time."""
    _, second = (at for at, event in user.held.witness.events if isinstance(event, SpeakingStarted))
    return second


@pytest.fixture
def said(tell: Tell) -> Visit:
    return tell(interruption)


def test_the_session_stops_within_a_quarter_of_a_second_of_the_first_spoken_sample(said: Visit) -> None:
    _, over = said.held.witness.all(TurnStarted)
    # Counted in what has come of the user; when it comes is the machine's.
    assert over.confirmed - over.position < 0.25 * RATE
    kinds = said.held.witness.kinds()
    stopped = kinds.index("BargedIn")
    started = [at for at, kind in enumerate(kinds) if kind == "TurnStarted"][1]
    assert not {"UserAudioSent", "AgentAudioSent"} & set(kinds[started:stopped])


def test_of_the_tone_as_much_is_heard_as_the_session_says(said: Visit) -> None:
    (barged,) = said.held.witness.all(BargedIn)
    # Receivers draw sound out where packets come late; what goes on sounding would sound for THINKS more.
    heard = said.sounded(VOICE, 0, answered(said), above=0.03)
    assert 1.0 <= heard < barged.after + 1.0


def test_the_agent_listens_again_before_it_thinks_and_speaks_again(said: Visit) -> None:
    states = [state for state in said.states() if state != "initializing"]
    assert states == ["listening", "thinking", "speaking", "listening", "thinking", "speaking"]


def test_the_line_that_was_interrupted_is_final_and_holds_less_than_all(said: Visit) -> None:
    spoken = said.all("transcription", who=said.held.plan.agent)
    first = [one for one in spoken if one["id"] == spoken[0]["id"]]
    assert first[-1]["final"]
    assert len(first[-1]["text"]) < len("(a tone of 440 Hz for 60.00 s)")


def test_the_text_stream_of_that_line_is_final_with_the_same_words(said: Visit) -> None:
    final = next(one for one in said.all("transcription", who=said.held.plan.agent) if one["final"])
    streams = [
        one
        for one in said.all("text", who=said.held.plan.agent)
        if one["attributes"]["lk.segment_id"] == final["id"]
    ]
    finals = [one for one in streams if one["after"]["lk.transcription_final"] == "true"]
    assert ["".join(one["chunks"]) for one in finals] == [final["text"]]


def test_what_interrupted_is_answered(said: Visit) -> None:
    users = [one for one in said.all("transcription", who=said.held.plan.user) if one["final"]]
    assert len(users) == 2
    assert said.loudest(VOICE, answered(said)) > 0.1


def test_thinking_is_heard_in_the_background_and_nothing_before(said: Visit) -> None:
    thinking = said.held.witness.at(ThinkingStarted)
    assert said.loudest(BACKGROUND, 0, thinking) < 0.002
    assert said.loudest(BACKGROUND, thinking) > TICK
