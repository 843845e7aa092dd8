"""The start and the end of a session in a room, as the page and the protocol notes have them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.wire.desks import BASE, CLOSED, NOW, asked, desk, posted, received
from voxemu.errors import Refused, RemoteProtocolError
from voxemu.provider import Answered, CallPlan, Desk, Response, RoomEnding, RoomOrder, Target
from voxemu.wire import PROVIDERS
from voxemu.wire.lyzr_livekit import LyzrLivekit, LyzrLivekitSettings

START, END = "/v1/sessions/start", "/v1/sessions/end"
AGENT_ID = "66f0a1b2c3d4e5f6a7b8c9d0"
SESSION_ID = "0b8f8d3e-7c1f-4e57-9c6e-2f0e7a6b1c2d"
LIVEKIT = PROVIDERS["lyzr-livekit"]
assert isinstance(LIVEKIT, LyzrLivekit)
ROOMS: LyzrLivekit = LIVEKIT


def post(
    body: object,
    at: Desk | None = None,
    path: str = START,
    *,
    key: str | None = "good",
    now: float = NOW,
    **more: Any,
) -> Any:
    """What becomes of a request; a body that is bytes goes as it is."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {} if key is None else {"X-Api-Key": key}
    return ROOMS.order(asked("POST", path, headers, sent, **more), at or desk(), now)


def ordered(body: object, at: Desk | None = None, **more: Any) -> RoomOrder:
    found = post(body, at, **more)
    assert isinstance(found, RoomOrder), found
    return found


def refused(body: object, at: Desk | None = None, **more: Any) -> tuple[int, str]:
    found = post(body, at, **more)
    assert isinstance(found, Answered), found
    return found.status, found.body["error"]


# --- a start ---------------------------------------------------------------------------------------------


def test_a_start_answers_everything_that_clients_read() -> None:
    order = ordered({"userIdentity": "u-1", "agentId": AGENT_ID, "roomName": "r_1", "sessionId": SESSION_ID})
    answered = ROOMS.opened(order, token="jwt", url="ws://127.0.0.1:7880")
    assert answered == Answered(
        200,
        {
            "userToken": "jwt",
            "roomName": "r_1",
            "sessionId": SESSION_ID,
            "livekitUrl": "ws://127.0.0.1:7880",
            "agentDispatched": True,
            "agentConfig": {"engine": {"kind": "pipeline"}, "tools": []},
        },
    )


def test_the_pages_own_demo_sends_an_agent_id_alone_and_gets_an_identity() -> None:
    order = ordered({"agentId": AGENT_ID})
    assert (order.admission.session_id, order.room, order.user) == (
        "session-1",
        "room-session-2",
        "user-session-3",
    )


def test_an_empty_room_name_is_generated() -> None:
    assert ordered({"roomName": ""}).room == "room-session-2"


def test_the_agent_has_an_identity_of_its_own() -> None:
    assert ordered({}).agent.startswith("agent-")


def test_unknown_keys_at_the_top_are_ignored() -> None:
    assert ordered({"nope": 1}).config == {"engine": {"kind": "pipeline"}, "tools": []}


def test_our_own_agents_are_asked_for_by_name() -> None:
    at = desk(names=("tone:440",))
    assert ordered({"agentId": "tone:440"}, at).admission.agent == "tone:440"


def test_a_keys_agent_serves_where_none_is_asked_for() -> None:
    assert ordered({}, desk(CLOSED), key="tuned").admission.agent == "tone:440"


def test_facts_are_kept_without_the_secrets_among_them() -> None:
    order = ordered({"agentConfig": {"api_key": "sk-1", "lyzr_tools": [{"token": "t", "name": "x"}]}})
    shown = order.admission.facts["agentConfig"]
    assert shown["api_key"] == "(hidden)"
    assert shown["lyzr_tools"] == [{"token": "(hidden)", "name": "x"}]
    assert order.config == shown


