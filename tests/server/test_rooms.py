"""Sessions in rooms, as `emu serve` holds them: how they are started, shown, recorded, bounded and ended.

What users meet in the rooms themselves is the matter of tests/rooms/contract.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession, web

from tests.calls import speech
from tests.needs import lack
from tests.rooms.conftest import require_livekit_server
from tests.rooms.visitors import Visitor
from tests.rooms.visitors import until as eventually
from tests.server.conftest import Running, Start, until
from voxemu.errors import SettingsError
from voxemu.events import UserAudioSent
from voxemu.rooms.port import RoomPlan
from voxemu.server.config import load
from voxemu.server.news import Silence
from voxemu.server.rooms import media_addresses
from voxemu.server.run import running
from voxemu.wire import PROVIDERS

if TYPE_CHECKING:
    from voxemu.rooms.embedded.seat import Seat

pytestmark = pytest.mark.sockets

BESIDE = Path(sys.executable).with_name("livekit-server")
START, END = "/v1/sessions/start", "/v1/sessions/end"
KEY = {"x-api-key": "k"}


async def post(emu: Running, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    async with emu.client.post(emu.url + path, json=body or {}, headers=KEY | headers) as answered:
        text = await answered.text()
        return answered.status, json.loads(text) if text else None


async def started(emu: Running, **body: Any) -> dict[str, Any]:
    status, answer = await post(emu, START, body)
    assert status == 200, answer
    assert isinstance(answer, dict)
    return answer


async def session(emu: Running, session_id: str) -> dict[str, Any]:
    found: dict[str, Any] = await emu.get(f"/__emu/sessions/{session_id}")
    return found


# --- starting and ending ------------------------------------------------------------------------------------


async def test_a_start_opens_a_room_that_is_shown_at_once(start: Start) -> None:
    emu = await start(livekit="embedded")
    answer = await started(emu, userIdentity="ada", agentConfig={"prompt": "Be brief."})
    found = await session(emu, answer["sessionId"])
    assert (answer["livekitUrl"], answer["agentDispatched"]) == ("ws" + emu.url.removeprefix("http"), True)
    assert (found["state"], found["live"]) == ("new", True)
    assert (await emu.get("/health"))["livekit"]["rooms"] == 1


async def test_the_effective_configuration_is_shown_where_people_look(start: Start) -> None:
    toml = "[lyzr_livekit.agent_config]\nprompt = 'Be kind.'\nagent_name = 'Ann'"
    emu = await start(toml, livekit="embedded")
    answer = await started(emu, agentConfig={"prompt": "Be brief.", "api_key": "hush"})
    wanted = {"engine": {"kind": "pipeline"}, "tools": [], "agent_name": "Ann", "prompt": "Be brief."}
    found = await session(emu, answer["sessionId"])
    assert answer["agentConfig"] == wanted | {"api_key": "(hidden)"}
    # There, what is named like a key is masked once more.
    assert found["facts"]["agentConfig"] == wanted | {"api_key": "***"}
    assert found["settings"]["wire"]["agent_config"] == wanted | {"api_key": "***"}


async def test_an_end_closes_the_room_and_may_be_repeated(start: Start) -> None:
    emu = await start(livekit="embedded")
    answer = await started(emu)
    assert await post(emu, END, {"roomName": answer["roomName"]}) == (204, None)
    await until(lambda: not emu.server.registry.live)
    assert await post(emu, END, {"sessionId": answer["sessionId"]}) == (204, None)
    assert (await emu.get("/health"))["livekit"]["rooms"] == 0
    assert (await session(emu, answer["sessionId"]))["closed"]["by"] == "provider"


async def test_a_room_that_was_never_there_cannot_be_ended(start: Start) -> None:
    emu = await start(livekit="embedded")
    assert await post(emu, END, {"roomName": "mine"}) == (404, {"error": "Session not found for room"})


async def test_a_second_start_in_a_room_takes_the_place_of_the_first(start: Start) -> None:
    emu = await start(livekit="embedded")
    first = await started(emu, roomName="mine")
    second = await started(emu, roomName="mine")
    assert not (await session(emu, first["sessionId"]))["live"]
    assert (await session(emu, second["sessionId"]))["live"]
    assert await post(emu, END, {"sessionId": second["sessionId"]}) == (204, None)
    await until(lambda: not emu.server.registry.live)


async def test_starts_for_one_room_at_the_same_time_leave_one_session(start: Start) -> None:
    emu = await start(livekit="embedded")
    answers = await asyncio.gather(*(post(emu, START, {"roomName": "mine"}) for _ in range(5)))
    assert {status for status, _ in answers} <= {200, 502}
    live = [answer for status, answer in answers if status == 200]
    assert len(emu.server.registry.live) == 1
    assert await post(emu, END, {"sessionId": live[-1]["sessionId"]}) == (204, None)
    assert await post(emu, END, {"roomName": "mine"}) == (204, None)
    await until(lambda: not emu.server.registry.live)


async def test_the_livekit_url_follows_how_the_client_came(start: Start) -> None:
    emu = await start(livekit="embedded", allow_host=("emu.test",))
    port = emu.url.rpartition(":")[2]
    for host in (f"localhost:{port}", f"emu.test:{port}"):
        _, answer = await post(emu, START, Host=host)
        assert answer["livekitUrl"] == f"ws://{host}"


async def test_the_livekit_url_is_the_public_one_where_there_is_one(start: Start) -> None:
    emu = await start(livekit="embedded", public_url="https://emu.example.com")
    assert (await started(emu))["livekitUrl"] == "wss://emu.example.com"


async def test_the_livekit_url_of_a_server_is_the_one_that_is_configured(start: Start) -> None:
    require_livekit_server()
    emu = await start(livekit="server", livekit_url="https://rooms.example.com/")
    assert (await started(emu))["livekitUrl"] == "wss://rooms.example.com"


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", START),
        ("PUT", END),
        ("POST", "/v1/session"),
        ("POST", "/v1/sessions/start/"),
        ("GET", "/v1/x"),
    ],
)
async def test_an_unknown_route_is_answered_as_the_vendor_does(start: Start, method: str, path: str) -> None:
    emu = await start()
    async with emu.client.request(method, emu.url + path) as answered:
        assert (answered.status, await answered.json()) == (404, {"error": "Not found", "path": path})


async def test_starts_are_counted_by_the_clients_address(start: Start) -> None:
    emu = await start("[lyzr_livekit]\nstarts_per_minute = 1", livekit="embedded")
    await started(emu)
    status, answer = await post(emu, START)
    assert (status, answer["error"]) == (429, "Too many session creation requests, please try again later.")


async def test_an_agent_of_ours_may_be_asked_for_by_name(start: Start) -> None:
    emu = await start("[[agent]]\nname = 'front-desk'\nagent = 'tone:660'", livekit="embedded")
    for name in ("front-desk", "echo"):
        found = await session(emu, (await started(emu, agentId=name))["sessionId"])
        assert found["agent"] == name
    status, answer = await post(emu, START, {"agentId": "nobody"})
    assert (status, answer["error"]) == (400, "agentId must be a valid Mongo ObjectId")


async def test_rooms_take_the_places_that_there_are(start: Start) -> None:
    emu = await start("[limits]\nsessions = 1", livekit="embedded")
    await started(emu)
    status, answer = await post(emu, START)
    error = "1 sessions are open, the most allowed here (limits.sessions)"
    assert (status, answer) == (503, {"error": error})
    assert (await emu.get("/__emu/sessions"))["limits"] == {"sessions": 1}


async def test_rooms_that_wait_for_their_users_are_bounded(start: Start) -> None:
    emu = await start("[limits]\nunused_starts = 2", livekit="embedded")
    for _ in range(2):
        await started(emu)
    async with emu.client.post(emu.url + START, json={}, headers=KEY) as answered:
        assert (answered.status, int(answered.headers["Retry-After"]) > 0) == (503, True)
        error = "2 sessions were started and never joined (limits.unused_starts)"
        assert await answered.json() == {"error": error}
    assert (await emu.get("/__emu/sessions"))["limits"] == {"unused_starts": 1}


async def test_a_room_that_breaks_before_it_is_open_is_waited_for_by_nobody(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from voxemu.rooms.embedded.backend import EmbeddedBackend

    async def broken(self: EmbeddedBackend, plan: RoomPlan) -> Seat:
        raise RuntimeError("out of order")

    emu = await start(livekit="embedded")
    monkeypatch.setattr(EmbeddedBackend, "open_room", broken)
    status, answer = await post(emu, START, {"roomName": "mine"})
    assert (status, answer["hint"]) == (502, "the room could not be opened; the server's log says why")
    assert "out of order" in caplog.text
    assert (emu.server.registry.live, emu.server.room_calls.held) == ({}, {})
    assert (await post(emu, END, {"roomName": "mine"}))[0] == 404


async def test_a_user_who_never_comes_is_a_finding(start: Start) -> None:
    emu = await start("[lyzr_livekit]\njoin_wait = 0.1", livekit="embedded")
    answer = await started(emu)
    await until(lambda: not emu.server.registry.live)
    found = await session(emu, answer["sessionId"])
    assert found["closed"] == {"code": 1000, "reason": "the user did not come within 0.1 s", "by": "caller"}
    assert [finding["code"] for finding in found["findings"]] == ["F-NEVER-CONNECTED"]
    assert (found["state"], found["live"]) == ("ended", False)


# --- which rooms --------------------------------------------------------------------------------------------


async def in_a_child(text: str, folder: Path) -> Any:
    """What a program of our own prints, as JSON: modules that are loaded once stay loaded here."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", text, cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate()
    assert child.returncode == 0
    return json.loads(out)


