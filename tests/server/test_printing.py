"""What a server prints holds up nobody: a pipe that nobody reads, one whose reader has gone, the end."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import TextIO

import pytest

from voxemu.server.printing import ROOM, Printer, missing, printing

Pipe = tuple[TextIO, TextIO]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Where one reads what is written to the other, which is not closed by whoever writes."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as out, os.fdopen(writing, "w") as into:
        yield out, into


def lost(count: int) -> str:
    return f"[{missing(count)}]\n"


def fill(into: TextIO) -> int:
    """Until it takes no more; the number of lines that it took, all of them empty."""
    os.set_blocking(into.fileno(), False)
    taken = 0
    try:
        while True:
            taken += os.write(into.fileno(), b"\n")
    except BlockingIOError:
        os.set_blocking(into.fileno(), True)
        return taken


def test_lines_come_out_in_order_and_all_of_them_before_the_end(pipe: Pipe) -> None:
    out, into = pipe
    said = [f"{number} ü\ud800\n" for number in range(1000)]
    with printing(into, lost) as printer:
        for line in said:
            printer.write(line)
    into.close()
    assert out.read() == "".join(said).replace("\ud800", "\\ud800")


def test_what_finds_no_room_is_lost_and_counted_where_it_would_have_stood(pipe: Pipe) -> None:
    out, into = pipe
    empty = fill(into)
    printer = Printer(into, lost)
    large = "x" * (ROOM - 1) + "\n"
    for line in (large, "one\n", "two\nthree\n"):
        printer.write(line)
    assert [out.readline() for _ in range(empty)] == ["\n"] * empty
    assert out.readline() == large
    assert out.readline() == "[3 lines are missing here: nobody read what was said]\n"
    printer.write("four\n")
    assert out.readline() == "four\n"
    printer.close()


def test_a_line_is_missing() -> None:
    assert missing(1) == "1 line is missing here: nobody read what was said"


def test_the_end_does_not_wait_for_a_pipe_that_nobody_reads(pipe: Pipe) -> None:
    out, into = pipe
    empty = fill(into)
    printer = Printer(into, lost)
    printer.write("one\n")
    printer.close()
    # The thread stands still, so this cannot be printed in order, nor at once.
    printer.write("two\n")
    assert [out.readline() for _ in range(empty + 1)][-1] == "one\n"


def test_whoever_speaks_after_the_end_is_heard_at_once(pipe: Pipe) -> None:
    out, into = pipe
    with printing(into, lost) as printer:
        printer.write("one\n")
    printer.write("two\n")
    assert (out.readline(), out.readline()) == ("one\n", "two\n")


def test_a_reader_that_has_gone_is_silence(pipe: Pipe) -> None:
    out, into = pipe
    out.close()
    with printing(into, lost) as printer:
        printer.write("one\n")
    printer.write("two\n")


def test_an_output_that_was_never_there_is_silence() -> None:
    with printing(None, lost) as printer:
        printer.write("one\n")


def test_a_pipe_that_somebody_has_not_wait_gets_all_of_it(pipe: Pipe) -> None:
    out, into = pipe
    empty = fill(into)
    os.set_blocking(into.fileno(), False)
    said = [f"{number:099}\n" for number in range(2000)]
    printer = Printer(into, lost)

    def speak() -> None:
        for line in said:
            printer.write(line)

    speaking = threading.Thread(target=speak)
    speaking.start()
    assert [out.readline() for _ in range(empty + len(said))][empty:] == said
    speaking.join()
    printer.close()
