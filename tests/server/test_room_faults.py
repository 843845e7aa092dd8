"""Faults and the control API where calls are held in rooms."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import ServerDisconnectedError, WSServerHandshakeError
from livekit import rtc

from tests.client.calls import clip
from tests.rooms.conftest import require_livekit_server
from tests.rooms.visitors import Visitor, peak
from tests.rooms.visitors import until as eventually
from tests.server.conftest import Running, Start, until
from voxemu.provider import CallPlan
from voxemu.wire import PROVIDERS
from voxemu_client.dial import Outcome, Patience, Telephone
from voxemu_client.script import Script

pytestmark = pytest.mark.sockets

PROVIDER = PROVIDERS["lyzr-livekit"]
both_kinds = pytest.mark.parametrize("rooms", ["embedded", "server"])
HEADERS = {"x-emu-control": "1", "X-Emu-Label": "in a room"}


@pytest.fixture(autouse=True)
def _a_server(request: pytest.FixtureRequest) -> None:
    if hasattr(request.node, "callspec") and request.node.callspec.params.get("rooms") == "server":
        require_livekit_server()


async def post(emu: Running, path: str, body: Any = None, key: str = "k") -> tuple[int, Any]:
    headers = HEADERS | {"x-api-key": key}
    async with emu.client.post(emu.url + path, json=body or {}, headers=headers) as answered:
        return answered.status, await answered.json() if answered.status != 204 else None


async def came(emu: Running) -> tuple[Visitor, str]:
    _, answer = await post(emu, "/v1/sessions/start")
    user = await Visitor(answer["livekitUrl"], answer["userToken"]).come()
    await eventually(lambda: "listening" in user.states)
    return user, f"/__emu/sessions/{answer['sessionId']}"


async def test_the_agent_says_in_a_room_what_it_is_told_to(start: Start) -> None:
    emu = await start(livekit="embedded")
    user, session = await came(emu)
    assert (await post(emu, session + "/say", {"text": "Hold the line.", "audio": "tone:500:0.3"}))[0] == 200
    await eventually(lambda: "Hold the line." in [text for *_, text, _ in user.packets])
    assert [each["label"] for each in (await emu.get("/__emu/sessions"))["sessions"]] == ["in a room"]
    await user.leave()


async def test_the_agent_leaves_a_room_on_purpose(start: Start) -> None:
    emu = await start('[[fault]]\nkind = "agent_leaves"\nat = 0.5\n', livekit="embedded")
    user, session = await came(emu)
    await asyncio.wait_for(user.ended, 10)
    await until(lambda: not emu.server.registry.live)
    found = await emu.get(session)
    assert "fault_injected" in [each["type"] for each in found["events"]]
    assert found["closed"]["by"] == "provider"
    await user.leave()


# --- sound ---------------------------------------------------------------------------------------------


async def heard(emu: Running, fault: dict[str, Any]) -> Sound:
    """What a user hears of a tone of 0.8 s with this fault."""
    user, session = await came(emu)
    assert (await post(emu, session + "/fault", {"times": 0, **fault}))[0] == 200
    await post(emu, session + "/say", {"text": "A tone.", "audio": "tone:500:0.8"})
    await eventually(lambda: "speaking" in user.states and user.states[-1] == "listening", 30)
    since = user.state_times[user.states.index("speaking")]
    # What is in the listener's buffer still sounds.
    await asyncio.sleep(0.5)
    await user.leave()
    loud = user.loud("roomio_audio")
    peaks = [peak(pcm) for _, pcm in user.heard["roomio_audio"]]
    return Sound(loud[0] - since if loud else None, len(loud) / 100, max(peaks, default=0))


class Sound(NamedTuple):
    wait: float | None
    # Seconds from the state to the first sound; None: there was none.
    seconds: float
    peak: int


@pytest.mark.parametrize(
    ("fault", "is_so"),
    [
        ({"kind": "drop"}, lambda sound: sound.wait is None),
        ({"kind": "delay", "ms": 1500, "times": 1}, lambda sound: sound.wait > 1.0),
        ({"kind": "burst", "ms": 1500, "times": 1}, lambda sound: sound.wait > 1.0),
        ({"kind": "jitter", "ms": 400}, lambda sound: sound.seconds > 0.1),
        ({"kind": "clipping"}, lambda sound: sound.peak > 30_000),
        ({"kind": "corrupt"}, lambda sound: sound.peak > 25_000),
        ({"kind": "wrong_rate", "rate": 8000}, lambda sound: 0 < sound.seconds < 0.5),
        ({"kind": "truncate"}, lambda sound: sound.seconds > 0),
    ],
    ids=lambda each: each["kind"] if isinstance(each, dict) else "",
)
async def test_sound_goes_wrong_in_a_room(start: Start, fault: dict[str, Any], is_so: Any) -> None:
    emu = await start(livekit="embedded")
    sound = await heard(emu, fault)
    assert is_so(sound), sound


async def test_a_room_where_nothing_goes_wrong_sounds_otherwise(start: Start) -> None:
    emu = await start(livekit="embedded")
    sound = await heard(emu, {"kind": "drop", "in_reply": 9})
    assert sound.wait is not None
    assert sound.wait < 1.0
    assert sound.seconds > 0.5
    assert sound.peak < 25_000


async def after_an_interruption(emu: Running) -> float:
    """Seconds from the agent's falling silent to the last that sounds."""
    user, session = await came(emu)
    await post(emu, session + "/say", {"text": "A long story.", "audio": "tone:500:20"})
    await eventually(lambda: len(user.loud("roomio_audio")) > 250)
    await post(emu, session + "/interrupt")
    await eventually(lambda: user.states[-1] == "listening")
    since = time.monotonic()
    await asyncio.sleep(3.0)
    await user.leave()
    return max(user.loud("roomio_audio")) - since


