"""Calls in rooms, through the Python SDK: what a user of the page's app would see and hear."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest
from livekit import rtc

from tests.calls import speech
from tests.rooms.calls import BASE, PROVIDER, another, begin, talking
from tests.rooms.visitors import PATIENCE, RATE, Visitor, until
from voxemu.agents import Greeter, make_agent, sine
from voxemu.events import BargedIn, Closed, InputGapped, TurnEnded, TurnStarted
from voxemu.rooms.livekit_server import LivekitServerBackend
from voxemu.rooms.port import RoomBackend

pytestmark = pytest.mark.sockets

VOICE, BACKGROUND = "roomio_audio", "background_audio"
MICROPHONE, UNKNOWN = rtc.TrackSource.SOURCE_MICROPHONE, rtc.TrackSource.SOURCE_UNKNOWN
AGENT = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
modes = pytest.mark.parametrize("single", [False, True], ids=["two connections", "one connection"])


@pytest.fixture
def spoken(human_speech: Path) -> bytes:
    """A person saying "front center", PCM16 at 48 kHz."""
    return human_speech.read_bytes()[44:]


@modes
async def test_speech_is_heard_back(backend: LivekitServerBackend, spoken: bytes, single: bool) -> None:
    async with talking(backend, single=single) as (call, user):
        await user.say(spoken)
        await until(lambda: len(user.loud(VOICE)) > 30)
        (turn,) = call.watch.of(TurnEnded)
    assert isinstance(turn, TurnEnded)
    assert 0.5 < turn.seconds < 2


async def test_what_is_heard_is_what_was_said(backend: LivekitServerBackend) -> None:
    async with talking(backend, "tone:440:1") as (_, user):
        await user.say(speech(PROVIDER.format, 0.6))
        await until(lambda: len(user.loud(VOICE)) > 50)
    assert abs(pitch(b"".join(pcm for _, pcm in user.heard[VOICE])) - 440) < 2


async def test_an_agent_is_an_agent_with_two_tracks(backend: LivekitServerBackend) -> None:
    async with talking(backend, plan=another(1, background="ambience")) as (_, user):
        await until(lambda: len(user.published) == 2 and user.heard[BACKGROUND])
        (who,) = user.room.remote_participants.values()
    assert sorted(user.published) == [(BACKGROUND, UNKNOWN, AGENT), (VOICE, MICROPHONE, AGENT)]
    assert (who.identity, who.kind) == ("agent-1", AGENT)


async def test_the_background_is_published_before_the_voice(backend: LivekitServerBackend) -> None:
    plan = another(1, background="ambience")
    await backend.make(plan)
    early = await Visitor(backend.url_for(BASE), backend.mint("eve", plan.room)).come()
    call = await begin(backend, plan=plan)
    await until(lambda: early.published)
    user = await call.visitor().come()
    await until(lambda: len(early.published) == len(user.published) == 2)
    # Whoever comes later is told of both at once, in whatever order the server keeps them.
    assert [name for name, *_ in early.published] == [BACKGROUND, VOICE]
    assert {name for name, *_ in user.published} == {BACKGROUND, VOICE}
    await user.leave()
    await backend.end_room(plan.room)
    await call.pumping
    await early.leave()


async def test_without_background_sounds_there_is_one_track(backend: LivekitServerBackend) -> None:
    async with talking(backend) as (_, user):
        await until(lambda: user.heard[VOICE])
    assert user.published == [(VOICE, MICROPHONE, AGENT)]


async def test_thinking_is_heard_in_the_background(backend: LivekitServerBackend) -> None:
    plan = another(1, background="thinking")
    async with talking(backend, plan=plan, think_time=1.0) as (_, user):
        await until(lambda: user.heard[BACKGROUND])
        assert user.loud(BACKGROUND, above=300) == []
        await user.say(speech(PROVIDER.format, 0.5))
        await until(lambda: user.loud(BACKGROUND, above=300))
        assert user.states[-1] == "thinking"


async def test_the_states_of_an_agent_are_told(backend: LivekitServerBackend) -> None:
    call = await begin(backend)
    user = await call.visitor().come()
    (agent,) = user.room.remote_participants.values()
    first = agent.attributes.get("lk.agent.state")
    await user.take_microphone()
    await user.say(speech(PROVIDER.format, 0.5))
    await until(lambda: user.states[-3:] == ["thinking", "speaking", "listening"])
    assert first in ("initializing", "listening")
    assert user.states[:-3] in ([], ["listening"])
    await backend.end_room("room-1")
    await call.pumping
    await user.leave()


async def test_lines_grow_under_one_id_and_end_final_in_both_forms(backend: LivekitServerBackend) -> None:
    async with talking(backend) as (_, user):
        await user.say(speech(PROVIDER.format, 1.2))
        await until(lambda: any(who == "agent-1" and final for who, _, _, final in user.packets))
        await until(lambda: any(who == "agent-1" for who, _, _ in user.streams))
        (microphone,) = user.room.local_participant.track_publications
    for who in ("ada", "agent-1"):
        lines = [packet for packet in user.packets if packet[0] == who]
        assert len({segment for _, segment, _, _ in lines}) == 1
        assert [final for *_, final in lines] == [False] * (len(lines) - 1) + [True]
        assert len(lines) > 2
        *_, (_, attributes, text) = [stream for stream in user.streams if stream[0] == who]
        assert text == lines[-1][2]
        assert attributes["lk.segment_id"] == lines[-1][1]
        assert attributes["lk.transcription_final"] == "true"
        assert (attributes["lk.transcribed_track_id"] == microphone) == (who == "ada")


async def test_speaking_over_the_agent_stops_it(backend: LivekitServerBackend) -> None:
    async with talking(backend, "tone:440:20", think_time=3.0) as (call, user):
        await user.say(speech(PROVIDER.format, 0.5))
        await until(lambda: len(user.loud(VOICE)) > 100)
        await user.say(speech(PROVIDER.format, 0.6))
        await until(lambda: call.watch.of(BargedIn))
        await silence(user)
        sounded = len(user.loud(VOICE)) / 100
        (barge_in,) = call.watch.of(BargedIn)
        await until(lambda: [p for p in user.packets if p[0] == "agent-1"][-1][3])
        last = [packet for packet in user.packets if packet[0] == "agent-1"][-1]
    assert isinstance(barge_in, BargedIn)
    _, over = (turn for turn in call.watch.of(TurnStarted) if isinstance(turn, TurnStarted))
    assert over.confirmed - over.position <= 0.25 * RATE
    # A receiver draws sound out where packets come late; the tone would have gone on.
    assert sounded < barge_in.after + 1.0
    assert last[2] != ""
    assert "20.00 s)" not in last[2], "cut at what was heard"


async def test_an_agent_that_begins_is_heard_from_its_first_word(backend: LivekitServerBackend) -> None:
    greeter = Greeter(make_agent("echo"), "Hello", lambda format: sine(format, 440.0, 1.0))
    async with talking(backend, greeter) as (call, user):
        await until(lambda: len(user.loud(VOICE)) > 50)
        await silence(user)
        assert call.room.stats.agent_samples == RATE
    # A second; drawn out, or hurried, where packets come late.
    assert 0.6 < len(user.loud(VOICE)) / 100 < 1.6


@pytest.mark.parametrize("how", ["nothing captured", "muted"])
async def test_a_microphone_that_sends_nothing_ends_a_turn(backend: LivekitServerBackend, how: str) -> None:
    async with talking(backend, gap_margin=10.0) as (call, user):
        await user.say(speech(PROVIDER.format, 0.8))
        if how == "muted":
            user.mute()
        await until(lambda: user.loud(VOICE))
        (turn,) = call.watch.of(TurnEnded)
    assert isinstance(turn, TurnEnded)
    assert turn.why == "silence"
    assert 0.5 < turn.seconds < 1.6
    # The last sound is cut by muting, or drawn out a little by the decoder where packets stop.


async def test_a_microphone_that_is_put_away_ends_a_turn_and_another_is_heard(
    backend: LivekitServerBackend,
) -> None:
    async with talking(backend) as (call, user):
        await user.say(speech(PROVIDER.format, 0.8))
        await user.put_microphone_away()
        await until(lambda: call.watch.of(InputGapped))
        await until(lambda: user.loud(VOICE))
        before = len(user.loud(VOICE))
        await asyncio.sleep(1.0)
        await user.take_microphone()
        await user.say(speech(PROVIDER.format, 0.8))
        await until(lambda: len(call.watch.of(TurnEnded)) == 2)
        await until(lambda: len(user.loud(VOICE)) > before + 30)


async def test_a_user_who_comes_back_finds_the_session(backend: LivekitServerBackend) -> None:
    async with talking(backend) as (call, user):
        await user.say(speech(PROVIDER.format, 0.5))
        await until(lambda: user.loud(VOICE))
        await user.leave()
        again = await call.visitor().come()
        await again.take_microphone()
        await again.say(speech(PROVIDER.format, 0.5))
        await until(lambda: again.loud(VOICE))
        assert call.room.stats.joins == 2
        await again.leave()


async def test_the_same_identity_a_second_time_takes_the_place_of_the_first(
    backend: LivekitServerBackend,
) -> None:
    async with talking(backend) as (call, user):
        second = await call.visitor().come()
        reason = await asyncio.wait_for(user.ended, PATIENCE)
        await second.take_microphone()
        await second.say(speech(PROVIDER.format, 0.5))
        await until(lambda: second.loud(VOICE))
        await second.leave()
    assert reason == rtc.DisconnectReason.DUPLICATE_IDENTITY


@pytest.mark.parametrize("microphone", [True, False], ids=["after a call", "at once"])
async def test_a_user_who_stays_away_ends_the_session(
    backend: LivekitServerBackend, microphone: bool
) -> None:
    call = await begin(backend, plan=another(1, rejoin_wait=0.5))
    user = await call.visitor().come()
    if microphone:
        await user.take_microphone()
        await until(lambda: call.room.stats.user_samples)
    assert await call.room.joined()
    await user.leave()
    assert await asyncio.wait_for(call.pumping, PATIENCE) == Closed(1000, "the user left", "caller")


async def test_a_user_who_never_comes_is_not_waited_for_longer_than_said(
    backend: LivekitServerBackend,
) -> None:
    call = await begin(backend, plan=another(1, join_wait=0.3))
    assert await asyncio.wait_for(call.pumping, PATIENCE) is None
    await call.room.close(1000, "nobody came")
    assert backend.describe()["rooms"] == 0


async def test_ending_a_session_empties_the_room(backend: LivekitServerBackend) -> None:
    async with talking(backend) as (call, user):
        await until(lambda: user.heard[VOICE] and call.room.stats.joins)
        assert await backend.end_room("room-1")
        reason = await asyncio.wait_for(user.ended, PATIENCE)
        closed = await asyncio.wait_for(call.pumping, PATIENCE)
    assert reason == rtc.DisconnectReason.ROOM_DELETED
    assert closed == Closed(1000, "the session was ended", "provider")
    assert user.broken == []
    assert not await backend.end_room("room-1")
    with pytest.raises(rtc.ConnectError):
        await call.visitor().come()


async def test_a_session_that_ends_by_itself_empties_the_room(backend: LivekitServerBackend) -> None:
    async with talking(backend, session_limit=0.5) as (call, user):
        assert await asyncio.wait_for(user.ended, PATIENCE) == rtc.DisconnectReason.ROOM_DELETED
        closed = await call.pumping
    assert closed is not None
    assert closed.by == "provider"


async def test_a_room_is_closed_to_those_without_its_token(backend: LivekitServerBackend) -> None:
    call = await begin(backend)
    for token in (backend.mint("eve", "another-room")[:-4] + "AAAA", "", "x.y.z"):
        with pytest.raises(rtc.ConnectError):
            await Visitor(backend.url_for(BASE), token).come()
    await backend.end_room("room-1")
    await call.pumping


async def test_four_at_a_time_hear_themselves_and_nobody_else(backend: LivekitServerBackend) -> None:
    async def one(hertz: int) -> int:
        async with talking(backend, plan=another(hertz)) as (_, user):
            # Said again where a machine that stood still has cut it up.
            saying = asyncio.create_task(repeat(user, speech(PROVIDER.format, 0.6, hertz)))
            await until(lambda: len(user.loud(VOICE)) > 40, 60)
            saying.cancel()
            return round(pitch(b"".join(pcm for _, pcm in user.heard[VOICE])) / 100) * 100

    assert await asyncio.gather(*(one(hertz) for hertz in (200, 300, 400, 500))) == [200, 300, 400, 500]
    assert backend.describe()["rooms"] == 0


async def repeat(user: Visitor, pcm: bytes) -> None:
    while True:
        await user.say(pcm)
        await asyncio.sleep(2)


async def silence(user: Visitor) -> None:
    await until(lambda: user.loud(VOICE)[-1] < time.monotonic() - 0.5)


def pitch(pcm: bytes) -> float:
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(np.frombuffer(pcm, "<i2")))
    return float(np.argmax(spectrum)) * 48_000 / (len(pcm) / 2)


def _is_a_backend(backend: LivekitServerBackend) -> RoomBackend:
    return backend
