"""Lokutor Voice Chat's own ways: the upgrade and its key, statuses, forms of audio and of errors."""

from __future__ import annotations

import base64
import json
from random import Random
from typing import Any

import pytest

from tests.wire.desks import BASE, CLOSED, NOW, admitted, asked, desk
from voxemu.errors import LocalProtocolError
from voxemu.events import (
    AgentAudioSent,
    ErrorReported,
    Event,
    Interrupted,
    ListeningStarted,
    RatesAnnounced,
    RatesDeclared,
    SessionStarted,
    SettingConfirmed,
    SettingSent,
    SpeakingStarted,
    ThinkingStarted,
    ToolCalled,
    ToolResultSent,
    Transcribed,
    Viseme,
    VisemesSent,
)
from voxemu.provider import Answered, CallPlan, Desk, Role
from voxemu.wire.lokutor import Lokutor, LokutorCodec, LokutorSettings

LOKUTOR = Lokutor()


def upgrade(at: Desk, query: str = "", headers: dict[str, str] | None = None) -> Any:
    return LOKUTOR.admit(asked("GET", "/ws/agent" + query, headers), at, NOW)


# --- the upgrade ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?api_key=good", {}),
        ("", {"X-API-Key": "good"}),
        ("?api_key=", {"X-API-Key": "good"}),
        ("?api_key=good", {"X-API-Key": "good"}),
        ("?api_key=good", {"X-API-Key": "wrong"}),
    ],
    ids=["query", "header", "empty query", "both", "the page's way before the header"],
)
def test_a_key_is_taken_from_the_query_or_the_header(query: str, headers: dict[str, str]) -> None:
    assert admitted(upgrade(desk(CLOSED), query, headers)).key.label == "team-a"


@pytest.mark.parametrize(
    ("query", "headers", "sentence"),
    [
        ("", {}, "Missing API key"),
        ("?api_key=", {}, "Missing API key"),
        ("?api_key=%20", {}, "Missing API key"),
        ("?key=good", {}, "Missing API key"),
        ("", {"Authorization": "Bearer good"}, "Missing API key"),
        ("?api_key=wrong", {}, "Invalid API key"),
        ("", {"X-API-Key": "wrong"}, "Invalid API key"),
        ("?api_key=old", {}, "API key is disabled"),
    ],
)
def test_a_key_that_is_not_good_is_a_401_on_the_upgrade(
    query: str, headers: dict[str, str], sentence: str
) -> None:
    assert Answered(401, {"error": sentence}) == upgrade(desk(CLOSED), query, headers)


def test_no_key_is_refused_even_where_any_passes() -> None:
    assert Answered(401, {"error": "Missing API key"}) == upgrade(desk())


def test_an_agent_id_may_be_named() -> None:
    admission = admitted(upgrade(desk(), "?api_key=k&agent_id=tone:440"))
    assert (admission.agent, admission.facts) == ("tone:440", {"agent_id": "tone:440"})


@pytest.mark.parametrize(
    "query", ["?api_key=tuned", "?api_key=tuned&agent_id=", "?api_key=tuned&agent_id=%20"]
)
def test_without_an_agent_id_the_key_decides(query: str) -> None:
    admission = admitted(upgrade(desk(CLOSED), query))
    assert (admission.agent, admission.facts) == ("tone:440", {})


def test_an_agent_that_is_not_known_is_a_404_on_the_upgrade() -> None:
    at = desk(known=("echo",))
    assert Answered(404, {"error": "Agent not found"}) == upgrade(at, "?api_key=k&agent_id=x")


def test_there_is_nothing_to_ask_over_http() -> None:
    assert LOKUTOR.routes == ()
    assert LOKUTOR.answer(asked("POST", "/ws/agent"), desk(), NOW).status == 404


# --- the caller's half ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "url"),
    [
        (CallPlan(BASE, key="k"), "ws://127.0.0.1:8090/ws/agent?api_key=k"),
        (CallPlan("https://api.example", key="k"), "wss://api.example/ws/agent?api_key=k"),
        (CallPlan("wss://api.example/ws/agent", key="a b&c"), "wss://api.example/ws/agent?api_key=a+b%26c"),
        (CallPlan(BASE, key="k", agent="x"), "ws://127.0.0.1:8090/ws/agent?api_key=k&agent_id=x"),
        (CallPlan("ws://h/ws/agent?api_key=q&v=2"), "ws://h/ws/agent?api_key=q&v=2"),
        (CallPlan("ws://h/ws/agent?api_key=q", key="k"), "ws://h/ws/agent?api_key=k"),
        (CallPlan(BASE), "ws://127.0.0.1:8090/ws/agent"),
    ],
)
def test_a_caller_shows_its_key_as_the_page_does(plan: CallPlan, url: str) -> None:
    assert url == LOKUTOR.reach(plan, None).url


