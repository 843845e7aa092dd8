"""Findings that no session's engine can see: a ticket shown again, a session that nobody connected to."""

from __future__ import annotations

from msgspec.structs import asdict

from voxemu import lint
from voxemu.events import FindingMade
from voxemu.provider import Admission
from voxemu.server.news import News
from voxemu.server.registry import Record, Registry
from voxemu.server.taps import Taps

SOON = 5.0
# Seconds between the end of a session and a new one that takes it up.
TOO_MANY = 2
# Sessions that did so, one after the other.
ROWS = 1000


class Remarks:
    def __init__(self, registry: Registry, taps: Taps, news: News) -> None:
        self._registry = registry
        self._taps = taps
        self._news = news
        self._rows: dict[tuple[str, str, str, str], tuple[Record | None, int]] = {}
        # For each client its last session, and how many of them followed right on one another.

    def reused(self, session_id: str, why: str) -> None:
        """A ticket was refused that was once good."""
        record = self._registry.find(session_id)
        if why != "used" or record is None:
            return
        provider = record.admission.provider
        code = "F-TOKEN-REUSED" if lint.applies("F-TOKEN-REUSED", provider) else "F-URL-REUSED"
        self._make(session_id, lint.finding(code, "it was shown again after its session had begun", provider))

    def too_late(self, admission: Admission, label: str) -> None:
        """A ticket was shown when its life was over."""
        kind = "TOKEN" if lint.applies("F-TOKEN-EXPIRED", admission.provider) else "URL"
        seen = "it was shown after its life was over; its session never began"
        self.beside(f"F-{kind}-EXPIRED", seen, admission.provider, label)

    def beside(self, code: str, seen: str, provider: str, label: str) -> None:
        """Something that belongs to no session."""
        if lint.applies(code, provider):
            self._make("", lint.finding(code, seen, provider), provider, label)

    def opened(self, record: Record, peer: str) -> None:
        """A session has begun: is it the third in a row that follows right on one of a turn or less?"""
        provider = record.admission.provider
        who = (provider, record.admission.key.label, record.label, peer)
        now, (last, row) = record.clock_time, self._rows.pop(who, (None, 0))
        follows = last is not None and last.ended is not None and now - last.ended < SOON
        row = row + 1 if follows and last is not None and last.counters["turn_ended"] <= 1 else 0
        self._rows[who] = (record, row)
        while len(self._rows) > ROWS:
            self._rows.pop(next(iter(self._rows)))
        if row == TOO_MANY and lint.applies("F-RECONNECTS", provider):
            seen = f"{row + 1} connections in a row, each for a turn or less"
            self._make(record.id, lint.finding("F-RECONNECTS", seen, provider))

    def never_connected(self, admission: Admission, life: float, label: str = "") -> None:
        if lint.applies("F-NEVER-CONNECTED", admission.provider):
            seen = f"a session of {admission.provider} was started and nobody came within {life:g} s"
            self._make(
                admission.session_id,
                lint.finding("F-NEVER-CONNECTED", seen, admission.provider),
                admission.provider,
                label,
            )

    def _make(self, session_id: str, found: FindingMade, provider: str = "", label: str = "") -> None:
        record = self._registry.find(session_id)
        if record is not None:
            self._taps.remark(record, found, record.clock.now())
            return
        self._registry.codes[found.code] += 1
        place = {"session": session_id, "provider": provider, "label": label}
        self._registry.findings.append({**place, **asdict(found)})
        self._news.remark(f"finding {found.code}: {found.seen}")
