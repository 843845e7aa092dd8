"""The virtual loop, and an emulator on it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from aiohttp import ClientConnectorError, ClientSession

from tests.server.phone import dial
from voxemu.errors import SettingsError, UsageError
from voxemu.events import AgentAudioSent
from voxemu.testing.virtual import run_virtual, virtual_emulator, virtual_wall
from voxemu.testing.virtual_wire import listening

# --- the loop -----------------------------------------------------------------------------------------------


def test_a_day_is_over_at_once() -> None:
    async def sleep() -> float:
        await asyncio.sleep(86_000)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run_virtual(sleep()) == 86_000
    assert time.monotonic() - began < 5


def test_a_million_short_waits_are_as_exact_as_a_long_one() -> None:
    async def sleep() -> float:
        loop = asyncio.get_running_loop()
        for number in range(1, 5001):
            await asyncio.sleep(number / 44_100 - loop.time())
        return loop.time()

    assert run_virtual(sleep()) == pytest.approx(5000 / 44_100, abs=2e-9)


def test_what_takes_too_long_is_broken_off() -> None:
    with pytest.raises(TimeoutError):
        run_virtual(asyncio.sleep(10), limit=5)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "api.example.com"])
def test_every_name_is_this_loop(host: str) -> None:
    async def ask() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readline()).upper())
            writer.close()

        await asyncio.get_running_loop().create_server(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader(), answer), sock=listening(80)
        )
        reader, writer = await asyncio.open_connection(host, 80)
        writer.write(b"hello\n")
        said = await reader.readline()
        writer.close()
        return said

    assert run_virtual(ask()) == b"HELLO\n"


def test_a_port_that_nobody_listens_on_refuses() -> None:
    async def ask() -> None:
        async with ClientSession() as client:
            await client.get("http://localhost:81/")

    with pytest.raises(ClientConnectorError):
        run_virtual(ask())


# --- the emulator -------------------------------------------------------------------------------------------


def test_an_ordinary_client_reaches_it_by_name() -> None:
    async def ask() -> dict[str, object]:
        async with virtual_emulator() as emu, ClientSession() as client:
            url = emu.url.replace("127.0.0.1", "localhost")
            async with client.get(url + "/health") as answered:
                found: dict[str, object] = await answered.json()
                return found

    found = run_virtual(ask())
    assert (found["status"], found["clock"]) == ("ok", "virtual")


def test_it_has_the_addresses_and_variables_that_an_app_needs() -> None:
    async def ask() -> tuple[str, dict[str, str]]:
        async with virtual_emulator(port=9000) as emu:
            return emu.start_url("lyzr-sip"), emu.env

    start, env = run_virtual(ask())
    assert start == "http://127.0.0.1:9000/session/start"
    assert env["WORKBUDDY_API_URL"] == "http://127.0.0.1:9000"


def test_a_turn_is_answered_when_its_time_has_come() -> None:
    async def call() -> float:
        async with virtual_emulator(agent="tone:440:1") as emu, ClientSession() as client:
            phone = await dial(client, "lokutor", emu.url)
            await phone.speak(hush=0.5)
            await phone.hear(AgentAudioSent)
            await phone.ws.close()
            return asyncio.get_running_loop().time()

    # All of it was sent at once: the hangover counts samples, the think time does not.
    assert run_virtual(call()) == pytest.approx(0.3, abs=0.001)


def test_two_emulators_are_not_in_each_others_way() -> None:
    async def ask() -> set[str]:
        async with virtual_emulator() as one, virtual_emulator(port=0) as other:
            return {one.url, other.url}

    assert len(run_virtual(ask())) == 2


def test_the_time_of_day_is_the_loops() -> None:
    async def ask() -> tuple[float, str]:
        async with virtual_emulator(allow_origin=[]) as emu, ClientSession() as client:
            await asyncio.sleep(3661)
            async with client.get(emu.url + "/health", headers={"Origin": "https://example.com"}):
                pass
            return virtual_wall(), emu.news.getvalue().splitlines()[-1]

    now, line = run_virtual(ask())
    assert now == 946_684_800 + 3661
    assert line.split()[0] == time.strftime("%H:%M:%S", time.localtime(now))


def test_ids_are_those_of_a_seed() -> None:
    async def begin() -> str:
        async with virtual_emulator() as emu, ClientSession() as client:
            await dial(client, "lyzr-sip", emu.url)
            (record,) = emu.server.registry.all()
            return record.id

    assert run_virtual(begin()) == run_virtual(begin())


async def test_it_runs_on_no_other_loop() -> None:
    with pytest.raises(UsageError, match="run_virtual"):
        async with virtual_emulator():
            pass


def test_a_setting_that_cannot_be_is_said_with_its_name(tmp_path: Path) -> None:
    async def start() -> None:
        async with virtual_emulator(dialogue={"thinktime": 1}):
            pass

    with pytest.raises(SettingsError, match=r"virtual_emulator: dialogue.thinktime.*think_time"):
        run_virtual(start())
