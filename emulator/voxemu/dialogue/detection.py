"""When a sound is speech: the figures of the detector, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """When a sound is speech. Times in seconds, levels as RMS of full scale.

    The threshold of 0.02 (-34 dBFS) is the one the vendors' own clients used: ordinary speech lies
    between -30 and -16 dBFS while it is voiced, a laptop in a quiet room under -45 dBFS, and a test tone
    far above. Three windows of 20 ms in a row keep clicks and key strokes out; half a second of hangover
    spans the pauses between words.

    Raises ValueError naming the field and its range.
    """

    start_confirm: float = 0.06  # as much loud sound in a row is needed
    hangover: float = 0.5
    threshold: float = 0.02
    over_floor: float = 2.0  # and this many times the noise floor
    hysteresis: float = 0.5
    # Speech goes on above this share of the threshold, and above this share of the way from the floor to
    # its multiple (a share of that multiple itself would fall below the noise).
    window: float = 0.02
    echo_guard: bool = False

    def __post_init__(self) -> None:
        _check("start_confirm", self.start_confirm, 0.0, 2.0)
        _check("hangover", self.hangover, 0.02, 10.0)
        _check("threshold", self.threshold, 0.0001, 1.0)
        _check("over_floor", self.over_floor, 1.0, 100.0)
        _check("hysteresis", self.hysteresis, 0.05, 1.0)
        _check("window", self.window, 0.005, 0.1)


def _check(field: str, value: float, lowest: float, highest: float) -> None:
    if not lowest <= value <= highest:  # also refuses NaN
        raise ValueError(f"{field} must lie between {lowest:g} and {highest:g}, not {value!r}")
