"""Lyzr Voice SIP's own ways: the start, the opaque URL, the shapes of transcripts."""

from __future__ import annotations

import json
from random import Random
from typing import Any, get_args

import pytest

from tests.wire.desks import BASE, CLOSED, NOW, admitted, asked, connected, desk, started
from tests.wire.vocabulary import EXAMPLES, direction
from voxemu.errors import RemoteProtocolError
from voxemu.events import (
    Closed,
    Downlink,
    ErrorReported,
    ListeningStarted,
    StopSent,
    Transcribed,
    Unrecognised,
    UserAudioSent,
)
from voxemu.provider import Answered, CallPlan, Desk, Response, Role
from voxemu.wire.lyzr_sip import LyzrSip, LyzrSipCodec, LyzrSipSettings
from voxemu.wire.lyzr_transcripts import SHAPES, ShapeName

LYZR = LyzrSip()
PLAN = CallPlan(BASE, agent="echo")
JSON = {"content-type": "application/json"}


def start(at: Desk, body: bytes | str, headers: dict[str, str] = JSON, base: str = BASE) -> Answered:
    sent = body.encode() if isinstance(body, str) else body
    return LYZR.answer(asked("POST", "/session/start", headers, sent, base), at, NOW)


def upgrade(at: Desk, url: str, now: float = NOW) -> Any:
    return LYZR.admit(asked("GET", url), at, now)


# --- POST /session/start -------------------------------------------------------------------------------


def test_a_start_answers_a_session_its_url_and_its_audio() -> None:
    assert Answered(
        200,
        {
            "sessionId": "session-1",
            "wsUrl": "ws://127.0.0.1:8090/session/stream/session-1?ticket=secret-1",
            "audioConfig": {"sampleRate": 24000, "format": "pcm16", "channels": 1, "encoding": "base64"},
        },
    ) == start(desk(), '{"agentId":"echo"}')


def test_keys_of_the_clients_own_are_accepted_and_what_they_say_is_kept() -> None:
    at = desk()
    answered = start(at, '{"agentId":" echo ","userId":"u","sessionId":"voice_1a2b3c4d","model":{"x":1}}')
    admission = admitted(upgrade(at, answered.body["wsUrl"]))
    assert admission.facts == {"agentId": "echo", "userId": "u", "sessionId": "voice_1a2b3c4d"}


def test_a_content_type_is_not_insisted_on() -> None:
    assert start(desk(), '{"agentId":"echo"}', headers={}).status == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "not JSON: it is empty"),
        ("agentId=echo", "not JSON"),
        ("[]", "expected a JSON object, got an array"),
        ('"echo"', "expected a JSON object, got a string"),
        ("null", "expected a JSON object, got null"),
        ("{}", "'agentId' is missing"),
        ('{"agent_id":"echo"}', "'agentId' is missing"),
        ('{"agentId":null}', "'agentId' must be a string, not null"),
        ('{"agentId":7}', "'agentId' must be a string, not a number"),
        ('{"agentId":["echo"]}', "'agentId' must be a string, not an array"),
        ('{"agentId":""}', "'agentId' is empty"),
        ('{"agentId":" \\t\\n"}', "'agentId' is empty"),
        (b'{"agentId":"\xff"}', "not UTF-8"),
        ("[" * 100_000, "nested too deeply"),
        ('{"agentId":"\\ud800"}', "not JSON"),
    ],
)
def test_a_start_that_names_no_agent_is_a_400(body: str | bytes, words: str) -> None:
    answered = start(desk(), body)
    assert (400, {"error"}) == (answered.status, set(answered.body))
    assert words in answered.body["error"]


def test_an_agent_that_is_not_known_is_a_404() -> None:
    assert Answered(404, {"error": "Agent not found"}) == start(desk(known=("echo",)), '{"agentId":"x"}')


def test_an_agent_that_is_not_known_can_be_disconnected_once_connected_instead() -> None:
    at = desk(known=("echo",), invalid_agent="ws")
    answered = start(at, '{"agentId":"x"}')
    assert answered.status == 200
    assert (
        ErrorReported("Agent not found"),
        Closed(1008, "Agent not found", "provider"),
    ) == upgrade(at, answered.body["wsUrl"])