# --- keys, routes and limits -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", [START, END])
@pytest.mark.parametrize(
    ("key", "error"),
    [
        (None, "Missing x-api-key"),
        (" ", "Missing x-api-key"),
        ("bad", "Invalid x-api-key"),
        ("old", "Invalid x-api-key"),
    ],
)
def test_the_key_is_checked_before_the_body(path: str, key: str | None, error: str) -> None:
    assert refused(b"{", desk(CLOSED), path=path, key=key) == (401, error)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", START), ("POST", "/v1/sessions"), ("POST", "/v1/session/start"), ("PUT", END)],
)
def test_an_unknown_route_is_named(method: str, path: str) -> None:
    assert ROOMS.order(asked(method, path), desk(), NOW) == Answered(
        404, {"error": "Not found", "path": path}
    )


def test_starts_are_not_counted_by_default() -> None:
    at = desk()
    assert all(isinstance(post({}, at), RoomOrder) for _ in range(200))


def test_a_client_that_starts_too_often_is_told_when_to_come_back() -> None:
    at = desk(starts_per_minute=20)
    for second in range(20):
        ordered({}, at, now=NOW + second)
    found = post({}, at, now=NOW + 20.5)
    assert found == Answered(
        429,
        {"error": "Too many session creation requests, please try again later."},
        {"Retry-After": "40"},
    )
    assert isinstance(post({}, at, now=NOW + 60), RoomOrder)


def test_each_client_is_counted_by_itself() -> None:
    at = desk(starts_per_minute=1)
    for peer in ("10.0.0.1", "10.0.0.2"):
        assert isinstance(post({}, at, peer=peer), RoomOrder)
    assert refused({}, at, peer="10.0.0.1")[0] == 429


def test_an_unknown_agent_is_not_found_where_the_agents_are_listed() -> None:
    assert refused({"agentId": AGENT_ID}, desk(known=("echo",))) == (404, "Agent not found")


# --- what a body may say ---------------------------------------------------------------------------------

LETTERS = "can only contain letters, numbers, underscores, and hyphens"


@pytest.mark.parametrize(
    ("body", "code", "path", "message"),
    [
        (b"", "invalid_type", [], "body is empty; expected a JSON object"),
        (b"[]", "invalid_type", [], "body: expected a JSON object, got an array"),
        ({"userIdentity": ""}, "too_small", ["userIdentity"], "userIdentity must have at least 1 character"),
        (
            {"userIdentity": "a" * 129},
            "too_big",
            ["userIdentity"],
            "userIdentity must have at most 128 characters",
        ),
        ({"userIdentity": "a b"}, "invalid_format", ["userIdentity"], f"userIdentity {LETTERS}"),
        ({"userIdentity": "ü"}, "invalid_format", ["userIdentity"], f"userIdentity {LETTERS}"),
        ({"userIdentity": "a\n"}, "invalid_format", ["userIdentity"], f"userIdentity {LETTERS}"),
        ({"userIdentity": None}, "invalid_type", ["userIdentity"], "userIdentity must be a string, not null"),
        (
            {"userIdentity": 5},
            "invalid_type",
            ["userIdentity"],
            "userIdentity must be a string, not a number",
        ),
        ({"roomName": "a/b"}, "invalid_format", ["roomName"], f"roomName {LETTERS}"),
        ({"roomName": None}, "invalid_type", ["roomName"], "roomName must be a string, not null"),
        ({"sessionId": "abc"}, "invalid_format", ["sessionId"], "sessionId must be a UUID"),
        ({"sessionId": 1}, "invalid_type", ["sessionId"], "sessionId must be a string, not a number"),
        ({"agentId": "abc"}, "invalid_format", ["agentId"], "agentId must be a valid Mongo ObjectId"),
        ({"agentId": ""}, "invalid_format", ["agentId"], "agentId must be a valid Mongo ObjectId"),
        ({"agentId": []}, "invalid_type", ["agentId"], "agentId must be a string, not an array"),
        ({"agentConfig": []}, "invalid_type", ["agentConfig"], "agentConfig must be an object, not an array"),
        ({"agentConfig": {"nope": 1}}, "unrecognized_keys", ["agentConfig"], 'Unrecognized key: "nope"'),
        (
            {"agentConfig": {"a": 1, "b": 2}},
            "unrecognized_keys",
            ["agentConfig"],
            'Unrecognized keys: "a", "b"',
        ),
        (
            {"agentConfig": {"prompt": 1}},
            "invalid_type",
            ["agentConfig", "prompt"],
            "agentConfig.prompt must be a string, not a number",
        ),
        (
            {"agentConfig": {"vad_enabled": 1}},
            "invalid_type",
            ["agentConfig", "vad_enabled"],
            "agentConfig.vad_enabled must be a boolean, not a number",
        ),
        (
            {"agentConfig": {"tools": ["a", 1]}},
            "invalid_type",
            ["agentConfig", "tools", 1],
            "agentConfig.tools.1 must be a string, not a number",
        ),
        (
            {"agentConfig": {"engine": {"kind": "steam"}}},
            "invalid_value",
            ["agentConfig", "engine", "kind"],
            'engine.kind must be "pipeline" or "realtime"',
        ),
        (
            {"agentConfig": {"background_audio": {"enabled": "yes"}}},
            "invalid_type",
            ["agentConfig", "background_audio", "enabled"],
            "agentConfig.background_audio.enabled must be a boolean, not a string",
        ),
        (
            {"agentConfig": {"conversation_start": {"who": "ai"}}},
            "custom",
            ["agentConfig", "conversation_start", "greeting"],
            'conversation_start.greeting is required when conversation_start.who is "ai"',
        ),
        (
            {"agentConfig": {"conversation_start": {"who": "ai", "greeting": "  "}}},
            "custom",
            ["agentConfig", "conversation_start", "greeting"],
            'conversation_start.greeting is required when conversation_start.who is "ai"',
        ),
    ],
    ids=str,
)
def test_a_body_that_fails_names_its_field(
    body: object, code: str, path: list[str | int], message: str
) -> None:
    found = post(body, desk(names=()))
    assert (found.status, found.body["error"]) == (400, message)
    assert found.body["issues"] == [{"code": code, "path": path, "message": message}]
    assert found.body["example"]["userIdentity"]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = post({"userIdentity": "", "sessionId": "x", "agentConfig": {"nope": 1}})
    messages = [issue["message"] for issue in found.body["issues"]]
    assert len(messages) == 3
    assert found.body["error"] == "; ".join(messages)


