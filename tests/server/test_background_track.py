"""What is written beside a recording as the background of its room."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxemu.audio import SAMPLE_BYTES
from voxemu.events import Closed, ListeningStarted, Opened, SpeakingStarted, ThinkingStarted
from voxemu.provider import Role
from voxemu.record import Recorder
from voxemu.record.wav import HEADER_BYTES
from voxemu.rooms.backdrop import LOOP_FRAMES, backdrop
from voxemu.server.background_track import BackgroundTrack
from voxemu.wire import PROVIDERS

FRAME = 960 * SAMPLE_BYTES


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path, PROVIDERS["lyzr-livekit"], Role.PROVIDER)


def written(recorder: Recorder) -> list[bytes]:
    """The frames of 20 ms in the file."""
    pcm = (recorder.directory / "background_audio.wav").read_bytes()[HEADER_BYTES:]
    return [pcm[at : at + FRAME] for at in range(0, len(pcm), FRAME)]


def test_the_background_follows_the_agents_state(recorder: Recorder) -> None:
    overheard = BackgroundTrack("ambience+thinking", recorder)
    for event, now in (
        (Opened(), 3.0),
        (ListeningStarted(), 3.0),
        (ThinkingStarted(1), 4.0),
        (SpeakingStarted(1), 4.5),
        (Closed(1000, by="caller"), 5.0),
    ):
        overheard.saw(event, now)
        recorder.saw(event, now)
    recorder.close(5.0)
    quiet, busy = (backdrop("ambience+thinking", thinking=thinking) for thinking in (False, True))
    assert written(recorder) == [*quiet[:50], *busy[50:75], *quiet[75:100]]


def test_the_background_sounds_while_nothing_happens(recorder: Recorder) -> None:
    overheard = BackgroundTrack("ambience", recorder)
    for tap in (overheard, recorder):
        tap.saw(Opened(), 0.0)
    for second in range(1, 6):
        overheard.play(float(second))
    recorder.close(5.0)
    loop = backdrop("ambience", thinking=False)
    assert written(recorder) == [loop[frame % LOOP_FRAMES] for frame in range(250)]


def test_nothing_sounds_before_the_user_is_there(recorder: Recorder) -> None:
    BackgroundTrack("ambience", recorder).play(2.0)
    recorder.close(2.0)
    assert not (recorder.directory / "background_audio.wav").exists()