@pytest.mark.parametrize("headers", [{"x-api-key": "tuned"}, {"authorization": "Bearer tuned"}])
def test_a_key_that_happens_to_be_sent_picks_its_settings(headers: dict[str, str]) -> None:
    at = desk(CLOSED, per_key={"team-c": {"url_life": 5.0}})
    answered = start(at, '{"agentId":"echo"}', headers)
    assert "expired" in upgrade(at, answered.body["wsUrl"], NOW + 5.0)[0].message


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}, {"x-api-key": "old"}])
def test_no_key_is_asked_for_even_where_keys_are_configured(headers: dict[str, str]) -> None:
    assert start(desk(CLOSED), '{"agentId":"echo"}', headers).status == 200


# --- the opaque URL ------------------------------------------------------------------------------------

TAMPERED = {
    "another ticket": lambda url: url + "0",
    "no ticket": lambda url: url.partition("?")[0],
    "an empty ticket": lambda url: url.partition("=")[0] + "=",
    "another session": lambda url: url.replace("session-1", "session-2"),
    "no session": lambda url: url.replace("session-1", ""),
    "a query of its own": lambda url: url + "&agentId=echo",
    "a longer path": lambda url: url.replace("?", "/?"),
    "a URL built from the session id": lambda url: "ws://127.0.0.1:8090/session/stream/session-1",
    "the session id for a ticket": lambda url: url.replace("secret-1", "session-1"),
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_url_that_is_not_exactly_the_one_issued_is_refused_on_the_open_socket(tamper: Any) -> None:
    at = desk()
    error, closed = upgrade(at, tamper(started(LYZR, PLAN, at).url))
    assert "exactly as session/start returned it" in error.message
    assert Closed(1008, error.message, "provider") == closed


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED.keys())
def test_a_tampered_url_does_not_use_up_the_true_one(tamper: Any) -> None:
    at = desk()
    target = started(LYZR, PLAN, at)
    upgrade(at, tamper(target.url))
    assert admitted(connected(LYZR, target, at)).session_id == "session-1"


def test_a_reason_fits_a_close_frame() -> None:
    for why in ("unknown", "used", "expired", "unknown_agent"):
        closed = LYZR.refusal(why)[1]
        assert isinstance(closed, Closed)
        assert len(closed.reason.encode()) <= 123


def test_the_life_of_a_url_is_a_setting() -> None:
    at = desk(url_life=1.0)
    assert "expired" in upgrade(at, started(LYZR, PLAN, at).url, NOW + 1.0)[0].message


def test_a_url_that_lives_no_time_is_never_good() -> None:
    at = desk(url_life=0.0)
    assert "expired" in upgrade(at, started(LYZR, PLAN, at).url, NOW)[0].message


@pytest.mark.parametrize("life", [-1, float("nan"), 1e9])
def test_the_life_of_a_url_is_some_time(life: float) -> None:
    with pytest.raises(ValueError, match="url_life must be 0 to 86400"):
        LyzrSipSettings(url_life=life)


# --- the caller's half ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("agent", "sent"), [("echo", "echo"), (" a 1 ", "a 1"), ("", "default")])
def test_a_caller_asks_for_an_agent(agent: str, sent: str) -> None:
    request = LYZR.ask(CallPlan(BASE, agent=agent))
    assert (request.method, request.url) == ("POST", "http://127.0.0.1:8090/session/start")
    assert {"agentId": sent} == json.loads(request.body or b"")


OFFERED = {
    "sessionId": "s",
    "wsUrl": "wss://sip.example/a/../b?x=%2F&x=1#f",
    "audioConfig": {"sampleRate": 24_000, "format": "pcm16", "channels": 1},
}


def test_a_caller_takes_the_url_as_it_is() -> None:
    target = LYZR.reach(PLAN, Response(200, OFFERED))
    assert (OFFERED["wsUrl"], "s") == (target.url, target.session_id)


@pytest.mark.parametrize("config", [None, "pcm16", {}, {"sampleRate": 16_000}, {"sampleRate": "24000"}])
def test_a_caller_wants_to_be_told_that_the_audio_is_24_khz(config: object) -> None:
    with pytest.raises(RemoteProtocolError, match=r"audioConfig.*24000"):
        LYZR.reach(PLAN, Response(200, OFFERED | {"audioConfig": config}))


def test_a_caller_wants_mono() -> None:
    stereo = {"sampleRate": 24_000, "channels": 2}
    with pytest.raises(RemoteProtocolError, match="2 channels"):
        LYZR.reach(PLAN, Response(200, OFFERED | {"audioConfig": stereo}))