SERVING = """
import asyncio, json, sys
from importlib.abc import MetaPathFinder
from aiohttp import ClientSession, web
from voxemu.rooms.port import RoomPlan
from voxemu.server.config import load
from voxemu.server.news import Silence
from voxemu.server.run import running

async def serving(act, **flags):
    config = load(None, {}, {"port": "0", **flags})
    async with running(config, Silence()) as (server, report), ClientSession() as client:
        print(json.dumps(await act(server, report["url"], client)))
"""

LOADED = """
async def loaded(server, url, client):
    return [name for name in ("aiortc", "av", "livekit.api", "livekit.rtc") if name in sys.modules]
asyncio.run(serving(loaded, livekit="embedded"))
"""


async def test_nothing_of_rooms_is_loaded_before_one_is_wanted(tmp_path: Path) -> None:
    assert await in_a_child(SERVING + LOADED, tmp_path) == []


WITHOUT = """
class Blocked(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("livekit", "aiortc", "aioice", "av", "pylibsrtp"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())

async def calls(server, url, client):
    async def post(path, body):
        async with client.post(url + path, json=body, headers={"x-api-key": "k"}) as answered:
            return [answered.status, await answered.json()]
    async with client.get(url + "/health") as answered:
        rooms = (await answered.json())["livekit"]["backend"]
    return [
        rooms,
        await post("/v1/sessions/start", {}),
        await post("/v1/sessions/end", {"roomName": "mine"}),
        await post("/session/start", {"agentId": "a"}),
    ]
asyncio.run(serving(calls))
"""


