"""The control API: looking at the running emulator, and a hand on its calls."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import WSMsgType

from tests.server.conftest import Running, Start, until
from tests.server.phone import Phone, dial
from voxemu.events import (
    AgentAudioSent,
    Closed,
    ErrorReported,
    Interrupted,
    ListeningStarted,
    SessionEnded,
    SessionStarted,
    Transcribed,
    Unrecognised,
)

pytestmark = pytest.mark.sockets

HEADER = {"x-emu-control": "1"}


async def post(emu: Running, path: str, body: Any = None, status: int = 200) -> Any:
    async with emu.client.post(emu.url + "/__emu/" + path, json=body or {}, headers=HEADER) as answered:
        said = await answered.json()
        assert (status, said) == (answered.status, said)
        return said


async def called(emu: Running, provider: str = "lyzr-sip", **headers: str) -> tuple[Phone, str]:
    """A call, and its session's id."""
    before = set(emu.server.registry.live)
    phone = await dial(emu.client, provider, emu.url, **headers)
    await phone.hear(SessionStarted)
    (found,) = set(emu.server.registry.live) - before
    return phone, found


# --- a hand on a call ----------------------------------------------------------------------------------


async def test_the_agent_says_what_it_is_told_to(start: Start) -> None:
    emu = await start()
    phone, session = await called(emu)
    await post(emu, f"sessions/{session}/say", {"text": "Hold the line.", "audio": "tone:500:0.1"})
    await phone.hear(AgentAudioSent)
    assert [Transcribed("agent", "Hold the line.")] == [e for e in phone.seen if isinstance(e, Transcribed)]


async def test_the_agent_is_interrupted(start: Start) -> None:
    emu = await start()
    phone, session = await called(emu)
    await post(emu, f"sessions/{session}/say", {"text": "A long story", "audio": "tone:500:30"})
    await phone.hear(AgentAudioSent)
    await post(emu, f"sessions/{session}/interrupt")
    await phone.hear(Interrupted)


async def test_a_fault_strikes_a_running_call(start: Start) -> None:
    emu = await start()
    phone, session = await called(emu)
    await post(emu, f"sessions/{session}/fault", {"kind": "error", "text": "Out of credits"})
    assert ErrorReported("Out of credits") == await phone.hear(ErrorReported)


async def test_whoever_watches_the_server_sees_the_fault(start: Start) -> None:
    emu = await start()
    phone, session = await called(emu)
    await post(emu, f"sessions/{session}/fault", {"kind": "unknown_message", "text": "news"})
    await phone.hear(Unrecognised)
    assert "fault unknown_message news" in emu.out.getvalue()


async def test_a_transcript_is_sent(start: Start) -> None:
    emu = await start()
    phone, session = await called(emu)
    await post(emu, f"sessions/{session}/transcript", {"text": "Hm", "speaker": "user"})
    assert Transcribed("user", "Hm") == await phone.hear(Transcribed)


async def test_a_session_is_ended_in_its_providers_own_way(start: Start) -> None:
    emu = await start()
    phone, session = await called(emu, "workbuddy")
    await post(emu, f"sessions/{session}/end", {"cause": "agent_left"})
    ended = await phone.hear(SessionEnded)
    assert isinstance(ended, SessionEnded)
    assert ended.reason == "agent_disconnected"


async def test_a_connection_is_dropped_without_a_goodbye(start: Start) -> None:
    emu = await start()
    phone, session = await called(emu)
    await post(emu, f"sessions/{session}/drop")
    assert await phone.hear(None) == 1006


