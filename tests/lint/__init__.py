"""Findings: a client that breaks a rule, and one that does not."""

from __future__ import annotations
