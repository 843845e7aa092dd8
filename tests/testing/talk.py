"""Somebody's app, as small as it gets: one question, one answer, hang up."""

from __future__ import annotations

import asyncio

from aiohttp import ClientSession

from tests.server.phone import Phone, dial
from voxemu.agents import sine
from voxemu.events import AgentAudioSent, ListeningStarted, SpeakingStarted, UserAudioSent

# What makes a call short; the rest is as in emu.toml.
QUICK = {"dialogue": {"think_time": 0.02}, "workbuddy": {"ready_delay": 0.02}}


async def talk(
    url: str, *, key: str = "k", agent: str = "", seconds: float = 0.3, in_time: bool = False
) -> bytes:
    """A whole call to lokutor, all at once or as a microphone would give it; the agent's audio."""
    async with ClientSession() as http:
        phone = await dial(http, "lokutor", url, key=key, agent=agent)
        if in_time:
            await speak_in_time(phone, seconds, 0.7)
            await phone.hear(ListeningStarted)
            await phone.hear(SpeakingStarted)
            await phone.hear(ListeningStarted)
        else:
            await answered(phone, seconds)
        await phone.ws.close()
    return b"".join(event.pcm for event in phone.seen if isinstance(event, AgentAudioSent))


async def answered(phone: Phone, seconds: float = 0.3) -> None:
    """The user says something, and the agent's answer has been sent whole."""
    await phone.speak(seconds)
    await phone.hear(SpeakingStarted)
    await phone.hear(ListeningStarted)


async def speak_in_time(phone: Phone, seconds: float, hush: float) -> None:
    """As a microphone does: 20 ms every 20 ms."""
    axis = phone.provider.format
    pcm = sine(axis, 300.0, seconds) + axis.silence(axis.samples(hush))
    step = 2 * axis.samples(0.02)
    for at in range(0, len(pcm), step):
        await phone.say(UserAudioSent(pcm[at : at + step]))
        await asyncio.sleep(0.02)
