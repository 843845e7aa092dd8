"""When the agent's audio goes out."""

from __future__ import annotations

from voxemu.rooms.embedded.voice import BEHIND, Voice


def numbers(voice: Voice, now: int) -> list[tuple[int, bytes | None]]:
    return [(sound.number, sound.pcm) for sound in voice.take(now)]


def test_a_silent_track_sends_silence_in_step_and_a_little_behind() -> None:
    voice = Voice()
    voice.take(100)
    assert [numbers(voice, now) for now in (101, 102, 103)] == [
        [(101 - BEHIND - 1, None)],
        [(102 - BEHIND - 1, None)],
        [(103 - BEHIND - 1, None)],
    ]


def test_speech_goes_out_the_moment_it_comes() -> None:
    voice = Voice()
    voice.take(100)
    voice.push(b"a")
    assert numbers(voice, 100) == [(98, b"a")]


def test_speech_that_comes_in_time_leaves_no_hole_though_a_frame_is_late() -> None:
    voice = Voice()
    voice.take(100)
    sent = []
    for now, frame in ((100, b"a"), (101, None), (102, b"b"), (102, b"c"), (103, b"d")):
        if frame is not None:
            voice.push(frame)
        sent += numbers(voice, now)
    assert sent == [(98, b"a"), (99, b"b"), (100, b"c"), (101, b"d")]


def test_a_heap_of_speech_is_paced() -> None:
    voice = Voice()
    voice.take(100)
    for at in range(6):
        voice.push(bytes([at]))
    assert [len(voice.take(now)) for now in (100, 101, 102, 103)] == [3, 1, 1, 1]


def test_what_is_flushed_is_not_sent() -> None:
    voice = Voice()
    voice.take(100)
    for at in range(6):
        voice.push(bytes([at]))
    voice.take(100)
    assert voice.flush() == 3
    assert numbers(voice, 101) == []


def test_the_first_frame_of_a_spurt_is_marked() -> None:
    voice = Voice()
    voice.take(100)
    voice.push(b"a")
    voice.push(b"b")
    assert [sound.first for sound in voice.take(100)] == [True, False]


def test_after_a_long_pause_of_the_clock_nothing_is_made_up_for() -> None:
    voice = Voice()
    voice.take(100)
    assert voice.take(10_000) == []
