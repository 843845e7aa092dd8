"""Findings that need a room: each with a user's app that is found, and one that is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.rooms.conftest import require_livekit_server
from tests.rooms.visitors import Visitor
from tests.rooms.visitors import until as eventually
from tests.server.conftest import Running, Start, until
from voxemu.server import held_room

pytestmark = pytest.mark.sockets

both_kinds = pytest.mark.parametrize("rooms", ["embedded", "server"])
BACKGROUND = {"background_audio": {"enabled": True}}
TRACKS = {"background_audio", "roomio_audio"}


@pytest.fixture(autouse=True)
def _a_server(request: pytest.FixtureRequest) -> None:
    if hasattr(request.node, "callspec") and request.node.callspec.params.get("rooms") == "server":
        require_livekit_server()


async def post(emu: Running, path: str, body: Any) -> Any:
    async with emu.client.post(emu.url + path, json=body, headers={"x-api-key": "k"}) as answered:
        return await answered.json() if answered.status == 200 else {}


async def codes(emu: Running, session: str) -> list[str]:
    return [each["code"] for each in (await emu.get(f"/__emu/findings?session={session}"))["findings"]]


async def left(emu: Running, *, ended: bool) -> list[str]:
    """What is found of a user who has left, and has asked for the session's end or has not."""
    answer = await post(emu, "/v1/sessions/start", {"agentConfig": {}})
    user = await Visitor(answer["livekitUrl"], answer["userToken"]).come()
    await eventually(lambda: user.states)
    await user.leave()
    if ended:
        await post(emu, "/v1/sessions/end", {"roomName": answer["roomName"]})
    await until(lambda: not emu.server.registry.live)
    return await codes(emu, answer["sessionId"])


async def test_a_user_who_leaves_without_the_end_call_is_found(start: Start) -> None:
    emu = await start("[lyzr_livekit]\nrejoin_wait = 0.2", livekit="embedded")
    assert await left(emu, ended=False) == ["F-NO-END-CALL"]


async def test_a_user_may_leave_before_the_end_call(start: Start) -> None:
    emu = await start(livekit="embedded")
    assert "F-NO-END-CALL" not in await left(emu, ended=True)


async def listening(emu: Running, *, subscribes: bool) -> list[str]:
    """What is found of a user who is there for a while."""
    answer = await post(emu, "/v1/sessions/start", {"agentConfig": BACKGROUND})
    user = await Visitor(answer["livekitUrl"], answer["userToken"], subscribes=subscribes).come()
    await eventually(lambda: {name for name, *_ in user.published} == TRACKS)
    if subscribes:
        await eventually(lambda: set(user.heard) == TRACKS)
    else:
        await eventually(lambda: emu.server.registry.codes["F-TRACK-UNHEARD"])
    await asyncio.sleep(held_room.TRACKS_WAIT + 0.5)
    await user.leave()
    return await codes(emu, answer["sessionId"])


@both_kinds
async def test_a_user_who_takes_no_track_is_found(
    start: Start, monkeypatch: pytest.MonkeyPatch, rooms: str
) -> None:
    # It waits two seconds anyway before a user who hears nothing counts as joined.
    monkeypatch.setattr(held_room, "TRACKS_WAIT", 0.2)
    emu = await start(livekit=rooms)
    found = await listening(emu, subscribes=False)
    assert found.count("F-TRACK-UNHEARD") == len(TRACKS)


@both_kinds
async def test_a_user_who_takes_every_track_is_not(
    start: Start, monkeypatch: pytest.MonkeyPatch, rooms: str
) -> None:
    monkeypatch.setattr(held_room, "TRACKS_WAIT", 3.0)
    emu = await start(livekit=rooms)
    assert "F-TRACK-UNHEARD" not in await listening(emu, subscribes=True)
