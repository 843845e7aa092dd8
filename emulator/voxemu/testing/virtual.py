"""A whole emulator on a virtual clock: the real server and anybody's asyncio client on one loop.

    async def test_it() -> None:
        async with virtual_emulator(agent="echo") as emu:
            await my_app(emu.url)

    run_virtual(test_it())

Everything else is as with ``emu serve``: the same aiohttp server, sockets that are memory. docs/clocks.md
says what this clock promises and what it cannot do.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from voxemu.errors import UsageError
from voxemu.provider import Provider
from voxemu.server.app import Server
from voxemu.server.config import Config, checked
from voxemu.server.ladder import given
from voxemu.server.news import News
from voxemu.server.run import check_ahead, running
from voxemu.server.timing import Timing
from voxemu.testing.virtual_loop import VirtualLoop, run_virtual
from voxemu.testing.virtual_wire import listening

__all__ = ["VirtualEmulator", "VirtualLoop", "run_virtual", "virtual_emulator", "virtual_wall"]

EPOCH = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
# The time of day at which every virtual loop begins.
GRACE = 1.0
# Virtual seconds that sessions have to end.


@dataclass(frozen=True, slots=True)
class VirtualEmulator:
    server: Server
    report: dict[str, Any]
    # As in the ready file.
    news: io.StringIO
    # What the server would have said on stdout.

    @property
    def url(self) -> str:
        found = self.report["url"]
        assert isinstance(found, str)
        return found

    def start_url(self, provider: str | Provider) -> str:
        """What an app calls to start a session."""
        name = provider if isinstance(provider, str) else provider.id
        found = self.report["providers"][name]["start"]
        assert isinstance(found, str)
        return found

    @property
    def env(self) -> dict[str, str]:
        """The variables that an app would be given."""
        return {
            name: value for said in self.report["providers"].values() for name, value in said["env"].items()
        }


def virtual_wall() -> float:
    """The time of day on the running virtual loop, in seconds since 1970."""
    return EPOCH + asyncio.get_running_loop().time()


@asynccontextmanager
async def virtual_emulator(config: Config | None = None, **settings: Any) -> AsyncIterator[VirtualEmulator]:
    """An emulator on the running virtual loop, with ``config``, or with ``settings`` as ``emu.toml`` has
    them: ``agent="echo", dialogue={"think_time": 0.1}``.

    Ids and dice are those of seed 0 unless another is set; no file and no environment variable is looked at.
    Raises UsageError on any other loop, and SettingsError.
    """
    if not isinstance(asyncio.get_running_loop(), VirtualLoop):
        raise UsageError(
            "virtual_emulator needs a loop on the virtual clock: run the coroutine with run_virtual(…), "
            "or give your test runner VirtualLoop as its loop factory"
        )
    if config is None:
        config = checked(given({"seed": 0, **settings}, "virtual_emulator"))
    check_ahead(config)
    out = io.StringIO()
    news = News(out, as_json=config.settings.json_lines, wall=virtual_wall)
    timing = Timing(config, virtual_wall, "virtual")
    bound = listening(config.settings.port)
    async with running(config, news, bound=bound, grace=GRACE, timing=timing) as (server, report):
        yield VirtualEmulator(server, report, out)
