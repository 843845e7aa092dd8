"""For the tests of other people's projects; what a test needs of this is imported when it needs it."""

from __future__ import annotations
