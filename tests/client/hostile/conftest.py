"""A villain for each protocol that the client speaks over a websocket, and the call to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from tests.client.hostile.calls import Left, place
from tests.client.hostile.villain import Villain
from voxemu.wire import ON_SOCKETS

Place = Callable[..., Awaitable[Left]]


@pytest.fixture(params=ON_SOCKETS.values(), ids=list(ON_SOCKETS))
async def villain(request: pytest.FixtureRequest) -> AsyncIterator[Villain]:
    async with Villain(request.param).serving() as villain:
        yield villain


@pytest.fixture
def placed(
    villain: Villain,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    return partial(place, villain, tmp_path, capsys, monkeypatch)