@pytest.mark.parametrize(("code", "seen"), [(1005, 0), (4321, 4321)])
async def test_a_socket_is_closed_with_any_code_and_with_none(start: Start, code: int, seen: int) -> None:
    emu = await start()
    phone, session = await called(emu)
    await post(emu, f"sessions/{session}/fault", {"kind": "close", "code": code})
    while (got := await phone.ws.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
        pass
    assert (WSMsgType.CLOSE, seen) == (got.type, got.data)


async def test_what_was_said_is_listed(start: Start) -> None:
    emu = await start()
    phone, session = await called(emu)
    await post(emu, f"sessions/{session}/say", {"text": "Hello", "audio": "tone:500:0.1"})
    await phone.hear(AgentAudioSent)
    found = await emu.get(f"/__emu/sessions/{session}/transcript")
    assert found["lines"] == [{"speaker": "agent", "text": "Hello", "heard": None}]


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("say", {"text": 5}, 400, "'text' must be a string"),
        ("say", {"txt": "x"}, 400, "did you mean 'text'"),
        ("say", {"audio": "../../etc/passwd"}, 400, "there is no sound"),
        ("say", {"pcm": "AAA"}, 400, "not base64"),
        ("fault", {"kind": "doubled_speaking"}, 400, "lyzr-sip cannot have the fault"),
        ("fault", {"kind": "http_status"}, 400, "strikes a start"),
        ("fault", {"kind": "drop", "on": "tea_time"}, 400, "there is no event"),
        ("transcript", {}, 400, "'text' is missing"),
        (
            "end",
            {"cause": "boredom"},
            400,
            "'cause' cannot be 'boredom'; known: closed, agent_left, shutdown",
        ),
        ("end", {"cause": "left"}, 400, "did you mean 'agent_left'?"),
        ("dance", {}, 404, "nothing at this path; GET /__emu/openapi.json describes what there is"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_a_sentence(
    start: Start, path: str, body: dict[str, Any], status: int, error: str
) -> None:
    emu = await start()
    _, session = await called(emu)
    assert error in (await post(emu, f"sessions/{session}/{path}", body, status))["error"]


async def test_a_session_that_is_over_takes_no_more(start: Start) -> None:
    emu = await start()
    phone, session = await called(emu)
    await phone.ws.close()
    await until(lambda: not emu.server.registry.live)
    assert "is over" in (await post(emu, f"sessions/{session}/interrupt", None, 409))["error"]


async def test_without_the_header_nothing_is_changed(start: Start) -> None:
    emu = await start()
    _, session = await called(emu)
    async with emu.client.post(f"{emu.url}/__emu/sessions/{session}/drop") as answered:
        assert answered.status == 403
    assert session in emu.server.registry.live


# --- labels --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["lyzr-sip", "workbuddy", "lokutor"])
async def test_sessions_carry_the_label_of_their_request(start: Start, provider: str) -> None:
    emu = await start()
    _, one = await called(emu, provider, **{"X-Emu-Label": "one"})
    await called(emu, provider, **{"X-Emu-Label": "two"})
    found = await emu.get("/__emu/sessions?label=one")
    assert [one] == [each["id"] for each in found["sessions"]]


async def test_without_a_header_the_label_is_the_keys(start: Start) -> None:
    emu = await start('[[key]]\nvalue = "k"\nlabel = "from-the-key"\n')
    await called(emu, "lokutor")
    assert len((await emu.get("/__emu/sessions?label=from-the-key"))["sessions"]) == 1


async def test_sessions_are_found_by_provider_and_state(start: Start) -> None:
    emu = await start()
    calls = [await called(emu, provider) for provider in ("lokutor", "workbuddy")]
    counts = [
        len((await emu.get(f"/__emu/sessions?{query}"))["sessions"])
        for query in ("provider=lokutor", "state=live", "state=over", "provider=nobody")
    ]
    assert counts == [1, len(calls), 0, 0]


async def test_a_fault_of_a_label_strikes_its_sessions_alone(start: Start) -> None:
    emu = await start('[[fault]]\nkind = "error"\non = "session_started"\nlabel = "rough"\n')
    smooth, _ = await called(emu, **{"X-Emu-Label": "smooth"})
    rough, _ = await called(emu, **{"X-Emu-Label": "rough"})
    await rough.hear(ErrorReported)
    assert not [each for each in smooth.seen if isinstance(each, ErrorReported)]


async def test_a_fault_of_a_key_strikes_its_calls_alone(start: Start) -> None:
    toml = (
        '[[key]]\nvalue = "a"\n[[key.fault]]\nkind = "error"\non = "session_started"\n[[key]]\nvalue = "b"\n'
    )
    emu = await start(toml)
    told = []
    for key in ("a", "b"):
        phone = await dial(emu.client, "lokutor", emu.url, key=key)
        await phone.hear(ListeningStarted)
        told.append([type(each) for each in phone.seen].count(ErrorReported))
        await phone.ws.close()
    assert told == [1, 0]


async def test_a_start_goes_wrong_for_one_key_alone(start: Start) -> None:
    toml = '[[key]]\nvalue = "a"\n[[key.fault]]\nkind = "http_status"\nstatus = 403\n[[key]]\nvalue = "b"\n'
    emu = await start(toml)
    got = []
    for key in ("b", "a"):
        headers = {"Authorization": f"Bearer {key}"}
        async with emu.client.post(f"{emu.url}/api/v1/sdk/token", headers=headers) as answered:
            got.append(answered.status)
    assert got == [200, 403]


async def test_a_reset_of_a_label_leaves_the_others_alone(start: Start) -> None:
    emu = await start()
    one, _ = await called(emu, **{"X-Emu-Label": "one"})
    _two, other = await called(emu, **{"X-Emu-Label": "two"})
    await post(emu, "faults", {"kind": "drop", "label": "one"})
    await post(emu, "faults", {"kind": "drop", "label": "two"})
    assert (await post(emu, "reset", {"label": "one"})) == {"ended": 1, "forgotten": 0, "faults": 1}
    assert await one.hear(None) == 1000
    await until(lambda: [other] == list(emu.server.registry.live))


# --- events --------------------------------------------------------------------------------------------


async def events(emu: Running, query: str, enough: int) -> list[dict[str, Any]]:
    async with emu.client.get(f"{emu.url}/__emu/events{query}") as answered:
        assert answered.content_type == "text/event-stream"
        found = []
        async for line in answered.content:
            if line.startswith(b"data: "):
                found.append(json.loads(line[6:]))
            if len(found) == enough:
                break
        return found


async def test_events_are_told_while_they_happen(start: Start) -> None:
    emu = await start()
    listening = asyncio.create_task(events(emu, "", 3))
    await until(lambda: emu.server.audience.count)
    await called(emu)
    found = await asyncio.wait_for(listening, 5)
    assert [each["type"] for each in found] == ["opened", "session_started", "rates_declared"]


async def test_the_events_of_one_session_end_with_it(start: Start) -> None:
    emu = await start()
    phone, session = await called(emu)
    listening = asyncio.create_task(events(emu, f"?session={session}", 10_000))
    await until(lambda: emu.server.audience.count)
    await called(emu)
    await phone.ws.close()
    found = await asyncio.wait_for(listening, 5)
    assert {each["session"] for each in found} == {session}
    assert found[-1]["type"] == "closed"


# --- what there is -------------------------------------------------------------------------------------


async def test_settings_say_where_they_came_from(start: Start) -> None:
    emu = await start('agent = "tone"\n[auth]\nkeys = ["sesame-open"]\n', env={"EMU_SEED": "4"})
    found = {each["name"]: each for each in (await emu.get("/__emu/settings"))["settings"]}
    assert found["agent"] == {"name": "agent", "value": "tone", "from": "emu.toml: agent"}
    assert found["seed"]["from"] == "EMU_SEED"
    assert found["host"]["from"] == "default"
    assert "sesame" not in json.dumps(found)


async def test_faults_are_listed_with_who_can_have_them(start: Start) -> None:
    emu = await start('[[fault]]\nkind = "drop"\n')
    found = await emu.get("/__emu/faults")
    assert found["kinds"]["missing_interrupted"]["providers"] == ["lyzr-sip", "lokutor"]
    assert found["armed"] == [{"kind": "drop", "from": "settings"}]


async def test_agents_are_listed(start: Start) -> None:
    emu = await start('[[agent]]\nname = "shop"\nagent = "echo"\n')
    found = await emu.get("/__emu/agents")
    assert "echo" in found["names"]
    assert [each["name"] for each in found["tables"]] == ["shop"]


async def test_findings_are_listed_by_label(start: Start) -> None:
    emu = await start()
    phone, _ = await called(emu, **{"X-Emu-Label": "mine"})
    await phone.ws.send_str("{}")
    await phone.hear(ErrorReported)
    found = (await emu.get("/__emu/findings?label=mine"))["findings"]
    assert [each["code"] for each in found] == ["F-BAD-FIELD"]
    assert (await emu.get("/__emu/findings?label=yours"))["findings"] == []


async def test_recordings_are_listed_and_given_out(start: Start) -> None:
    emu = await start(record="calls")
    phone, _ = await called(emu)
    await phone.ws.close()
    await until(lambda: not emu.server.registry.live)
    (found,) = (await emu.get("/__emu/recordings"))["recordings"]
    path = f"/__emu/recordings/{found['provider']}/{found['name']}"
    async with emu.client.get(f"{emu.url}{path}/manifest.json") as answered:
        assert json.loads(await answered.read())["provider"]["id"] == "lyzr-sip"
    async with emu.client.get(f"{emu.url}{path}/call.wav") as answered:
        assert (await answered.read())[:4] == b"RIFF"


@pytest.mark.parametrize(
    "path", ["lyzr-sip/..%2F..%2Femu.toml/call.wav", "../../emu.toml", "..%2f/x/emu.toml"]
)
async def test_no_path_comes_from_the_wire(start: Start, path: str) -> None:
    emu = await start(record="calls")
    async with emu.client.get(f"{emu.url}/__emu/recordings/{path}") as answered:
        assert answered.status in (403, 404)


async def test_the_end_of_a_call_is_the_same_for_whoever_reset_it(start: Start) -> None:
    emu = await start()
    phone, session = await called(emu)
    await post(emu, "reset")
    assert await phone.hear(None) == 1000
    await until(lambda: not emu.server.registry.live)
    record = emu.server.registry.find(session)
    assert record is not None
    assert record.closed == Closed(1000, "the emulator was reset", "provider")
