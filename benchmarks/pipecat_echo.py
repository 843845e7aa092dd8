"""Baseline ``pipecat``: its websocket transport, a voice activity analyzer by energy, an echo, its recorder.

    python -P pipecat_echo.py PORT FOLDER

It runs in an environment of its own (``benchmarks/pipecat.py``) and so knows nothing of ours: what is the
same for all contestants stands here again. One process, one pipeline a session, as in Pipecat's own examples
for FastAPI. What only costs and is not asked for is off: logging, RTVI, turn tracking, loudness by BS.1770.
"""

from __future__ import annotations

import itertools
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    OutputAudioRawFrame,
    StartFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.audio_buffer_processor import AudioBufferProcessor
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

RATE, FRAME, THRESHOLD = 16_000, 640, 650.0
PTIME, CONFIRM, HANGOVER, PERIOD = 0.02, 0.5, 0.2, 4.0
# Seconds; see benchmarks/workload.py.
NUMBERS = itertools.count()


class Plain(FrameSerializer):
    """PCM both ways."""

    async def serialize(self, frame: Frame) -> bytes | None:
        return frame.audio if isinstance(frame, OutputAudioRawFrame) else None

    async def deserialize(self, message: str | bytes) -> Frame | None:
        if isinstance(message, str):
            return None
        return InputAudioRawFrame(audio=message, sample_rate=RATE, num_channels=1)


class Energy(VADAnalyzer):
    def num_frames_required(self) -> int:
        return FRAME // 2

    def voice_confidence(self, buffer: bytes) -> float:
        samples = np.frombuffer(buffer, np.int16).astype(np.float32)
        return float(np.sqrt(np.mean(samples * samples)) > THRESHOLD)

    def _get_smoothed_volume(self, audio: bytes) -> float:
        return 1.0


class Echo(FrameProcessor):
    """Says the turn over and over until the user interrupts."""

    def __init__(self, transport: FastAPIWebsocketTransport) -> None:
        super().__init__()
        self._transport = transport
        self._turn = bytearray()
        self._speaking = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, StartFrame):
            # Its own is half of that: twice as fast as the sound passes, where all others keep pace with it.
            self._transport.output()._send_interval = PTIME
        elif isinstance(frame, InputAudioRawFrame) and self._speaking:
            self._turn += frame.audio
        elif isinstance(frame, VADUserStartedSpeakingFrame):
            self._speaking = True
            await self.broadcast_interruption()
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self._speaking = False
            turn, self._turn = bytes(self._turn), bytearray()
            await self.push_frame(frame, direction)
            times = int(PERIOD * RATE * 2 / len(turn)) + 1
            await self.push_frame(OutputAudioRawFrame(turn * times, RATE, 1))
            return
        await self.push_frame(frame, direction)


def recorder(path: Path) -> AudioBufferProcessor:
    """Once a second what was heard and said is appended to a file."""
    buffer = AudioBufferProcessor(num_channels=2, buffer_size=2 * RATE, auto_start_recording=True)
    file = wave.open(str(path), "wb")  # noqa: SIM115
    file.setnchannels(2)
    file.setsampwidth(2)
    file.setframerate(RATE)

    @buffer.event_handler("on_audio_data")
    async def on_audio_data(_: Any, audio: bytes, rate: int, channels: int) -> None:
        file.writeframes(audio)

    return buffer


app = FastAPI()


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.websocket("/")
async def call(websocket: WebSocket) -> None:
    await websocket.accept()
    params = FastAPIWebsocketParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        audio_out_10ms_chunks=2,
        audio_out_auto_silence=False,
        serializer=Plain(),
    )
    transport = FastAPIWebsocketTransport(websocket, params)
    analyzer = Energy(sample_rate=RATE, params=VADParams(start_secs=CONFIRM, stop_secs=HANGOVER))
    recording = recorder(Path(sys.argv[2]) / f"{next(NUMBERS)}.wav")
    parts = [
        transport.input(),
        VADProcessor(vad_analyzer=analyzer),
        Echo(transport),
        transport.output(),
        recording,
    ]
    worker = PipelineWorker(
        Pipeline(parts),
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
        check_dangling_tasks=False,
    )
    runner = WorkerRunner(handle_sigint=False)

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_: Any, __: Any) -> None:
        await worker.cancel()

    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    logger.remove()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", ws_per_message_deflate=False)
