"""A hand on the running call, from a test: what the control API does, as methods."""

from __future__ import annotations

import pytest

from tests.server.phone import Phone
from tests.testing.talk import QUICK, lines
from voxemu.errors import UsageError
from voxemu.events import AgentAudioSent, ErrorReported, Interrupted, SessionStarted, Transcribed
from voxemu.testing import Emu, EmuSession

pytestmark = pytest.mark.emu(settings=QUICK)


async def called(emu: Emu, call: object, label: str = "") -> tuple[Phone, EmuSession]:
    headers = {"X-Emu-Label": label} if label else {}
    phone = await call("lokutor", emu.url("lokutor"), **headers)  # type: ignore[operator]
    await phone.hear(SessionStarted)
    return phone, await emu.wait_for_session_async()


async def test_a_test_steers_the_call(emu: Emu) -> None:
    async with lines() as call:
        phone, session = await called(emu, call)
        session.say("A long story.", "tone:500:20")
        await phone.hear(AgentAudioSent)
        session.interrupt()
        await phone.hear(Interrupted)
        session.tell("Pardon?", "user")
        assert await phone.hear(Transcribed) == Transcribed("user", "Pardon?")
        session.fault("error", text="Out of credits")
        assert await phone.hear(ErrorReported) == ErrorReported("Out of credits")
        session.end(reason="enough")
        assert await phone.hear(None) == 1000
    emu.assert_closed(1000, "provider")
    emu.assert_no_findings()


async def test_a_test_drops_the_call(emu: Emu) -> None:
    async with lines() as call:
        phone, session = await called(emu, call)
        session.drop()
        assert await phone.hear(None) == 1006


async def test_a_fault_of_a_label_meets_nobody_else(emu: Emu) -> None:
    emu.fault("error", on="session_started", label="rough")
    async with lines() as call:
        smooth, _ = await called(emu, call, "smooth")
        rough, _ = await called(emu, call, "rough")
        await rough.hear(ErrorReported)
    assert emu.labelled("rough").all("fault_injected")
    assert not emu.labelled("smooth").all("fault_injected")
    assert not [each for each in smooth.seen if isinstance(each, ErrorReported)]


async def test_a_test_looks_at_the_emulator(emu: Emu) -> None:
    emu.fault("drop", label="mine")
    emu.agent = "tone:600"
    async with lines() as call:
        await called(emu, call, "mine")
        _, other = await called(emu, call)
        assert emu.faults == [{"kind": "drop", "label": "mine", "from": "asked"}]
        assert "echo" in emu.agents
        assert emu.settings["agent"] == ("tone:600", "emu: agent")
        assert emu.settings["seed"] == (None, "default")
        assert [session.label for session in emu.chosen(provider="lokutor", label="mine")] == ["mine"]
        assert (len(emu.chosen(live=True)), emu.chosen(provider="workbuddy")) == (2, [])
        assert emu.recordings == [session.recording for session in emu.sessions]
        emu.reset("mine")
        assert emu.faults == []
        assert emu.sessions == [other]
        emu.reset()
        await other.wait_until_over_async()
    assert emu.sessions == []


async def test_a_session_that_is_over_takes_no_more(emu: Emu) -> None:
    async with lines() as call:
        phone, session = await called(emu, call)
        await phone.ws.close()
        await session.wait_until_over_async()
    with pytest.raises(UsageError, match="is over"):
        session.interrupt()


async def test_what_cannot_be_is_said_where_it_is_asked_for(emu: Emu) -> None:
    async with lines() as call:
        _phone, session = await called(emu, call)
        with pytest.raises(UsageError, match="strikes a start"):
            session.fault("http_status")
        with pytest.raises(UsageError, match="lokutor cannot have the fault endless_interim"):
            session.fault("endless_interim")
    with pytest.raises(AssertionError, match="one session labelled 'x' expected, not 0"):
        emu.labelled("x")
