"""A real microphone and a real loudspeaker, through sounddevice; imported only when asked for.

No echo is cancelled here: with loudspeakers the agent hears itself, unless the caller is half duplex.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from voxemu.audio import SAMPLE_BYTES, AudioFormat, Resampler, sample_count
from voxemu.errors import UsageError
from voxemu.events import AgentAudioSent, Event, Interrupted, Note, PlaybackFlushed, SessionEnded

BLOCK = 0.02
# Seconds between two calls of a device.
LONGEST = 600.0
# Seconds that wait to be played. Who sends more ahead than that is not being listened to.
WITHOUT = {
    "input": "plug one in, or speak a file: --say FILE",
    "output": "plug one in, or leave --play out and listen to the recording: --record",
}
HEADPHONES = "No echo is cancelled here: use headphones, or --half-duplex."


def sound_library() -> Any:
    """The module sounddevice. Raises UsageError where it, or the PortAudio it needs, is missing."""
    try:
        import sounddevice
    except ImportError as error:
        raise UsageError("--mic and --play need sounddevice; install voxemu[devices]") from error
    except OSError as error:
        raise UsageError(
            f"--mic and --play need the PortAudio library ({error}); install it (libportaudio2 on Debian)"
        ) from error
    return sounddevice


class MicrophoneDevice:
    """Gives ``heard`` 20 ms of PCM16 at ``rate`` at a time, from the device's own thread."""

    def __init__(self, rate: int, heard: Callable[[bytes], None]) -> None:
        self._library = sound_library()
        self._heard = heard
        self._stream, device_rate = _open(self._library, "input", rate, self._captured)
        self._resampler = Resampler(device_rate, rate)

    def start(self) -> None:
        _begin(self._library, self._stream, "microphone")

    def stop(self) -> None:
        self._stream.close()

    def _captured(self, captured: Any, frames: int, time: Any, status: Any) -> None:
        pcm = self._resampler.push(bytes(captured))
        if pcm:
            self._heard(pcm)


class LoudspeakerDevice:
    """A tap on the caller's line that plays what the user hears, and stops at once when that is flushed."""

    def __init__(self, axis: AudioFormat, jitter_buffer: float) -> None:
        self._library = sound_library()
        self._lead = axis.silence(axis.samples(jitter_buffer))
        self._lock = threading.Lock()
        self._queue: deque[bytes] = deque()
        self._stream, device_rate = _open(self._library, "output", axis.rate, self._wanted)
        self._resampler = Resampler(axis.rate, device_rate)
        self._ratio = device_rate / axis.rate
        self._waiting = 0
        # Bytes in the queue.
        self._most = round(LONGEST * device_rate) * SAMPLE_BYTES

    def start(self) -> None:
        _begin(self._library, self._stream, "loudspeaker")

    def stop(self) -> None:
        self._stream.close()

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        with self._lock:
            match event:
                case AgentAudioSent(pcm=pcm) if self._waiting < self._most:
                    part = self._resampler.push(pcm if self._queue else self._lead + pcm)
                    self._queue.append(part)
                    self._waiting += len(part)
                case PlaybackFlushed(dropped=dropped):
                    self._take_back(round(dropped * self._ratio) * SAMPLE_BYTES)
                case Interrupted() | SessionEnded():
                    self._queue.clear()
                    self._waiting = 0
        return ()

    def _take_back(self, count: int) -> None:
        while count > 0 and self._queue:
            last = self._queue.pop()
            self._waiting -= min(len(last), count)
            if len(last) > count:
                self._queue.append(last[: len(last) - count])
            count -= len(last)

    def _wanted(self, out: Any, frames: int, time: Any, status: Any) -> None:
        wanted = frames * SAMPLE_BYTES
        with self._lock:
            parts, got = [], 0
            while self._queue and got < wanted:
                part = self._queue.popleft()
                parts.append(part[: wanted - got])
                if len(part) > wanted - got:
                    self._queue.appendleft(part[wanted - got :])
                got += len(parts[-1])
            self._waiting -= got
        out[:] = b"".join(parts).ljust(wanted, b"\0")

    @property
    def queued(self) -> int:
        """Samples of the device that have not been played."""
        with self._lock:
            return sum(sample_count(part) for part in self._queue)


def _open(library: Any, kind: str, rate: int, callback: Callable[..., None]) -> tuple[Any, int]:
    """A raw mono PCM16 stream at ``rate``, else at the rate that the device prefers. Raises UsageError."""
    make = library.RawInputStream if kind == "input" else library.RawOutputStream
    name = "microphone" if kind == "input" else "loudspeaker"
    try:
        preferred = round(library.query_devices(kind=kind)["default_samplerate"])
    except (library.PortAudioError, ValueError) as error:
        said = f"no {name} is found on this machine ({error})"
        raise UsageError(f"{said}; {WITHOUT[kind]}") from error
    for each in dict.fromkeys((rate, preferred)):
        try:
            stream = make(
                samplerate=each, blocksize=round(each * BLOCK), channels=1, dtype="int16", callback=callback
            )
        except (library.PortAudioError, ValueError) as error:
            problem = error
        else:
            return stream, each
    raise UsageError(f"the {name} cannot be opened at {rate} or {preferred} Hz: {problem}")


def _begin(library: Any, stream: Any, name: str) -> None:
    try:
        stream.start()
    except library.PortAudioError as error:
        raise UsageError(f"the {name} does not start: {error}") from error
