"""A livekit-server of ours and the children that hold its agents: found, started, watched, and gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from livekit import api, rtc

from tests.calls import speech
from tests.rooms.calls import PLAN, PROVIDER, another, begin, talking
from tests.rooms.visitors import PATIENCE, until
from voxemu.errors import ConnectionLost, UsageError
from voxemu.events import Closed
from voxemu.rooms import agent_child, livekit_server, own_server
from voxemu.rooms.livekit_keys import LivekitKeys
from voxemu.rooms.livekit_server import (
    Binary,
    LivekitServerBackend,
    RunningServer,
    find_development,
    find_named,
    named_server,
)
from voxemu.rooms.own_server import OwnServer

pytestmark = pytest.mark.sockets
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

Found = Binary
KEYS = LivekitKeys("APIkey", "s" * 32)


def children(parent: int | None = None) -> set[int]:
    """Process ids of everything that a process has started and that is alive."""
    wanted = str(parent or os.getpid())
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, ppid = stat.read_text().rpartition(")")[2].split()[:2]
            if ppid == wanted and state != "Z":
                found.add(int(stat.parent.name))
    return found


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def listening(pid: int) -> set[str]:
    """Local addresses, in hex, of a process's sockets that anybody could send to."""
    links = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            links.add(str(link.readlink()))
    found = set()
    for table, states in (("tcp", ("0A",)), ("tcp6", ("0A",)), ("udp", ("07",)), ("udp6", ("07",))):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state in states and f"socket:[{inode}]" in links:
                found.add(local.partition(":")[0])
    return found


def of_program(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def agent_of(call: Any) -> int:
    return int(call.room._child._program.pid)


def server_of(backend: LivekitServerBackend) -> int:
    assert backend._own is not None
    assert backend._own.pid is not None
    return backend._own.pid


# --- nothing is left behind ------------------------------------------------------------------------------


@linux
async def test_ten_sessions_leave_nothing_behind(livekit_server: Binary) -> None:
    before = children()
    backend = LivekitServerBackend(livekit_server)
    await backend.start()
    await until(lambda: len(children() - before) == 2)
    open_before = 0
    for number in range(10):
        async with talking(backend, plan=another(number, background="ambience")) as (_, user):
            await until(lambda user=user: user.heard["roomio_audio"])
            held = len(children() - before)
        await until(lambda: len(children() - before) == 2)
        if number == 0:
            open_before = descriptors()
    assert held <= 3
    assert descriptors() <= open_before + 1
    assert (backend.describe()["rooms"], await rooms_of(backend)) == (0, [])
    await backend.close()
    assert children() == before
    assert {task.get_name() for task in asyncio.all_tasks()} == {asyncio.current_task().get_name()}  # type: ignore[union-attr]


async def rooms_of(backend: LivekitServerBackend) -> list[str]:
    async with api.LiveKitAPI(backend.url, backend.keys.key, backend.keys.secret) as client:
        return [room.name for room in (await client.room.list_rooms(api.ListRoomsRequest())).rooms]


@linux
async def test_our_server_can_be_reached_from_this_machine_alone(backend: LivekitServerBackend) -> None:
    async with talking(backend) as (_, user):
        await until(lambda: user.heard["roomio_audio"])
        assert listening(server_of(backend)) == {"0100007F"}


@linux
async def test_no_secret_is_on_a_command_line(backend: LivekitServerBackend) -> None:
    call = await begin(backend)
    lines = b"".join(of_program(pid, "cmdline") for pid in children())
    assert backend.keys.secret.encode() not in lines
    assert b"eyJ" not in lines
    assert backend.keys.secret.encode() not in of_program(agent_of(call), "environ")
    assert len(backend.keys.secret) >= 32
    await backend.end_room("room-1")
    await call.pumping


@linux
async def test_nothing_outlives_an_emulator_that_is_killed(livekit_server: Binary, tmp_path: Path) -> None:
    script = tmp_path / "emulator.py"
    script.write_text(
        textwrap.dedent(
            """
            import asyncio
            from tests.rooms.calls import PLAN
            from voxemu.rooms.livekit_server import LivekitServerBackend, find_binary

            async def main():
                backend = LivekitServerBackend(find_binary())
                await backend.start()
                room = await backend.open_room(PLAN)
                print("up", flush=True)
                await asyncio.sleep(60)

            asyncio.run(main())
            """
        )
    )
    emulator = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert emulator.stdout is not None
    assert await asyncio.wait_for(emulator.stdout.readline(), PATIENCE) == b"up\n"
    started = children(emulator.pid)
    assert len(started) >= 2
    emulator.kill()
    await emulator.wait()
    await until(lambda: not [pid for pid in started if Path(f"/proc/{pid}").exists()])
    await emulator.stdout.read()


# --- what dies, and what goes on -------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
async def test_an_agent_that_dies_ends_its_room_and_no_other(
    backend: LivekitServerBackend, number: signal.Signals
) -> None:
    async with (
        talking(backend, plan=another(1)) as (call, user),
        talking(backend, plan=another(2)) as (_, other),
    ):
        await until(lambda: user.heard["roomio_audio"] and other.heard["roomio_audio"])
        os.kill(agent_of(call), number)
        closed = await asyncio.wait_for(call.pumping, PATIENCE)
        assert await asyncio.wait_for(user.ended, PATIENCE) == rtc.DisconnectReason.ROOM_DELETED
        await other.say(speech(PROVIDER.format, 0.5))
        await until(lambda: other.loud("roomio_audio"))
    assert isinstance(closed, Closed)
    assert (closed.code, closed.by) == (1006, "line")
    assert closed.reason.startswith(f"the agent's child ended: signal {number.value}")


async def test_a_server_that_dies_is_restarted_once_at_the_same_place(backend: LivekitServerBackend) -> None:
    call = await begin(backend)
    user = await call.visitor().come()
    assert await call.room.joined()
    url = backend.url
    os.kill(server_of(backend), signal.SIGKILL)
    closed = await asyncio.wait_for(call.pumping, PATIENCE)
    assert isinstance(closed, Closed)
    assert (closed.code, closed.by) == (1006, "line")
    assert "livekit-server died" in closed.reason
    assert "restarted" in closed.reason
    await user.leave()
    await until(lambda: backend.describe()["rooms"] == 0)
    assert backend.url == url
    async with talking(backend, plan=another(2)) as (_, again):
        await until(lambda: again.heard["roomio_audio"])
    os.kill(server_of(backend), signal.SIGKILL)
    await until(lambda: not backend.describe()["alive"])
    said = "died .exit code -9., for the second time; start the emulator anew, or with --livekit embedded"
    with pytest.raises(ConnectionLost, match=said):
        await backend.open_room(PLAN)


async def test_a_room_there_is_cannot_be_opened_again(backend: LivekitServerBackend) -> None:
    call = await begin(backend)
    with pytest.raises(ConnectionLost, match="room-1 already"):
        await backend.open_room(PLAN)
    assert backend.describe()["rooms"] == 1
    await backend.end_room("room-1")
    await call.pumping


async def test_an_agent_that_cannot_join_is_no_room(backend: LivekitServerBackend) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LivekitKeys, "agent_token", lambda self, identity, room: "no token")
        with pytest.raises(ConnectionLost, match="could not join the room room-1"):
            await backend.open_room(PLAN)
    assert (backend.describe()["rooms"], await rooms_of(backend)) == (0, [])


