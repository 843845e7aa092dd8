"""Findings: what the user's client does wrong, found by a tap that never changes the call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxemu.loading import on_demand

if TYPE_CHECKING:
    from voxemu.lint.explained import all_codes, explain, finding, findings_page, overview
    from voxemu.lint.linter import Linter
    from voxemu.lint.pages import NOT_ON_MEDIA, applies
    from voxemu.lint.peer import PeerLinter

__all__ = [
    "NOT_ON_MEDIA",
    "Linter",
    "PeerLinter",
    "all_codes",
    "applies",
    "explain",
    "finding",
    "findings_page",
    "overview",
]
__getattr__ = on_demand(
    __name__,
    {
        "Linter": "linter",
        "PeerLinter": "peer",
        "NOT_ON_MEDIA": "pages",
        "applies": "pages",
        "all_codes": "explained",
        "explain": "explained",
        "finding": "explained",
        "findings_page": "explained",
        "overview": "explained",
    },
)
