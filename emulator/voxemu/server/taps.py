"""Who watches a session: the linter, the recorder, and the watch that feeds registry and news."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from random import Random

from voxemu.engine import Tap
from voxemu.errors import RecordingError
from voxemu.events import Closed, Event, Note, Opened
from voxemu.lint import Linter
from voxemu.provider import Asked, Provider, Role
from voxemu.record import CallFacts, Recorder, fresh_directory
from voxemu.server.config import Config
from voxemu.server.news import News
from voxemu.server.registry import Record
from voxemu.server.timing import Timing

log = logging.getLogger("voxemu")

NOT_ON_MEDIA = (
    "F-FRAME-SIZE",
    "F-PACE-BURST",
    "F-PACE-FAST",
    "F-PACE-SLOW",
    "F-RATE-APPARENT",
    "F-SILENCE-FLOOD",
)
# On the media clock audio has no pace and may be cut anyhow, and silence must be sent, whatever a page says.

SECRET_QUERY = ("api_key", "ticket", "token")
SECRET_HEADERS = ("x-api-key", "authorization")


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


@dataclass(slots=True)
class _Watched:
    watch: Watch
    recorder: Recorder | None


class Taps:
    def __init__(self, config: Config, news: News, timing: Timing) -> None:
        self._config = config
        self._timing = timing
        self._news = news
        self._watched: dict[str, _Watched] = {}

    def of(self, provider: Provider, record: Record, asked: Asked, token: str | None) -> list[Tap]:
        """In the order in which they see: who remarks stands before who writes remarks down."""
        secrets = (*self._config.secrets(), *_shown(asked), *([token] if token else []))
        record.mask.learn(secrets)
        recorder = self._recorder(provider, record, secrets)
        watch = Watch(record, self._news)
        self._watched[record.id] = _Watched(watch, recorder)
        without = NOT_ON_MEDIA if self._timing.name == "media" else ()
        linter = Linter(provider, record.effective.dialogue.input_rate, without)
        return [linter, *([recorder] if recorder is not None else []), watch]

    def _recorder(self, provider: Provider, record: Record, secrets: tuple[str, ...]) -> Recorder | None:
        root = self._config.settings.record
        if root is None:
            return None
        effective = record.effective
        facts = CallFacts(
            agent=record.session.agent.name,
            session_id=record.id,
            started=record.started,
            seed=self._config.settings.seed,
            clock=self._timing.name,
            settings={"dialogue": asdict(effective.dialogue), "wire": asdict(effective.wire)},
            secrets=secrets,
            input_rate=effective.dialogue.input_rate,
        )
        name = f"{datetime.fromisoformat(record.started).astimezone():%Y%m%d-%H%M%S}-{record.short_id}"
        # Asked only whether an event is sent at all, which no dice decide.
        words = provider.codec(Role.PROVIDER, effective.wire, Random(0))
        try:
            directory = fresh_directory(Path(root), provider.id, name)
            recorder = Recorder(directory, provider, Role.PROVIDER, facts, words)
        except RecordingError as error:
            # The disk was good when the server started; the call is worth more than its recording.
            log.error("a call of %s is not recorded: %s", provider.id, error)
            return None
        record.recording = str(recorder.directory)
        return recorder

    def settle(self, record: Record, now: float) -> None:
        """Lets a recording catch up while no event comes."""
        watched = self._watched.get(record.id)
        if watched is not None and watched.recorder is not None:
            for note in watched.recorder.settle(now):
                watched.watch.saw(note, now)

    def remark(self, record: Record, note: Note, now: float) -> None:
        """Something about a session that the server noticed outside of its engine."""
        watched = self._watched.get(record.id)
        if watched is not None and watched.recorder is not None:
            watched.recorder.saw(note, now)
        Watch(record, self._news).saw(note, now)

    def over(self, record: Record, closed: Closed, now: float) -> None:
        watched = self._watched.pop(record.id, None)
        if watched is None:
            return
        if record.closed is None:
            # The engine broke, so nobody was told of the end.
            if watched.recorder is not None:
                watched.recorder.saw(closed, now)
            watched.watch.saw(closed, now)
        if watched.recorder is not None:
            watched.recorder.close(now)
            if watched.recorder.failure is not None:
                log.error("%s", watched.recorder.failure)


def _shown(asked: Asked) -> list[str]:
    """Keys and tickets that the upgrade itself carried."""
    found = [asked.query[name] for name in SECRET_QUERY if asked.query.get(name)]
    for name in SECRET_HEADERS:
        value = asked.headers.get(name, "")
        found += [value.removeprefix("Bearer ").strip()] if value else []
    return found