def test_a_caller_sends_its_settings_in_order_and_its_rates_last() -> None:
    plan = CallPlan(BASE, settings={"prompt": "p", "voice": "F1", "language": "en"}, rate=16_000)
    assert (
        SettingSent("prompt", "p"),
        SettingSent("voice", "F1"),
        SettingSent("language", "en"),
        RatesAnnounced(44_100, 16_000),
    ) == LOKUTOR.reach(plan, None).opening


def test_a_caller_at_the_pages_rate_announces_that() -> None:
    assert (RatesAnnounced(44_100, 44_100),) == LOKUTOR.reach(CallPlan(BASE), None).opening


# --- messages ------------------------------------------------------------------------------------------


def codec(role: Role = Role.PROVIDER, **chosen: Any) -> LokutorCodec:
    made = LOKUTOR.codec(role, LokutorSettings(**chosen), Random(7))
    assert isinstance(made, LokutorCodec)
    return made


def said(events: list[Event], **chosen: Any) -> list[Any]:
    """What goes out for these events: statuses by their word, other JSON whole, audio as bytes."""
    writer = codec(**chosen)
    messages = [message for event in events for message in writer.encode(event)]
    read = [one if isinstance(one, bytes) else json.loads(one) for one in messages]
    return [one["data"] if isinstance(one, dict) and one["type"] == "status" else one for one in read]


BEGINNING: list[Event] = [
    SessionStarted("s"),
    RatesDeclared(44_100, 16_000),
    SettingConfirmed("voice"),
    SettingConfirmed("prompt"),
    ListeningStarted("waiting"),
]
TURN: list[Event] = [ListeningStarted("speech"), ThinkingStarted(1), SpeakingStarted(1)]
RATES = {"type": "server_rates", "playback": 44_100, "input": 16_000}


def test_a_session_begins_with_connected_rates_prompt_set_and_listening() -> None:
    assert said(BEGINNING) == ["connected", RATES, "prompt_set", "listening"]


def test_server_rates_can_be_left_out() -> None:
    assert said(BEGINNING, server_rates=False) == ["connected", "prompt_set", "listening"]


def test_the_first_listening_can_be_left_out_alone() -> None:
    events = [ListeningStarted("waiting"), *TURN, ListeningStarted("waiting")]
    assert said(events, initial_listening=False)[:4] == ["listening", "thinking", "speaking", "listening"]
    assert said(events[1:], initial_listening=False) == ["listening", "thinking", "speaking", "listening"]
    assert len(said(events, initial_listening=False)) == 4


def test_listening_while_waiting_can_be_left_out() -> None:
    events = [ListeningStarted("waiting"), *TURN, ListeningStarted("waiting")]
    assert said(events, waiting_listening=False) == ["listening", "listening", "thinking", "speaking"]


def test_a_barge_in_is_listening_then_interrupted() -> None:
    events = [*TURN, ListeningStarted("speech"), Interrupted()]
    assert said(events, waiting_listening=False, initial_listening=False)[-2:] == ["listening", "interrupted"]


def test_audio_is_binary_by_default_and_json_by_setting() -> None:
    pcm = b"\1\0\2\0"
    form = {"type": "audio", "data": base64.b64encode(pcm).decode(), "generation": 3}
    assert [pcm] == said([AgentAudioSent(pcm, 3)])
    assert [form] == said([AgentAudioSent(pcm, 3)], audio_form="json")


def test_an_error_is_a_string_by_default_and_an_object_by_setting() -> None:
    error = ErrorReported("no", "INVALID_MESSAGE")
    whole = {"code": "INVALID_MESSAGE", "message": "no", "detail": "", "retryable": False}
    assert said([error]) == [{"type": "error", "data": "no"}]
    assert [{"type": "error", "data": whole}] == said([error], error_form="object")


def test_only_a_prompt_is_confirmed() -> None:
    assert said([SettingConfirmed("language"), SettingConfirmed("prompt")]) == ["prompt_set"]


def test_a_transcript_that_is_not_final_has_no_word() -> None:
    assert said([Transcribed("user", "Hel", final=False)]) == []