def test_the_example_is_a_body_that_passes() -> None:
    example = post(b"").body["example"]
    assert isinstance(post(example), RoomOrder)


def test_an_identity_is_required_where_the_setting_says_so() -> None:
    at = desk(user_identity="required")
    assert refused({"agentId": AGENT_ID}, at) == (400, "userIdentity is required")
    assert ordered({"userIdentity": "u"}, at).user == "u"


@pytest.mark.parametrize("body", [b"{", b'{"userIdentity": "a"', b"\xff\xfe", b"start", b'{"a": NaN}'])
@pytest.mark.parametrize("path", [START, END])
def test_malformed_json_is_said_so_or_answered_as_the_vendor_does(body: bytes, path: str) -> None:
    status, error = refused(body, path=path)
    assert (status, error.startswith("body is not")) == (400, True)
    assert refused(body, desk(malformed_json=500), path=path) == (500, "Internal server error")


@pytest.mark.parametrize(
    "config",
    [
        {"turn_detection": "vad", "knowledge_base": None, "avatar": {"any": [1]}, "corrections": []},
        {"pronunciation_rules": [1], "engine": {"kind": "realtime", "whatever": {"deep": 1}}},
        {"conversation_start": {"who": "human"}, "dynamic_variables": {"name": "Ada"}},
        {"conversation_start": {"greeting": "Hello"}},
    ],
    ids=str,
)
def test_deeper_objects_are_taken_as_they_come(config: dict[str, Any]) -> None:
    assert (
        ordered({"agentConfig": config}).config.items()
        >= {name: value for name, value in config.items() if name != "engine"}.items()
    )


# --- the effective configuration -------------------------------------------------------------------------


def test_agent_config_is_laid_over_the_agents_own() -> None:
    own = {"prompt": "Be kind.", "engine": {"kind": "pipeline", "stt": "a", "tts": "b"}, "tools": ["x", "y"]}
    given = {"engine": {"tts": "c"}, "tools": ["z"]}
    assert ordered({"agentConfig": given}, desk(agent_config=own)).config == {
        "engine": {"kind": "pipeline", "stt": "a", "tts": "c"},
        "tools": ["z"],
        "prompt": "Be kind.",
    }


