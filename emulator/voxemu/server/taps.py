"""Who watches a session: the recorder, and the watch that feeds the registry and the news."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from ..engine import Tap
from ..events import Closed, Event, Note, Opened
from ..provider import Asked, Provider
from .config import Config
from .news import News
from .registry import Record

log = logging.getLogger("voxemu")


class Watch:
    """The last tap of a session: sees what the others remarked, too."""

    def __init__(self, record: Record, news: News) -> None:
        self._record = record
        self._news = news

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        if isinstance(event, Opened):
            self._record.opened = now
            self._news.opened(self._record)
        said = self._record.saw(event, now - self._record.opened)
        self._news.event(self._record, event, said)
        return ()


class Taps:
    def __init__(self, config: Config, news: News) -> None:
        self._config = config
        self._news = news
        self._watches: dict[str, Watch] = {}

    def of(self, provider: Provider, record: Record, asked: Asked, token: str | None) -> list[Tap]:
        """In the order in which they see: who remarks stands before who writes remarks down."""
        watch = Watch(record, self._news)
        self._watches[record.id] = watch
        return [watch]

    def settle(self, record: Record, now: float) -> None:
        """Lets a recording catch up while no event comes."""

    def remark(self, record: Record, note: Note, now: float) -> None:
        """Something about a session that the server noticed, outside of its engine."""
        watch = self._watches.get(record.id) or Watch(record, self._news)
        watch.saw(note, now)

    def over(self, record: Record, closed: Closed, now: float) -> None:
        watch = self._watches.pop(record.id, None)
        if watch is not None and record.closed is None:
            # The engine broke, so nobody was told of the end.
            watch.saw(closed, now)