def test_a_caller_does_not_insist_on_an_audio_config_that_says_no_more() -> None:
    target = LYZR.reach(PLAN, Response(200, OFFERED | {"audioConfig": {"sampleRate": 24_000}}))
    assert target.url == OFFERED["wsUrl"]


def test_a_caller_says_stop_before_it_hangs_up() -> None:
    assert (StopSent(),) == LYZR.closing()


# --- messages ------------------------------------------------------------------------------------------


def provider_codec(seed: int = 7, **chosen: Any) -> LyzrSipCodec:
    return LyzrSipCodec(Role.PROVIDER, LyzrSipSettings(**chosen), Random(seed))


def caller_codec() -> LyzrSipCodec:
    return LyzrSipCodec(Role.CALLER, LyzrSipSettings(), Random(7))


def test_audio_that_declares_another_rate_is_read_with_that_rate() -> None:
    (message,) = caller_codec().encode(UserAudioSent(b"\1\0", 48_000))
    assert [UserAudioSent(b"\1\0", 48_000)] == provider_codec().decode(message)


def test_audio_that_declares_another_rate_can_be_refused() -> None:
    (message,) = caller_codec().encode(UserAudioSent(b"\1\0", 48_000))
    (event,) = provider_codec(wrong_rate="refuse").decode(message)
    assert isinstance(event, Unrecognised)
    assert event.text == "the session's sampleRate is 24000, not 48000"


@pytest.mark.parametrize("rate", [24_000, None])
def test_audio_at_the_sessions_rate_is_never_refused(rate: int | None) -> None:
    (message,) = caller_codec().encode(UserAudioSent(b"\1\0", rate))
    assert [UserAudioSent(b"\1\0", 24_000)] == provider_codec(wrong_rate="refuse").decode(message)


def test_there_is_no_word_for_listening() -> None:
    assert provider_codec().encode(ListeningStarted("speech")) == []


def test_every_shape_can_be_asked_for_by_name() -> None:
    assert {*SHAPES, "mixed"} == set(get_args(ShapeName))


def test_mixed_goes_through_every_shape_before_it_repeats_one() -> None:
    codec = provider_codec(transcript_shape="mixed")
    line = Transcribed("agent", "Hi.", final=False)
    rounds = [[codec.encode(line)[0] for _ in SHAPES] for _ in range(2)]
    one_by_one = [provider_codec(transcript_shape=name).encode(line)[0] for name in SHAPES]
    assert sorted(one_by_one) == sorted(rounds[0])
    assert rounds[0] == rounds[1]


def test_mixed_is_seeded() -> None:
    def said(seed: int) -> list[object]:
        codec = provider_codec(seed, transcript_shape="mixed")
        return [codec.encode(Transcribed("agent", "Hi.")) for _ in range(20)]

    assert said(1) == said(1)
    assert len({json.dumps(said(seed)) for seed in range(10)}) > 1


@pytest.mark.parametrize("text", ["text", "content", "transcript"])
@pytest.mark.parametrize("speaker", ["role", "source", "speaker"])
@pytest.mark.parametrize("word", ["user", "assistant", "agent"])
@pytest.mark.parametrize("mark", [None, "is_interim", "is_partial"])
def test_a_caller_reads_every_mixture_of_names(text: str, speaker: str, word: str, mark: str | None) -> None:
    message = {"type": "transcript", speaker: word, text: "Hello"} | ({mark: True} if mark else {})
    expected = Transcribed("user" if word == "user" else "agent", "Hello", final=mark is None)
    assert [expected] == caller_codec().decode(json.dumps(message))


@pytest.mark.parametrize("text", ["text", "content", "transcript"])
@pytest.mark.parametrize(
    "kind", ["user_transcript", "agent_transcript", "assistant_transcript", "response_transcript"]
)
def test_a_caller_reads_who_spoke_off_the_type(text: str, kind: str) -> None:
    expected = Transcribed("user" if kind == "user_transcript" else "agent", "Hello")
    assert [expected] == caller_codec().decode(json.dumps({"type": kind, text: "Hello"}))


def test_only_transcripts_carry_a_key_that_clients_take_for_a_transcript() -> None:
    for kind, examples in EXAMPLES.items():
        if direction(kind) is Downlink and kind is not Transcribed:
            for event in examples:
                for message in provider_codec().encode(event):
                    assert not {"text", "transcript"} & json.loads(message).keys()
