"""What goes wrong on purpose with the signalling socket of an embedded room."""

from __future__ import annotations

from aiohttp import web

from voxemu.server.faultbook import FaultBook
from voxemu.server.news import News
from voxemu.server.room_calls import RoomCalls
from voxemu.server.struck import spoiled


class RoomEntrance:
    def __init__(self, calls: RoomCalls, book: FaultBook, news: News) -> None:
        self._calls = calls
        self._book = book
        self._news = news

    async def let_in(self, request: web.Request, room: str) -> web.Response | None:
        """What is answered in place of the upgrade; None where that takes its course."""
        held = self._calls.held.get(room)
        if held is None:
            return None
        struck = self._book.strike("upgrade", held.provider, held.key, held.label)
        held.struck += struck.faults
        self._news.struck(held.provider.id, struck.faults)
        return await spoiled(struck, request)
