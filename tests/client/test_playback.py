"""The user's loudspeaker by itself."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from voxemu.audio import AudioFormat
from voxemu.events import Note, PlaybackFlushed, PlaybackStarted, PlaybackUnderran
from voxemu_client.playback import Placed, Playback

AXIS = AudioFormat(16_000)
FRAME = bytes(640)
T0 = 50.0


def loudspeaker(jitter_buffer: float = 0.0) -> Playback:
    line = Playback(AXIS, jitter_buffer=jitter_buffer)
    line.open(T0)
    return line


def test_the_first_frame_sounds_when_it_comes() -> None:
    assert loudspeaker().arrived(FRAME, 0, T0 + 1) == Placed(16_000, (PlaybackStarted(16_000),))


def test_a_jitter_buffer_delays_the_first_frame() -> None:
    assert loudspeaker(0.06).arrived(FRAME, 0, T0 + 1).position == 16_960


def test_frames_that_come_early_follow_one_another_without_a_word() -> None:
    line = loudspeaker()
    line.arrived(FRAME, 0, T0)
    assert line.arrived(FRAME, 0, T0 + 0.001) == Placed(320)
    assert line.arrived(FRAME, 0, T0 + 0.002) == Placed(640)


def test_a_frame_that_comes_exactly_in_time_is_no_underrun() -> None:
    line = loudspeaker()
    line.arrived(FRAME, 0, T0)
    assert line.arrived(FRAME, 0, T0 + 0.02) == Placed(320)


def test_a_frame_that_comes_late_in_a_reply_is_an_underrun_with_its_length() -> None:
    line = loudspeaker()
    line.arrived(FRAME, 0, T0)
    late = line.arrived(FRAME, 0, T0 + 0.03)
    assert late == Placed(480, (PlaybackUnderran(320, 160), PlaybackStarted(480)))
    assert (line.underruns, line.underrun_samples) == (1, 160)


def test_silence_between_two_replies_is_no_underrun() -> None:
    line = loudspeaker()
    line.arrived(FRAME, 0, T0)
    line.end_reply()
    assert line.arrived(FRAME, 0, T0 + 0.03).notes == (PlaybackStarted(480),)


def test_a_long_pause_is_no_underrun() -> None:
    line = loudspeaker()
    line.arrived(FRAME, 0, T0)
    assert line.arrived(FRAME, 0, T0 + 1.5).notes == (PlaybackStarted(24_000),)


def test_clearing_drops_what_has_not_sounded() -> None:
    line = loudspeaker()
    line.arrived(bytes(32_000), 0, T0)
    assert line.clear(T0 + 0.25) == [PlaybackFlushed(4000, 12_000)]
    assert (line.heard, line.dropped) == (4000, 12_000)


def test_clearing_a_dry_line_drops_nothing() -> None:
    line = loudspeaker()
    line.arrived(FRAME, 0, T0)
    assert line.clear(T0 + 1) == []


def test_what_waits_in_the_jitter_buffer_is_dropped_whole() -> None:
    line = loudspeaker(0.06)
    line.arrived(FRAME, 0, T0)
    assert line.clear(T0 + 0.01) == [PlaybackFlushed(960, 320)]


def test_after_a_flush_the_next_frame_says_where_it_sounds() -> None:
    line = loudspeaker()
    line.arrived(bytes(32_000), 0, T0)
    line.clear(T0 + 0.25)
    assert line.arrived(FRAME, 0, T0 + 0.25).notes == (PlaybackStarted(4000),)


def test_a_higher_generation_cuts_off_the_reply_that_plays() -> None:
    line = loudspeaker()
    line.arrived(bytes(32_000), 1, T0)
    assert line.new_reply(2, T0 + 0.5) == [PlaybackFlushed(8000, 8000)]


def test_the_same_generation_cuts_nothing_off() -> None:
    line = loudspeaker()
    line.arrived(bytes(32_000), 1, T0)
    assert line.new_reply(1, T0 + 0.5) == []


def test_audio_of_an_older_generation_is_dropped_and_counted() -> None:
    line = loudspeaker()
    line.new_reply(2, T0)
    late = line.arrived(FRAME, 1, T0 + 0.1)
    assert late.position is None
    assert (line.received, line.heard, line.late) == (320, 0, 320)


def test_audio_of_an_older_generation_leaves_no_hole() -> None:
    line = loudspeaker()
    line.new_reply(2, T0)
    line.arrived(FRAME, 2, T0)
    assert line.arrived(FRAME, 1, T0).notes == (PlaybackFlushed(320, 320),)
    assert line.arrived(FRAME, 2, T0 + 0.01) == Placed(320)


def test_audio_without_a_generation_is_never_old() -> None:
    line = loudspeaker()
    line.new_reply(7, T0)
    assert line.arrived(FRAME, 0, T0).position == 0


def test_it_sounds_from_its_first_sample_to_its_last() -> None:
    line = loudspeaker(0.06)
    line.arrived(FRAME, 0, T0)
    assert [line.sounds(T0 + at) for at in (0.059, 0.06, 0.079, 0.08)] == [False, True, True, False]


Move = tuple[float, int, str, int]


@given(
    st.lists(
        st.tuples(
            st.floats(0, 0.2),
            st.integers(1, 2000),
            st.sampled_from(["play", "play", "play", "clear", "bump"]),
            st.integers(0, 3),
        ),
        max_size=60,
    ),
    st.sampled_from([0.0, 0.06]),
)
def test_no_two_samples_share_a_place_and_none_is_lost(moves: list[Move], buffer: float) -> None:
    line, now, received = loudspeaker(buffer), T0, 0
    laid: list[tuple[int, int]] = []

    def flush(notes: Iterable[Note]) -> None:
        for note in notes:
            if isinstance(note, PlaybackFlushed):
                laid[:] = [(first, min(last, note.position)) for first, last in laid if first < note.position]

    for wait, samples, what, generation in moves:
        now += wait
        if what == "play":
            received += samples
            placed = line.arrived(bytes(2 * samples), generation, now)
            flush(placed.notes)
            if placed.position is not None:
                laid.append((placed.position, placed.position + samples))
        else:
            flush(line.new_reply(generation, now) if what == "bump" else line.clear(now))
    assert received == line.received == line.heard + line.dropped
    assert line.heard == sum(last - first for first, last in laid)
    assert all(last <= first for (_, last), (first, _) in pairwise(laid))
