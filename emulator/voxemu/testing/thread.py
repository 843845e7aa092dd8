"""The emulator in a thread of its own, with its own loop, on one port for as long as it lives."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from voxemu.server.addresses import bound_socket, url_of
from voxemu.server.config import Config
from voxemu.server.exports import exported, key_of
from voxemu.testing.stage import Stage, caught_up, staged
from voxemu.testing.troubles import Troubles
from voxemu.wire import provider_named

T = TypeVar("T")

HOST = "127.0.0.1"
PATIENCE = 15.0
# Seconds for what the server does at once, and never needs so long for.


class EmulatorThread:
    """Started once; ``play`` puts on a stage with other settings, empty of sessions, at the same address.

    What knocks while the stages change waits in the port's queue and is let in on the next one.
    """

    def __init__(self, config: Config) -> None:
        self._idle = config
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="voxemu", daemon=True)
        self._bound = bound_socket(HOST, 0, "port")
        self._playing: AsyncExitStack | None = None
        self.stage: Stage
        self.troubles: Troubles
        self.config = config

    def start(self) -> None:
        self._thread.start()
        assert self._thread.ident is not None
        self.troubles = Troubles(self._thread.ident)
        self.troubles.begin()
        self._loop.set_exception_handler(self.troubles.of_loop)
        self.play(self._idle)

    def play(self, config: Config) -> Stage:
        """Ends what is playing, its sessions with it, and begins anew."""
        self.config = config
        self.stage = self._await(self._played(config))
        return self.stage

    def rest(self) -> None:
        """As at the start: between tests somebody may call, and it concerns none of them."""
        self.play(self._idle)

    def stop(self) -> None:
        if not self._thread.is_alive():
            return
        self._await(self._ended())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._bound.close()
        self.troubles.end()

    # --- for people's tests -----------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        return url_of("http", HOST, self._bound)

    def url(self, provider: str) -> str:
        """What an app calls to start a session."""
        return provider_named(provider).start_url(self.base_url)

    @property
    def env(self) -> Mapping[str, str]:
        """The variables that an app needs."""
        return exported(self.config, self.base_url, key_of(self.config))

    # --- the thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def _await(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE)

    def _act(self, act: Callable[[], T]) -> T:
        async def acting() -> T:
            return act()

        return self._await(acting())

    def _catch_up(self) -> None:
        self._await(caught_up())

    async def _played(self, config: Config) -> Stage:
        await self._ended()
        playing = AsyncExitStack()
        stage = staged(config, self._bound.dup(), self.troubles.found, self._act, self._catch_up)
        entered = await playing.enter_async_context(stage)
        self._playing = playing
        return entered

    async def _ended(self) -> None:
        playing, self._playing = self._playing, None
        if playing is not None:
            await playing.aclose()
