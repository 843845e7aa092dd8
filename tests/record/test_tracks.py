from __future__ import annotations

from tests.record.calls import samples, silence
from voxemu.record.tracks import Track


def track() -> Track:
    return Track(patience=1000)


def test_samples_follow_one_another_from_their_place_on() -> None:
    left = track()
    left.place(100)
    left.lay(samples(0, 10))
    left.lay(samples(10, 5))
    assert left.take() == [(100, samples(0, 15))]


def test_a_new_place_leaves_a_hole() -> None:
    left = track()
    left.place(0)
    left.lay(samples(0, 10))
    left.place(50)
    left.lay(samples(10, 10))
    assert left.take() == [(0, samples(0, 10)), (50, samples(10, 10))]


def test_samples_without_a_place_wait_for_one() -> None:
    right = track()
    right.lay(samples(0, 10))
    assert right.take() == []
    right.place(30)
    assert right.take() == [(30, samples(0, 10))]


def test_what_waits_too_long_was_never_heard() -> None:
    right = Track(patience=15)
    right.lay(samples(0, 10))
    right.lay(samples(10, 10))
    right.place(0)
    assert (right.laid, right.dropped) == (10, 10)


def test_only_what_has_sounded_is_taken() -> None:
    right = track()
    right.place(0)
    right.lay(samples(0, 20))
    assert right.take(until=12) == [(0, samples(0, 12))]
    assert right.take(until=100) == [(12, samples(12, 8))]


def test_a_flush_takes_back_what_has_not_sounded() -> None:
    right = track()
    right.place(0)
    right.lay(samples(0, 20))
    right.flush(8)
    assert right.take() == [(0, samples(0, 8))]
    assert (right.laid, right.dropped) == (8, 12)


def test_a_flush_silences_what_is_in_the_file_already() -> None:
    right = track()
    right.place(0)
    right.lay(samples(0, 20))
    right.take()
    right.flush(8)
    assert right.take() == [(8, silence(12))]


def test_a_second_flush_keeps_silent_what_the_first_silenced() -> None:
    right = track()
    right.place(0)
    right.lay(samples(0, 20))
    right.take()
    right.flush(8)
    right.place(10)
    right.lay(samples(20, 4))
    right.flush(11)
    file = bytearray(samples(0, 20))
    for position, pcm in right.take():
        file[2 * position : 2 * position + len(pcm)] = pcm
    assert bytes(file) == samples(0, 8) + silence(2) + samples(20, 1) + silence(9)


def test_a_flush_counts_sound_and_not_the_holes_between() -> None:
    right = track()
    right.place(0)
    right.lay(samples(0, 10))
    right.place(100)
    right.lay(samples(10, 10))
    right.flush(5)
    assert (right.laid, right.dropped, right.end) == (5, 15, 5)


def test_after_a_flush_samples_go_on_from_there() -> None:
    right = track()
    right.place(0)
    right.lay(samples(0, 10))
    right.flush(6)
    right.lay(samples(10, 3))
    assert right.take() == [(0, samples(0, 6) + samples(10, 3))]


def test_two_samples_never_share_a_place() -> None:
    left = track()
    left.place(0)
    left.lay(samples(0, 10))
    left.place(7)
    left.lay(samples(10, 10))
    assert left.take() == [(0, samples(0, 20))]
    assert left.displaced == 3
