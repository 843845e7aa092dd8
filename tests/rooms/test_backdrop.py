"""The sounds of background_audio."""

from __future__ import annotations

import pytest

from voxemu.audio import floats
from voxemu.rooms.backdrop import AMBIENCE_LEVEL, LOOP_FRAMES, backdrop
from voxemu.rooms.port import FRAME_SAMPLES, Background


def rms(frames: tuple[bytes, ...]) -> float:
    wave = floats(b"".join(frames))
    return float((wave**2).mean() ** 0.5)


@pytest.mark.parametrize("background", ["off", "ambience", "thinking", "ambience+thinking"])
@pytest.mark.parametrize("thinking", [False, True])
def test_a_backdrop_is_a_loop_of_whole_frames(background: Background, thinking: bool) -> None:
    loop = backdrop(background, thinking=thinking)
    assert [len(frame) for frame in loop] == [2 * FRAME_SAMPLES] * LOOP_FRAMES


def test_ambience_is_quiet_and_steady() -> None:
    assert rms(backdrop("ambience", thinking=False)) == pytest.approx(AMBIENCE_LEVEL, rel=0.05)


def test_thinking_is_heard_over_ambience() -> None:
    loops = [backdrop("ambience+thinking", thinking=thinking) for thinking in (False, True)]
    assert rms(loops[1]) > 1.1 * rms(loops[0])


def test_without_ambience_there_is_silence_until_the_agent_thinks() -> None:
    assert rms(backdrop("thinking", thinking=False)) == 0.0
    assert rms(backdrop("thinking", thinking=True)) > 0.0


def test_the_same_samples_every_time() -> None:
    from voxemu.rooms import backdrop as module

    first = backdrop("ambience+thinking", thinking=True)
    module._loop.cache_clear()
    assert first == backdrop("ambience+thinking", thinking=True)
