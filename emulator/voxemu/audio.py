"""Mono PCM16 audio: formats, framing, resampling, and the way to floats and back.

Inside, audio is ``bytes``: signed 16-bit little-endian mono samples, left untouched from socket to
socket. Floats exist at the edges only (files, devices, resampling). numpy and soxr are imported when
first needed, so that a command which handles no audio starts quickly.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from voxemu.errors import AudioError

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Floats = NDArray[float32]

SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Mono PCM16 at ``rate`` samples a second; converts between samples, seconds and bytes."""

    rate: int

    def __post_init__(self) -> None:
        if not 8000 <= self.rate <= 192_000:
            raise AudioError(f"a sample rate of {self.rate} Hz is outside 8000 to 192000")

    def samples(self, seconds: float) -> int:
        return round(seconds * self.rate)

    def seconds(self, samples: int) -> float:
        return samples / self.rate

    def silence(self, samples: int) -> bytes:
        return bytes(samples * SAMPLE_BYTES)


def sample_count(pcm: bytes | bytearray | memoryview) -> int:
    return len(pcm) // SAMPLE_BYTES


class Framer:
    """Cuts a stream of any chunking into frames of ``frame_samples``; what is left over waits."""

    def __init__(self, frame_samples: int) -> None:
        if frame_samples < 1:
            raise AudioError(f"a frame of {frame_samples} samples is no frame")
        self._size = frame_samples * SAMPLE_BYTES
        self._rest = b""

    def push(self, pcm: bytes) -> list[bytes]:
        stream = self._rest + pcm if self._rest else pcm
        whole = len(stream) - len(stream) % self._size
        self._rest = stream[whole:]
        return [stream[at : at + self._size] for at in range(0, whole, self._size)]

    def flush(self) -> bytes | None:
        """The last frame, padded with zeros to full size; None when nothing was left over."""
        rest, self._rest = self._rest, b""
        return rest.ljust(self._size, b"\0") if rest else None


class Resampler:
    """A stream from one rate to another (soxr, HQ).

    It works in float32: soxr's int16 streams dither, so the same input would not give the same
    bytes twice. Equal rates pass through untouched.
    """

    def __init__(self, rate_in: int, rate_out: int) -> None:
        AudioFormat(rate_in), AudioFormat(rate_out)
        self.rate_in = rate_in
        self.rate_out = rate_out
        self._stream = None
        if rate_in != rate_out:
            import soxr

            self._stream = soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="HQ")

    def push(self, pcm: bytes) -> bytes:
        return self._feed(pcm, last=False)

    def flush(self) -> bytes:
        """The tail that the filter still holds. The stream must not be used afterwards."""
        return self._feed(b"", last=True)

    def _feed(self, pcm: bytes, *, last: bool) -> bytes:
        if self._stream is None:
            return pcm
        return pcm16(self._stream.resample_chunk(floats(pcm), last=last))


def peak(pcm: bytes) -> float:
    """The largest sample either way, full scale 1.0; 0 for none."""
    import numpy as np

    ints = np.frombuffer(pcm, "<i2")
    return max(int(ints.max()), -int(ints.min())) / 32768 if len(ints) else 0.0


class Scale(Enum):
    """How a page turns int16 into floats and back."""

    DIVIDE = "÷ 32768 both ways (lyzr-sip's playback notes)"
    ASYMMETRIC = "negative × 0x8000, positive × 0x7fff (workbuddy's float32ToInt16 and playAudioFrame)"


def floats(pcm: bytes, scale: Scale = Scale.DIVIDE) -> Floats:
    """PCM16 as float32 in [-1, 1], shape (samples,). Raises AudioError on an odd byte count."""
    import numpy as np

    if len(pcm) % SAMPLE_BYTES:
        raise AudioError(f"{len(pcm)} bytes are no whole number of 16-bit samples")
    ints = np.frombuffer(pcm, "<i2").astype(np.float32)
    if scale is Scale.DIVIDE:
        return ints / np.float32(32768)
    return np.where(ints < 0, ints / np.float32(0x8000), ints / np.float32(0x7FFF)).astype(np.float32)


def pcm16(samples: Floats, scale: Scale = Scale.DIVIDE) -> bytes:
    """Float samples, shape (n,), as PCM16: NaN becomes 0, anything outside [-1, 1] is clamped."""
    import numpy as np

    wide = np.clip(
        np.nan_to_num(np.asarray(samples, np.float64), nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0
    )
    if scale is Scale.DIVIDE:
        ints = np.minimum(np.rint(wide * 32768.0), 32767.0)
    else:
        ints = np.rint(np.where(wide < 0, wide * 0x8000, wide * 0x7FFF))
    return ints.astype("<i2").tobytes()


def resample(pcm: bytes, rate_in: int, rate_out: int) -> bytes:
    """A whole clip at another rate, tail included."""
    stream = Resampler(rate_in, rate_out)
    return stream.push(pcm) + stream.flush() if rate_in != rate_out else pcm


def mix(left: bytes, right: bytes) -> bytes:
    """Two tracks of equal length as interleaved stereo, left first."""
    import numpy as np

    if len(left) != len(right):
        raise AudioError(f"tracks of {len(left)} and {len(right)} bytes cannot be interleaved")
    both = np.empty((sample_count(left), 2), "<i2")
    both[:, 0] = np.frombuffer(left, "<i2")
    both[:, 1] = np.frombuffer(right, "<i2")
    return both.tobytes()
