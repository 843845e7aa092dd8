"""What the generator makes of the bytes that come."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from benchmarks.generator import lateness, percentile, replies
from benchmarks.line import AUDIO, Line
from benchmarks.workload import CONFIRM, PTIME

FRAMES = [bytes([0x82, 0x80, 0, 0, 0, 0])] * 50


def server_frame(size: int, opcode: int = 2) -> bytes:
    head = (
        bytes([0x80 | opcode, size]) if size < 126 else bytes([0x80 | opcode, 126]) + size.to_bytes(2, "big")
    )
    return head + bytes(size)


@pytest.fixture
def ends() -> Iterator[tuple[Line, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield Line(ours, FRAMES), theirs


def test_frames_are_counted_however_they_are_cut(ends: tuple[Line, socket.socket]) -> None:
    line, server = ends
    sent = server_frame(640) + server_frame(40, 1) + server_frame(1400, 1)
    for at in range(0, len(sent), 7):
        server.send(sent[at : at + 7])
        line.take(1.0)
    assert len(line.arrivals) == 2


def test_a_short_message_is_no_audio(ends: tuple[Line, socket.socket]) -> None:
    line, server = ends
    server.send(server_frame(AUDIO - 1, 1))
    line.take(1.0)
    assert line.arrivals == []


def test_a_ping_is_answered(ends: tuple[Line, socket.socket]) -> None:
    line, server = ends
    server.send(server_frame(3, 9))
    line.take(1.0)
    assert server.recv(100)[:2] == bytes([0x8A, 0x83])


def test_a_server_that_hangs_up_is_a_lost_session(ends: tuple[Line, socket.socket]) -> None:
    line, server = ends
    server.close()
    line.take(1.0)
    assert line.lost


def test_the_agent_stopped_with_its_last_frame_after_the_confirming_sample(
    ends: tuple[Line, socket.socket],
) -> None:
    line, server = ends
    line.speak(CONFIRM - 1, 10.0)
    for at in (10.001, 10.004):
        server.send(server_frame(640))
        line.take(at)
    line.judge()
    assert line.stops == [pytest.approx(0.004)]


def test_an_agent_that_says_nothing_after_it_stopped_at_once(ends: tuple[Line, socket.socket]) -> None:
    line, _ = ends
    line.speak(CONFIRM - 1, 10.0)
    line.judge()
    assert line.stops == [0.0]


def test_the_next_reply_is_no_part_of_the_one_that_was_interrupted(
    ends: tuple[Line, socket.socket],
) -> None:
    line, server = ends
    line.speak(CONFIRM - 1, 10.0)
    server.send(server_frame(640))
    line.take(10.8)
    line.judge()
    assert line.stops == [0.0]


def test_a_frame_is_late_against_the_grid_of_its_own_reply() -> None:
    first = [10 + n * PTIME for n in range(4)]
    first[2] += 0.005
    second = [20.003 + n * PTIME for n in range(3)]
    late = lateness([*first, *second])
    assert max(late) == pytest.approx(0.005)
    assert sum(each > 0.001 for each in late) == 1


def test_a_pause_parts_two_replies() -> None:
    assert [len(reply) for reply in replies([1.0, 1.02, 1.04, 1.9, 1.92])] == [3, 2]


def test_the_99th_percentile_of_few_is_the_longest() -> None:
    assert percentile([1.0, 3.0, 2.0], 0.99) == 3.0
    assert percentile([], 0.99) == 0.0
