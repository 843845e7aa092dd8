"""The prompts that ship with the client are fit to be spoken as one turn each."""

from __future__ import annotations

import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from voxemu import prompts
from voxemu.errors import UnknownName

RATE = 16000  # Hz
WINDOW = 160  # samples: 10 ms, the step in which silence is measured below
SILENCE = -45.0  # dBFS; under it a window counts as silent


def read(name: str) -> npt.NDArray[np.float64]:
    """A prompt's samples in [-1, 1)."""
    with wave.open(str(prompts.path(name))) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, RATE)
        samples: npt.NDArray[np.float64] = np.frombuffer(wav.readframes(wav.getnframes()), "<i2") / 32768
    return samples


def level(samples: npt.NDArray[np.float64]) -> float:
    """Root mean square, in dBFS."""
    return float(10 * np.log10(np.mean(samples**2) + 1e-12))


def spoken_windows(name: str) -> tuple[list[int], int]:
    """The numbers of the 10 ms windows in which there is sound, and how many windows there are."""
    samples = read(name)
    windows = [samples[start : start + WINDOW] for start in range(0, len(samples), WINDOW)]
    return [n for n, window in enumerate(windows) if level(window) > SILENCE], len(windows)


def test_the_prompts_are_the_ones_the_documentation_names() -> None:
    assert prompts.names() == ["goodbye", "hello", "numbers", "question", "stop", "story", "yes"]


def test_a_prompt_is_a_file_that_any_program_can_open() -> None:
    assert prompts.path("hello").is_file()


@pytest.mark.parametrize("name", ["helo", "", "../prompts/hello", "hello.wav"])
def test_an_unknown_prompt_is_refused_with_the_names_of_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownName) as refusal:
        prompts.path(name)
    assert refusal.value.known == prompts.names()
    assert repr(name) in str(refusal.value)


@pytest.mark.parametrize("name", prompts.names())
def test_a_prompt_is_about_minus_20_dbfs_and_does_not_clip(name: str) -> None:
    samples = read(name)
    assert level(samples) == pytest.approx(-20, abs=0.5)
    assert np.abs(samples).max() < 0.95


@pytest.mark.parametrize("name", prompts.names())
def test_a_prompt_begins_and_ends_within_50_ms(name: str) -> None:
    spoken, count = spoken_windows(name)
    assert spoken[0] <= 5
    assert count - 1 - spoken[-1] <= 5


@pytest.mark.parametrize("name", prompts.names())
def test_a_prompt_has_no_pause_that_could_end_a_turn(name: str) -> None:
    spoken, _ = spoken_windows(name)
    pauses = [after - before - 1 for before, after in pairwise(spoken)]
    assert max(pauses, default=0) < 30


@pytest.mark.parametrize(
    ("name", "shortest", "longest"), [("yes", 0.3, 0.5), ("question", 1.8, 2.5), ("story", 4.5, 6.0)]
)
def test_the_prompts_give_short_and_long_turns(name: str, shortest: float, longest: float) -> None:
    assert shortest < len(read(name)) / RATE < longest


def test_every_prompt_is_described_beside_it(top: Path) -> None:
    readme = (top / "emulator/voxemu/prompts/README.md").read_text()
    assert [name for name in prompts.names() if f"| `{name}` |" not in readme] == []
