from __future__ import annotations

import pytest

from tests.calls import Timed
from voxemu.agents import make_agent
from voxemu.dialogue.doorkeeper import Doorkeeper
from voxemu.dialogue.session import Session
from voxemu.dialogue.settings import DialogueSettings
from voxemu.engine import Engine
from voxemu.errors import Refused
from voxemu.events import (
    Closed,
    EndAsked,
    ErrorReported,
    LimitReached,
    Opened,
    Ponged,
    SessionStarted,
    TokenPresented,
    Unrecognised,
    UserAudioSent,
)
from voxemu.wire import PROVIDERS

WORKBUDDY = PROVIDERS["workbuddy"]


def begin(token: str, now: float) -> Engine:
    if token != "good":
        raise Refused("unknown", "no session was started with this")
    return Session(WORKBUDDY, DialogueSettings(), make_agent("echo"), session_id="s1")


def at_the_door() -> Timed:
    door = Timed(Doorkeeper(WORKBUDDY, 10.0, begin))
    door.take(Opened())
    return door


def test_a_good_token_opens_the_session() -> None:
    door = at_the_door()
    door.wait(3.0)
    door.take(TokenPresented("good"))
    assert door.only(SessionStarted) == SessionStarted("s1")
    door.take(UserAudioSent(bytes(640)))
    door.wait(30.0)
    assert door.all(Closed) == []


@pytest.mark.parametrize(
    ("event", "code", "close"),
    [
        (TokenPresented("forged"), "AUTH_FAILED", 4003),
        (Unrecognised("not_json", "not JSON"), "INVALID_AUTH", 4002),
        (UserAudioSent(bytes(640)), "INVALID_AUTH", 4002),
    ],
)
def test_anything_but_a_good_token_is_turned_away_with_the_error_before_the_close(
    event: Unrecognised, code: str, close: int
) -> None:
    door = at_the_door()
    door.take(event)
    assert door.kinds() == ["ErrorReported", "Closed"]
    assert door.only(ErrorReported).code == code
    assert door.only(Closed).code == close


def test_no_token_in_time_is_a_time_out() -> None:
    door = at_the_door()
    door.wait(60.0)
    assert door.when(LimitReached) == pytest.approx(10.0)
    assert (door.only(ErrorReported).code, door.only(Closed).code) == ("AUTH_TIMEOUT", 4001)


def test_a_pong_is_no_answer() -> None:
    door = at_the_door()
    door.take(Ponged())
    assert door.said == []
    door.take(TokenPresented("good"))
    assert door.all(ErrorReported) == []


def test_a_turned_away_caller_is_not_listened_to() -> None:
    door = at_the_door()
    door.take(TokenPresented("forged"))
    door.take(TokenPresented("good"))
    assert door.all(SessionStarted) == []


def test_a_shutdown_closes_the_door() -> None:
    door = at_the_door()
    door.take(EndAsked("shutdown", "bye"))
    assert door.only(Closed).by == "provider"
    assert door.engine.deadline is None
