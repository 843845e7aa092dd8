"""A call in a room, seen by a test: `emu.url`, `emu.env` and the session, as for every provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.calls import speech
from tests.needs import lack
from tests.testing.talk import QUICK
from voxemu.testing import Emu
from voxemu.wire import PROVIDERS

pytestmark = pytest.mark.sockets


@pytest.fixture(scope="module")
def emu_settings() -> Mapping[str, Any]:
    return QUICK


@pytest.mark.emu(agent="tone:440:0.5")
async def test_a_call_in_a_room_is_seen_whole(emu: Emu) -> None:
    try:
        from tests.rooms.visitors import Visitor, until
    except ImportError:
        lack("the package livekit is not installed", "pip install voxemu[livekit]")
    assert emu.url("lyzr-livekit") == emu.env["LYZR_VOICE_API_URL"] + "/v1/sessions/start"
    headers = {"x-api-key": emu.key}
    async with ClientSession(headers=headers) as http:
        async with http.post(
            emu.url("lyzr-livekit"), json={"agentConfig": {"prompt": "Be kind"}}
        ) as answered:
            started = await answered.json()
        user = await Visitor(started["livekitUrl"], started["userToken"]).come()
        await user.take_microphone()
        session = await emu.wait_for_session_async("lyzr-livekit")
        await user.say(speech(PROVIDERS["lyzr-livekit"].format, 0.6))
        await session.wait_for_async("reply_ended")
        await until(lambda: user.loud("roomio_audio"))
        url = emu.url("lyzr-livekit").removesuffix("start") + "end"
        async with http.post(url, json={"sessionId": started["sessionId"]}) as answered:
            assert answered.status == 204
        assert (await session.wait_until_over_async()).by == "provider"
        await user.leave()
    emu.assert_turns(1)
    emu.assert_heard(0.5, tone=440)
    emu.assert_transcript("a tone of 440 Hz")