async def test_late_audio_sounds_in_a_room_after_the_interruption(start: Start) -> None:
    late = '[[fault]]\nkind = "late_audio"\nms = 2000\n'
    assert await after_an_interruption(await start(late, livekit="embedded")) > 1.2


async def test_without_the_fault_the_agent_is_silent_after_an_interruption(start: Start) -> None:
    assert await after_an_interruption(await start(livekit="embedded")) < 1.0


# --- transcripts, attributes and data ------------------------------------------------------------------


async def told(emu: Running, **fault: Any) -> Visitor:
    """A user who has been told a line with this fault."""
    user, session = await came(emu)
    assert (await post(emu, session + "/fault", fault))[0] == 200
    await post(emu, session + "/say", {"text": "Hold the line.", "audio": "tone:500:0.3"})
    await eventually(lambda: "speaking" in user.states and user.states[-1] == "listening")
    await asyncio.sleep(0.3)
    await user.leave()
    return user


async def test_transcripts_of_a_room_never_end(start: Start) -> None:
    user = await told(await start(livekit="embedded"), kind="endless_interim")
    assert "Hold the line." in [text for *_, text, _ in user.packets]
    assert {final for *_, final in user.packets} == {False}


async def test_transcripts_of_a_room_come_twice(start: Start) -> None:
    user = await told(await start(livekit="embedded"), kind="doubled_transcript")
    finals = [packet for packet in user.packets if packet[3]]
    assert len(finals) == 2
    assert finals[0] == finals[1]


@both_kinds
async def test_the_agent_has_an_attribute_that_no_page_names(start: Start, rooms: str) -> None:
    emu = await start(livekit=rooms)
    user, session = await came(emu)
    (agent,) = user.room.remote_participants.values()
    assert "emu_extra" not in agent.attributes
    await post(emu, session + "/fault", {"kind": "extra_fields"})
    await post(emu, session + "/say", {"text": "Hm.", "audio": "tone:500:0.1"})
    await eventually(lambda: "emu_extra" in agent.attributes)
    await eventually(lambda: any("emu_extra" in attributes for _, attributes, _ in user.streams))
    # And a client that reads what it knows goes on.
    assert user.states[-1] in ("speaking", "listening")
    await user.leave()


