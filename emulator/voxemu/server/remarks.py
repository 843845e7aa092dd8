"""Findings that no session's engine can see: a ticket shown again, a session that nobody connected to."""

from __future__ import annotations

from dataclasses import asdict

from voxemu.events import FindingMade
from voxemu.lint import finding
from voxemu.lint.pages import applies
from voxemu.provider import Admission
from voxemu.server.news import News
from voxemu.server.registry import Registry
from voxemu.server.taps import Taps


class Remarks:
    def __init__(self, registry: Registry, taps: Taps, news: News) -> None:
        self._registry = registry
        self._taps = taps
        self._news = news

    def reused(self, session_id: str, why: str) -> None:
        """A ticket was refused that was once good."""
        record = self._registry.find(session_id)
        if why != "used" or record is None:
            return
        provider = record.admission.provider
        code = "F-TOKEN-REUSED" if applies("F-TOKEN-REUSED", provider) else "F-URL-REUSED"
        self._make(session_id, finding(code, "it was shown again after its session had begun", provider))

    def never_connected(self, admission: Admission, life: float) -> None:
        if applies("F-NEVER-CONNECTED", admission.provider):
            seen = f"a session of {admission.provider} was started and nobody came within {life:g} s"
            self._make(admission.session_id, finding("F-NEVER-CONNECTED", seen, admission.provider))

    def _make(self, session_id: str, found: FindingMade) -> None:
        record = self._registry.find(session_id)
        if record is not None:
            self._taps.remark(record, found, record.clock.now())
            return
        self._registry.findings.append({"session": session_id, **asdict(found)})
        self._news.remark(f"finding {found.code}: {found.seen}")
