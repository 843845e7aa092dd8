"""A user asks something and hears it back: what every client sees and hears of the agent in the room."""

from __future__ import annotations

import pytest

from tests.rooms.contract.conftest import Tell
from tests.rooms.house_of_rooms import HouseOfRooms
from tests.rooms.visits import RATE, Visit, visiting
from voxemu.events import InputGapped, ReplyEnded, SpeakingStarted, TurnEnded

pytestmark = [pytest.mark.sockets, pytest.mark.xdist_group("rooms")]

VOICE, BACKGROUND = "roomio_audio", "background_audio"
AMBIENCE = 0.003
# Louder than nothing, and quieter than the ambience at any moment.


async def question(house: HouseOfRooms, client: str) -> Visit:
    held = await house.hold("echo", background="ambience+thinking", think_time=1.5)
    plan = held.plan
    async with visiting(house, held, client) as user:
        await user.hears(BACKGROUND, above=AMBIENCE, seconds=1.0)
        await user.do("sent")
        await user.say("question")
        await user.until(lambda: user.states()[-2:] == ["speaking", "listening"], "the reply is over")
        await user.until(lambda: user.finals(plan.user) and user.finals(plan.agent), "both lines, final")
        await user.until(lambda: any(plan.agent in one["who"] for one in user.all("speakers")), "a speaker")
        await user.hears(VOICE)
        await user.falls_silent(VOICE)
        await user.hears(BACKGROUND, held.witness.at(ReplyEnded), above=AMBIENCE, seconds=0.5)
        await user.do("sent")
    return user


@pytest.fixture
def said(tell: Tell) -> Visit:
    return tell(question)


def test_the_agent_is_of_kind_agent_and_there_when_the_user_comes(said: Visit) -> None:
    (connected,) = said.all("connected")
    agents = [(one["identity"], one["agent"]) for one in connected["agents"]]
    assert agents == [(said.held.plan.agent, True)]


def test_the_voice_is_a_microphone_and_background_audio_has_no_source(said: Visit) -> None:
    tracks = {(one["name"], one["source"]) for one in said.all("subscribed")}
    assert tracks == {(BACKGROUND, "unknown"), (VOICE, "microphone")}


def test_the_echo_is_heard_when_the_agent_speaks_and_nothing_before(said: Visit) -> None:
    speaking = said.held.witness.at(SpeakingStarted)
    assert said.loudest(VOICE, 0, speaking) < 0.01
    assert said.loudest(VOICE, speaking) > 0.05


def test_the_echo_is_the_turn_to_the_sample(said: Visit) -> None:
    (turn,), (reply,) = said.held.witness.all(TurnEnded), said.held.witness.all(ReplyEnded)
    assert (reply.dropped, reply.interrupted) == (0, False)
    # Some pre-roll, and the last frame made whole.
    assert 0 <= reply.heard - (turn.end - turn.start) < 0.35 * RATE
    assert said.held.socket.stats.agent_samples == reply.heard


def test_the_echo_is_heard_as_long_as_it_is(said: Visit) -> None:
    # A receiver that waits for packets draws sound out, and hurries afterwards; on a real server that happens
    # twice, on the way there and back. What is exact is the test above.
    assert 0.5 * said.sounded("microphone") < said.sounded(VOICE) < said.sounded("microphone") + 1.0


def test_background_audio_is_heard_all_the_time_and_quietly(said: Visit) -> None:
    levels = said.levels(BACKGROUND)
    first = next(n for n, rms in enumerate(levels) if rms > AMBIENCE)
    # A machine that stands still leaves holes; they are not the room's.
    assert sum(rms > AMBIENCE for rms in levels[first:]) > 0.5 * len(levels[first:])
    assert max(levels) < 0.1
    speaking, over = said.held.witness.at(SpeakingStarted), said.held.witness.at(ReplyEnded)
    assert said.sounded(BACKGROUND, speaking, over, above=AMBIENCE) > 0.1


def test_the_agents_state_is_told(said: Visit) -> None:
    # Whoever is quick to look sees it initializing.
    states = [state for state in said.states() if state != "initializing"]
    assert states == ["listening", "thinking", "speaking", "listening"]


def test_transcripts_come_as_packets_that_grow_under_one_id(said: Visit) -> None:
    for who in (said.held.plan.user, said.held.plan.agent):
        segments = said.all("transcription", who=who)
        assert len({one["id"] for one in segments}) == 1
        assert [one["final"] for one in segments] == [False] * (len(segments) - 1) + [True]
        assert len(segments) > 1


def test_transcripts_come_as_text_streams_with_the_same_words(said: Visit) -> None:
    for who in (said.held.plan.user, said.held.plan.agent):
        (final,) = [one for one in said.all("transcription", who=who) if one["final"]]
        streams = [
            one for one in said.all("text", who=who) if one["after"]["lk.transcription_final"] == "true"
        ]
        assert ["".join(one["chunks"]) for one in streams] == [final["text"]]
        assert [one["attributes"]["lk.segment_id"] for one in streams] == [final["id"]]


def test_transcripts_name_the_track_they_are_of(said: Visit) -> None:
    (published,) = said.all("published")
    for who, sid in ((said.held.plan.user, published["sid"]), (said.held.plan.agent, None)):
        packets = {one["track"] for one in said.all("transcription", who=who)}
        streams = {one["attributes"]["lk.transcribed_track_id"] for one in said.all("text", who=who)}
        assert packets == streams
        if sid is not None:
            assert packets == {sid}


def test_a_silent_microphone_keeps_sending_so_that_a_turn_ends_by_silence(said: Visit) -> None:
    assert [turn.why for turn in said.held.witness.all(TurnEnded)] == ["silence"]


def test_silence_is_sent_to_embedded_rooms_as_sound_is(said: Visit, backend: str) -> None:
    # The real server takes Opus DTX up, and its SDK fills the gaps. The Python SDK tells no such figure.
    before, after = said.all("did sent")
    if backend == "embedded" and "packets" in after:
        seconds = (after["counted"] - before["counted"]) / 1000
        # Fifty a second; with DTX two or three while nobody speaks, which is most of the time.
        assert (after["packets"] - before["packets"]) / seconds > 35


def test_nothing_of_the_users_audio_is_missing(said: Visit) -> None:
    turn = said.held.witness.at(TurnEnded)
    gaps = [at for at, event in said.held.witness.events if isinstance(event, InputGapped)]
    # While the microphone is being published, and again while the user leaves, none comes.
    spoken = said.all("did say")[0]["at"]
    assert [at for at in gaps if spoken - 1000 < at < turn] == []


def test_the_agent_is_an_active_speaker_while_it_speaks(said: Visit) -> None:
    agent = said.held.plan.agent
    assert [one["who"] for one in said.all("speakers") if agent in one["who"]][:1] == [[agent]]
