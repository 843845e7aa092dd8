"""How fast audio comes: bursts, a pace off real time, and the sample rate that the pace gives away.

Arrival times jitter, so nothing is judged by single messages. A stream is measured in windows that begin
and end at the start of a burst (a browser callback sends a dozen messages at once), and a verdict needs
windows that agree with each other. Errors of neighbouring windows cancel out: what one has too much the
other has too little; so a deviation that adds up to a second is no jitter.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from voxemu.lint.tally import Tally

CALLBACK = 16_384
# Samples: the largest buffer that a browser's ScriptProcessor hands out at once.
JITTER = 0.4
# Seconds of audio that may come early beyond that.
CREDIT = 1.0
# Seconds that the line may have held back before a burst is more than catching up.
STREAM_GAP = 2.0
# Seconds without audio after which what comes is a new stream, with nothing to catch up.

WINDOW = 1.0
WINDOW_GAP = 1.0
# Seconds without audio that a window does not reach across.
SETTLED = 0.5
# Seconds of a stream that are not measured: a gate that opens sends its pre-roll first.
BURST_GAP = 0.002
# Seconds: messages closer than this were sent together.
BURSTS = 4
# In a window at least, lest a single one tip it.
AGREE = 0.12
EXCESS = 1.0
# Seconds by which audio and time must differ over the windows together.

RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000)


class Bursts:
    """F-PACE-BURST: how far the audio is ahead of the clock."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._lead = 0.0
        self._climb_from = 0.0
        self._climb_lead = 0.0
        # When the audio was last not ahead, and how far it was behind.
        self._counted = False

    def heard(self, seconds: float, rate: int, now: float, wait: float) -> None:
        """``wait`` is how long ago the last message came."""
        lead = self._lead - wait if wait <= STREAM_GAP else 0.0
        if lead <= 0:
            lead = lead if lead > -CREDIT else -CREDIT
            self._climb_from, self._climb_lead, self._counted = now, lead, False
        self._lead = lead = lead + seconds
        if lead > JITTER and not self._counted and lead > CALLBACK / rate + JITTER:
            self._judge(lead, rate, now)

    def _judge(self, lead: float, rate: int, now: float) -> None:
        elapsed = now - self._climb_from
        climb = lead - self._climb_lead + elapsed
        # Audio of a higher rate than announced climbs too, steadily and no faster than this; that is the
        # business of Steadiness.
        if climb - CALLBACK / rate <= elapsed * max(4.0, 60_000 / rate):
            return
        self._counted = True
        self._tally.suspect("F-PACE-BURST")
        self._tally.find("F-PACE-BURST", f"{climb:.1f} s of audio within {elapsed:.2f} s")


@dataclass(slots=True)
class _Window:
    """From the start of one burst to the start of a later one; what the later one carries is not in it."""

    since: float
    audio: float = 0.0
    silent: float = 0.0
    # Seconds of it that were.
    paused_at: float = 0.0
    # Seconds of audio before the last pause.
    bursts: int = 0
    longest_wait: float = 0.0
    # The most by which a pause was longer than the audio before it.


class Steadiness:
    """F-RATE-APPARENT, F-PACE-FAST and F-PACE-SLOW: audio seconds per second, over several windows."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._stream_from: float | None = None
        # None until the next message.
        self._window: _Window | None = None
        self._run: list[tuple[float, float]] = []
        # Audio and time of the windows in a row so far.

    def restart(self) -> None:
        """The session's rate changed: what was measured before means nothing now."""
        self._stream_from, self._window = None, None
        self._run.clear()

    def heard(self, seconds: float, rate: int, now: float, wait: float, silent: bool) -> None:
        """``wait`` is how long ago the last message came."""
        if wait > WINDOW_GAP or self._stream_from is None:
            self._stream_from, self._window = now, None
            self._run.clear()
        elif wait >= BURST_GAP:
            self._burst_began(wait, rate, now, self._stream_from)
        if (window := self._window) is not None:
            window.audio += seconds
            if silent:
                window.silent += seconds

    def _burst_began(self, wait: float, rate: int, now: float, stream_from: float) -> None:
        window = self._window
        if window is None:
            if now - stream_from >= SETTLED:
                self._window = _Window(now)
            return
        audio = window.audio
        idle = wait - audio + window.paused_at
        if idle > window.longest_wait:
            window.longest_wait = idle
        window.paused_at = audio
        window.bursts += 1
        if now - window.since >= WINDOW and window.bursts >= BURSTS:
            self._close(window, now - window.since, rate)
            self._window = _Window(now)

    def _close(self, window: _Window, time: float, rate: int) -> None:
        if window.audio < time and not _slow_throughout(window, time):
            self._run.clear()
            return
        self._run.append((window.audio, time))
        del self._run[:-20]
        self._judge(rate)

    def _judge(self, rate: int) -> None:
        audio = sum(window[0] for window in self._run)
        time = sum(window[1] for window in self._run)
        ratio = audio / time
        if abs(audio - time) < EXCESS or len(self._run) < (2 if ratio > 1 else 4) or not self._agree():
            return
        likely = _likely_rate(ratio * rate, rate)
        self._run.clear()
        if likely:
            self._found_rate(ratio, rate, likely, time)
        elif not 0.85 < ratio < 1.15:
            code = "F-PACE-FAST" if ratio > 1 else "F-PACE-SLOW"
            self._tally.suspect(code)
            self._tally.find(code, f"audio at {ratio:.2f} times real time, over {time:.1f} s")

    def _agree(self) -> bool:
        ratios = [audio / time for audio, time in self._run]
        middle = median(ratios)
        near = sum(1 for ratio in ratios if abs(ratio - middle) <= AGREE * middle)
        return near >= 0.8 * len(ratios)

    def _found_rate(self, ratio: float, rate: int, likely: int, time: float) -> None:
        doubled = self._tally.made("F-FLOAT32") or self._tally.made("F-STEREO")
        if doubled and 1.8 < ratio < 2.2:
            # Twice the bytes are explained already.
            return
        self._tally.suspect("F-RATE-APPARENT")
        self._tally.find(
            "F-RATE-APPARENT",
            f"{ratio:.2f} s of audio a second at {rate} Hz, over {time:.1f} s: as audio of {likely} Hz would "
            f"come (or audio of {rate} Hz sent at {ratio:.2f} times real time)",
        )


def _slow_throughout(window: _Window, time: float) -> bool:
    """Whether time was lost everywhere. Lost in one place, it is a pause, and everybody may pause."""
    lost = time - window.audio
    mostly_silent = window.silent > window.audio / 2
    return window.longest_wait <= 0.4 * lost and window.audio > 0.15 * time and not mostly_silent


def _likely_rate(apparent: float, rate: int) -> int | None:
    """The usual rate that this one is; None when it is none of them, or the session's own."""
    nearest = min(RATES, key=lambda usual: abs(usual - apparent))
    # Close to the session's rate the measurement must be closer too, or slow clocks would be taken for rates.
    tolerance = min(0.03, abs(nearest / rate - 1) / 8)
    return nearest if nearest != rate and abs(apparent / nearest - 1) <= tolerance else None
