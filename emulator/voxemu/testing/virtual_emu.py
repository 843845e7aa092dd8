"""The emulator of one test on the virtual clock: app and server on one loop whose time jumps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from voxemu.errors import UsageError
from voxemu.server.config import Config
from voxemu.server.timing import Timing
from voxemu.testing.emu import Emu
from voxemu.testing.marks import MARK, Wanted
from voxemu.testing.scene import Scene
from voxemu.testing.session import EmuSession
from voxemu.testing.settings import Rung
from voxemu.testing.stage import Stage, staged
from voxemu.testing.troubles import Troubles
from voxemu.testing.virtual import virtual_wall
from voxemu.testing.virtual_loop import run_virtual
from voxemu.testing.virtual_wire import listening

T = TypeVar("T")

SEED = Rung("emu_virtual", {"seed": 0})
PORT = 8090
# In memory: nobody else's.


class VirtualEmu(Emu):
    """As ``Emu``, for as long as a coroutine runs in it; afterwards its sessions can still be asked."""

    def __init__(
        self, config: Config, *, file: Path | None, rungs: Sequence[Rung], provider: str | None
    ) -> None:
        self._planned = config
        self._troubles = Troubles(loggers=("voxemu",))
        self._afterwards: list[Callable[[], None]] = []
        super().__init__(None, self._troubles.found, file=file, rungs=rungs, provider=provider)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{PORT}"

    @property
    def _config(self) -> Config:
        return self._planned if self._playing is None else self._playing.server.config

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine in virtual time, with the emulator beside it, and answers what it answers."""
        __tracebackhide__ = True
        if self._playing is not None:
            main.close()
            raise UsageError("emu_virtual has run already; one run for each test")
        answer = run_virtual(self._beside(main))
        for check in self._afterwards:
            check()
        return answer

    def judge(self, session: EmuSession, check: Callable[[], None]) -> None:
        """As in ``Emu``; of a live session when the run has ended, since waiting would hold up its loop."""
        __tracebackhide__ = True
        if session.live:
            self._afterwards.append(check)
        else:
            check()

    async def _beside(self, main: Coroutine[Any, Any, T]) -> T:
        __tracebackhide__ = True
        self._troubles.begin()
        try:
            async with self._opened() as stage:
                self._playing = stage
                return await main
        finally:
            self._troubles.end()
            # Where the server could not be started, nobody awaits it.
            main.close()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Stage]:
        timing = Timing(self._planned, virtual_wall, "virtual")
        stage = staged(
            self._planned,
            listening(PORT),
            self._troubles.found,
            _directly,
            lambda: None,
            timing=timing,
        )
        async with stage as entered:
            yield entered

    def _say(self, source: str, tables: Any) -> None:
        if self._playing is None:
            self._planned = self._settled(source, tables)
        else:
            super()._say(source, tables)


class VirtualScene(Scene):
    def __init__(self, wanted: Wanted, rungs: Sequence[Rung], **where: Any) -> None:
        def begin(config: Config, ladder: Sequence[Rung]) -> VirtualEmu:
            return VirtualEmu(config, file=where["file"], rungs=ladder, provider=wanted.provider)

        if wanted.clock not in (None, "virtual"):
            raise UsageError(
                f"{MARK}(clock={wanted.clock!r}): ask for the fixture emu, in place of emu_virtual"
            )
        # The same ids and dice in every run, unless somebody says otherwise.
        super().__init__(begin, lambda: None, wanted, [SEED, *rungs], **where)


def _directly(act: Callable[[], T]) -> T:
    return act()
