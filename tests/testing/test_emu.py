"""The fixture `emu` as tests use it: this suite's own, so that what is shown is what runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from tests.testing.talk import QUICK, answered, lines, talk
from voxemu.errors import SettingsError, UnknownName, UsageError
from voxemu.events import RatesDeclared, SettingSent
from voxemu.testing import Emu, EmulatorThread

pytestmark = pytest.mark.sockets

SHORT = "tone:440:0.2"


@pytest.fixture(scope="module")
def emu_settings() -> Mapping[str, Any]:
    return QUICK


# --- calls --------------------------------------------------------------------------------------------------


@pytest.mark.emu(agent=SHORT)
async def test_a_call_of_an_async_test_is_seen_whole(emu: Emu) -> None:
    await talk(emu.url("lokutor"))
    session = emu.session
    assert (session.provider, session.agent, session.live) == ("lokutor", SHORT, False)
    assert [(turn.number, turn.why) for turn in session.turns] == [(1, "silence")]
    assert session.turns[0].seconds == pytest.approx(0.3, abs=0.03)
    assert [line.speaker for line in session.transcripts] == ["user", "agent"]
    emu.assert_turns(1)
    emu.assert_heard(0.2, tone=440)
    emu.assert_transcript("a tone of 440 Hz")
    emu.assert_closed(1000, by="caller")


@pytest.mark.emu(agent=SHORT)
def test_a_call_of_a_sync_test_is_waited_for_in_another_thread(emu: Emu) -> None:
    app = threading.Thread(target=lambda: asyncio.run(talk(emu.url("lokutor"))))
    app.start()
    session = emu.wait_for_session("lokutor")
    assert session.wait_for("turn_ended")["turn"] == 1
    assert session.wait_until_over().code == 1000
    app.join()


@pytest.mark.emu(agent=SHORT)
async def test_an_async_test_waits_without_stopping_its_own_loop(emu: Emu) -> None:
    call = asyncio.create_task(talk(emu.url("lokutor")))
    session = await emu.wait_for_session_async()
    ended = await session.wait_for_async("turn_ended")
    assert ended.at > 0
    assert (await session.wait_until_over_async()).by == "caller"
    await call


@pytest.mark.parametrize("provider", ["lyzr-sip", "workbuddy", "lokutor"])
async def test_every_provider_is_there(emu: Emu, provider: str) -> None:
    async with lines() as call:
        await call(provider, emu.url(provider), key=emu.key)
        assert (await emu.wait_for_session_async(provider)).provider == provider


async def test_what_the_app_sets_is_read(emu: Emu) -> None:
    async with lines() as call:
        phone = await call("lokutor", emu.url("lokutor"))
        await phone.say(SettingSent("prompt", "Be kind"))
        session = emu.session
        await session.wait_for_async("setting_sent")
        assert session.settings["prompt"] == "Be kind"


async def test_each_session_is_handed_out_once(emu: Emu) -> None:
    async with lines() as call:
        for _ in range(2):
            await call("lokutor", emu.url("lokutor"))
        first, second = emu.wait_for_session(), emu.wait_for_session()
    assert [first.id, second.id] == [session.id for session in emu.sessions]
    with pytest.raises(AssertionError, match="one session expected; 2 sessions were opened"):
        _ = emu.session


# --- waiting in vain ----------------------------------------------------------------------------------------


def test_a_session_that_does_not_come_says_where_it_was_waited_for(emu: Emu) -> None:
    with pytest.raises(AssertionError, match=rf"waited 0\.01 s for a session; nobody called {emu.base_url}"):
        emu.wait_for_session(timeout=0.01)


async def test_what_was_waited_for_in_vain_is_there_for_the_next_who_waits(emu: Emu) -> None:
    with pytest.raises(AssertionError, match="waited"):
        emu.wait_for_session(timeout=0.01)
    with pytest.raises(AssertionError, match="waited"):
        await emu.wait_for_session_async(timeout=0.01)
    async with lines() as call:
        await call("lokutor", emu.url("lokutor"))
        assert (await emu.wait_for_session_async()).id == emu.session.id


@pytest.mark.emu(settings={"auth": {"keys": ["right"]}})
async def test_a_session_that_was_turned_away_says_why(emu: Emu) -> None:
    assert emu.key == "right"
    async with lines() as call:
        with pytest.raises(WSServerHandshakeError):
            await call("lokutor", emu.url("lokutor"), key="wrong")
    with pytest.raises(AssertionError, match=r"the app was turned away:\n  lokutor: GET /ws/agent .* 401"):
        await emu.wait_for_session_async(timeout=0.01)


async def test_an_event_that_does_not_exist_is_not_waited_for(emu: Emu) -> None:
    async with lines() as call:
        await call("lokutor", emu.url("lokutor"))
    with pytest.raises(UnknownName, match="there is no event 'turn_endd'; did you mean 'turn_ended'"):
        emu.session.wait_for("turn_endd")
    with pytest.raises(UnknownName, match="there is no event 'agent_audio_sent'"):
        emu.session.all("agent_audio_sent")


async def test_an_event_that_the_session_ended_without_is_not_waited_for(emu: Emu) -> None:
    async with lines() as call:
        await call("lokutor", emu.url("lokutor"))
    with pytest.raises(AssertionError, match="waited for turn_ended number 1: the session ended without it"):
        emu.session.wait_for("turn_ended", timeout=60)


# --- settings -----------------------------------------------------------------------------------------------


@pytest.mark.emu(agent=SHORT)
async def test_an_agent_set_in_the_test_answers_from_then_on(emu: Emu) -> None:
    emu.agent = "tone:880:0.2"
    await talk(emu.url("lokutor"))
    emu.assert_heard(tone=880)


@pytest.mark.emu(agent=SHORT)
async def test_settings_made_in_the_test_hold_for_the_calls_to_come(emu: Emu) -> None:
    async with lines() as call:
        before = await call("lokutor", emu.url("lokutor"))
        emu.set(lokutor={"server_rates": False})
        after = await call("lokutor", emu.url("lokutor"))
        for phone in (before, after):
            await answered(phone)
    told = [any(isinstance(event, RatesDeclared) for event in phone.seen) for phone in (before, after)]
    assert told == [True, False]


async def test_keys_set_in_the_test_are_asked_for(emu: Emu) -> None:
    emu.set(auth={"keys": ["right"]})
    async with lines() as call:
        with pytest.raises(WSServerHandshakeError, match="401"):
            await call("lokutor", emu.url("lokutor"), key="wrong")
        await call("lokutor", emu.url("lokutor"), key=emu.key)


def test_a_wrong_setting_is_a_sentence_and_changes_nothing(emu: Emu) -> None:
    with pytest.raises(SettingsError, match=r"emu\.set\(\): dialogue\.burts: there is no such setting; did"):
        emu.set(dialogue={"burts": True})
    with pytest.raises(SettingsError, match="emu: agent: there is no agent 'ecko'; did you mean 'echo'"):
        emu.agent = "ecko"
    assert emu.agent == "echo"


def test_what_is_settled_at_the_start_cannot_be_set_in_the_test(emu: Emu) -> None:
    with pytest.raises(SettingsError, match="'provider' is settled before the test begins; say it in"):
        emu.set(provider=["lokutor"])


def test_where_it_listens_is_not_for_tests_to_say(emu: Emu) -> None:
    with pytest.raises(SettingsError, match=r"emu\.set\(\): 'port' is a setting of `emu serve`"):
        emu.set(port=8090)


# --- where it is --------------------------------------------------------------------------------------------


def test_an_app_is_told_by_variables(emu: Emu, emu_server: EmulatorThread) -> None:
    assert emu.env == {
        "EMU_URL": emu.base_url,
        "EMU_KEY": "emu-key",
        "LYZR_VOICE_SIP_URL": emu.base_url,
        "WORKBUDDY_API_URL": emu.base_url,
        "LOKUTOR_SERVER_URL": emu.url("lokutor"),
        "LYZR_VOICE_API_URL": emu.base_url,
    }
    assert emu_server.env == emu.env
    assert emu_server.url("workbuddy") == emu.url("workbuddy")


@pytest.mark.emu(provider="workbuddy")
def test_the_marker_says_which_provider_is_meant(emu: Emu) -> None:
    assert emu.url() == emu.url("workbuddy")


def test_an_url_of_nobody_in_particular_asks_which(emu: Emu) -> None:
    with pytest.raises(UsageError, match=r"which provider\? emu\.url\('lyzr-sip'\), or @pytest\.mark\.emu"):
        emu.url()
    with pytest.raises(UnknownName, match="there is no provider 'lokuter'; did you mean 'lokutor'"):
        emu.url("lokuter")


@pytest.mark.emu(settings={"provider": ["lokutor"]})
def test_the_only_provider_need_not_be_named(emu: Emu) -> None:
    assert emu.url() == emu.url("lokutor")
    with pytest.raises(UsageError, match="workbuddy is not served here"):
        emu.url("workbuddy")


# --- findings -----------------------------------------------------------------------------------------------


@pytest.mark.emu(agent=SHORT)
async def test_findings_explain_themselves(emu: Emu) -> None:
    # All at once, as a file would be sent: faster than real time.
    await talk(emu.url("lokutor"), seconds=4)
    codes = {finding.code for finding in emu.session.findings}
    assert codes
    with pytest.raises(AssertionError, match=r"`emu explain F-"):
        emu.assert_no_findings()
    emu.assert_no_findings(except_for=codes)


@pytest.mark.emu(settings={"lyzr_sip": {"url_life": 0.05}})
async def test_a_start_that_nobody_used_is_a_finding_of_no_session(emu: Emu) -> None:
    async with ClientSession() as http, http.post(emu.url("lyzr-sip"), json={"agentId": "a"}) as answer:
        assert answer.status == 200
    await asyncio.sleep(0.1)
    assert [finding.code for finding in emu.findings] == ["F-NEVER-CONNECTED"]
    with pytest.raises(AssertionError, match="F-NEVER-CONNECTED"):
        emu.assert_no_findings()
