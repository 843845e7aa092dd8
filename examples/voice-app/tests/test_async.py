"""Tests that are coroutines, with pytest-asyncio."""

from __future__ import annotations

import asyncio

import pytest

from tests.conversation import Conversation

pytestmark = pytest.mark.asyncio
EACH = pytest.mark.parametrize("provider", ["lokutor", "lyzr-sip"])


@EACH
@pytest.mark.emu(agent="tone:440:0.5")
async def test_the_user_hears_the_agent(emu, provider):
    talk = Conversation(provider, emu.env)
    await talk.ask()
    emu.assert_turns(1)
    emu.assert_heard(0.5, tone=440)
    emu.assert_played(talk.speaker.played)
    emu.assert_no_findings()


@EACH
@pytest.mark.emu(agent="tone:440:3", settings={"dialogue": {"burst": True}})
async def test_an_interrupted_agent_is_silent_at_once(emu, provider):
    # `burst`: three seconds of audio arrive at once and wait in the app's queue, as from the real service.
    talk = Conversation(provider, emu.env)
    await talk.interrupt(after=0.5)
    emu.assert_barge_in(within_ms=250)
    emu.assert_played(talk.speaker.played)


async def test_the_transcript_is_shown(emu):
    talk = Conversation("lokutor", emu.env)
    call = asyncio.create_task(talk.ask())
    session = await emu.wait_for_session_async("lokutor")
    await session.wait_for_async("turn_ended")
    await call
    assert [line.text for line in session.transcripts] == talk.client.transcript


@EACH
@pytest.mark.emu(agent="tone:440:30")
async def test_a_long_answer_is_heard_to_its_end(emu_virtual, provider):
    # On the virtual clock: half a minute of call, at once. Nothing in the app or its devices is changed for it.
    talk = Conversation(provider, emu_virtual.env)
    await talk.ask(patience=60)
    emu_virtual.assert_heard(30.0)
    emu_virtual.assert_played(talk.speaker.played)
