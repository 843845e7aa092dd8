"""The client in rooms: with LiveKit's SDK against the emulator, on each kind of rooms."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.client.calls import clip
from tests.client.conftest import Serve
from tests.needs import lack
from tests.rooms.conftest import alone  # noqa: F401  here too
from tests.rooms.kinds import KINDS, require_kind
from tests.server.conftest import QUICK, Start
from voxemu.errors import ConnectionLost, Refused, UsageError
from voxemu.events import (
    BargedIn,
    Closed,
    Event,
    ListeningStarted,
    Note,
    SpeakingStarted,
    ThinkingStarted,
    Transcribed,
)
from voxemu.provider import CallPlan
from voxemu.record import Recording
from voxemu.record.wav import read_wav
from voxemu.server.app import Server
from voxemu.server.config import load
from voxemu.server.news import News
from voxemu.server.run import running
from voxemu.wire import PROVIDERS
from voxemu_client import calling
from voxemu_client.dial import Outcome, Patience, Telephone
from voxemu_client.room import RoomLine
from voxemu_client.script import Script
from voxemu_client.summary import lost, summarise, verdict

pytestmark = pytest.mark.sockets

PROVIDER = PROVIDERS["lyzr-livekit"]
AXIS = PROVIDER.format
KEY = "sk-secret-of-the-user"
PATIENT = Patience(connect=60.0, answer=60.0, again=0.05)
CONFIG: dict[str, Any] = {
    "background_audio": {"enabled": True},
    "conversation_start": {"who": "ai", "greeting": "Good morning"},
}


class Seen:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def saw(self, event: Event, now: float) -> tuple[Note, ...]:
        self.events.append(event)
        return ()

    def all(self, *kinds: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kinds)]


@pytest.fixture(scope="module", autouse=True)
def sdk() -> None:
    if find_spec("livekit.rtc") is None:
        lack("the package livekit is not installed", "pip install voxemu[livekit]")


@pytest.fixture(scope="module", params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return require_kind(request.param)


def telephone(url: str, agent: str = "tone:440:1", **how: Any) -> Telephone:
    settings = how.pop("settings", {"user_identity": "ann", "agent_config": CONFIG})
    return Telephone(PROVIDER, CallPlan(url, KEY, agent, settings), patience=PATIENT, **how)


def brief(**how: Any) -> Script:
    """Time enough for the greeting before it, and for the last words after it, on a slow machine too."""
    return Script((clip(PROVIDER, 0.5),), lead=4.0, quiet=2.0, patience=60.0, **how)


# --- a call ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Called:
    """A call that was placed once, for many tests to look at."""

    outcome: Outcome
    seen: Seen
    after: dict[str, Any]
    # The rooms, as /health tells of them once the call is over.

    @property
    def recording(self) -> Recording:
        assert self.outcome.recording is not None
        return Recording.open(self.outcome.recording)

    @property
    def lines(self) -> list[Transcribed]:
        said = self.seen.all(Transcribed)
        return [line for line in said if isinstance(line, Transcribed) and line.final]


@pytest.fixture(scope="module")
def called(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Called:
    """The agent greets, the user says something, the agent answers with a tone, the user hangs up."""

    async def call(place: Path) -> Called:
        (place / "emu.toml").touch()
        config = load(str(place / "emu.toml"), QUICK, {"port": "0", "livekit": kind})
        async with running(config, News(io.StringIO(), as_json=True)) as (server, report):
            seen = Seen()
            placed = telephone(report["url"], recordings=place / "recordings", watchers=[seen])
            (outcome,) = await placed.call(brief())
            await rooms_are_gone(server)
            return Called(outcome, seen, server.rooms.describe())

    return asyncio.run(call(tmp_path_factory.mktemp("call")))


async def rooms_are_gone(server: Server) -> None:
    async with asyncio.timeout(60):
        while server.rooms.describe().get("rooms"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def test_a_call_in_a_room_is_answered_and_ends_as_calls_do(called: Called) -> None:
    outcome, account = called.outcome, called.outcome.caller.account
    assert (lost(outcome), account.answered, account.errors, account.breaks) == (None, True, [], [])
    assert (outcome.closed.code, outcome.closed.by) == (1000, "caller")


def test_every_line_is_told_once_though_it_comes_in_two_forms(called: Called) -> None:
    assert (called.lines[0].speaker, called.lines[0].text) == ("agent", "Good morning")
    assert {line.speaker for line in called.lines[1:]} == {"user", "agent"}
    segments = [line.segment for line in called.lines]
    assert len(set(segments)) == len(segments)
    told = [(line.segment, line.text, line.final) for line in called.seen.all(Transcribed)]  # type: ignore[attr-defined]
    assert len(set(told)) == len(told)


def test_the_agents_states_are_told(called: Called) -> None:
    told = {type(event) for event in called.seen.events}
    assert {ListeningStarted, ThinkingStarted, SpeakingStarted} <= told


def test_the_right_channel_has_the_voice_alone_and_its_silence_is_no_agent_audio(called: Called) -> None:
    audio = called.recording.manifest["audio"]["agent"]
    assert audio["received"] == audio["heard"] + audio["dropped"]
    # A chime and a tone of a second; the SDK draws sound out when packets come late.
    assert AXIS.samples(1.4) < audio["heard"] < 0.7 * len(called.recording.right) / 2


def test_the_background_is_recorded_beside_the_call(called: Called) -> None:
    assert called.outcome.recording is not None
    beside = called.recording.manifest["beside"]["background_audio"]
    _, _, pcm = read_wav(called.outcome.recording / beside["file"])
    assert any(pcm)
    assert beside["samples"] > 0.5 * len(called.recording.right) / 2


def test_the_background_is_told_in_the_summary(called: Called) -> None:
    code, reason = verdict([called.outcome], brief())
    summary = summarise(PROVIDER, CallPlan("http://x"), [called.outcome], code, reason)
    assert code == 0
    assert summary["background_audio"] > 1.0


def test_the_manifest_says_what_was_asked_for(called: Called) -> None:
    asked = called.recording.manifest["settings"]["session"]
    assert (asked["user_identity"], asked["agent_config"]) == ("ann", CONFIG)


def test_no_key_and_no_token_is_in_a_recording(called: Called) -> None:
    assert called.outcome.recording is not None
    contents = [file.read_bytes() for file in called.outcome.recording.iterdir()]
    assert [content for content in contents if KEY.encode() in content or b"eyJ" in content] == []


def test_a_call_that_is_over_leaves_no_room(called: Called) -> None:
    assert not called.after.get("rooms")


async def test_the_agent_is_interrupted_in_a_room(kind: str, start: Start) -> None:
    server, seen = await start(livekit=kind, agent="tone:440:20"), Seen()
    # A loudspeaker that has run dry at the very moment is interrupted by nobody: so it plays a second behind.
    script = brief(barge_in=0.5, stop=clip(PROVIDER, 2.0, "stop"), jitter_buffer=1.0)
    caller = telephone(server.url, "tone:440:20", settings={}, watchers=[seen])
    placed = asyncio.create_task(caller.call(script))
    async with asyncio.timeout(90):
        while not (seen.all(BargedIn) or placed.done()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    placed.cancel()
    await asyncio.gather(placed, return_exceptions=True)
    (barge,) = seen.all(BargedIn)
    assert isinstance(barge, BargedIn)
    assert barge.after < 15
    await rooms_are_gone(server.server)


async def test_a_room_that_is_ended_by_somebody_else_ends_the_call(kind: str, start: Start) -> None:
    server, seen = await start(livekit=kind), Seen()
    placed = asyncio.create_task(telephone(server.url, watchers=[seen]).call(Script(live=True)))
    async with asyncio.timeout(90):
        while not seen.all(SpeakingStarted):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    (session,) = (await server.get("/__emu/sessions"))["sessions"]
    body = {"sessionId": session["id"]}
    headers = {"x-api-key": "any"}
    async with server.client.post(f"{server.url}/v1/sessions/end", json=body, headers=headers) as ended:
        assert ended.status == 204
    (outcome,) = await asyncio.wait_for(placed, 60)
    assert outcome.caller.account.ended is not None
    assert outcome.caller.account.ended.cause in ("closed", "agent_left")
    assert outcome.caller.account.errors == []


# --- what may go wrong -------------------------------------------------------------------------------------


def starting(url: str, token: str, ended: list[Any]) -> dict[str, Any]:
    """A server that starts sessions whose rooms are elsewhere."""

    async def begin(request: web.Request) -> web.Response:
        return web.json_response({"userToken": token, "livekitUrl": url, "roomName": "r", "sessionId": "s"})

    async def end(request: web.Request) -> web.Response:
        ended.append(await request.json())
        return web.json_response({"error": "gone"}, status=404)

    return {"POST /v1/sessions/start": begin, "POST /v1/sessions/end": end}


async def test_a_room_on_another_host_is_joined_as_given_and_a_bad_token_ends_the_session(
    start: Start, serve: Serve
) -> None:
    ended: list[Any] = []
    rooms = await start(livekit="embedded")
    base = await serve(**starting("ws" + rooms.url.removeprefix("http"), "no-token", ended))
    with pytest.raises(Refused, match="did not let us into the room"):
        await telephone(base).call(brief())
    assert ended == [{"roomName": "r"}]


async def test_rooms_that_cannot_be_reached_are_a_lost_connection(serve: Serve) -> None:
    ended: list[Any] = []
    base = await serve(**starting("ws://127.0.0.1:9", "eyJ.eyJ.x", ended))
    with pytest.raises((ConnectionLost, Refused)):
        await telephone(base).call(brief())
    assert ended == [{"roomName": "r"}]


async def test_without_the_sdk_nothing_is_dialled(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "livekit", None)
    with pytest.raises(UsageError, match=r"pip install 'voxemu\[livekit\]'"):
        await telephone(await serve()).call(brief())


class Guest:
    """A room that keeps what is done in it."""

    def __init__(self, done: list[str]) -> None:
        self.done = done
        self.local_participant = self

    def isconnected(self) -> bool:
        return "leave" not in self.done

    async def unpublish_track(self, sid: str) -> None:
        self.done.append(f"unpublish {sid}")

    async def disconnect(self) -> None:
        self.done.append("leave")


async def left(answer: str) -> tuple[list[str], list[str]]:
    done: list[str] = []

    async def end() -> str:
        done.append("end")
        return answer

    line = RoomLine(end)
    line._room = Guest(done)  # type: ignore[assignment]
    line._microphone = "TR_1"
    await asyncio.gather(line.close(1000, ""), line.close(1000, ""))
    return done, line.troubles


async def test_a_caller_unpublishes_ends_the_session_and_leaves_in_this_order_and_once() -> None:
    assert await left("") == (["unpublish TR_1", "end", "leave"], [])


async def test_a_session_that_could_not_be_ended_is_told_and_left_all_the_same() -> None:
    assert await left("it answered 500") == (["unpublish TR_1", "end", "leave"], ["it answered 500"])


async def test_how_a_room_ended_is_told_before_whoever_speaks_finds_it_over() -> None:
    async def end() -> str:
        return ""

    line, why = RoomLine(end), Closed(1008, "somebody else joined under this identity", "line")
    line._put(why)
    speaking = asyncio.create_task(line.send(bytes(960)))
    await asyncio.sleep(0)
    assert (await line.receive(), speaking.done()) == (why, False)
    with pytest.raises(ConnectionResetError):
        await speaking


# --- as it is typed ----------------------------------------------------------------------------------------


def options(**given: Any) -> dict[str, Any]:
    names = ("prompt", "voice", "language", "max_context", "user_identity", "agent_config", "rate")
    return {**dict.fromkeys(names), "url": "http://x", "agent": "", **given}


def test_the_start_request_says_what_the_flags_say(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIG))
    plan = calling._plan(PROVIDER, options(user_identity="ann", agent_config=str(file), prompt="Hi"), "k")
    request = PROVIDER.ask(plan)
    assert request is not None
    assert json.loads(request.body or b"") == {
        "userIdentity": "ann",
        "agentConfig": {**CONFIG, "prompt": "Hi"},
    }


@pytest.mark.parametrize("content", ["[]", "{", None])
def test_a_file_that_holds_no_agent_config_is_a_usage_error(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "config.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError, match="--agent-config"):
        calling._plan(PROVIDER, options(agent_config=str(file)), "k")


@pytest.mark.parametrize(
    ("provider", "flag", "value"),
    [
        ("lokutor", "user_identity", "ann"),
        ("lyzr-sip", "user_identity", "ann"),
        ("lyzr-livekit", "max_context", 3),
    ],
)
def test_a_setting_that_a_provider_has_no_words_for_is_a_usage_error(
    provider: str, flag: str, value: Any
) -> None:
    with pytest.raises(UsageError, match="--" + flag.replace("_", "-")):
        calling._plan(PROVIDERS[provider], options(**{flag: value}), "k")
