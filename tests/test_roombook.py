"""The memory of a room protocol: bounded, and forgetful after an hour."""

from __future__ import annotations

from voxemu.roombook import RoomBook


def test_a_session_is_found_by_its_id_and_its_room() -> None:
    book = RoomBook()
    book.enter("s", "r", 0.0)
    assert (book.room_of("s", 0.0), book.knows_room("r", 0.0), book.is_open("s")) == ("r", True, True)


def test_an_open_session_is_remembered_however_long_it_lasts() -> None:
    book = RoomBook()
    book.enter("s", "r", 0.0)
    assert book.room_of("s", 1e6) == "r"


def test_a_session_that_ended_is_remembered_for_an_hour_from_its_first_end() -> None:
    book = RoomBook()
    book.enter("s", "r", 0.0)
    book.leave("r", 10.0)
    book.leave("r", 500.0)
    assert (book.is_open("s"), book.room_of("s", 3609.0), book.room_of("s", 3610.0)) == (False, "r", None)


def test_forgetting_an_old_session_leaves_the_new_one_in_its_room() -> None:
    book = RoomBook()
    book.enter("old", "r", 0.0)
    book.enter("new", "r", 1.0)
    assert book.room_of("old", 3602.0) is None
    assert (book.knows_room("r", 3602.0), book.is_open("new")) == (True, True)


def test_an_id_in_another_room_takes_its_session_there() -> None:
    book = RoomBook()
    book.enter("s", "a", 0.0)
    assert book.enter("s", "b", 1.0) == ("a",)
    assert book.room_of("s", 1.0) == "b"
    assert book.room_of("s", 4000.0) == "b"
    assert not book.knows_room("a", 4000.0)


def test_leaving_a_room_nobody_is_in_is_nothing() -> None:
    book = RoomBook()
    book.leave("r", 0.0)
    book.forget("s")
    assert not book.knows_room("r", 0.0)


def test_only_so_many_ended_sessions_are_remembered() -> None:
    book = RoomBook(capacity=3)
    for number in range(10):
        book.enter(f"s{number}", f"r{number}", float(number))
        book.leave(f"r{number}", float(number))
    assert [number for number in range(10) if book.room_of(f"s{number}", 10.0)] == [7, 8, 9]


def test_clients_who_were_quiet_longest_are_forgotten() -> None:
    book = RoomBook()
    assert [book.wait_to_start("c", 1, 0.0), book.wait_to_start("c", 1, 30.0)] == [None, 30.0]
    for number in range(10_000):
        book.wait_to_start(f"c{number}", 1, 31.0)
    assert book.wait_to_start("c", 1, 31.0) is None
