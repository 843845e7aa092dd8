"""The sounds of ``background_audio``: a quiet room, and a soft pattern while the agent thinks.

Made here, the same samples every time, as loops of 20 ms frames, so that a room may encode them once.
"""

from __future__ import annotations

import math
from functools import lru_cache

from voxemu.audio import SAMPLE_BYTES, pcm16
from voxemu.rooms.port import FRAME_SAMPLES, RATE, Background

LOOP_SECONDS = 2
LOOP_FRAMES = LOOP_SECONDS * RATE // FRAME_SAMPLES
AMBIENCE_LEVEL = 0.012
# RMS of full scale: clearly there, far below speech.
TICK_LEVEL = 0.05
TICK_HERTZ = 520.0
TICKS = 8
# A loop: four a second, so that even a short thought has one.


def backdrop(background: Background, *, thinking: bool) -> tuple[bytes, ...]:
    """The loop that sounds now: ``LOOP_FRAMES`` frames of ``FRAME_SAMPLES``, PCM16 at 48 kHz."""
    ambience = background in ("ambience", "ambience+thinking")
    return _loop(ambience, thinking and background in ("thinking", "ambience+thinking"))


@lru_cache(maxsize=4)
def _loop(ambience: bool, ticking: bool) -> tuple[bytes, ...]:
    import numpy as np

    samples = LOOP_SECONDS * RATE
    wave = np.zeros(samples)
    if ambience:
        # Noise with less and less of the high parts, shaped in the spectrum: so its end meets its beginning.
        dice = np.random.default_rng(7)
        spectrum = np.fft.rfft(dice.standard_normal(samples))
        hertz = np.fft.rfftfreq(samples, 1 / RATE)
        shaped = np.fft.irfft(spectrum / (1 + (hertz / 300.0) ** 2) * (hertz > 40), samples)
        wave += AMBIENCE_LEVEL * shaped / np.sqrt(np.mean(shaped**2))
    if ticking:
        at = np.arange(samples // TICKS) / RATE
        fade_in = np.minimum(at / 0.005, 1.0)
        tick = TICK_LEVEL * fade_in * np.exp(-at / 0.06) * np.sin(2 * math.pi * TICK_HERTZ * at)
        wave += np.tile(tick, TICKS)
    pcm = pcm16(wave.astype(np.float32))
    size = FRAME_SAMPLES * SAMPLE_BYTES
    return tuple(pcm[at : at + size] for at in range(0, len(pcm), size))
