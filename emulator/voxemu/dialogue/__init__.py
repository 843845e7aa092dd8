"""Turn-taking: detection, endpointing, barge-in and pacing, as one engine a session."""

from __future__ import annotations
