"""Findings: what the user's client does wrong, found by a tap that never changes the call."""

from __future__ import annotations

from voxemu.lint.explain import all_codes, explain, finding, findings_page, overview
from voxemu.lint.linter import Linter

__all__ = ["Linter", "all_codes", "explain", "finding", "findings_page", "overview"]