def test_an_agent_that_begins_has_its_greeting() -> None:
    config = {"conversation_start": {"who": "ai", "greeting": "Hello!"}}
    assert ordered({"agentConfig": config}).greeting == "Hello!"
    assert ordered({"agentConfig": {"conversation_start": {"who": "human", "greeting": "Hi"}}}).greeting == ""
    assert ordered({}, desk(agent_config=config)).greeting == "Hello!"


@pytest.mark.parametrize(
    ("asked_for", "background"),
    [
        (None, "off"),
        ({}, "off"),
        ({"enabled": False}, "off"),
        ({"enabled": True}, "ambience+thinking"),
        ({"enabled": True, "ambient": False}, "thinking"),
        ({"enabled": True, "ambient": {"enabled": False}}, "thinking"),
        ({"enabled": True, "ambient": {"volume": 0.2}}, "ambience+thinking"),
        ({"enabled": True, "turn_taking": None}, "ambience"),
        ({"enabled": True, "tool_call": {"enabled": False}, "ambient": False}, "off"),
    ],
    ids=str,
)
def test_background_sounds_are_what_the_session_asks_for(asked_for: object, background: str) -> None:
    config = {} if asked_for is None else {"background_audio": asked_for}
    assert ordered({"agentConfig": config}).background == background


def test_a_setting_says_which_sounds_there_are() -> None:
    config = {"background_audio": {"enabled": True}}
    assert ordered({"agentConfig": config}, desk(background_audio="thinking")).background == "thinking"


@pytest.mark.parametrize(
    "wrong",
    [{"starts_per_minute": -1}, {"join_wait": 0.0}, {"rejoin_wait": 1e9}, {"agent_config": {"nope": 1}}],
    ids=str,
)
def test_a_setting_that_cannot_be_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LyzrLivekitSettings(**wrong)


# --- the room --------------------------------------------------------------------------------------------


def test_a_session_in_the_same_room_or_under_the_same_id_makes_way() -> None:
    at = desk()
    assert ordered({"roomName": "a", "sessionId": SESSION_ID}, at).replaces == ()
    assert ordered({"roomName": "a"}, at).replaces == ("a",)
    assert ordered({"roomName": "b", "sessionId": SESSION_ID}, at).replaces == ()
    assert ordered({"roomName": "c", "sessionId": SESSION_ID}, at).replaces == ("b",)


def test_a_room_that_could_not_be_opened_was_never_there() -> None:
    at = desk()
    order = ordered({"roomName": "a"}, at)
    answered = ROOMS.unopened(order, at, NOW, "install voxemu[livekit]")
    assert answered == Answered(502, {"error": "Failed to dispatch agent", "hint": "install voxemu[livekit]"})
    assert refused({"roomName": "a"}, at, path=END)[0] == 404


def test_a_shell_without_rooms_cannot_dispatch() -> None:
    at = desk()
    request = asked("POST", START, {"x-api-key": "k"}, b"{}")
    answered = ROOMS.answer(request, at, NOW)
    assert (answered.status, answered.body["error"]) == (502, "Failed to dispatch agent")
    assert ROOMS.answer(asked("POST", START), at, NOW).status == 401


# --- an end ----------------------------------------------------------------------------------------------


def end(body: object, at: Desk, now: float = NOW) -> Any:
    return post(body, at, path=END, now=now)


def test_a_session_is_ended_by_its_room_or_by_its_id() -> None:
    at = desk()
    order = ordered({"roomName": "a"}, at)
    assert end({"roomName": "a"}, at) == RoomEnding("a", Answered(204))
    assert end({"sessionId": order.admission.session_id}, at) == RoomEnding("a", Answered(204))


def test_ending_is_repeatable_for_an_hour() -> None:
    at = desk()
    order = ordered({"roomName": "a"}, at)
    at.rooms.leave("a", NOW)
    assert end({"roomName": "a"}, at, NOW + 3599) == RoomEnding("a", Answered(204))
    assert end({"sessionId": order.admission.session_id}, at, NOW + 3599) == Answered(204)
    assert end({"roomName": "a"}, at, NOW + 3600) == Answered(404, {"error": "Session not found for room"})


