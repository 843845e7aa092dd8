"""The wall clock jumps in mid-call, as it does when a machine wakes or is set right: nothing moves."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path

import pytest

from tests.client.calls import clip
from tests.server.conftest import Start
from voxemu.provider import CallPlan, Provider
from voxemu.record import Recording
from voxemu.wire import ON_SOCKETS
from voxemu_client.dial import Telephone
from voxemu_client.script import Script

pytestmark = pytest.mark.sockets

DAY = 86_400.0


@pytest.mark.parametrize("provider", ON_SOCKETS.values(), ids=list(ON_SOCKETS))
@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["a day on", "a day back"])
async def test_a_wall_clock_that_jumps_a_day_moves_nothing(
    provider: Provider, jump: float, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start(record=str(tmp_path / "served"), agent="tone:440:0.3")
    real, asked = time.time, count()
    # Another day every time that anybody asks.
    monkeypatch.setattr(time, "time", lambda: real() + jump * next(asked))
    call = Telephone(provider, CallPlan(server.url, "k"), recordings=tmp_path / "calls", wall=time.time)
    (outcome,) = await call.call(Script((clip(provider, 0.3),), lead=0.05, quiet=0.1))
    assert outcome.caller.account.answered
    assert outcome.recording is not None
    (served,) = (tmp_path / "served").rglob("manifest.json")
    for folder in (outcome.recording, served.parent):
        recording = Recording.open(folder)
        times = [line.t for line in recording.timeline.lines]
        assert times == sorted(times)
        assert times[-1] < 60_000
        assert recording.format.seconds(len(recording.left) // 2) < 60
