"""``emu client --mic --play`` in a room, with sound hardware that is only pretended."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.client.beside import emulator_beside
from tests.needs import lack
from tests.server.conftest import QUICK
from voxemu import prompts
from voxemu.audio import resample
from voxemu_client import cli

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(300)]

RATE, BLOCK = 48_000, 960
PATIENCE = 120.0


class Stream:
    """A device: a thread that calls back every 20 ms."""

    def __init__(self, step: Callable[[Any], None], **how: Any) -> None:
        self._step, self._callback = step, how["callback"]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        start, count = time.monotonic(), 0
        while not self._over.is_set():
            self._step(self._callback)
            count += 1
            self._over.wait(max(0.0, start + count * BLOCK / RATE - time.monotonic()))


class Hardware:
    """A microphone that hears "yes" once, and a loudspeaker that says when it has played enough of it."""

    def __init__(self) -> None:
        with wave.open(str(prompts.path("yes"))) as file:
            spoken = resample(file.readframes(file.getnframes()), file.getframerate(), RATE)
        self._to_hear = bytes(2 * RATE) + spoken
        self.loud = 0
        self.enough = threading.Event()

    def capture(self, callback: Any) -> None:
        piece, self._to_hear = self._to_hear[: 2 * BLOCK], self._to_hear[2 * BLOCK :]
        callback(piece.ljust(2 * BLOCK, b"\0"), BLOCK, None, None)

    def play(self, callback: Any) -> None:
        out = bytearray(2 * BLOCK)
        callback(memoryview(out), BLOCK, None, None)
        self.loud += bool(np.abs(np.frombuffer(out, np.int16).astype(int)).max() > 1500)
        if self.loud > 10:
            self.enough.set()


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch) -> Hardware:
    hardware = Hardware()
    library = SimpleNamespace(
        PortAudioError=OSError,
        query_devices=lambda kind: {"default_samplerate": float(RATE)},
        RawInputStream=lambda **how: Stream(hardware.capture, **how),
        RawOutputStream=lambda **how: Stream(hardware.play, **how),
    )
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    return hardware


@pytest.fixture
def url() -> Iterator[str]:
    if find_spec("livekit") is None:
        lack("the package livekit is not installed", "pip install voxemu[livekit]")
    with emulator_beside(QUICK, agent="echo", livekit="embedded") as url:
        yield url


def test_a_user_speaks_into_the_microphone_and_hears_the_room_from_the_loudspeaker(
    hardware: Hardware, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["--provider", "lyzr-livekit", "--url", url, "--mic", "--play"]
    monkeypatch.setattr(sys, "argv", ["emu client", *arguments])

    def hang_up() -> None:
        hardware.enough.wait(PATIENCE)
        os.kill(os.getpid(), signal.SIGINT)

    waiting = threading.Thread(target=hang_up)
    waiting.start()
    with pytest.raises(SystemExit) as ended:
        cli.main()
    waiting.join()
    assert hardware.loud > 10
    assert ended.value.code == 130
