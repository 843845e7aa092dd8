"""Clients that hang up, stall, dawdle and come in crowds."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.hostile.conftest import FLOODING, House
from tests.hostile.lines import (
    BINARY,
    BROKEN,
    PATIENCE,
    PING,
    UPGRADE,
    Call,
    Target,
    closing,
    frame,
    request,
)
from tests.hostile.test_http import counted
from tests.hostile.test_websockets import SOCKETS, every_provider, limits_of
from voxemu.events import AgentAudioSent, UserAudioSent

pytestmark = pytest.mark.sockets

Act = Callable[[Call], object]


def until(condition: Callable[[], object]) -> None:
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def live(target: Target) -> int:
    answer = target.asked(request())
    assert answer is not None
    found: int = answer.json["sessions"]
    return found


# --- ends ---------------------------------------------------------------------------------------------------

HALF = frame(bytes(2000))[:700]

# Name: what the client does, one after the other.
ENDS: dict[str, list[Act]] = {
    "a reset": [lambda call: call.line.reset()],
    "a reset within a frame": [lambda call: call.line.send(HALF), lambda call: call.line.reset()],
    "an end within a frame": [lambda call: call.line.send(HALF), lambda call: call.line.socket.close()],
    "a close that nobody waits for": [
        lambda call: call.line.send(closing(1000)),
        lambda call: call.line.reset(),
    ],
    "words after the close": [
        lambda call: call.line.send(closing(1000), frame(b"{}") * 100),
        lambda call: call.line.socket.close(),
    ],
    "half of the line closed": [
        lambda call: call.line.socket.shutdown(socket.SHUT_WR),
        lambda call: call.line.close_code(),
    ],
    "a reset while the agent speaks": [
        lambda call: call.speak(),
        lambda call: call.hear(AgentAudioSent),
        lambda call: call.line.reset(),
    ],
    "a reset while the user speaks": [
        lambda call: call.speak(2.0, 0.0),
        lambda call: call.line.reset(),
    ],
}


@every_provider
@pytest.mark.parametrize("acts", ENDS.values(), ids=ENDS.keys())
def test_an_end_without_manners(target: Target, provider: str, acts: list[Act]) -> None:
    call = target.call(provider)
    for act in acts:
        act(call)


@every_provider
@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
def test_any_code_of_a_close_is_answered(target: Target, provider: str, code: int) -> None:
    call = target.call(provider)
    call.line.send(closing(code, b"bye"))
    assert call.line.close_code() in (1000, code)
    call.line.socket.close()


@every_provider
def test_a_reset_before_the_upgrade_is_answered(target: Target, provider: str) -> None:
    for _ in range(10):
        line = target.line()
        line.send(request("GET", SOCKETS[provider], UPGRADE))
        line.reset()


# --- stalls and floods --------------------------------------------------------------------------------------


@every_provider
def test_a_client_that_reads_nothing_is_dropped(target: Target, provider: str) -> None:
    # A minute of speech at once.
    call = target.call(provider, "" if provider == "workbuddy" else "flood", key=FLOODING)
    call.line.read_little()
    call.speak()
    until(lambda: ("stall", 1.0) in limits_of(target, provider))
    assert ("outbox", 16) in limits_of(target, provider)


@every_provider
def test_a_client_that_pings_and_does_not_read_is_still_heard(target: Target, provider: str) -> None:
    call = target.call(provider)
    # With an ordinary buffer at this end: a tiny one, overfull, loses what TCP says of the other direction
    # too, and that comes right only after many seconds.
    call.line.flood(frame(b"x" * 100, PING) * 100, 1.0)
    # What the flood broke off in is no frame any more.
    call.line.send(frame(b"x" * 100, PING) * 100, b"\xff" * 1000)
    call.line.reset()
    until(lambda: not live(target))


@every_provider
def test_audio_far_faster_than_real_time_waits_at_the_clients_end(target: Target, provider: str) -> None:
    call = target.call(provider)
    second = bytes(2 * call.provider.format.rate)
    sizes = 2 * call.provider.frame_samples
    messages = [
        message
        for at in range(0, len(second), sizes)
        for message in call.codec.encode(UserAudioSent(second[at : at + sizes], call.provider.format.rate))
    ]
    frames = b"".join(
        frame(each, BINARY) if isinstance(each, bytes) else frame(each.encode()) for each in messages
    )
    taken = call.line.flood(frames, 1.5)
    # The system's own buffers hold some megabytes; what was taken beside them is a few seconds of sound.
    assert taken < 16_000_000
    until(lambda: ("ahead", 2.0) in limits_of(target, provider))
    # Only now: a reset takes with it what waits in the buffers.
    call.line.reset()


# --- dawdling -----------------------------------------------------------------------------------------------

HALVES: dict[str, bytes] = {
    "half a request line": b"GET /hea",
    "half a head": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A",
    "half a body": request("POST", "/session/start", ["Content-Length: 100"], b"{"),
    "half a chunk": request("POST", "/session/start", ["Transfer-Encoding: chunked"], b"ff\r\n{"),
    "half a body where none is wanted": request("POST", "/nowhere", ["Content-Length: 100"], b"{"),
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES.keys())
def test_half_a_request_is_not_waited_for_long(target: Target, half: bytes) -> None:
    with target.line() as line:
        line.send(half)
        answer = line.answer()
        assert answer is not None
        assert answer.status in (404, 408)
        assert isinstance(answer.json["error"], str)


def test_a_head_that_comes_drop_by_drop_is_not_waited_for(target: Target) -> None:
    with target.line() as line:
        began = time.monotonic()
        for sign in b"GET /health HTTP/1.1\r\n" + b"X-A: b\r\n" * 1000:
            line.send(bytes([sign]))
            time.sleep(0.02)
            if time.monotonic() - began > 2.5:
                break
        answer = line.answer()
        assert answer is None or answer.status == 408


def test_a_connection_that_asks_nothing_is_closed(target: Target) -> None:
    with target.line() as line:
        assert line.answer() is None


def test_answers_that_are_not_read_are_not_kept(target: Target) -> None:
    with target.line() as line:
        line.read_little()
        line.flood(request(path="/__emu/openapi.json") * 20, 1.0)
        until(line.is_closed)


# --- crowds -------------------------------------------------------------------------------------------------


@every_provider
def test_idle_connections_keep_no_session_out(target: Target, provider: str) -> None:
    with ExitStack() as stack:
        for _ in range(80):
            stack.enter_context(target.line())
        target.talk(provider)


@every_provider
def test_half_requests_keep_no_session_out(target: Target, provider: str) -> None:
    with ExitStack() as stack:
        for _ in range(80):
            stack.enter_context(target.line()).send(b"GET /health HTTP/1.1\r\nX-A")
        target.talk(provider)


@every_provider
def test_sockets_that_wait_for_a_token_keep_no_session_out(target: Target, provider: str) -> None:
    with ExitStack() as stack:
        for _ in range(80):
            line = stack.enter_context(target.line())
            line.send(request("GET", SOCKETS["workbuddy"], UPGRADE))
        target.talk(provider)


def test_more_sessions_than_there_is_room_for_are_503(target: Target, refuses: Callable[[int], None]) -> None:
    refuses(503)
    with ExitStack() as stack:
        for _ in range(24):
            stack.enter_context(target.call("lokutor").line)
        before = counted(target, "sessions")
        answer = target.asked(request("GET", SOCKETS["lokutor"], UPGRADE))
        assert answer is not None
        assert (answer.status, int(answer.headers["retry-after"]) > 0) == (503, True)
        assert counted(target, "sessions") == before + 1


def test_a_token_is_not_used_up_where_there_is_no_room(
    target: Target, refuses: Callable[[int], None]
) -> None:
    refuses(503)
    provider, path, opening = target.started("workbuddy")
    with ExitStack() as stack:
        for _ in range(23):
            stack.enter_context(target.call("lokutor").line)
        waiting = stack.enter_context(target.upgraded(path))
        stack.enter_context(target.call("lokutor").line)
        Call(provider, waiting, target.call_codec(provider)).say(*opening)
        assert waiting.close_code() == 4500
    until(lambda: target.asked(request("GET", path, UPGRADE)).status == 101)  # type: ignore[union-attr]
    with target.upgraded(path) as line:
        again = Call(provider, line, target.call_codec(provider))
        again.say(*opening)
        again.speak()
        again.hear(AgentAudioSent)


def test_more_starts_than_anybody_connects_to_are_503(target: Target, refuses: Callable[[int], None]) -> None:
    refuses(503)
    before = counted(target, "unused_starts")
    with target.line() as line:
        # In one breath, before the URLs expire.
        line.send(request("POST", "/session/start", (), b'{"agentId":"a"}') * 405)
        answers = [line.answer() for _ in range(405)]
    full = [answer for answer in answers if answer is not None and answer.status == 503]
    assert full
    assert all(int(answer.headers["retry-after"]) > 0 for answer in full)
    assert counted(target, "unused_starts") == before + len(full)
    # Until their URLs have expired.
    until(lambda: answers_of_starts(target, 4) == {200})


def answers_of_starts(target: Target, count: int) -> set[int]:
    answers = [target.asked(request("POST", "/session/start", (), b'{"agentId":"a"}')) for _ in range(count)]
    return {answer.status for answer in answers if answer is not None}


def test_out_of_descriptors_one_line_is_said_and_all_is_well_after(house: House, target: Target) -> None:
    limits = resource.prlimit(house.pid, resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        resource.prlimit(house.pid, resource.RLIMIT_NOFILE, (house.descriptors + 3, limits[1]))
        stack.callback(resource.prlimit, house.pid, resource.RLIMIT_NOFILE, limits)
        for _ in range(30):
            stack.enter_context(target.line())
        until(lambda: any(one.get("limit") == "descriptors" for one in house.news()))
        # Those that are idle make way, so there is an answer all the same.
        assert target.asked(request()) is not None


def test_a_storm_of_connections_is_weathered(target: Target) -> None:
    for _ in range(300):
        target.line().reset()


def test_the_newest_limits_are_counted(target: Target) -> None:
    with ExitStack() as stack:
        for _ in range(70):
            stack.enter_context(target.line())
        answer = target.asked(request(path="/__emu/sessions"))
    assert answer is not None
    assert answer.json["limits"]["connections"] > 0


def test_the_line_breaks_for_whoever_makes_way(target: Target) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(target.upgraded(SOCKETS["workbuddy"]))
        for _ in range(70):
            stack.enter_context(target.line())
        assert first.close_code() in (BROKEN, 4001)
