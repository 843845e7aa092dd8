"""What a ``say`` names: a sound that is made, or a clip that is read."""

from __future__ import annotations

from dataclasses import dataclass

from voxemu.agents import noise, sine
from voxemu.audio import AudioFormat
from voxemu.errors import UsageError

LONGEST = 600.0
FORMS = "tone:HZ:SECONDS, noise:SECONDS[:LEVEL], silence:SECONDS"
NOISE_LEVEL = 0.1


@dataclass(frozen=True, slots=True)
class Made:
    """A sound from its name alone: the same samples for the same name and seed."""

    kind: str
    seconds: float
    hertz: float = 0.0
    level: float = 0.0

    @property
    def is_speech(self) -> bool:
        """Whether it is a sound: to a detector of energy a tone is speech."""
        return self.kind != "silence"

    def pcm(self, axis: AudioFormat, seed: int) -> bytes:
        match self.kind:
            case "tone":
                return sine(axis, self.hertz, self.seconds)
            case "noise":
                return noise(axis, self.seconds, self.level, seed)
        return axis.silence(axis.samples(self.seconds))


def made(name: str) -> Made | None:
    """The sound that is asked for; None where the name is a prompt's or a file's. Raises UsageError."""
    kind, *figures = name.split(":")
    if kind not in ("tone", "noise", "silence") or not figures:
        return None
    try:
        numbers = [float(figure) for figure in figures]
        match kind, numbers:
            case "tone", [hertz, seconds] if 20 <= hertz <= 7000 and _lasts(seconds):
                return Made(kind, seconds, hertz=hertz)
            case "noise", [seconds, *level] if _lasts(seconds) and len(level) < 2:
                loud = level[0] if level else NOISE_LEVEL
                if 0 < loud <= 1:
                    return Made(kind, seconds, level=loud)
            case "silence", [seconds] if _lasts(seconds):
                return Made(kind, seconds)
    except ValueError:
        pass
    raise UsageError(
        f"{name!r} is no sound: give {FORMS}; 20 to 7000 Hz, 0.02 to {LONGEST:g} seconds, "
        "a level above 0 and up to 1"
    )


def _lasts(seconds: float) -> bool:
    return 0.02 <= seconds <= LONGEST
