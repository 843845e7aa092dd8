from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxemu.audio import AudioFormat
from voxemu.dialogue.playout import Playout, Stopped
from voxemu.events import PlaybackStarted

FORMAT = AudioFormat(16000)


def playout(*, pads: bool = True, burst: bool = False) -> Playout:
    return Playout(FORMAT, 320, pads=pads, burst=burst, opened=100.0)


def pcm(samples: int) -> bytes:
    return b"\1\0" * samples


def test_an_utterance_starts_where_it_is_said() -> None:
    line = playout()
    assert line.say(pcm(640), 101.0) == [PlaybackStarted(16000)]
    assert line.due == 101.0
    assert line.ends == 101.04


def test_frames_are_due_by_multiplication() -> None:
    line = playout()
    line.say(pcm(320 * 1000), 100.1)
    times = []
    while (due := line.due) is not None:
        times.append(due)
        assert len(line.take(due)) == 1
    assert times == [100.1 + n * 320 / 16000 for n in range(1000)]


def test_a_late_timer_takes_every_frame_that_was_due() -> None:
    line = playout()
    line.say(pcm(320 * 5), 100.0)
    assert len(line.take(100.07)) == 4


def test_only_a_fixed_frame_size_is_padded() -> None:
    for pads, sizes in ((True, [640, 640]), (False, [640, 200])):
        line = playout(pads=pads)
        line.say(pcm(420), 100.0)
        assert [len(frame) for frame in line.take(101.0)] == sizes


def test_the_next_utterance_starts_no_earlier_than_the_end_of_the_last() -> None:
    line = playout(burst=True)
    line.say(pcm(1600), 100.0)
    line.take(100.0)
    assert line.say(pcm(1600), 100.05) == []
    assert line.ends == pytest.approx(100.2)


def test_stopping_says_what_sounded_and_what_never_will() -> None:
    line = playout(burst=True)
    line.say(pcm(16000), 100.0)
    line.take(100.0)
    assert line.stop(100.25, flushed=True) == Stopped(4000, dropped=12000, unsent=0)
    assert line.due is None


def test_a_caller_that_cannot_flush_hears_all_that_was_sent() -> None:
    line = playout()
    line.say(pcm(16000), 100.0)
    line.take(100.25)
    assert line.stop(100.25, flushed=False) == Stopped(13 * 320, dropped=0, unsent=16000 - 13 * 320)


def test_passed_on_frames_follow_one_another_despite_jitter() -> None:
    line = playout()
    notes = [line.pass_on(pcm(320), 100.0 + n * 0.02 + (n % 3) * 0.01) for n in range(20)]
    assert notes[0] == [PlaybackStarted(0)]
    assert sum(map(len, notes)) == 1


@given(
    st.lists(st.tuples(st.integers(1, 3000), st.floats(0, 0.4), st.floats(0, 0.3)), max_size=8),
    st.booleans(),
    st.booleans(),
)
def test_sent_is_heard_plus_dropped_and_places_never_overlap(
    says: list[tuple[int, float, float]], burst: bool, flushed: bool
) -> None:
    line = playout(pads=False, burst=burst)
    now, sent, heard_to = 100.0, 0, 0
    for samples, listen, wait in says:
        now += wait
        for note in line.say(pcm(samples), now):
            assert note.position >= heard_to
        begin = line.sent_to
        now += listen
        sent = sum(len(frame) // 2 for frame in line.take(now))
        stopped = line.stop(now, flushed=flushed)
        assert stopped.unsent == samples - sent
        assert stopped.position + stopped.dropped == begin + sent
        heard_to = stopped.position
