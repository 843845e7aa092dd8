"""``emu load`` as it is typed: its processes, its report, its exit codes, Ctrl-C."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.client.conftest import Serve
from tests.server.conftest import Running, Start
from voxemu_client.load.board import Board
from voxemu_client.load.order import Order
from voxemu_client.load.run import load_up
from voxemu_client.load.tally import Tally

pytestmark = pytest.mark.sockets


async def typed(*args: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voxemu", "load", *args),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(*args: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    command = await typed(*args)
    out, err = await command.communicate()
    assert command.returncode is not None
    return command.returncode, out.decode(), err.decode()


async def sessions(server: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await server.get("/__emu/sessions"))["sessions"]
    return found


async def test_a_load_is_shared_by_processes_and_reported_as_one(start: Start, tmp_path: Path) -> None:
    server = await start()
    file = tmp_path / "load.json"
    asked = ("--provider", "lokutor", "--url", server.url, "--sessions", "3", "--processes", "2")
    code, out, err = await run(*asked, "--ramp", "0.1", "--duration", "2", "--json", str(file))
    assert code == 0, err
    assert "3 at once, 3 at the end, 3 completed, 0 failed" in out
    said = json.loads(file.read_text())
    assert (said["exit"], said["generator"]["processes"], said["sessions"]["peak"]) == (0, 2, 3)
    assert {"system", "processor", "cores", "python"} <= set(said["machine"])


async def test_without_a_terminal_a_load_tells_how_it_goes_in_plain_lines(start: Start) -> None:
    server = await start()
    _, _, err = await run("--url", server.url, "--sessions", "1", "--ramp", "0", "--duration", "2")
    assert "1 of 1 held, 0 failed" in err
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["--url", "https://api.lokutor.com"], "--i-own-this-target"),
        (["--provider", "nobody"], "there is no provider 'nobody'"),
        (["--provider", "lyzr-livekit"], "go into rooms"),
        (["--scenario", "nowhere.toml"], "there is no such scenario"),
        (["--json", "/nowhere/load.json"], "cannot be written"),
        (["--sessions", "0"], "x>=1"),
    ],
)
async def test_what_cannot_be_is_refused_before_a_call_is_placed(args: list[str], complaint: str) -> None:
    code, out, err = await run(*args)
    assert (code, out) == (2, "")
    assert complaint in err


async def test_a_server_with_too_little_room_makes_the_load_fail(start: Start) -> None:
    server = await start("[limits]\nsessions = 1\n")
    code, out, err = await run("--url", server.url, "--sessions", "3", "--ramp", "0", "--duration", "2")
    assert code == 1
    assert "2 refused 503" in err
    assert "1 completed, 2 failed" in out


async def test_without_a_server_nobody_is_let_in(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    code, _, err = await run("--url", url, "--sessions", "2", "--ramp", "0", "--duration", "1")
    assert code == 3
    assert "2 of 2 sessions failed: 2 not connected" in err


async def test_the_first_interrupt_ends_the_calls_and_prints_what_was_measured(start: Start) -> None:
    server = await start()
    command = await typed("--url", server.url, "--sessions", "2", "--ramp", "0", "--duration", "600")
    async with asyncio.timeout(60):
        # Nothing in this program happens when it is so.
        while sum(each["live"] for each in await sessions(server)) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    command.send_signal(signal.SIGINT)
    out, _ = await command.communicate()
    assert command.returncode == 130
    assert "2 at once, 2 at the end, 0 completed, 0 failed" in out.decode()
    assert [each["closed"]["code"] for each in await sessions(server)] == [1000, 1000]


async def test_the_second_interrupt_does_not_wait_for_the_server(serve: Serve) -> None:
    held = asyncio.Event()

    async def deaf(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.receive()
        held.set()
        await asyncio.sleep(3600)
        return ws

    url = await serve(**{"GET /ws/agent": deaf})
    command = await typed("--url", url, "--sessions", "1", "--ramp", "0", "--duration", "600")
    await asyncio.wait_for(held.wait(), 60)
    command.send_signal(signal.SIGINT)
    command.send_signal(signal.SIGINT)
    out, _ = await command.communicate()
    assert command.returncode == 130
    assert "1 at once" in out.decode()


async def test_whoever_asks_by_program_is_told_how_it_goes(start: Start) -> None:
    server = await start()
    told: list[tuple[float, int]] = []

    def watch(at: float, held: int, _: Tally) -> None:
        told.append((at, held))

    report = await load_up(Order("lokutor", server.url, 2, ramp=0.0, duration=2.5, key="sk"), watch)
    assert (report.exit, report.at_end, max(held for _, held in told)) == (0, 2, 2)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_table_is_drawn_over_itself() -> None:
    out = Terminal()
    board = Board(out, Order("lokutor", "http://127.0.0.1:8090", 2))
    board.watch(1.0, 1, Tally())
    board.watch(2.0, 2, Tally())
    assert "1 of 2 held" in out.getvalue()
    assert out.getvalue().count("\x1b[7A\r\x1b[J") == 1
