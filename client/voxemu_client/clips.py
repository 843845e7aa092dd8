"""Reading what is to be said: a shipped prompt by name, or any audio file that libsndfile knows."""

from __future__ import annotations

from pathlib import Path

from voxemu.audio import Scale
from voxemu.errors import AudioError, UnknownName
from voxemu.record.audio_file import read_audio
from voxemu_client import prompts
from voxemu_client.speech import Clip


def load_clip(name: str, rate: int, scale: Scale = Scale.DIVIDE) -> Clip:
    """The prompt or file ``name`` as PCM16 mono at ``rate``, floats brought to integers by ``scale``.

    Raises AudioError, UnknownName.
    """
    if name in prompts.names():
        return Clip(name, read_audio(prompts.path(name), rate))
    path = Path(name).expanduser()
    if not path.exists() and path.name == name and not path.suffix:
        raise UnknownName("prompt or file", name, prompts.names())
    if not path.exists():
        raise AudioError(f"{path} is not there; give an audio file or one of: {', '.join(prompts.names())}")
    return Clip(path.name, read_audio(path, rate, scale))