@both_kinds
async def test_a_data_packet_comes_that_no_app_knows(start: Start, rooms: str) -> None:
    emu = await start(livekit=rooms)
    user, session = await came(emu)
    await post(emu, session + "/fault", {"kind": "unknown_message", "text": "lk.transcription"})
    await eventually(lambda: user.app_packets)
    assert user.app_packets == [("lk.transcription", b"nobody knows this")]
    await post(emu, session + "/say", {"text": "Still there.", "audio": "tone:500:0.1"})
    await eventually(lambda: "Still there." in [text for *_, text, _ in user.packets])
    with pytest.raises(ValueError, match="Expecting value"):
        # As an app does that takes every packet for its own.
        json.loads(user.app_packets[0][1])
    await user.leave()


# --- beginnings ----------------------------------------------------------------------------------------


async def test_the_start_of_a_room_goes_wrong(start: Start) -> None:
    emu = await start('[[fault]]\nkind = "http_status"\nstatus = 429\n', livekit="embedded")
    assert [(await post(emu, "/v1/sessions/start"))[0] for _ in range(2)] == [429, 200]
    assert (await post(emu, "/__emu/reset"))[0] == 200


@both_kinds
async def test_a_token_that_has_expired_lets_nobody_into_the_room(start: Start, rooms: str) -> None:
    expired = '[[key]]\nvalue = "short"\nlyzr_livekit.join_wait = 1\n[[key.fault]]\nkind = "token_expired"\n'
    emu = await start(expired, livekit=rooms)
    _, answer = await post(emu, "/v1/sessions/start", key="short")
    with pytest.raises(rtc.ConnectError):
        await Visitor(answer["livekitUrl"], answer["userToken"]).come()
    # A client that asks for a new one comes in, and is not to blame for the session that nobody came to.
    user, _ = await came(emu)
    await until(lambda: answer["sessionId"] not in emu.server.registry.live)
    assert (await emu.get("/__emu/findings"))["findings"] == []
    await user.leave()


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"kind": "upgrade_refused", "status": 503}, 503),
        ({"kind": "upgrade_late", "ms": 1000}, None),
        # Twice, since aiohttp tries twice.
        ({"kind": "upgrade_stalled", "ms": 500, "times": 2}, 0),
    ],
    ids=lambda each: each["kind"] if isinstance(each, dict) else "",
)
async def test_the_signalling_of_a_room_goes_wrong(
    start: Start, fault: dict[str, Any], status: int | None
) -> None:
    emu = await start(livekit="embedded")
    await post(emu, "/__emu/faults", {**fault, "label": "in a room"})
    _, answer = await post(emu, "/v1/sessions/start")
    url = f"{answer['livekitUrl']}/rtc?access_token={answer['userToken']}"
    since, got = time.monotonic(), None
    try:
        ws = await emu.client.ws_connect(url)
        await ws.close()
    except WSServerHandshakeError as refused:
        got = refused.status
    except ServerDisconnectedError:
        got = 0
    assert got == status
    if status != 503:
        assert time.monotonic() - since >= 0.9
    # Whoever tries again comes in.
    user = await Visitor(answer["livekitUrl"], answer["userToken"]).come()
    await eventually(lambda: "listening" in user.states)
    found = await emu.get(f"/__emu/sessions/{answer['sessionId']}")
    assert [e["kind"] for e in found["events"] if e["type"] == "fault_injected"] == (
        [fault["kind"]] * fault.get("times", 1)
    )
    await user.leave()


# --- ends ----------------------------------------------------------------------------------------------


@both_kinds
@pytest.mark.parametrize("code", [1011, 1006])
async def test_a_room_is_closed_under_its_user(start: Start, code: int, rooms: str) -> None:
    emu = await start(livekit=rooms)
    user, session = await came(emu)
    await post(emu, session + "/fault", {"kind": "close", "code": code})
    # Of a room that is closed the SDK is told; one that broke it looks for again, for half a minute. A
    # server tells of its rooms' end whatever became of the agent.
    await eventually(lambda: user.reconnects or user.ended.done(), 30)
    assert user.ended.done() is (code != 1006 or rooms == "server")
    found = await emu.get(session)
    assert (found["closed"]["code"], found["closed"]["by"]) == (code, "provider")
    await user.leave()


