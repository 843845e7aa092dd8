"""What the voice track is given: audio at once, silence when none is due, a hole only after patience."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voxemu.rooms.port import RATE
from voxemu.rooms.voice_feed import CHUNK, LEAD, PATIENCE, VoiceFeed

FRAME = b"\1\0" * 960
QUIET = bytes(2 * CHUNK)


def test_audio_is_given_as_soon_as_it_comes() -> None:
    feed = VoiceFeed(0.0)
    feed.say(FRAME)
    assert feed.take(0.0) == [FRAME[: 2 * CHUNK], FRAME[2 * CHUNK :]]


def test_silence_is_given_as_the_clock_says() -> None:
    feed = VoiceFeed(5.0)
    assert feed.take(5.02) == [QUIET, QUIET]
    assert feed.take(5.02) == []
    assert feed.take(5.031) == [QUIET]


def test_audio_that_is_a_little_late_is_waited_for() -> None:
    feed = VoiceFeed(0.0)
    feed.say(FRAME)
    feed.take(0.0)
    assert feed.take(0.05) == []
    feed.say(FRAME)
    assert feed.take(0.055) == [FRAME[: 2 * CHUNK], FRAME[2 * CHUNK :]]


def test_audio_that_does_not_come_leaves_a_hole() -> None:
    feed = VoiceFeed(0.0)
    feed.say(FRAME)
    feed.take(0.0)
    assert feed.take(PATIENCE) == [QUIET] * 4


def test_a_burst_is_given_ahead_of_its_time_and_no_further() -> None:
    feed = VoiceFeed(0.0)
    feed.say(FRAME * 50)
    assert len(feed.take(0.0)) == LEAD // CHUNK
    assert len(feed.take(0.1)) == 10
    assert feed.queued == 50 * 960 - LEAD - 4800


def test_the_end_of_a_reply_that_is_no_whole_chunk_is_filled_up() -> None:
    feed = VoiceFeed(0.0)
    feed.say(b"\1\0" * 100)
    assert feed.take(0.01) == [b"\1\0" * 100 + bytes(2 * (CHUNK - 100))]
    assert feed.queued == 0


def test_falling_silent_drops_what_was_not_given() -> None:
    feed = VoiceFeed(0.0)
    feed.say(FRAME * 50)
    feed.take(0.0)
    assert feed.fall_silent() == 50 * 960 - LEAD
    assert feed.take(LEAD / RATE + 0.01) == [QUIET]
    assert feed.fall_silent() == 0


@given(
    moves=st.lists(st.tuples(st.floats(0, 0.2), st.integers(0, 4000)), max_size=60),
)
def test_the_track_never_runs_dry_and_nothing_said_is_lost(moves: list[tuple[float, int]]) -> None:
    feed = VoiceFeed(0.0)
    now, said, given_ = 0.0, 0, b""
    for wait, samples in moves:
        now += wait
        feed.say(b"\1\0" * samples)
        said += samples
        given_ += b"".join(feed.take(now))
        lag = now * RATE - len(given_) / 2
        assert -LEAD <= lag <= PATIENCE * RATE + CHUNK
    while feed.queued:
        now += 0.02
        given_ += b"".join(feed.take(now))
    assert given_.count(b"\1") == said
