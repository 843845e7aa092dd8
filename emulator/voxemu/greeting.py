"""The greeting that any agent can have, from two settings: a sound and its text."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from voxemu.agent import Agent
from voxemu.agents import Greeter, Tone, chime, make_agent, names_an_agent, sine
from voxemu.audio import AudioFormat
from voxemu.dialogue.settings import DialogueSettings


def greeted(agent: Agent, settings: DialogueSettings) -> Agent:
    """``agent``, who speaks first where a greeting is set."""
    if not settings.greeting and not settings.greeting_text:
        return agent
    return Greeter(agent, settings.greeting_text or "(greeting)", greeting_sound(settings.greeting))


def greeting_sound(greeting: str) -> Callable[[AudioFormat], bytes]:
    """What makes the sound at a call's rate. Raises UsageError for a tone that nobody could hear."""
    if not greeting:
        return chime
    if names_an_agent(greeting) and isinstance(tone := make_agent(greeting), Tone):
        hertz, seconds = tone.hertz, tone.seconds
        return lambda asked: sine(asked, hertz, seconds)
    return lambda asked: _file(greeting, asked.rate)


@lru_cache(maxsize=64)
def _file(path: str, rate: int) -> bytes:
    # With what reads files; most servers have no greeting.
    from voxemu.record.audio_file import read_audio

    return read_audio(Path(path), rate)