async def test_without_the_extra_everything_but_rooms_works(tmp_path: Path) -> None:
    rooms, start, end, sip = await in_a_child(SERVING + WITHOUT, tmp_path)
    hint = "rooms need the package livekit.api; install voxemu[livekit]"
    assert rooms == "none"
    assert start == [502, {"error": "Failed to dispatch agent", "hint": hint}]
    assert end == [404, {"error": "Session not found for room"}]
    assert sip[0] == 200


async def test_a_server_that_is_served_without_rooms_has_none(start: Start) -> None:
    emu = await start(provider=("lyzr-sip",))
    assert (await emu.get("/health"))["livekit"]["backend"] == "none"
    async with emu.client.get(emu.url + "/rtc/validate") as answered:
        assert answered.status == 404


async def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, livekit: str, **env: str) -> str:
    monkeypatch.chdir(tmp_path)
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        async with running(load(None, {}, {"port": "0", "livekit": livekit}), Silence()):
            pass
    return str(raised.value)


async def test_a_server_asked_for_by_url_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = await refusal(tmp_path, monkeypatch, "ws://127.0.0.1:9")
    assert text == "--livekit: no LiveKit server answers at http://127.0.0.1:9"


async def test_a_server_asked_for_must_be_somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxemu.rooms.livekit_server.find_binary", lambda: None)
    monkeypatch.setattr("voxemu.rooms.livekit_server.DEVELOPMENT_URL", "http://127.0.0.1:9")
    text = await refusal(tmp_path, monkeypatch, "server")
    assert text.startswith("--livekit server: there is none: LIVEKIT_URL is not set")


