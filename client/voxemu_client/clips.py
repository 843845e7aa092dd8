"""Reading what is to be said: a shipped prompt by name, or any audio file that libsndfile knows."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from voxemu.audio import AudioFormat, Resampler, pcm16
from voxemu.errors import AudioError, UnknownName
from voxemu.scenario.spoken import made
from voxemu_client import prompts
from voxemu_client.speech import Clip

BLOCK = 65_536
# Frames that are read at a time.
LONGEST = 3600
# Seconds. A call takes as long as its clips, and they are held in memory.


def load_clip(name: str, rate: int, *, folder: Path = Path(), seed: int = 0) -> Clip:
    """What is to be said, PCM16 mono at ``rate``: a sound by its name (``tone:440:1``), a prompt, a file.

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
    return Clip(path.name, read_audio(path, rate))


@lru_cache(maxsize=64)
def _prompt(name: str, rate: int) -> bytes:
    return read_audio(prompts.path(name), rate)


def read_audio(path: Path, rate: int) -> bytes:
    """A WAV, FLAC, OGG … of any rate and channel count as PCM16 mono at ``rate``, its tail included.

    Channels are averaged; NaN becomes 0 and what is beyond full scale is clamped. Raises AudioError.
    """
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "is not there"
        raise AudioError(f"{path} {what}; give an audio file or one of: {', '.join(prompts.names())}")
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            found = AudioFormat(file.samplerate)
            if file.frames > found.samples(LONGEST):
                raise AudioError(f"{path} is longer than {LONGEST} s; give a shorter file")
            pcm = _read(file, Resampler(found.rate, rate))
    except soundfile.LibsndfileError as error:
        reason = str(error).rpartition(": ")[2].rstrip(".")
        raise AudioError(f"{path} is no audio that can be read ({reason}); give WAV, FLAC or OGG") from error
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror or error}") from error
    if not pcm:
        raise AudioError(f"{path} holds no samples; there is nothing to say")
    return pcm


def _read(file: object, stream: Resampler) -> bytes:
    blocks = file.blocks(blocksize=BLOCK, dtype="float32", always_2d=True)  # type: ignore[attr-defined]
    said = [stream.push(pcm16(block.mean(axis=1))) for block in blocks]
    return b"".join([*said, stream.flush()])
