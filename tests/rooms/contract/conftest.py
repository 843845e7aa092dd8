"""The contract of rooms: every kind of rooms, through every client.

A visit takes seconds of real time, most of it waiting. So each story is played once, many tests look at what
came of it, and while one is looked at, the next ones are played. No verdict depends on how fast that is: a
story goes on when something has come about, and what is judged is counted in samples or is the order of
things. So a story that comes out otherwise than it should is never played again.

On each kind of rooms, one of the Python SDK's two ways and one livekit-client play all stories, the other two
the conversation and the barge-in; on the other kind it is the other way round. So every story is played on
either kind by the SDK and in a browser, and by each of the four clients. ROOMS_CONTRACT=all plays all of all.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Lock

import pytest

from tests.rooms.house_of_rooms import HouseOfRooms
from tests.rooms.kinds import KINDS, require_kind
from tests.rooms.visits import BROWSERS, SDK, Visit, require_browser

Story = Callable[[HouseOfRooms, str], Awaitable[Visit]]
Tell = Callable[[Story], Visit]

WHOLE = {"embedded": ("sdk-single", "chromium-current"), "server": ("sdk-dual", "chromium-old")}
CORE = ("test_conversation", "test_barge_in")
# Modules that everybody plays.

LIMIT = 1800
# Seconds for a test, all stories included that it waits for. Stories have limits of their own at every step.
AT_ONCE = 2
# Stories. Of browsers, which take a core each, one.
BROWSER = Lock()


def is_played(module: str, backend: str, client: str) -> bool:
    core = module.rpartition(".")[2] in CORE
    return core or client in WHOLE[backend] or os.environ.get("ROOMS_CONTRACT") == "all"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what the other kind of rooms plays, and gives the rest time."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(LIMIT))
    out = [item for item in items if not _is_chosen(item)]
    if out:
        items[:] = [item for item in items if item not in set(out)]
        config.hook.pytest_deselected(items=out)


def _is_chosen(item: pytest.Item) -> bool:
    if item.path.parent != Path(__file__).parent or not isinstance(item, pytest.Function):
        return True
    given = item.callspec.params if hasattr(item, "callspec") else {}
    backend, client = given.get("backend"), given.get("client")
    if not isinstance(backend, str) or not isinstance(client, str):
        return True
    return is_played(item.path.stem, backend, client)


class Storyteller:
    def __init__(self) -> None:
        self._stage = ThreadPoolExecutor(AT_ONCE, "story")
        self._told: dict[tuple[str, str, str], Future[Visit]] = {}

    def tell(self, story: Story, backend: str, client: str) -> Visit:
        clients = [*SDK, *(BROWSERS if shutil.which("chromium") else ())]
        played = [other for other in clients if is_played(story.__module__, backend, other)]
        for other in (client, *played):
            key = (backend, other, story.__qualname__)
            if key not in self._told:
                self._told[key] = self._stage.submit(_play, story, backend, other)
        return self._told[backend, client, story.__qualname__].result()

    def finish(self) -> None:
        """Waits until nothing is being played."""
        wait(self._told.values())

    def close(self) -> None:
        self._stage.shutdown(cancel_futures=True)


def _play(story: Story, backend: str, client: str) -> Visit:
    async def scene() -> Visit:
        async with KINDS[backend]() as house:
            return await story(house, client)

    if client not in BROWSERS:
        return asyncio.run(scene())
    require_browser()  # Before there is a room that waits.
    with BROWSER:
        return asyncio.run(scene())


@pytest.fixture(scope="session", params=sorted(KINDS))
def backend(request: pytest.FixtureRequest) -> str:
    return require_kind(request.param)


@pytest.fixture(scope="session", params=[*SDK, *BROWSERS])
def client(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def storyteller() -> Iterator[Storyteller]:
    storyteller = Storyteller()
    yield storyteller
    storyteller.close()


@pytest.fixture
def tell(backend: str, client: str, storyteller: Storyteller) -> Tell:
    """Plays a story in a house of its own; one that was told already is not played again."""
    return lambda story: storyteller.tell(story, backend, client)
