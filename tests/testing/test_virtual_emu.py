"""`emu_virtual`: whole calls of an ordinary asyncio app that wait for nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.server.phone import Phone, dial
from tests.testing.talk import answered, speak_in_time, talk
from voxemu.errors import SettingsError, UsageError
from voxemu.events import Closed
from voxemu.testing.virtual_emu import VirtualEmu


@pytest.fixture(scope="module")
def emu_settings() -> Mapping[str, Any]:
    return {"dialogue": {"think_time": 1.0}}


async def hear_all(phone: Phone) -> None:
    while True:
        await phone.ws.receive()


@pytest.mark.emu(agent="tone:440:20")
async def test_a_long_call_takes_no_time(emu_virtual: VirtualEmu) -> None:
    began = time.monotonic()
    async with ClientSession() as http:
        phone = await dial(http, "lokutor", emu_virtual.url("lokutor"))
        hearing = asyncio.create_task(hear_all(phone))
        await speak_in_time(phone, 1.0, 30.0)
        hearing.cancel()
        await phone.ws.close()
    emu_virtual.assert_heard(20.0, tone=440)
    emu_virtual.assert_turns(1)
    assert asyncio.get_running_loop().time() >= 31
    assert time.monotonic() - began < 20


@pytest.mark.emu(agent="tone:440:1")
def test_a_sync_test_gives_what_is_to_run(emu_virtual: VirtualEmu) -> None:
    audio = emu_virtual.run(talk(emu_virtual.url("lokutor")))
    assert len(audio) == pytest.approx(2 * 44_100, abs=2 * 2646)
    emu_virtual.assert_heard(1.0)
    assert emu_virtual.session.closed is not None


@pytest.mark.emu(agent="tone:440:0.5")
def test_two_runs_of_one_call_are_the_same(emu_virtual: VirtualEmu) -> None:
    """Each in an emulator of its own: see the test below it for one run alone."""

    async def called(emu: VirtualEmu) -> tuple[str, list[Any], bytes]:
        await talk(emu.url("lokutor"))
        return emu.session.id, [(event.at, event.type) for event in emu.session.events], emu.session.heard.pcm

    config, rungs = emu_virtual._planned, emu_virtual._rungs
    again = VirtualEmu(config, file=None, rungs=rungs, provider=None)
    assert emu_virtual.run(called(emu_virtual)) == again.run(called(again))


def test_it_runs_once(emu_virtual: VirtualEmu) -> None:
    emu_virtual.run(asyncio.sleep(1))
    with pytest.raises(UsageError, match="emu_virtual has run already; one run for each test"):
        emu_virtual.run(asyncio.sleep(1))


def test_before_it_runs_there_is_nothing_to_ask(emu_virtual: VirtualEmu) -> None:
    with pytest.raises(UsageError, match="nothing has run on the virtual clock yet: let the test be"):
        _ = emu_virtual.sessions
    assert emu_virtual.env["EMU_URL"] == emu_virtual.base_url


@pytest.mark.emu(agent="tone:440:0.3")
async def test_it_is_waited_for_without_holding_up_the_loop(emu_virtual: VirtualEmu) -> None:
    call = asyncio.create_task(talk(emu_virtual.url("lokutor")))
    with pytest.raises(UsageError, match="share one loop: await wait_for_session_async"):
        emu_virtual.wait_for_session()
    session = await emu_virtual.wait_for_session_async()
    await session.wait_for_async("turn_ended")
    await session.wait_until_over_async(timeout=3600)
    await call


async def test_what_does_not_come_is_given_up_in_virtual_time(emu_virtual: VirtualEmu) -> None:
    with pytest.raises(AssertionError, match=r"waited 3600 s for a session; nobody called"):
        await emu_virtual.wait_for_session_async(timeout=3600)


@pytest.mark.emu(agent="tone:440:0.3")
async def test_settings_can_be_made_in_the_test(emu_virtual: VirtualEmu) -> None:
    emu_virtual.agent = "tone:880:0.3"
    with pytest.raises(SettingsError, match="there is no such setting"):
        emu_virtual.set(dialogue={"burts": True})
    await talk(emu_virtual.url("lokutor"))
    emu_virtual.assert_heard(tone=880)


def test_settings_can_be_made_before_it_runs(emu_virtual: VirtualEmu) -> None:
    emu_virtual.agent = "tone:880:0.3"
    emu_virtual.run(talk(emu_virtual.url("lokutor")))
    emu_virtual.assert_heard(tone=880)


async def test_a_session_that_was_left_open_ends_with_the_run(emu_virtual: VirtualEmu) -> None:
    async with ClientSession() as http:
        phone = await dial(http, "workbuddy", emu_virtual.url("workbuddy"))
        await answered(phone) if phone.provider.id == "lokutor" else await asyncio.sleep(1)
        assert emu_virtual.session.live
        assert Closed not in map(type, phone.seen)


class TestInAClass:
    async def test_methods_run_too(self, emu_virtual: VirtualEmu, tmp_path: Any) -> None:
        await asyncio.sleep(3600)
        assert emu_virtual.sessions == []
        assert tmp_path.exists()
