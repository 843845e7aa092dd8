"""Sounds for trying detection: shipped speech, human speech, noise; and what a room does to them.

Everything is float64 at full scale 1.0 until `pcm` makes it S16LE; what is random comes from a given
generator.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from tests.needs import require_file

Sound = npt.NDArray[np.float64]
PROMPTS = Path(__file__).parents[2] / "emulator" / "voxemu" / "prompts"
HUMAN = Path("/usr/share/sounds/alsa")
CLIPS = ("hello", "question", "story", "stop", "numbers", "goodbye", "yes")
HUMANS = ("Front_Center", "Rear_Left", "Side_Right")


def pcm(sound: Sound) -> bytes:
    return np.clip(np.rint(sound * 32768), -32768, 32767).astype("<i2").tobytes()


def rms(sound: Sound, level: float) -> Sound:
    """The same sound at this RMS."""
    scaled: Sound = sound * (level / np.sqrt(np.mean(sound**2)))
    return scaled


def spoken(name: str, rate: int, level: float = 0.1) -> Sound:
    """One of CLIPS or HUMANS from its first spoken sample on, at `level` RMS while it is voiced."""
    return _trimmed(name, rate) * level


@cache
def _trimmed(name: str, rate: int) -> Sound:
    if name in CLIPS:
        path = PROMPTS / f"{name}.wav"
        assert path.is_file(), "the prompts ship with the client"
    else:
        path = require_file(HUMAN / f"{name}.wav", "Debian: apt install alsa-utils")
    sound, own_rate = soundfile.read(path, dtype="float64")
    sound = soxr.resample(sound, own_rate, rate)
    window = rate // 50
    levels = np.sqrt(np.mean(sound[: len(sound) // window * window].reshape(-1, window) ** 2, axis=1))
    loud = levels > 0.05 * levels.max()
    sound /= np.sqrt(np.mean(levels[loud] ** 2))
    last = (len(loud) - int(np.argmax(loud[::-1]))) * window
    first = int(np.argmax(np.abs(sound) > 0.2))
    trimmed: Sound = sound[first:last]
    return trimmed


def tone(hertz: float, seconds: float, rate: int, level: float = 0.2) -> Sound:
    """As the tone agent makes it: faded over 10 ms at both ends; `level` is its RMS."""
    at = np.arange(round(seconds * rate))
    fade = np.minimum(1.0, np.minimum(at, at[::-1]) / (0.01 * rate))
    wave: Sound = level * np.sqrt(2) * np.sin(2 * np.pi * hertz * at / rate) * fade
    return wave


def white(seconds: float, rate: int, level: float, rng: np.random.Generator) -> Sound:
    return rms(rng.standard_normal(round(seconds * rate)), level)


def fan(seconds: float, rate: int, level: float, rng: np.random.Generator) -> Sound:
    """A rumble: white noise through a moving average of 2 ms, twice."""
    kernel = np.ones(rate // 500)
    noise = rng.standard_normal(round(seconds * rate))
    return rms(np.convolve(np.convolve(noise, kernel, "same"), kernel, "same"), level)


def vowel(seconds: float, rate: int, level: float) -> Sound:
    """A held vowel: forty harmonics of a wavering 120 Hz, two formants."""
    at = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(120 * (1 + 0.02 * np.sin(2 * np.pi * 5 * at))) / rate
    sound = np.zeros_like(at)
    for n in range(1, min(40, int(rate / 2 / 130))):
        hertz = 120 * n
        strength = 1 / (1 + ((hertz - 600) / 200) ** 2) + 0.5 / (1 + ((hertz - 1200) / 250) ** 2)
        sound += strength * np.sin(n * phase)
    return rms(sound, level)


def placed(length: float, rate: int, *sounds: tuple[float, Sound]) -> Sound:
    """`length` seconds of silence with each sound added at its second."""
    whole = np.zeros(round(length * rate))
    for second, sound in sounds:
        at = round(second * rate)
        piece = sound[: len(whole) - at]
        whole[at : at + len(piece)] += piece
    return whole


def returned(
    sound: Sound,
    rate: int,
    *,
    delay: float,
    decibels: float,
    room: float = 0.0,
    muffled: float = 0.0,
    clipped: float = 1.0,
    rng: np.random.Generator,
) -> Sound:
    """What a microphone carries of `sound`, `delay` seconds later and changed by `decibels`.

    On its way it is resampled to 48 kHz for the speaker, to 16 for the microphone and back. `room` is the
    seconds in which its tail falls by 60 dB, all of it 8 dB under the direct sound; `muffled` is a low-pass
    in Hz; peaks are clipped at the share `clipped`.
    """
    sound = np.rint(sound * 32768) / 32768
    for source, target in ((rate, 48000), (48000, 16000), (16000, rate)):
        sound = soxr.resample(sound, source, target)
    if room:
        at = np.arange(round(room * rate)) / rate
        tail = rng.standard_normal(len(at)) * 10 ** (-3 * at / room)
        tail *= 10 ** (-8 / 20) / np.sqrt(np.sum(tail**2))
        tail[0] = 1.0
        sound = _convolved(sound, tail)
    if muffled:
        kernel = np.exp(-np.arange(rate // 200) * 2 * np.pi * muffled / rate)
        sound = np.convolve(sound, kernel / kernel.sum())
    whole, fraction = divmod(delay * rate, 1.0)
    shift = np.sinc(np.arange(-16, 17) - fraction) * np.kaiser(33, 8.0)
    sound = np.convolve(sound, shift)[16:]
    peak = clipped * np.abs(sound).max()
    return np.concatenate((np.zeros(int(whole)), np.clip(sound, -peak, peak))) * 10 ** (decibels / 20)


def _convolved(sound: Sound, kernel: Sound) -> Sound:
    size = len(sound) + len(kernel) - 1
    product: Sound = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(kernel, size), size)
    return product
