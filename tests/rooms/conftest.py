"""Backends that are up, one a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec

import pytest

from tests.needs import lack
from voxemu.rooms.livekit_server import Binary, LivekitServerBackend, find_binary


def require_livekit_server() -> Binary:
    """The real server; without it, or the SDK that the agent joins with, the test is skipped or fails."""
    if find_spec("livekit.rtc") is None:
        lack("the package livekit is not installed", "pip install voxemu[livekit]")
    found = find_binary()
    return found if found is not None else lack("livekit-server is not built", "make livekit-server")


@pytest.fixture(scope="session", autouse=True)
def alone() -> Iterator[None]:
    """A server that somebody else runs on this machine, or that the environment names, is left alone."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
            patch.delenv(name, raising=False)
        patch.setattr("voxemu.rooms.livekit_server.DEVELOPMENT_URL", "http://127.0.0.1:9")
        yield


@pytest.fixture(scope="session")
def livekit_server() -> Binary:
    return require_livekit_server()


@pytest.fixture
async def backend(livekit_server: Binary) -> AsyncIterator[LivekitServerBackend]:
    backend = LivekitServerBackend(livekit_server)
    await backend.start()
    yield backend
    await backend.close()
