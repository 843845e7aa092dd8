"""Calls to two providers: Lokutor (binary audio) and Lyzr Voice SIP (audio in JSON)."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from urllib.parse import quote

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from client.playback import Playback, Speaker


class Lokutor:
    rate = 44_100

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._url = environ.get("LOKUTOR_SERVER_URL", "wss://api.lokutor.com/ws/agent")
        self._key = environ.get("LOKUTOR_API_KEY") or environ.get("EMU_KEY", "")

    async def connect(self, http: ClientSession) -> ClientWebSocketResponse:
        return await http.ws_connect(f"{self._url}?api_key={quote(self._key)}")

    async def send(self, ws: ClientWebSocketResponse, pcm: bytes) -> None:
        await ws.send_bytes(pcm)

    def read(self, message: bytes | dict[str, object]) -> tuple[str, object]:
        if isinstance(message, bytes):
            return "audio", message
        if message.get("type") == "status" and message.get("data") == "interrupted":
            return "interrupted", None
        return str(message.get("type")), message.get("data")


class LyzrSip:
    rate = 24_000

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._url = environ.get("LYZR_VOICE_SIP_URL", "https://voice-sip.voice.lyzr.app")
        self._agent = environ.get("LYZR_AGENT_ID", "my-agent")

    async def connect(self, http: ClientSession) -> ClientWebSocketResponse:
        async with http.post(f"{self._url}/session/start", json={"agentId": self._agent}) as answer:
            answer.raise_for_status()
            session = await answer.json()
        return await http.ws_connect(session["wsUrl"])

    async def send(self, ws: ClientWebSocketResponse, pcm: bytes) -> None:
        audio = base64.b64encode(pcm).decode()
        await ws.send_str(json.dumps({"type": "audio", "audio": audio, "sampleRate": self.rate}))

    def read(self, message: bytes | dict[str, object]) -> tuple[str, object]:
        assert isinstance(message, dict), "everything is JSON here"
        match message.get("type"):
            case "audio":
                return "audio", base64.b64decode(str(message["audio"]))
            case "clear":
                return "interrupted", None
        return str(message.get("type")), message.get("text")


PROVIDERS = {"lokutor": Lokutor, "lyzr-sip": LyzrSip}


class VoiceClient:
    """One call: what the microphone gives goes out, what the agent says comes in and is played."""

    def __init__(self, provider: str, environ: Mapping[str, str], speaker: Speaker) -> None:
        self._provider = PROVIDERS[provider](environ)
        self._playback = Playback(speaker, self._provider.rate)
        self.transcript: list[str] = []

    @property
    def rate(self) -> int:
        return self._provider.rate

    async def call(self, microphone: AsyncIterator[bytes]) -> None:
        """Lasts until the microphone ends or the provider hangs up."""
        async with ClientSession() as http:
            ws = await self._provider.connect(http)
            parts = [
                asyncio.create_task(part)
                for part in (self._speak(ws, microphone), self._listen(ws), self._playback.run())
            ]
            try:
                done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
                for part in done:
                    part.result()
            finally:
                for part in parts:
                    part.cancel()
                with suppress(asyncio.CancelledError):
                    await asyncio.gather(*parts)
                await ws.close()

    async def _speak(self, ws: ClientWebSocketResponse, microphone: AsyncIterator[bytes]) -> None:
        async for pcm in microphone:
            await self._provider.send(ws, pcm)

    async def _listen(self, ws: ClientWebSocketResponse) -> None:
        async for message in ws:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue
            data = message.data if isinstance(message.data, bytes) else json.loads(message.data)
            what, said = self._provider.read(data)
            if what == "audio" and isinstance(said, bytes):
                self._playback.add(said)
            elif what == "interrupted":
                self._playback.flush()
            elif what == "transcript":
                self.transcript.append(str(said))
