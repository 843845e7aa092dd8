"""How the client cuts its audio: message sizes, the rate it declares, and silence that goes on and on."""

from __future__ import annotations

from voxemu.audio import SAMPLE_BYTES
from voxemu.lint.pages import FRAMES, SILENCE, Frames
from voxemu.lint.tally import Tally

CERTAIN = 5
# Messages of a wrong size before it is a habit: a clip may well end on an odd one.
LONE, LONE_SHARE = 15, 0.06
_FAINT = bytes((0x00, 0x01, 0xFE, 0xFF))
# High bytes of samples below a 64th of full scale: at most -36 dBFS, which nobody takes for speech.
SLACK = 0.001
# Seconds: a resampler gives a sample more or less.


class FrameSizes:
    """F-FRAME-SIZE, where the page gives a size."""

    def __init__(self, tally: Tally, provider: str) -> None:
        self._tally = tally
        self._frames = FRAMES.get(provider)
        self.short_before = False
        # The last message was too short, so whatever comes now tells something.
        self._lone = 0

    def fits(self, size: int, rate: int) -> bool:
        """Whether messages of so many bytes are as advised; nothing is to be said of those."""
        return self._frames is None or _off(self._frames, size, rate) == 0

    def heard(self, size: int, rate: int, silent: bool, messages: int) -> None:
        """``messages`` have come so far."""
        verdict = 0 if self._frames is None else _off(self._frames, size, rate)
        if self._frames is None or verdict == 0:
            self.short_before = False
            return
        # The last message of a clip may be short, and a keep-alive of zeros of any length; so a short one
        # counts from the second in a row.
        counts = verdict > 0 or self.short_before or self._every_so_often(self._frames, messages)
        self.short_before = verdict < 0 and not silent
        if counts and self._tally.suspect("F-FRAME-SIZE") >= CERTAIN:
            self._tally.find("F-FRAME-SIZE", _size_seen(self._frames, size, rate))

    def _every_so_often(self, frames: Frames, messages: int) -> bool:
        """Short messages too many to be the ends of clips: the rest of every callback, for instance."""
        if frames.size is None:
            # Ten messages of 100 ms and a short one are a clip of a second.
            return False
        self._lone += 1
        return self._lone >= LONE and self._lone > LONE_SHARE * messages


def _off(frames: Frames, size: int, rate: int) -> int:
    """-1 too short, 1 too long, 0 as advised."""
    if frames.size is not None:
        return (size > frames.size) - (size < frames.size)
    seconds = size / SAMPLE_BYTES / rate
    return (seconds > frames.longest + SLACK) - (seconds < frames.shortest - SLACK)


def _size_seen(frames: Frames, size: int, rate: int) -> str:
    if frames.size is not None:
        return f"messages of {size} bytes; the page sends {frames.size}"
    length = size / SAMPLE_BYTES / rate * 1000
    advised = f"{frames.shortest * 1000:.0f}–{frames.longest * 1000:.0f} ms"
    return f"messages of {length:.1f} ms; the page advises {advised}"


class DeclaredRate:
    """F-RATE-DECLARED: what the messages say against what the session has."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def heard(self, declared: int, rate: int) -> None:
        if declared != rate:
            self._tally.suspect("F-RATE-DECLARED")
            self._tally.find("F-RATE-DECLARED", f"sampleRate {declared} in a session of {rate} Hz")

    def refused(self, text: str) -> None:
        """The session refused the message for its rate, so that it is no audio here."""
        self._tally.suspect("F-RATE-DECLARED")
        self._tally.find("F-RATE-DECLARED", text)


class SilenceRuns:
    """F-SILENCE-FLOOD: silence and mere noise back to back, longer than the page's patience."""

    def __init__(self, tally: Tally, provider: str) -> None:
        self._tally = tally
        self._limit = SILENCE.get(provider)
        self.matters = self._limit is not None
        self._run = 0.0
        self._since = 0.0
        self._noise = 0.0
        # Seconds of the run that were not zeros.

    def heard(self, pcm: bytes, seconds: float, silent: bool, now: float) -> None:
        if self._limit is None:
            return
        if not silent:
            if pcm[1::2].translate(None, _FAINT):
                self._run = self._noise = 0.0
                return
            self._noise += seconds
        if not self._run:
            self._since = now
        was, self._run = self._run, self._run + seconds
        # Zeros now and then are a keep-alive: what counts is silence that fills the time it takes.
        if was < self._limit <= self._run and now - self._since <= 2 * self._run:
            self._tally.suspect("F-SILENCE-FLOOD")
            what = "faint noise" if self._noise > self._run / 2 else "zeros"
            self._tally.find("F-SILENCE-FLOOD", f"{self._run:.1f} s of nothing but {what}, without a pause")
