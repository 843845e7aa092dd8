"""Reading somebody's audio file as what a call is made of: mono PCM16 at the call's rate."""

from __future__ import annotations

from pathlib import Path

from voxemu.audio import pcm16, resample
from voxemu.errors import AudioError

LONGEST = 300.0
# Seconds: a greeting, not an album.


def read_audio(path: Path, rate: int) -> bytes:
    """Any WAV, FLAC or Ogg, any rate and channel count (their mean). Raises AudioError."""
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            if file.frames > LONGEST * file.samplerate:
                raise AudioError(f"{path} is longer than {LONGEST:g} seconds")
            samples = file.read(dtype="float32", always_2d=True)
            file_rate = int(file.samplerate)
    except (OSError, soundfile.SoundFileError) as error:
        why = "there is no such file" if not path.exists() else "it is no audio file that can be read"
        raise AudioError(f"{path}: {why} (WAV, FLAC and Ogg can be)") from error
    if not len(samples):
        raise AudioError(f"{path} holds no audio")
    return resample(pcm16(samples.mean(axis=1)), file_rate, rate)