@pytest.mark.parametrize(
    "setting",
    [
        SettingSent("temperature", 1),
        SettingSent("prompt", None),
        SettingSent("visemes", "yes"),
        SettingSent("tools", [1]),
        SettingSent("max_context_messages", float("nan")),
        SettingSent("max_context_messages", object()),
    ],
    ids=lambda setting: f"{setting.name} as {type(setting.value).__name__}",
)
def test_a_setting_that_cannot_be_said_is_not_sent(setting: SettingSent) -> None:
    with pytest.raises(LocalProtocolError, match="tried to send"):
        codec(Role.CALLER).encode(setting)


@pytest.mark.parametrize("event", [RatesAnnounced(44_100, 5), RatesAnnounced(0, None)], ids=str)
def test_a_rate_that_is_none_is_not_announced(event: RatesAnnounced) -> None:
    with pytest.raises(LocalProtocolError, match="sample rate"):
        codec(Role.CALLER).encode(event)


# --- the official SDK ----------------------------------------------------------------------------------


class Line:
    """Stands where the SDK has its websocket."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, message: str) -> None:
        self.sent.append(message)


@pytest.fixture
def sdk() -> Any:
    """The official client, joined to nothing; its sound device keeps what it is given."""
    lokutor = pytest.importorskip("lokutor")
    client = lokutor.VoiceAgentClient("key", prompt="Be brief.", visemes=True, tools=[{"type": "function"}])
    client.played = []
    client.audio = type("Device", (), {"write": client.played.append, "clear_output": client.played.clear})
    client.ws = Line()
    return client


def tell(sdk: Any, events: list[Event], **chosen: Any) -> None:
    writer = codec(**chosen)
    for event in events:
        for message in writer.encode(event):
            sdk._on_message(sdk.ws, message)


def test_what_the_sdk_sends_first_is_read_whole(sdk: Any) -> None:
    sdk._on_open(sdk.ws)
    reader = codec()
    assert [
        SettingSent("voice", "F1"),
        SettingSent("language", "en"),
        SettingSent("tools", [{"type": "function"}]),
        SettingSent("visemes", True),
        SettingSent("prompt", "Be brief."),
        RatesAnnounced(44_100, 16_000),
    ] == [event for message in sdk.ws.sent for event in reader.decode(message)]


def test_what_the_sdk_sends_in_mid_call_is_read(sdk: Any) -> None:
    sdk.connected.set()
    sdk.update_prompt("Be long.")
    sdk.submit_tool_result("c1", {"sky": "blue"})
    reader = codec()
    assert [SettingSent("prompt", "Be long."), ToolResultSent("c1", '{"sky": "blue"}')] == [
        event for message in sdk.ws.sent for event in reader.decode(message)
    ]


def test_prompt_set_releases_the_sdks_microphone(sdk: Any) -> None:
    tell(sdk, BEGINNING)
    assert sdk.config_done.is_set()


@pytest.mark.parametrize("form", ["binary", "json"])
def test_the_sdk_plays_either_form_of_audio(sdk: Any, form: str) -> None:
    tell(sdk, [ThinkingStarted(1), SpeakingStarted(1), AgentAudioSent(b"\1\0", 1)], audio_form=form)
    assert sdk.played == [b"\1\0"]


def test_the_sdk_drops_what_it_has_not_played_when_interrupted(sdk: Any) -> None:
    tell(sdk, [*TURN, AgentAudioSent(b"\1\0", 1), ListeningStarted("speech"), Interrupted()])
    assert sdk.played == []


def test_the_sdk_hears_who_said_what_and_is_handed_tools_and_visemes(sdk: Any) -> None:
    heard: list[Any] = []
    for name in ("transcription", "response", "tool_call", "visemes", "error"):
        sdk.on(name, lambda *found, name=name: heard.append((name, *found)))
    tell(
        sdk,
        [
            Transcribed("user", "Hello"),
            Transcribed("agent", "Hi."),
            ToolCalled("weather", "{}", "c1"),
            VisemesSent((Viseme(3, "a", 0.25),), 1),
            ErrorReported("no"),
        ],
    )
    ((*_, marks),) = [one for one in heard if one[0] == "visemes"]
    assert [(mark.id, mark.char, mark.timestamp) for mark in marks] == [(3, "a", 0.25)]
    assert [one for one in heard if one[0] != "visemes"] == [
        ("transcription", "Hello"),
        ("response", "Hi."),
        ("tool_call", "weather", "{}", "c1"),
        ("error", "no"),
    ]
