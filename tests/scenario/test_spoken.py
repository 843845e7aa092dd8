"""Sounds that are made from their names."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from voxemu.audio import AudioFormat
from voxemu.errors import UsageError
from voxemu.scenario.spoken import Made, made

AXIS = AudioFormat(16_000)


@pytest.mark.parametrize(
    ("name", "sound"),
    [
        ("tone:440:1.5", Made("tone", 1.5, hertz=440)),
        ("noise:2", Made("noise", 2, level=0.1)),
        ("noise:2:0.5", Made("noise", 2, level=0.5)),
        ("silence:0.5", Made("silence", 0.5)),
        ("hello", None),
        ("tone.wav", None),
        ("tone", None),
    ],
)
def test_a_sound_is_read_from_its_name(name: str, sound: Made | None) -> None:
    assert made(name) == sound


@pytest.mark.parametrize(
    "name",
    [
        "tone:440",
        "tone:5:1",
        "tone:440:0",
        "noise:x",
        "noise:1:2",
        "noise:1:0",
        "silence:9999",
        "silence:1:2",
    ],
)
def test_a_sound_that_cannot_be_is_refused_with_the_forms(name: str) -> None:
    with pytest.raises(UsageError, match=r"is no sound: give tone:HZ:SECONDS, noise:"):
        made(name)


def test_noise_is_the_same_for_the_same_seed_and_on_every_machine() -> None:
    sound = Made("noise", 0.5, level=0.1)
    assert sound.pcm(AXIS, 7) != sound.pcm(AXIS, 8)
    assert hashlib.sha256(sound.pcm(AXIS, 7)).hexdigest()[:16] == "237198ef0ac05292"


def test_noise_has_the_level_that_is_asked_for() -> None:
    samples = np.frombuffer(Made("noise", 5, level=0.2).pcm(AXIS, 1), "<i2") / 32768
    assert np.sqrt((samples**2).mean()) == pytest.approx(0.2, rel=0.02)


def test_silence_is_no_speech_and_a_tone_is() -> None:
    assert not Made("silence", 1).is_speech
    assert Made("tone", 1, hertz=440).is_speech
