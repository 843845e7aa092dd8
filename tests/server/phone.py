"""A caller for tests: the same codec and handshake as the server's, in the other role, on a real socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from voxemu.agents import sine
from voxemu.events import Event, UserAudioSent
from voxemu.provider import CallPlan, Codec, Provider, Response, Role
from voxemu.wire import PROVIDERS

PATIENCE = 30.0


@dataclass
class Phone:
    """One call, connected."""

    provider: Provider
    ws: ClientWebSocketResponse
    codec: Codec
    seen: list[Event] = field(default_factory=list)

    async def say(self, *events: Event) -> None:
        for event in events:
            for message in self.codec.encode(event):
                await (
                    self.ws.send_bytes(message) if isinstance(message, bytes) else self.ws.send_str(message)
                )

    async def speak(self, seconds: float = 0.4, *, hush: float = 0.7, hertz: float = 300.0) -> None:
        """A tone for speech and the silence that ends a turn, all at once: detection counts samples."""
        pcm = sine(self.provider.format, hertz, seconds) + self.provider.format.silence(
            self.provider.format.samples(hush)
        )
        step = 2 * self.provider.frame_samples
        for at in range(0, len(pcm), step):
            await self.say(UserAudioSent(pcm[at : at + step], self.provider.format.rate))

    async def hear(self, kind: type[Event] | None) -> Event | int | None:
        """Reads until such an event came; for None until the close, and answers its code."""
        async with asyncio.timeout(PATIENCE):
            while True:
                got = await self.ws.receive()
                if got.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    assert kind is None, f"closed {self.ws.close_code} while waiting for {kind}: {self.seen}"
                    return self.ws.close_code
                for event in self.codec.decode(got.data):
                    self.seen.append(event)
                    if kind is not None and isinstance(event, kind):
                        return event


async def dial(
    client: ClientSession, provider_id: str, url: str, *, key: str = "k", agent: str = "", **headers: str
) -> Phone:
    """Starts a session and connects, as the provider's page says."""
    provider = PROVIDERS[provider_id]
    plan = CallPlan(url, key, agent)
    request = provider.ask(plan)
    response = None
    if request is not None:
        async with client.request(
            request.method, request.url, headers={**request.headers, **headers}, data=request.body
        ) as answered:
            response = Response(answered.status, await answered.json())
    target = provider.reach(plan, response)
    ws = await client.ws_connect(target.url, headers={**target.headers, **headers})
    phone = Phone(provider, ws, provider.codec(Role.CALLER, provider.settings_type(), Random(1)))
    await phone.say(*target.opening)
    return phone
