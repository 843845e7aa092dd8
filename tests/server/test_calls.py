"""Calls over real sockets, the same for every provider in the list."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.server.conftest import Running, Start, until
from tests.server.phone import dial
from voxemu.agents import Echo
from voxemu.errors import UsageError
from voxemu.events import AgentAudioSent, ErrorReported, Interrupted, SessionEnded, SessionStarted
from voxemu.wire import ON_SOCKETS, PROVIDERS

pytestmark = pytest.mark.sockets

every_provider = pytest.mark.parametrize("provider", ON_SOCKETS)


async def all_over(emu: Running) -> None:
    """Waits until the server has seen every call to its end."""
    await asyncio.wait_for(emu.server.calls.idle.wait(), 3)


@every_provider
async def test_a_turn_is_answered_and_told(start: Start, provider: str) -> None:
    emu = await start()
    phone = await dial(emu.client, provider, emu.url)
    await phone.speak()
    await phone.hear(AgentAudioSent)
    await phone.ws.close()
    await all_over(emu)
    (session,) = (await emu.get("/__emu/sessions"))["sessions"]
    assert (provider, "echo", 1) == (session["provider"], session["agent"], session["turns"])


@every_provider
async def test_a_barge_in_stops_the_agent(start: Start, provider: str) -> None:
    emu = await start(agent="tone:880:30")
    phone = await dial(emu.client, provider, emu.url)
    await phone.speak()
    await phone.hear(AgentAudioSent)
    await asyncio.sleep(0.3)
    await phone.speak(hush=0.0, hertz=250.0)
    session = emu.server.registry.all()[0]
    await until(lambda: session.counters["barged_in"])
    if Interrupted in PROVIDERS[provider].spells:
        await phone.hear(Interrupted)
    assert "barge-in after" in emu.out.getvalue()
    await phone.ws.close()


@every_provider
async def test_an_agent_that_raises_is_an_error_and_the_session_goes_on(
    start: Start, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    emu = await start()
    answers = Echo.respond
    failures = iter([True])

    def respond(self: Echo, cue: object, call: object) -> object:
        if type(cue).__name__ == "UserTurn" and next(failures, False):
            raise RuntimeError("no words")
        return answers(self, cue, call)  # type: ignore[arg-type]

    monkeypatch.setattr(Echo, "respond", respond)
    phone = await dial(emu.client, provider, emu.url)
    await phone.speak()
    await phone.hear(ErrorReported)
    await phone.speak()
    await phone.hear(AgentAudioSent)
    await phone.ws.close()


@every_provider
async def test_garbage_is_an_error_of_the_provider_and_the_session_goes_on(
    start: Start, provider: str
) -> None:
    emu = await start()
    phone = await dial(emu.client, provider, emu.url)
    await phone.hear(SessionStarted)
    for garbage in (
        "",
        "{",
        "[]",
        '{"type":[]}',
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ):
        await phone.ws.send_str(garbage)
        await phone.hear(ErrorReported)
    await phone.ws.send_bytes(b"\x01")
    await phone.hear(ErrorReported)
    await phone.speak()
    await phone.hear(AgentAudioSent)
    await phone.ws.close()


@every_provider
async def test_a_message_over_the_limit_is_closed_with_1009(start: Start, provider: str) -> None:
    emu = await start("[limits]\nmessage = 65536")
    phone = await dial(emu.client, provider, emu.url)
    await phone.hear(SessionStarted)
    await phone.ws.send_bytes(bytes(70_000))
    assert await phone.hear(None) == 1009


@every_provider
async def test_an_exception_in_the_engine_closes_1011_and_the_server_lives(
    start: Start, provider: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    emu = await start()
    phone = await dial(emu.client, provider, emu.url)
    await phone.hear(SessionStarted)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(emu.server.registry.all()[0].session, "receive", broken)
    await phone.speak(0.1)
    assert await phone.hear(None) == 1011
    await all_over(emu)
    assert caplog.text.count("ZeroDivisionError: a bug") == 1
    assert (await emu.get("/health"))["sessions"] == 0
    (session,) = (await emu.get("/__emu/sessions"))["sessions"]
    assert session["closed"]["code"] == 1011


@every_provider
async def test_a_call_is_recorded_without_its_secrets(start: Start, provider: str, tmp_path: Path) -> None:
    emu = await start(record=str(tmp_path / "calls"), json=True)
    phone = await dial(emu.client, provider, emu.url, key="hush-hush-key")
    await phone.speak()
    await phone.hear(AgentAudioSent)
    await phone.ws.close()
    await all_over(emu)
    (folder,) = (tmp_path / "calls" / provider).iterdir()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["complete"], len(manifest["turns"])) == (True, 1)
    (session,) = (await emu.get("/__emu/sessions"))["sessions"]
    whole = json.dumps(await emu.get(f"/__emu/sessions/{session['id']}"))
    written = (
        b"".join(file.read_bytes() for file in folder.iterdir())
        + emu.out.getvalue().encode()
        + whole.encode()
    )
    assert b"hush-hush-key" not in written
    assert session["recording"] == str(folder)


async def test_the_effective_settings_of_a_session_can_be_read(start: Start) -> None:
    emu = await start("[lokutor]\ninput_rate = 16000\n[dialogue]\nmax_context = 7")
    phone = await dial(emu.client, "lokutor", emu.url)
    await phone.ws.send_json({"type": "prompt", "data": "be brief"})
    await phone.hear(SessionStarted)
    await phone.ws.send_json({"type": "voice", "data": "F1"})
    await phone.speak()
    await phone.hear(AgentAudioSent)
    (listed,) = (await emu.get("/__emu/sessions"))["sessions"]
    session = await emu.get(f"/__emu/sessions/{listed['id']}")
    settings = session["settings"]
    assert settings["session"] == {"prompt": "be brief", "voice": "F1"}
    assert settings["dialogue"]["input_rate"] == 16000
    assert settings["origins"]["max_context"] == "emu.toml: dialogue.max_context"
    assert session["history"][0]["speaker"] == "user"
    await phone.ws.close()


async def test_a_url_used_again_is_refused_and_a_finding_of_its_session(start: Start) -> None:
    emu = await start()
    async with emu.client.post(emu.url + "/session/start", json={"agentId": "a"}) as answered:
        started = await answered.json()
    ws = await emu.client.ws_connect(started["wsUrl"])
    again = await emu.client.ws_connect(started["wsUrl"])
    said = await again.receive_json(timeout=3)
    assert (await again.receive(timeout=3)).data == 1008
    assert said["type"] == "error"
    session = await emu.get(f"/__emu/sessions/{started['sessionId']}")
    assert [found["code"] for found in session["findings"]] == ["F-URL-REUSED"]
    await ws.close()


async def test_a_token_used_again_is_refused_and_a_finding_of_its_session(start: Start) -> None:
    emu = await start()
    async with emu.client.post(
        emu.url + "/api/v1/sdk/token", headers={"Authorization": "Bearer k"}
    ) as answered:
        started = await answered.json()
    first = await emu.client.ws_connect(started["ws_url"])
    await first.send_json({"token": started["token"]})
    assert await first.receive_json(timeout=3) == {"type": "connected"}
    again = await emu.client.ws_connect(started["ws_url"])
    await again.send_json({"token": started["token"]})
    assert (await again.receive_json(timeout=3))["code"] == "AUTH_FAILED"
    assert (await again.receive(timeout=3)).data == 4003
    (session,) = emu.server.registry.all()
    assert [found["code"] for found in session.findings] == ["F-TOKEN-REUSED"]
    await first.close()


async def test_a_session_that_nobody_connects_to_is_a_finding(start: Start) -> None:
    emu = await start("[lyzr_sip]\nurl_life = 0.01")
    async with emu.client.post(emu.url + "/session/start", json={"agentId": "a"}):
        pass
    await until(lambda: emu.server.registry.findings)
    assert emu.server.registry.findings[0]["code"] == "F-NEVER-CONNECTED"


async def test_settings_of_a_key_reach_the_wire_of_a_session_whose_token_comes_on_the_socket(
    start: Start,
) -> None:
    emu = await start(
        '[[key]]\nvalue = "a"\n[key.workbuddy]\nsession_closed_reason = "room_closed"\nsession_limit = 0.05'
    )
    phone = await dial(emu.client, "workbuddy", emu.url, key="a")
    ended = await phone.hear(SessionEnded)
    assert isinstance(ended, SessionEnded)
    assert ended.reason == "room_closed"
    assert await phone.hear(None) == 1000


async def test_a_greeting_is_spoken_first(start: Start, tmp_path: Path) -> None:
    emu = await start('[dialogue]\ngreeting = "tone:660:0.1"\ngreeting_text = "Good day"')
    phone = await dial(emu.client, "lokutor", emu.url)
    await phone.hear(AgentAudioSent)
    assert [event.text for event in phone.seen if type(event).__name__ == "Transcribed"] == ["Good day"]  # type: ignore[attr-defined]
    await phone.ws.close()


async def test_no_more_sessions_than_the_limit(start: Start) -> None:
    emu = await start("[limits]\nsessions = 1")
    phone = await dial(emu.client, "lokutor", emu.url)
    await phone.hear(SessionStarted)
    async with emu.client.get(
        emu.url + "/ws/agent?api_key=k",
        headers={
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        },
    ) as answered:
        assert (answered.status, answered.headers["Retry-After"]) == (503, "5")
    await phone.ws.close()


@every_provider
async def test_live_sessions_are_told_of_a_shutdown(start: Start, provider: str) -> None:
    emu = await start()
    phone = await dial(emu.client, provider, emu.url)
    await phone.hear(SessionStarted)
    emu.server.calls.shut_down()
    assert await phone.hear(None) == PROVIDERS[provider].close_codes["shutdown"]
    if SessionEnded in PROVIDERS[provider].spells:
        assert isinstance(phone.seen[-1], SessionEnded)


async def test_events_are_json_lines_without_audio(start: Start) -> None:
    emu = await start(json=True)
    phone = await dial(emu.client, "lokutor", emu.url)
    await phone.speak()
    await phone.hear(AgentAudioSent)
    await phone.ws.close()
    await all_over(emu)
    types = [line["type"] for line in emu.lines()]
    assert types[0] == "session_opened"
    assert {"closed", "turn_ended", "transcribed", "speaking_started"} <= set(types)
    assert not {"user_audio_sent", "agent_audio_sent"} & set(types)


@pytest.mark.parametrize(("provider", "code"), [("workbuddy", 4500), ("lokutor", 1011), ("lyzr-sip", 1011)])
async def test_a_session_that_cannot_be_set_up_is_closed_and_the_server_lives(
    start: Start, provider: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    emu = await start()

    def broken(*_: object) -> None:
        raise UsageError("the greeting is gone")

    monkeypatch.setattr("voxemu.casting.cast", broken)
    phone = await dial(emu.client, provider, emu.url)
    await phone.hear(ErrorReported)
    assert await phone.hear(None) == code
    assert (await emu.get("/health"))["sessions"] == 0


async def test_a_call_that_cannot_be_recorded_goes_on(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    emu = await start(record=str(tmp_path / "calls"))
    (tmp_path / "calls" / "lokutor").write_text("in the way")
    phone = await dial(emu.client, "lokutor", emu.url)
    await phone.speak()
    await phone.hear(AgentAudioSent)
    assert "a call of lokutor is not recorded" in caplog.text
    await phone.ws.close()


async def test_what_strangers_send_cannot_move_the_cursor(start: Start) -> None:
    emu = await start()
    phone = await dial(emu.client, "lokutor", emu.url)
    await phone.hear(SessionStarted)
    await phone.ws.close(message=b"bye\x1b[2J\nfake line")
    await all_over(emu)
    assert "\x1b" not in emu.out.getvalue()
    assert "\nfake line" not in emu.out.getvalue()
