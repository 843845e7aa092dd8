"""What a ``say`` names: a sound that is made, or a clip that is read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from voxemu import prompts
from voxemu.agents import noise, sine
from voxemu.audio import AudioFormat, Scale
from voxemu.errors import AudioError, UnknownName, UsageError
from voxemu.record.audio_file import read_audio

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


@dataclass(frozen=True, slots=True)
class Spoken:
    """PCM16 mono at the rate that was asked for; ``name`` is for people."""

    name: str
    pcm: bytes
    is_speech: bool = True


def spoken(
    name: str, rate: int, scale: Scale = Scale.DIVIDE, *, folder: Path = Path(), seed: int = 0
) -> Spoken:
    """A sound by its name (``tone:440:1``), a prompt, a file; a relative file lies in ``folder``.

    Floats of a file are brought to integers by ``scale``. Raises AudioError, UnknownName, UsageError.
    """
    sound = made(name)
    if sound is not None:
        return Spoken(name, sound.pcm(AudioFormat(rate), seed), sound.is_speech)
    if name in prompts.names():
        return Spoken(name, _prompt(name, rate))
    path = folder / Path(name).expanduser()
    if not path.exists() and Path(name).name == name and not path.suffix:
        raise UnknownName("prompt or file", name, prompts.names())
    if not path.exists():
        raise AudioError(f"{path} is not there; give an audio file or one of: {', '.join(prompts.names())}")
    return Spoken(path.name, read_audio(path, rate, scale))


@lru_cache(maxsize=64)
def _prompt(name: str, rate: int) -> bytes:
    return read_audio(prompts.path(name), rate)


def _lasts(seconds: float) -> bool:
    return 0.02 <= seconds <= LONGEST
