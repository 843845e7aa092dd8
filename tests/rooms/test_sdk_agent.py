"""The agent on a real server, against an SDK that does not do what it should."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import Any

import pytest

from tests.needs import lack
from voxemu.rooms.port import RoomPlan


@pytest.fixture(scope="module", autouse=True)
def sdk() -> None:
    if find_spec("livekit.rtc") is None:
        lack("the package livekit is not installed", "pip install voxemu[livekit]")


class Participant:
    """Is told what to show; the answer about an attribute never comes."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.spoken = asyncio.Event()

    def isconnected(self) -> bool:
        return True

    @property
    def local_participant(self) -> Participant:
        return self

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        self.shown += attributes.values()
        await asyncio.Event().wait()

    async def publish_transcription(self, transcription: Any) -> None:
        self.shown += [segment.text for segment in transcription.segments]
        self.spoken.set()


async def test_an_answer_that_the_sdk_misses_holds_nothing_up_for_long() -> None:
    from voxemu.rooms.sdk_agent import SdkAgent

    agent = SdkAgent(None, RoomPlan("room", "ann", "agent-1"))  # type: ignore[arg-type]
    room = Participant()
    agent._room = room  # type: ignore[assignment]
    agent._face.voice = agent._face.microphone = "TR_1"
    said = [
        '{"type":"state","state":"listening"}',
        '{"type":"state","state":"speaking"}',
        '{"type":"segment","id":"SG_1","speaker":"agent","text":"Hello","final":false}',
    ]
    for message in said:
        for act in agent._face.take(message):
            agent._do(act)
    showing = asyncio.create_task(agent._show_all())
    # Twice ANSWER_WAIT, and not twice the five seconds that the SDK would wait.
    await asyncio.wait_for(room.spoken.wait(), 9)
    showing.cancel()
    assert room.shown == ["listening", "speaking", "Hello"]
    await agent._voice.aclose()
