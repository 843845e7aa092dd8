"""WorkBuddy's own ways: the token, its heartbeat, its codes, and silence about secrets."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tests.wire.desks import BASE, CLOSED, NOW, asked, desk, started
from voxemu.errors import Refused
from voxemu.events import Closed, ErrorReported, SessionEnded, TokenPresented, Unrecognised
from voxemu.provider import Answered, CallPlan, Desk, Role, TokenAwaited
from voxemu.wire.workbuddy import Workbuddy, WorkbuddyCodec, WorkbuddySettings

WORKBUDDY = Workbuddy()
TOKEN, HEARTBEAT = "/api/v1/sdk/token", "/api/v1/sdk/heartbeat"
both_routes = pytest.mark.parametrize("path", [TOKEN, HEARTBEAT])


def post(at: Desk, path: str, authorization: str | None = "Bearer good", base: str = BASE) -> Answered:
    headers = {} if authorization is None else {"authorization": authorization}
    return WORKBUDDY.answer(asked("POST", path, headers, base=base), at, NOW)


def test_a_token_comes_with_the_url_of_its_socket() -> None:
    assert Answered(
        200, {"token": "jwt.session-1.secret-1", "ws_url": "ws://127.0.0.1:8090/api/v1/sdk/ws"}
    ) == post(desk(CLOSED), TOKEN)


def test_a_heartbeat_is_answered() -> None:
    assert Answered(200, {"status": "ok"}) == post(desk(CLOSED), HEARTBEAT)


def test_a_heartbeat_starts_no_session() -> None:
    at = desk(CLOSED, capacity=1)
    for _ in range(3):
        post(at, HEARTBEAT)
    assert post(at, TOKEN).status == 200


@both_routes
@pytest.mark.parametrize(
    ("authorization", "status", "sentence"),
    [
        (None, 401, "Missing API key"),
        ("", 401, "Missing API key"),
        ("Bearer ", 401, "Missing API key"),
        ("good", 401, "Missing API key"),
        ("Basic good", 401, "Missing API key"),
        ("Bearer wrong", 401, "Invalid API key"),
        ("Bearer Good", 401, "Invalid API key"),
        ("Bearer old", 403, "API key is disabled"),
    ],
)
def test_a_key_that_is_not_good_is_refused(
    path: str, authorization: str | None, status: int, sentence: str
) -> None:
    assert Answered(status, {"error": sentence}) == post(desk(CLOSED), path, authorization)


@pytest.mark.parametrize("authorization", ["Bearer good", "bearer good", "BEARER   good  "])
def test_a_scheme_is_read_in_any_case(authorization: str) -> None:
    assert post(desk(CLOSED), TOKEN, authorization).status == 200


def test_an_agent_of_the_key_that_is_not_known_is_a_403() -> None:
    assert Answered(403, {"error": "Agent not found"}) == post(
        desk(CLOSED, known=("echo",)), TOKEN, "Bearer tuned"
    )


def test_the_life_of_a_token_is_a_setting() -> None:
    at = desk(token_life=2.0)
    token = post(at, TOKEN).body["token"]
    with pytest.raises(Refused) as refused:
        WORKBUDDY.present(token, at, NOW + 2.0)
    assert refused.value.why == "expired"


def test_a_token_used_again_names_its_session() -> None:
    at = desk()
    token = post(at, TOKEN).body["token"]
    WORKBUDDY.present(token, at, NOW)
    with pytest.raises(Refused) as refused:
        WORKBUDDY.present(token, at, NOW)
    assert (refused.value.why, refused.value.session_id) == ("used", "session-1")


@pytest.mark.parametrize("token", ["", "jwt", "secret-1", "jwt.session-1.secret-1 "])
def test_a_token_that_was_not_issued_is_unknown(token: str) -> None:
    at = desk()
    post(at, TOKEN)
    with pytest.raises(Refused) as refused:
        WORKBUDDY.present(token, at, NOW)
    assert refused.value.why == "unknown"


def test_a_socket_waits_ten_seconds_for_its_token() -> None:
    assert TokenAwaited(10.0) == WORKBUDDY.admit(asked("GET", "/api/v1/sdk/ws"), desk(), NOW)


def test_how_long_a_socket_waits_is_a_setting() -> None:
    at = desk(token_wait=1.5)
    assert TokenAwaited(1.5) == WORKBUDDY.admit(asked("GET", "/api/v1/sdk/ws"), at, NOW)


def test_a_wait_is_some_time() -> None:
    with pytest.raises(ValueError, match="token_wait must be above 0"):
        WorkbuddySettings(token_wait=0.0)


def test_a_token_may_live_no_time_and_not_less() -> None:
    assert WorkbuddySettings(token_life=0.0).token_life == 0
    with pytest.raises(ValueError, match="token_life must be 0 to 86400"):
        WorkbuddySettings(token_life=-1.0)


@pytest.mark.parametrize(
    ("why", "code", "close"),
    [
        ("timeout", "AUTH_TIMEOUT", 4001),
        ("invalid", "INVALID_AUTH", 4002),
        ("unknown", "AUTH_FAILED", 4003),
        ("used", "AUTH_FAILED", 4003),
        ("expired", "AUTH_FAILED", 4003),
        ("setup", "SESSION_SETUP_FAILED", 4500),
    ],
)
def test_a_refusal_is_an_error_before_a_close_with_the_same_words(why: str, code: str, close: int) -> None:
    error, closed = WORKBUDDY.refusal(why)
    assert isinstance(error, ErrorReported)
    assert (code, Closed(close, error.message, "provider")) == (error.code, closed)


def test_a_token_that_is_not_good_is_called_invalid_or_expired() -> None:
    assert ErrorReported("Invalid or expired token", "AUTH_FAILED") == WORKBUDDY.refusal("used")[0]


# --- the caller's half ---------------------------------------------------------------------------------


def test_a_caller_asks_with_its_key_and_no_body() -> None:
    request = WORKBUDDY.ask(CallPlan(BASE, key="good"))
    assert (request.method, request.url, request.body) == ("POST", BASE + TOKEN, None)
    assert request.headers["Authorization"] == "Bearer good"


def test_a_caller_presents_its_token_first() -> None:
    target = started(WORKBUDDY, CallPlan(BASE, key="good"), desk())
    assert (TokenPresented("jwt.session-1.secret-1"),) == target.opening


# --- messages ------------------------------------------------------------------------------------------


def codec(role: Role, **chosen: Any) -> WorkbuddyCodec:
    made = WORKBUDDY.codec(role, WorkbuddySettings(**chosen), Random(7))
    assert isinstance(made, WorkbuddyCodec)
    return made


@pytest.mark.parametrize(
    "message",
    ["eyJsecret", '{"tokn":"eyJsecret"}', '{"token":["eyJsecret"]}', '{"token":"eyJsecret"', '"eyJsecret"'],
)
def test_nothing_that_may_be_a_token_is_quoted(message: str) -> None:
    (event,) = codec(Role.PROVIDER).decode(message)
    assert isinstance(event, Unrecognised)
    assert "eyJsecret" not in event.text + event.excerpt


def test_a_token_sent_twice_is_not_quoted() -> None:
    reader = codec(Role.PROVIDER)
    message = '{"token":"eyJsecret"}'
    assert [TokenPresented("eyJsecret")] == reader.decode(message)
    (event,) = reader.decode(message)
    assert isinstance(event, Unrecognised)
    assert (event.problem, event.excerpt) == ("text_frame", "")


def test_a_message_that_is_no_token_does_not_close_the_door_to_one() -> None:
    reader = codec(Role.PROVIDER)
    reader.decode("hello")
    assert [TokenPresented("t")] == reader.decode('{"token":"t"}')


@pytest.mark.parametrize("reason", ["session_closed", "room_closed"])
def test_the_word_for_a_closed_session_is_a_setting(reason: str) -> None:
    (message,) = codec(Role.PROVIDER, session_closed_reason=reason).encode(SessionEnded("closed"))
    assert {"type": "session_ended", "reason": reason} == json.loads(message)


def test_an_error_without_a_code_is_about_a_message() -> None:
    (message,) = codec(Role.PROVIDER).encode(ErrorReported("no"))
    assert json.loads(message) == {"type": "error", "code": "INVALID_MESSAGE", "message": "no"}