async def test_closing_in_mid_call_ends_every_session(livekit_server: Binary) -> None:
    backend = LivekitServerBackend(livekit_server)
    await backend.start()
    call = await begin(backend)
    user = await call.visitor().come()
    # The emulator hears of the user by another way than the user hears the agent.
    await until(lambda: user.heard["roomio_audio"] and call.room.stats.joins)
    await backend.close()
    assert await call.pumping == Closed(1000, "the emulator stops", "provider")
    assert await asyncio.wait_for(user.ended, PATIENCE) == rtc.DisconnectReason.ROOM_DELETED
    await user.leave()
    with pytest.raises(ConnectionLost):
        await backend.open_room(PLAN)


# --- starts that go wrong --------------------------------------------------------------------------------


def program(tmp_path: Path, text: str) -> Binary:
    path = tmp_path / "livekit-server"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return Binary(path, "for the test")


@linux
@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("echo no such flag; exit 3", "ended at once with exit code 3: no such flag"),
        ("exec sleep 60", "did not answer within 0.3 s"),
    ],
)
async def test_a_server_that_does_not_come_up_is_said_so_and_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, complaint: str
) -> None:
    before = children()
    monkeypatch.setattr(own_server, "READY_WAIT", 0.3)
    with pytest.raises(ConnectionLost, match=complaint):
        await LivekitServerBackend(program(tmp_path, text)).start()
    assert children() == before


@linux
async def test_a_start_that_is_given_up_half_way_leaves_nothing(livekit_server: Binary) -> None:
    before = children()
    backend = LivekitServerBackend(livekit_server)
    starting = asyncio.create_task(backend.start())
    await until(lambda: children() - before)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert children() == before


@linux
async def test_a_port_that_is_taken_is_given_up_for_another(
    livekit_server: Binary, monkeypatch: pytest.MonkeyPatch, backend: LivekitServerBackend
) -> None:
    assert backend._own is not None
    taken, free = (backend._own.port, backend._own._udp), own_server._free_ports()
    given = iter([taken, free])
    monkeypatch.setattr(own_server, "_free_ports", lambda: next(given))
    second = OwnServer(livekit_server.path, lambda why: None)
    await second.start()
    assert second.port == free[0]
    await second.close()


