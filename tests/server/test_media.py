"""The media clock at the server; where its wall matters it is virtual too."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.server.conftest import Start, until
from tests.server.phone import Phone, dial
from voxemu.errors import Refused
from voxemu.events import AgentAudioSent, AgentReadied, ErrorReported, SessionStarted, UserAudioSent
from voxemu.testing.virtual import VirtualEmulator, run_virtual, virtual_emulator
from voxemu.wire import ON_SOCKETS, PROVIDERS

every_provider = pytest.mark.parametrize("provider", list(ON_SOCKETS))


def findings(emu: VirtualEmulator) -> list[str]:
    (record,) = emu.server.registry.all()
    return [found["code"] for found in record.findings]


@every_provider
def test_time_stands_while_no_audio_comes(provider: str) -> None:
    async def call() -> tuple[float, list[str]]:
        async with virtual_emulator(clock="media", agent="tone:440:1") as emu, ClientSession() as client:
            phone = await dial(client, provider, emu.url)
            # The hush ends the turn; the think time would begin now.
            await phone.speak(hush=0.52)
            await asyncio.sleep(60)
            (record,) = emu.server.registry.all()
            await phone.ws.close()
            return record.clock.now(), findings(emu)

    now, found = run_virtual(call())
    assert now == pytest.approx(0.92)
    assert found == ["F-TIME-STOPPED"]


def test_a_room_keeps_real_time_and_says_so() -> None:
    async def call() -> None:
        async with virtual_emulator(clock="media") as emu, ClientSession() as client:
            await dial(client, "lyzr-livekit", emu.url)

    with pytest.raises(Refused, match=r"502: Failed to dispatch agent: rooms run in real time only.*--clock"):
        run_virtual(call())


def test_silence_brings_the_reply_as_fast_as_it_is_sent() -> None:
    async def call() -> float:
        async with virtual_emulator(clock="media", agent="tone:440:1") as emu, ClientSession() as client:
            phone = await dial(client, "lokutor", emu.url)
            await phone.speak(hush=2.0)
            await phone.hear(AgentAudioSent)
            await phone.ws.close()
            return asyncio.get_running_loop().time()

    assert run_virtual(call()) == 0.0


@every_provider
def test_a_flood_of_audio_is_no_finding(provider: str) -> None:
    async def call() -> list[str]:
        async with virtual_emulator(clock="media", agent="tone:440:1") as emu, ClientSession() as client:
            phone = await dial(client, provider, emu.url)
            if PROVIDERS[provider].ready is not None:
                await phone.hear(SessionStarted)
            await phone.speak(hush=15.0)
            await phone.hear(AgentAudioSent)
            await phone.ws.close()
            return findings(emu)

    assert run_virtual(call()) == []


def test_an_agent_that_is_getting_ready_is_waited_for_with_silence() -> None:
    async def call() -> None:
        async with virtual_emulator(clock="media") as emu, ClientSession() as client:
            phone = await dial(client, "workbuddy", emu.url)
            await phone.hear(SessionStarted)
            await phone.say(UserAudioSent(bytes(2 * 3200)))
            await phone.hear(AgentReadied)
            await phone.ws.close()

    run_virtual(call())


def test_a_client_that_says_nothing_at_all_is_sent_away() -> None:
    async def call() -> tuple[object, float]:
        limits = {"still": 30.0}
        async with virtual_emulator(clock="media", limits=limits) as emu, ClientSession() as client:
            phone = await dial(client, "workbuddy", emu.url)
            while not (await phone.ws.receive()).type.name.startswith("CLOS"):
                pass
            return phone.ws.close_code, asyncio.get_running_loop().time()

    code, seconds = run_virtual(call())
    assert code == 1000
    assert seconds == pytest.approx(31, abs=2)


def test_whoever_shows_no_token_is_sent_away_by_the_wall() -> None:
    async def call() -> tuple[int | None, float]:
        async with virtual_emulator(clock="media") as emu, ClientSession() as client:
            ws = await client.ws_connect(emu.url + "/api/v1/sdk/ws")
            said = json.loads((await ws.receive()).data)
            assert said["code"] == "AUTH_TIMEOUT"
            await ws.receive()
            return ws.close_code, asyncio.get_running_loop().time()

    code, seconds = run_virtual(call())
    assert code == 4001
    assert seconds == pytest.approx(10.0)


def test_a_client_that_reads_nothing_is_dropped_by_the_wall() -> None:
    async def flood(phone: Phone) -> None:
        # Nobody reads: the client's buffers fill, then the line in memory, then the outbox.
        while True:
            await phone.say(UserAudioSent(bytes(20_000)))

    async def call() -> tuple[str, float]:
        async with virtual_emulator(clock="media", agent="loopback") as emu, ClientSession() as client:
            phone = await dial(client, "lokutor", emu.url)
            with pytest.raises(ConnectionError):
                await flood(phone)
            # The line is gone; what the client holds of it is given back.
            await phone.ws.close()
            (record,) = emu.server.registry.all()
            assert record.closed is not None
            return record.closed.reason, asyncio.get_running_loop().time()

    reason, seconds = run_virtual(call())
    assert reason == "the peer took no message for 10 s"
    assert seconds == pytest.approx(10, abs=1)


def test_pings_are_no_part_of_the_call(tmp_path: Path) -> None:
    async def call() -> None:
        settings: dict[str, Any] = {"clock": "media", "record": tmp_path, "limits": {"ping": 1.0}}
        async with virtual_emulator(**settings) as emu, ClientSession() as client:
            phone = await dial(client, "lokutor", emu.url)
            hearing = asyncio.create_task(phone.hear(ErrorReported))
            await asyncio.sleep(1.9)
            await phone.say(UserAudioSent(bytes(2 * 882)))
            await asyncio.sleep(0.01)
            hearing.cancel()
            # The socket is closed when nobody reads from it any more: else its connection is not given back.
            await asyncio.wait([hearing])
            await phone.ws.close()

    run_virtual(call())
    (place,) = (tmp_path / "lokutor").iterdir()
    types = [json.loads(line).get("type") for line in (place / "timeline.jsonl").read_text().splitlines()]
    assert "ponged" not in types
    assert "user_audio_sent" in types


@pytest.mark.sockets
async def test_the_clock_is_shown_where_people_look(start: Start, tmp_path: Path) -> None:
    emu = await start(clock="media", record=str(tmp_path / "calls"))
    phone = await dial(emu.client, "lokutor", emu.url)
    await phone.hear(SessionStarted)
    await phone.ws.close()
    await until(lambda: not emu.server.registry.live)
    (place,) = (tmp_path / "calls" / "lokutor").iterdir()
    assert json.loads((place / "manifest.json").read_text())["clock"] == "media"
    assert (await emu.get("/health"))["clock"] == "media"
    assert emu.report["clock"] == "media"


def test_an_unknown_clock_is_refused(tmp_path: Path) -> None:
    async def start() -> None:
        async with virtual_emulator(clock="wall"):
            pass

    with pytest.raises(Exception, match="clock"):
        run_virtual(start())
