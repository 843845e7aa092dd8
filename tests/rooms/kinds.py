"""The kinds of rooms that the contract holds for, by name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from tests.rooms.conftest import require_livekit_server
from tests.rooms.house_of_rooms import HouseOfRooms, embedded_house, server_house

KINDS: dict[str, Callable[[], AbstractAsyncContextManager[HouseOfRooms]]] = {
    "embedded": embedded_house,
    "server": server_house,
}


def require_kind(name: str) -> str:
    """The same name; a kind that this machine lacks skips the test, or fails it."""
    if name == "server":
        require_livekit_server()
    return name
