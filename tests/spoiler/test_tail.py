"""What is kept of a reply, for faults that want its end again."""

from __future__ import annotations

from random import Random

import pytest

from voxemu.events import AgentAudioSent
from voxemu.fault import fault_of
from voxemu.spoiler.sound import Sound
from voxemu.wire import PROVIDERS

WORKBUDDY = PROVIDERS["workbuddy"]
FRAME = WORKBUDDY.frame_samples


def late_seconds(sound: Sound, seconds: float) -> float:
    fault = fault_of({"kind": "late_audio", "ms": 1000 * seconds})
    return sum(len(each.pcm) / 2 for each in sound.late(fault)) / WORKBUDDY.format.rate


@pytest.mark.parametrize(("asked_before", "kept"), [(False, 0.5), (True, 2.0)])
def test_half_a_second_of_a_reply_is_kept_until_late_audio_is_asked_for(
    asked_before: bool, kept: float
) -> None:
    sound = Sound(WORKBUDDY, Random(1))
    sound.keeps_all = asked_before
    for _ in range(100):
        sound.went_out(AgentAudioSent(bytes(2 * FRAME), 1))
    assert kept == late_seconds(sound, 2.0)


def test_the_end_of_an_older_reply_is_not_kept() -> None:
    sound = Sound(WORKBUDDY, Random(1))
    for generation, frames in ((1, 40), (2, 5)):
        for _ in range(frames):
            sound.went_out(AgentAudioSent(bytes(2 * FRAME), generation))
    assert late_seconds(sound, 0.5) == pytest.approx(0.1)
