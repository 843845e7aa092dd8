"""Reading somebody's audio file as what a call is made of: mono PCM16 at the call's rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voxemu.audio import AudioFormat, Resampler, Scale, pcm16
from voxemu.errors import AudioError
from voxemu.record.folder import CALL, MANIFEST, WIRE
from voxemu.record.parts import parts_of

BLOCK = 65_536
# Frames that are read at a time.
LONGEST = 3600.0
# Seconds. A call takes as long as what is said in it, and that is held in memory.


def read_audio(path: Path, rate: int, scale: Scale = Scale.DIVIDE) -> bytes:
    """A WAV, FLAC, Ogg … of any rate and channel count as PCM16 mono at ``rate``, its tail included.

    Channels are averaged; NaN becomes 0 and what is beyond full scale is clamped. Samples that are 16-bit
    integers in the file stay as they are; floats become integers by ``scale``. Raises AudioError.
    """
    if not path.is_file():
        raise AudioError(
            f"{path} {'is a directory' if path.is_dir() else 'is not there'}; give an audio file"
        )
    import soundfile

    # A track of a recording may go on in a next file; anybody else's files stand by themselves.
    parts = parts_of(path) if (path.parent / MANIFEST).is_file() and path.name in (CALL, WIRE) else [path]
    pcm, stream = b"", None
    seconds = 0.0
    try:
        for part in parts:
            with soundfile.SoundFile(part) as file:
                found = AudioFormat(file.samplerate)
                seconds += found.seconds(file.frames)
                if seconds > LONGEST:
                    raise AudioError(f"{path} is longer than {LONGEST:g} s; give a shorter file")
                whole = file.subtype == "PCM_16" and file.channels == 1
                stream = stream or Resampler(found.rate, rate)
                pcm += _read(file, stream, Scale.DIVIDE if whole else scale)
        pcm += stream.flush() if stream is not None else b""
    except soundfile.LibsndfileError as error:
        reason = str(error).rpartition(": ")[2].rstrip(".")
        raise AudioError(f"{path} is no audio that can be read ({reason}); give WAV, FLAC or OGG") from error
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror or error}") from error
    if not pcm:
        raise AudioError(f"{path} holds no samples; there is nothing to say")
    return pcm


def _read(file: Any, stream: Resampler, scale: Scale) -> bytes:
    blocks = file.blocks(blocksize=BLOCK, dtype="float32", always_2d=True)
    return b"".join(stream.push(pcm16(block.mean(axis=1), scale)) for block in blocks)
