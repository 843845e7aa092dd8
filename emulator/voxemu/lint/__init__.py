"""Findings: what the user's client does wrong, found by a tap that never changes the call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxemu.lint.explain import all_codes, explain, finding, findings_page, overview
from voxemu.loading import on_demand

if TYPE_CHECKING:
    from voxemu.lint.linter import Linter
    from voxemu.lint.peer import PeerLinter

__all__ = ["Linter", "PeerLinter", "all_codes", "explain", "finding", "findings_page", "overview"]
__getattr__ = on_demand(__name__, {"Linter": "linter", "PeerLinter": "peer"})
