"""A server that cannot record a call, or not all of it, holds the call all the same and says so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.client.calls import LYZR, clip
from tests.server.conftest import Running, Start
from voxemu.provider import CallPlan
from voxemu.record import Recording
from voxemu_client.dial import Outcome, Telephone
from voxemu_client.script import Script
from voxemu_client.web import fetch

pytestmark = pytest.mark.sockets


async def called(server: Running) -> Outcome:
    (outcome,) = await Telephone(LYZR, CallPlan(server.url)).call(
        Script((clip(LYZR, 0.3),), lead=0.05, quiet=0.1)
    )
    return outcome


async def seen(server: Running) -> list[str]:
    """The types of the last session's events."""
    (session, *_) = (await fetch(f"{server.url}/__emu/sessions"))["sessions"]
    found = await fetch(f"{server.url}/__emu/sessions/{session['id']}")
    return [event["type"] for event in found["events"]]


async def test_a_full_directory_is_an_event_and_a_line_and_the_call_is_held(
    start: Start, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    server = await start("[limits]\nrecordings = 1_048_576\n", record=str(calls), agent="tone:440:0.3")
    (calls / "old").write_bytes(bytes(2_000_000))
    assert (await called(server)).caller.account.answered
    events = await seen(server)
    assert [kind for kind in events if kind in ("limit_reached", "recording_failed")] == [
        "limit_reached",
        "recording_failed",
    ]
    assert "RECORDING FAILED, the call goes on: the recordings in" in server.out.getvalue()
    assert list(calls.rglob("call.wav")) == []


async def test_a_directory_that_is_taken_away_is_an_event_and_the_call_is_held(
    start: Start, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    server = await start(record=str(calls), agent="tone:440:0.3")
    calls.rmdir()
    calls.write_text("")
    assert (await called(server)).caller.account.answered
    assert "recording_failed" in await seen(server)
    assert "RECORDING FAILED, the call goes on: cannot create" in server.out.getvalue()


async def test_a_small_file_is_followed_by_the_next(start: Start, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    server = await start("[limits]\nrecording = 65_536\n", record=str(calls), agent="tone:440:0.3")
    await called(server)
    # The server closes its end of the call a moment later.
    await asyncio.wait_for(server.server.calls.idle.wait(), 20)
    (manifest,) = calls.rglob("manifest.json")
    recording = Recording.open(manifest.parent)
    assert (manifest.parent / "call.2.wav").is_file()
    assert recording.complete
    assert "limit_reached" in await seen(server)
