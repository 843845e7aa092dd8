"""Somebody's app, as small as it gets: one question, one answer, hang up."""

from __future__ import annotations

from aiohttp import ClientSession

from tests.server.phone import Phone, dial
from voxemu.events import AgentAudioSent, ListeningStarted, SpeakingStarted

# What makes a call short; the rest is as in emu.toml.
QUICK = {"dialogue": {"think_time": 0.02}, "workbuddy": {"ready_delay": 0.02}}


async def talk(url: str, *, key: str = "k", agent: str = "", seconds: float = 0.3) -> bytes:
    """A whole call to lokutor; the agent's audio."""
    async with ClientSession() as http:
        phone = await dial(http, "lokutor", url, key=key, agent=agent)
        await answered(phone, seconds)
        await phone.ws.close()
    return b"".join(event.pcm for event in phone.seen if isinstance(event, AgentAudioSent))


async def answered(phone: Phone, seconds: float = 0.3) -> None:
    """The user says something, and the agent's answer has been sent whole."""
    await phone.speak(seconds)
    await phone.hear(SpeakingStarted)
    await phone.hear(ListeningStarted)
