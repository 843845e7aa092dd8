"""The official Lokutor Python SDK against the server, over a real socket; only its sound device is ours."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque

import pytest

from tests.server.conftest import Start, until
from voxemu.agents import sine
from voxemu.audio import AudioFormat

lokutor = pytest.importorskip("lokutor", reason="the SDK is among the extras for developers")

pytestmark = pytest.mark.sockets

MICROPHONE = AudioFormat(16_000)
CHUNK = 320 * 2


class SoundDevice:
    """A microphone that hears what is put into it, else silence, in real time; a speaker that keeps."""

    def __init__(self) -> None:
        self._spoken: deque[bytes] = deque()
        self._next = 0.0
        self.played = bytearray()
        self.cleared = 0

    def speak(self, seconds: float) -> None:
        pcm = sine(MICROPHONE, 300.0, seconds)
        self._spoken += [pcm[at : at + CHUNK] for at in range(0, len(pcm), CHUNK)]

    def start_input(self) -> None:
        self._next = time.monotonic()

    def start_output(self) -> None: ...

    def read(self) -> bytes:
        self._next += 0.02
        time.sleep(max(0.0, self._next - time.monotonic()))
        return self._spoken.popleft() if self._spoken else bytes(CHUNK)

    def write(self, pcm: bytes) -> None:
        self.played += pcm

    def clear_output(self) -> None:
        self.cleared += 1

    def stop(self) -> None: ...


async def test_the_official_sdk_completes_a_turn_and_a_barge_in(start: Start) -> None:
    emu = await start(agent="tone:880:20")
    statuses: list[str] = []
    said: list[str] = []
    sdk = lokutor.VoiceAgentClient("any-key", prompt="be brief", on_status=statuses.append)
    sdk.on("transcription", said.append)
    sdk.on("response", said.append)
    sdk.server_url = emu.report["providers"]["lokutor"]["start"]
    device = sdk.audio = SoundDevice()
    conversation = threading.Thread(target=sdk.start_conversation, daemon=True)
    conversation.start()
    try:
        await until(lambda: "prompt_set" in statuses)
        device.speak(0.6)
        await until(lambda: len(device.played) > 44_100)
        # Half a second of the reply has come; now over it.
        cleared = device.cleared
        device.speak(0.6)
        await until(lambda: "interrupted" in statuses)
        await until(lambda: device.cleared > cleared)
    finally:
        sdk.disconnect()
        await asyncio.to_thread(conversation.join, 5)
        await asyncio.to_thread(sdk.ws_thread.join, 5)
    assert statuses[:6] == ["connected", "prompt_set", "listening", "listening", "thinking", "speaking"]
    assert statuses[statuses.index("interrupted") - 1] == "listening"
    assert said[:2] == ["(0.60 s of speech)", "(a tone of 880 Hz for 20.00 s)"]
    await until(lambda: not emu.server.registry.live)
    (session,) = emu.server.registry.all()
    assert (session.counters["barged_in"], session.findings) == (1, [])