def test_ending_by_an_old_id_leaves_the_session_that_has_its_room_now() -> None:
    at = desk()
    first = ordered({"roomName": "a"}, at)
    ordered({"roomName": "a"}, at)
    assert end({"sessionId": first.admission.session_id}, at) == Answered(204)


def test_what_was_never_there_is_not_found() -> None:
    at = desk()
    assert end({"roomName": "a"}, at) == Answered(404, {"error": "Session not found for room"})
    assert end({"sessionId": "a"}, at) == Answered(404, {"error": "Session not found for sessionId"})


@pytest.mark.parametrize(
    "body", [{}, {"roomName": ""}, {"sessionId": 1}, {"roomName": None}, b"", b"[]", {"room": "a"}]
)
def test_an_end_that_names_nothing_is_invalid(body: object) -> None:
    found = end(body, desk())
    assert (found.status, found.body["error"]) == (400, "Invalid input")
    (issue,) = found.body["issues"]
    assert issue.keys() == {"code", "path", "message"}


def test_an_end_can_have_a_body_for_clients_that_read_one() -> None:
    at = desk(end_status=200)
    ordered({"roomName": "a"}, at)
    assert end({"roomName": "a"}, at) == RoomEnding("a", Answered(200, {}))


# --- the caller ------------------------------------------------------------------------------------------


def target(plan: CallPlan, at: Desk) -> Target:
    order = ROOMS.order(posted(ROOMS.ask(plan)), at, NOW)
    assert isinstance(order, RoomOrder), order
    return ROOMS.reach(plan, received(ROOMS.opened(order, token="jwt", url="ws://127.0.0.1:7880")))


@pytest.mark.parametrize("url", [BASE, BASE + "/", BASE + START])
def test_a_caller_reaches_a_room_and_ends_its_session(url: str) -> None:
    at = desk()
    plan = CallPlan(url, key="good", agent=AGENT_ID)
    there = target(plan, at)
    assert (there.url, there.token, there.room) == ("ws://127.0.0.1:7880", "jwt", "room-session-2")
    request = ROOMS.ending(plan, there)
    assert request is not None
    assert request.url == BASE + END
    assert ROOMS.order(posted(request), at, NOW) == RoomEnding("room-session-2", Answered(204))


def test_a_token_is_not_shown_by_whoever_prints_the_target() -> None:
    assert "jwt-secret" not in repr(Target("ws://h", token="jwt-secret"))


def test_a_callers_settings_become_an_agent_config() -> None:
    settings = {
        "user_identity": "ada",
        "agent_config": {"engine": {"kind": "realtime"}, "background_audio": {"enabled": True}},
        "prompt": "Be brief.",
        "voice": "v",
        "language": "de",
    }
    body = json.loads(ROOMS.ask(CallPlan(BASE, settings=settings)).body or b"")
    assert body == {
        "userIdentity": "ada",
        "agentConfig": {
            "engine": {"kind": "realtime", "voice_id": "v", "language": "de"},
            "background_audio": {"enabled": True},
            "prompt": "Be brief.",
        },
    }


def test_a_start_that_was_refused_says_why() -> None:
    with pytest.raises(Refused, match="answered 400: userIdentity is required"):
        ROOMS.reach(CallPlan(BASE), Response(400, {"error": "userIdentity is required"}))


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"userToken": "t"}, {"livekitUrl": "ws://h"}, {"userToken": "", "livekitUrl": "ws://h"},
     {"userToken": "t", "livekitUrl": "http://h"}],
    ids=str,
)  # fmt: skip
def test_an_answer_off_the_page_is_the_providers_fault(body: object) -> None:
    with pytest.raises(RemoteProtocolError, match="POST /v1/sessions/start"):
        ROOMS.reach(CallPlan(BASE), Response(200, body))


def test_a_page_that_promises_a_token_and_a_url_alone_is_enough() -> None:
    there = ROOMS.reach(CallPlan(BASE), Response(200, {"userToken": "t", "livekitUrl": "wss://h"}))
    assert (there.url, there.token, there.room) == ("wss://h", "t", "")
    assert ROOMS.ending(CallPlan(BASE), there) is None


def test_people_are_told_where_to_start() -> None:
    assert ROOMS.start_url(BASE) == BASE + START
    assert ROOMS.exports(BASE) == {"LYZR_VOICE_API_URL": BASE}