async def test_half_a_setting_is_an_error_where_a_server_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = await refusal(tmp_path, monkeypatch, "server", LIVEKIT_URL="wss://cloud.example")
    assert (
        text == "LIVEKIT_URL is wss://cloud.example; set both LIVEKIT_API_KEY and LIVEKIT_API_SECRET for it"
    )


async def test_auto_takes_the_server_that_is_named(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("URL", "ws://127.0.0.1:9"), ("API_KEY", "k"), ("API_SECRET", "s" * 32)):
        monkeypatch.setenv(f"LIVEKIT_{name}", value)
    emu = await start()
    said = (await emu.get("/health"))["livekit"]
    assert (said["backend"], said["found"], said["url"]) == ("server", "LIVEKIT_URL", "ws://127.0.0.1:9")
    _, answer = await post(emu, START)
    assert answer["hint"] == "LIVEKIT_URL: no LiveKit server answers at http://127.0.0.1:9"


async def test_auto_is_embedded_where_there_is_no_server(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIVEKIT_URL", raising=False)
    monkeypatch.setattr("voxemu.rooms.livekit_server.find_binary", lambda: None)
    monkeypatch.setattr("voxemu.rooms.livekit_server.DEVELOPMENT_URL", "http://127.0.0.1:9")
    emu = await start()
    assert (await emu.get("/health"))["livekit"]["backend"] == "embedded"


async def test_auto_is_embedded_where_the_server_cannot_be_started(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from voxemu.rooms.livekit_server import Binary

    broken = tmp_path / "livekit-server"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.delenv("LIVEKIT_URL", raising=False)
    monkeypatch.setattr("voxemu.rooms.livekit_server.find_binary", lambda: Binary(broken, "in a test"))
    monkeypatch.setattr("voxemu.rooms.livekit_server.DEVELOPMENT_URL", "http://127.0.0.1:9")
    emu = await start()
    assert (await emu.get("/health"))["livekit"]["backend"] == "server"
    await started(emu)
    assert (await emu.get("/health"))["livekit"]["backend"] == "embedded"


def programs() -> dict[int, str]:
    """What this process has started, and what those have, by their command lines."""
    if not Path("/proc/self/stat").exists():
        lack("there is no /proc to look in")
    found, ours = {}, {os.getpid()}
    stats = sorted(Path("/proc").glob("[0-9]*/stat"), key=lambda stat: int(stat.parent.name))
    for stat in stats:
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            line = (stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent in ours:
            ours.add(int(stat.parent.name))
            found[int(stat.parent.name)] = line
    return found


async def test_a_start_that_fails_half_way_leaves_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_livekit_server()
    monkeypatch.chdir(tmp_path)
    seen: list[int] = []

    async def broken(runner: web.AppRunner) -> None:
        seen.append(len(of_rooms()))
        raise OSError("no port")

    monkeypatch.setattr(web.AppRunner, "setup", broken)
    with pytest.raises(OSError, match="no port"):
        async with running(load(None, {}, {"port": "0", "livekit": "server"}), Silence()):
            pass
    assert seen[0] > 0
    assert of_rooms() == []


def of_rooms() -> list[str]:
    return [line for line in programs().values() if "livekit-server" in line or "sdk_agent" in line]


@pytest.mark.parametrize(
    ("host", "public_url", "found"),
    [
        ("127.0.0.1", None, ("127.0.0.1", ())),
        ("localhost", None, ("127.0.0.1", ())),
        ("192.0.2.7", None, ("192.0.2.7", ())),
        ("0.0.0.0", "https://198.51.100.4", ("0.0.0.0", ("198.51.100.4", "127.0.0.1"))),
    ],
)
def test_media_is_where_the_server_is(host: str, public_url: str | None, found: Any) -> None:
    assert media_addresses(host, public_url) == found


# --- calls --------------------------------------------------------------------------------------------------


async def test_a_call_in_a_room_is_recorded(start: Start, tmp_path: Path) -> None:
    emu = await start(livekit="embedded", record=str(tmp_path / "calls"), agent="tone:440:1")
    answer = await started(emu, userIdentity="ada", agentConfig={"background_audio": {"enabled": True}})
    user = await Visitor(answer["livekitUrl"], answer["userToken"]).come()
    await user.take_microphone()
    await user.say(speech(PROVIDERS["lyzr-livekit"].format, 0.6))
    (record,) = emu.server.registry.live.values()
    await eventually(lambda: record.counters["reply_ended"] and len(user.loud("roomio_audio")) > 80)
    assert (await post(emu, END, {"roomName": answer["roomName"]}))[0] == 204
    await until(lambda: not emu.server.registry.live)
    await user.leave()
    (place,) = (tmp_path / "calls" / "lyzr-livekit").iterdir()
    manifest = json.loads((place / "manifest.json").read_text())
    assert manifest["complete"]
    assert manifest["settings"]["wire"]["agent_config"]["background_audio"] == {"enabled": True}
    assert answer["userToken"] not in (place / "manifest.json").read_text()
    with wave.open(str(place / "call.wav")) as call, wave.open(str(place / "background_audio.wav")) as behind:
        assert (call.getframerate(), call.getnchannels()) == (48_000, 2)
        assert (behind.getframerate(), behind.getnchannels()) == (48_000, 1)
        assert abs(call.getnframes() - behind.getnframes()) < 4_800
        assert any(behind.readframes(48_000))
    assert manifest["audio"]["agent"]["heard"] == 48_000


async def test_the_clock_of_a_call_in_a_room_knows_the_rooms_rate(start: Start) -> None:
    emu = await start(livekit="embedded")
    answer = await started(emu)
    user = await Visitor(answer["livekitUrl"], answer["userToken"]).come()
    (record,) = emu.server.registry.live.values()
    await eventually(lambda: record.counters["opened"])
    ten_seconds = bytes(2 * 10 * PROVIDERS["lyzr-livekit"].format.rate)
    ahead = record.clock.heard(UserAudioSent(ten_seconds), record.clock.now())
    assert 9 < ahead < 11, "who is far ahead is read no faster than in real time"
    await user.leave()
    await post(emu, END, {"sessionId": answer["sessionId"]})


async def test_a_server_that_dies_ends_its_sessions_and_is_there_for_the_next(start: Start) -> None:
    require_livekit_server()
    emu = await start(livekit="server")
    answer = await started(emu)
    user = await Visitor(answer["livekitUrl"], answer["userToken"]).come()
    await eventually(lambda: emu.server.registry.live[answer["sessionId"]].counters["opened"])
    (program,) = [number for number, line in programs().items() if line.startswith(str(BESIDE))]
    os.kill(program, signal.SIGKILL)
    await eventually(lambda: not emu.server.registry.live)
    closed = (await session(emu, answer["sessionId"]))["closed"]
    await user.leave()
    assert closed == {
        "code": 1006,
        "reason": "livekit-server died (exit code -9) and was restarted",
        "by": "line",
    }
    assert (await post(emu, END, {"sessionId": answer["sessionId"]}))[0] == 204
    await post(emu, END, {"roomName": (await started(emu))["roomName"]})


async def test_a_stopping_server_ends_its_rooms(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(None, {}, {"port": "0", "livekit": "embedded"})
    async with ClientSession() as client:
        async with running(config, Silence()) as (server, report):
            emu = Running(report["url"], server, report, None, client)  # type: ignore[arg-type]
            answer, _ = await started(emu, userIdentity="ada"), await started(emu)
            user = await Visitor(answer["livekitUrl"], answer["userToken"]).come()
            await eventually(lambda: user.states)
        reason = await asyncio.wait_for(user.ended, 60)
        await user.leave()
    closed = {record.closed.reason for record in server.registry.all() if record.closed is not None}
    assert len(server.registry.all()) == 2
    assert closed == {"the server is shutting down", "the session was ended"}
    assert reason != 0
