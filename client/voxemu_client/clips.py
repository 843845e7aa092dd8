"""Reading what is to be said: a shipped prompt by name, or any audio file that libsndfile knows."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from voxemu.audio import AudioFormat, Scale
from voxemu.errors import AudioError, UnknownName
from voxemu.record.audio_file import read_audio
from voxemu.scenario.spoken import made
from voxemu_client import prompts
from voxemu_client.speech import Clip


def load_clip(
    name: str, rate: int, scale: Scale = Scale.DIVIDE, *, folder: Path = Path(), seed: int = 0
) -> Clip:
    """What is to be said, PCM16 mono at ``rate``: a sound by its name (``tone:440:1``), a prompt, a file.

    Floats of a file are brought to integers by ``scale``.

    A relative file lies in ``folder``. Raises AudioError, UnknownName, UsageError.
    """
    sound = made(name)
    if sound is not None:
        return Clip(name, sound.pcm(AudioFormat(rate), seed), is_speech=sound.is_speech)
    if name in prompts.names():
        return Clip(name, _prompt(name, rate))
    path = folder / Path(name).expanduser()
    if not path.exists() and Path(name).name == name and not path.suffix:
        raise UnknownName("prompt or file", name, prompts.names())
    if not path.exists():
        raise AudioError(f"{path} is not there; give an audio file or one of: {', '.join(prompts.names())}")
    return Clip(path.name, read_audio(path, rate, scale))


@lru_cache(maxsize=64)
def _prompt(name: str, rate: int) -> bytes:
    return read_audio(prompts.path(name), rate)