@linux
async def test_an_agents_child_that_does_not_come_up_is_said_so(
    livekit_server: Binary, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = children()
    monkeypatch.setattr(
        agent_child, "on_a_leash", lambda command: [sys.executable, "-c", "raise SystemExit('no SDK')"]
    )
    with pytest.raises(ConnectionLost, match="did not start: exit code 1; no SDK"):
        await agent_child.Child.start()
    assert children() == before


# --- finding one -----------------------------------------------------------------------------------------


async def test_a_server_that_was_named_is_taken(backend: LivekitServerBackend) -> None:
    url = backend.url.replace("http", "ws")
    environ = {
        "LIVEKIT_URL": url,
        "LIVEKIT_API_KEY": backend.keys.key,
        "LIVEKIT_API_SECRET": backend.keys.secret,
    }
    found = find_named(environ)
    assert found == RunningServer(backend.url, backend.keys, "LIVEKIT_URL")
    assert isinstance(found, RunningServer)
    second = LivekitServerBackend(found)
    await second.start()
    async with talking(second) as (_, user):
        await until(lambda: user.heard["roomio_audio"])
    await second.close()
    assert second.describe()["found"] == "LIVEKIT_URL"
    assert backend.describe()["alive"], "a server that is not ours is left alone"


async def test_a_server_that_was_named_and_is_not_there_is_an_error() -> None:
    environ = {"LIVEKIT_URL": "ws://127.0.0.1:9", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s"}
    with pytest.raises(ConnectionLost, match=r"LIVEKIT_URL: no LiveKit server answers at http://127.0.0.1:9"):
        await LivekitServerBackend(find_named(environ) or pytest.fail("it was named")).start()


async def test_wrong_keys_for_a_server_are_an_error(backend: LivekitServerBackend) -> None:
    with pytest.raises(ConnectionLost, match="refused: it does not take these keys"):
        await LivekitServerBackend(RunningServer(backend.url, KEYS, "test")).start()


async def test_one_that_runs_with_development_keys_is_found(
    backend: LivekitServerBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(livekit_server, "DEVELOPMENT_URL", backend.url)
    monkeypatch.setattr(livekit_server, "DEVELOPMENT_KEYS", backend.keys)
    found = await find_development()
    assert found is not None
    assert found.url == backend.url
    monkeypatch.setattr(livekit_server, "DEVELOPMENT_KEYS", KEYS)
    assert await find_development() is None, "it takes other keys, so it is somebody else's"


@pytest.mark.parametrize(
    ("url", "environ", "complaint"),
    [
        ("127.0.0.1:7880", {}, "no URL of a LiveKit server"),
        ("ftp://h", {}, "no URL of a LiveKit server"),
        ("wss://cloud.example", {}, "set both LIVEKIT_API_KEY and LIVEKIT_API_SECRET"),
        ("ws://127.0.0.1:1", {"LIVEKIT_API_KEY": "k"}, "set both LIVEKIT_API_KEY and LIVEKIT_API_SECRET"),
    ],
)
def test_half_a_setting_is_an_error(url: str, environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        named_server(url, environ, "--livekit")


def test_a_server_on_this_machine_is_taken_with_development_keys() -> None:
    found = named_server("ws://localhost:7880", {}, "--livekit")
    assert (found.url, found.keys.key) == ("http://localhost:7880", "devkey")


@pytest.mark.parametrize(
    ("server", "public", "base", "url"),
    [
        ("http://127.0.0.1:7880", None, "http://127.0.0.1:8090", "ws://127.0.0.1:7880"),
        ("http://127.0.0.1:7880", None, "http://localhost:8090", "ws://localhost:7880"),
        ("http://127.0.0.1:7880", None, "https://voice.example", "ws://127.0.0.1:7880"),
        ("https://cloud.example", None, "http://localhost:8090", "wss://cloud.example"),
        ("http://127.0.0.1:7880", "https://rtc.example", "http://localhost", "wss://rtc.example"),
        ("http://127.0.0.1:7880", "ws://rtc.example:1", "http://localhost", "ws://rtc.example:1"),
    ],
)
def test_clients_are_given_a_url_that_they_can_use(
    server: str, public: str | None, base: str, url: str
) -> None:
    backend = LivekitServerBackend(RunningServer(server, KEYS, "test"), public_url=public)
    assert backend.url_for(base) == url


# --- tokens ----------------------------------------------------------------------------------------------


def test_a_users_token_says_what_the_page_says_it_does() -> None:
    claims = api.TokenVerifier(KEYS.key, KEYS.secret).verify(KEYS.user_token("ada", "room-1"))
    assert claims.identity == "ada"
    assert claims.video is not None
    video = claims.video
    assert (video.room_join, video.room) == (True, "room-1")
    assert (video.can_publish, video.can_subscribe, video.can_publish_data) == (True, True, True)
    assert not video.room_admin
    assert claims.kind in ("", "standard")


def test_a_users_token_is_good_for_ten_minutes() -> None:
    import jwt

    said = jwt.decode(KEYS.user_token("ada", "room-1"), KEYS.secret, ["HS256"], options={"verify_exp": True})
    assert said["exp"] - said["nbf"] == 600
    assert (said["iss"], said["sub"]) == ("APIkey", "ada")


async def test_the_server_answers_ok_when_it_is_ready(backend: LivekitServerBackend) -> None:
    async with ClientSession() as http:
        assert await own_server.answers(http, backend.url)
        assert not await own_server.answers(http, "http://127.0.0.1:9")