async def test_an_agent_that_is_there_and_does_nothing(start: Start) -> None:
    emu = await start(livekit="embedded")
    user, session = await came(emu)
    await post(emu, session + "/fault", {"kind": "half_open", "ms": 1500})
    await post(emu, session + "/say", {"text": "Nobody hears this.", "audio": "tone:500:0.3"})
    await eventually(lambda: user.reconnects, 30)
    assert [text for *_, text, _ in user.packets] == []
    assert user.loud("roomio_audio") == []
    assert (await emu.get(session))["closed"]["code"] == 1006
    await user.leave()


async def test_what_has_no_wire_in_a_room_cannot_be_spoiled(start: Start) -> None:
    emu = await start(livekit="embedded")
    user, session = await came(emu)
    status, said = await post(emu, session + "/fault", {"kind": "odd_length"})
    assert (status, said["error"]) == (400, "lyzr-livekit cannot have the fault odd_length")
    await user.leave()


async def test_a_script_brings_its_faults_into_a_room(start: Start, tmp_path: Path) -> None:
    (tmp_path / "leaves.toml").write_text(
        'schema = "voxemu.scenario/1"\n[[agent.step]]\non = "start"\nsay = "tone:440:0.3"\n'
        '[[fault]]\nkind = "agent_leaves"\non = "reply_ended"\n'
    )
    emu = await start(agent="script:leaves.toml", livekit="embedded")
    _, answer = await post(emu, "/v1/sessions/start")
    user = await Visitor(answer["livekitUrl"], answer["userToken"]).come()
    await asyncio.wait_for(user.ended, 20)
    assert user.loud("roomio_audio")
    await user.leave()


# --- our own client ------------------------------------------------------------------------------------


async def called(emu: Running) -> Outcome:
    """The reference client, which asks one question."""
    settings = {"user_identity": "ann"}
    telephone = Telephone(
        PROVIDER,
        CallPlan(emu.url, "k", "tone:440:1", settings),
        patience=Patience(connect=10.0, answer=30.0, again=0.05),
    )
    script = Script((clip(PROVIDER, 0.5),), lead=1.2, quiet=0.4, patience=15.0)
    (outcome,) = await telephone.call(script)
    return outcome


FAULTS = """
[[fault]]
kind = "unknown_message"
on = "speaking_started"
[[fault]]
kind = "unknown_message"
text = "lk.transcription"
on = "turn_ended"
[[fault]]
kind = "extra_fields"
[[fault]]
kind = "doubled_transcript"
[[fault]]
kind = "corrupt"
after_frames = 5
times = 3
[[fault]]
kind = "truncate"
after_frames = 10
[[fault]]
kind = "drop"
after_frames = 15
times = 3
[[fault]]
kind = "clipping"
after_frames = 20
times = 5
[[fault]]
kind = "wrong_rate"
after_frames = 30
times = 5
[[fault]]
kind = "jitter"
ms = 60
times = 20
[[fault]]
kind = "upgrade_late"
ms = 500
"""


async def test_our_client_survives_a_bad_day_in_a_room(start: Start) -> None:
    emu = await start(FAULTS, livekit="embedded")
    outcome = await called(emu)
    assert [turn.reply is not None for turn in outcome.caller.account.turns] == [True]
    assert outcome.closed.by == "caller"
    # Told twice, it is heard once.
    lines = [text for who, text in outcome.caller.account.transcripts if who == "agent"]
    assert lines == ["(a tone of 440 Hz for 1.00 s)"]
    (record,) = emu.server.registry.all()
    struck = {event["kind"] for event in record.events if event["type"] == "fault_injected"}
    assert struck == set(re.findall(r'kind = "(\w+)"', FAULTS))


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "agent_leaves", "on": "speaking_started"},
        {"kind": "close", "on": "speaking_started"},
        {"kind": "close", "code": 1006, "on": "speaking_started"},
        {"kind": "half_open", "ms": 1000, "on": "speaking_started"},
    ],
    ids=lambda fault: f"{fault['kind']}-{fault.get('code', '')}",
)
async def test_our_client_comes_to_an_end_with_its_room(start: Start, fault: dict[str, Any]) -> None:
    emu = await start(livekit="embedded")
    await post(emu, "/__emu/faults", fault)
    outcome = await asyncio.wait_for(called(emu), 60)
    assert not outcome.caller.account.answered
    (record,) = emu.server.registry.all()
    assert record.closed is not None
    assert record.closed.by == "provider"
