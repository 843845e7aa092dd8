"""Who watches a session: the linter, the recorder, and the watch that feeds registry and news."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from aiohttp import web

from voxemu.engine import Tap
from voxemu.errors import RecordingError
from voxemu.events import Closed, Event, LimitReached, Note, Opened, RecordingFailed
from voxemu.provider import Asked, Codec, Provider, Role
from voxemu.record.allowance import Allowance, RecordingLimits
from voxemu.server.audience import Audience
from voxemu.server.config import Config
from voxemu.server.labels import secrets_in
from voxemu.server.news import News
from voxemu.server.registry import Record
from voxemu.server.timing import Timing

if TYPE_CHECKING:
    from voxemu.record import Recorder
    from voxemu.server.background_track import BackgroundTrack

log = logging.getLogger("voxemu")

NO_DICE = Random(0)
# For codecs that are asked only whether an event is sent at all, which no dice decide.
LONGEST = 0.1
# Seconds after which a recording writes by itself: not before, as it is made to in its turn (``rounds``).


class Watch:
    """The last tap of a session: sees what the others remarked, too."""

    def __init__(self, record: Record, news: News, audience: Audience) -> None:
        self._record = record
        self._news = news
        self._audience = audience

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        record = self._record
        if type(event) is Opened:
            record.opened = now
            self._news.opened(record)
        said = record.saw(event, now - record.opened)
        if said is not None:
            self._news.event(record, event, said)
            place = {"session": record.id, "provider": record.admission.provider}
            self._audience.tell({**place, "label": record.label, **said})
        return ()


class Unrecorded:
    """In a recorder's place where a call cannot be recorded: tells it once."""

    def __init__(self, text: str, *before: Note) -> None:
        self._notes = (*before, RecordingFailed(text))

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        notes, self._notes = (self._notes, ()) if isinstance(event, Opened) else ((), self._notes)
        return notes


@dataclass(slots=True)
class _Watched:
    watch: Watch
    recorder: Recorder | None
    overheard: BackgroundTrack | None = None


class Taps:
    def __init__(self, config: Config, news: News, timing: Timing, audience: Audience) -> None:
        self._config = config
        self._audience = audience
        self._timing = timing
        self._news = news
        self._watched: dict[str, _Watched] = {}
        self._allowance: Allowance | None = None

    def of(self, provider: Provider, record: Record, asked: Asked, token: str | None) -> list[Tap]:
        """In the order in which they see: who remarks stands before who writes remarks down."""
        secrets = (*self._config.secrets(), *secrets_in(asked), *([token] if token else []))
        words = provider.codec(Role.PROVIDER, record.effective.wire, NO_DICE)
        return self._watching(provider, record, secrets, words)

    def overhearing(
        self, provider: Provider, record: Record, request: web.Request, secrets: tuple[str, ...]
    ) -> list[Tap]:
        """As ``of``, for a call that passes through: all that the provider said was on the wire."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        shown = secrets_in(Asked("GET", request.path, dict(request.query), headers, b"", ""))
        return self._watching(provider, record, (*self._config.secrets(), *secrets, *shown), None)

    def _watching(
        self, provider: Provider, record: Record, secrets: tuple[str, ...], words: Codec | None
    ) -> list[Tap]:
        record.mask.learn(secrets)
        from voxemu.lint import NOT_ON_MEDIA, Linter

        recorder = self._recorder(provider, record, secrets, words)
        watch = Watch(record, self._news, self._audience)
        writing = None if isinstance(recorder, Unrecorded) else recorder
        overheard = None
        if writing is not None and record.background != "off":
            from voxemu.server.background_track import BackgroundTrack

            overheard = BackgroundTrack(record.background, writing)
        self._watched[record.id] = _Watched(watch, writing, overheard)
        without = NOT_ON_MEDIA if self._timing.name == "media" else ()
        linter = Linter(provider, record.effective.dialogue.input_rate, without)
        return [linter, *(tap for tap in (overheard, recorder) if tap is not None), watch]

    def _recorder(
        self, provider: Provider, record: Record, secrets: tuple[str, ...], words: Codec | None
    ) -> Recorder | Unrecorded | None:
        if self._config.settings.record is None:
            return None
        from voxemu.record import CallFacts, Recorder, fresh_directory

        root = Path(self._config.settings.record)
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
        limits = self._limits(root)
        try:
            if limits.directory is not None and not limits.directory.takes(0):
                return Unrecorded(limits.directory.refusal, LimitReached("recordings", limits.directory.most))
            directory = fresh_directory(root, provider.id, name)
            recorder = Recorder(
                directory, provider, Role.PROVIDER, facts, words, batch=LONGEST, limits=limits
            )
        except RecordingError as error:
            # The disk was good when the server started; the call is worth more than its recording.
            log.error("a call of %s is not recorded: %s", provider.id, error)
            return Unrecorded(str(error))
        record.recording = str(recorder.directory)
        return recorder

    def _limits(self, root: Path) -> RecordingLimits:
        """One allowance for all recordings of a directory, whatever the settings come to say."""
        table = self._config.settings.limits
        if self._allowance is None or (self._allowance.root, self._allowance.most) != (
            root,
            table.recordings,
        ):
            self._allowance = Allowance(root, table.recordings)
        return RecordingLimits(table.recording, self._allowance)

    def settle(self, record: Record, now: float) -> None:
        """Lets a recording catch up: to be called every 90 ms, as it does not wait for events alone."""
        watched = self._watched.get(record.id)
        if watched is not None and watched.recorder is not None:
            if watched.overheard is not None:
                watched.overheard.play(now)
            for note in watched.recorder.settle(now):
                watched.watch.saw(note, now)

    def remark(self, record: Record, note: Note, now: float) -> None:
        """Something about a session that the server noticed outside of its engine."""
        watched = self._watched.get(record.id)
        if watched is not None and watched.recorder is not None:
            watched.recorder.saw(note, now)
        Watch(record, self._news, self._audience).saw(note, now)

    def over(self, record: Record, closed: Closed, now: float) -> None:
        watched = self._watched.pop(record.id, None)
        if watched is None:
            # It never ran: its room could not be opened, or nobody came.
            Watch(record, self._news, self._audience).saw(closed, now)
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
