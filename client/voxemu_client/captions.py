"""Transcripts in a room come in two forms at once; whoever reads both must not have every word twice.

The legacy packet repeats a segment as it grows; a text stream on ``lk.transcription`` is a segment, or the
growing of one. Both name it by the same id. What either says first is news, what the other repeats is not.
"""

from __future__ import annotations

from collections import OrderedDict

KEPT = 1000
# Segments that are remembered.


class Captions:
    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[str, bool]] = OrderedDict()

    def is_news(self, segment: str, text: str, final: bool) -> bool:
        """Whether this says more of the segment than is known; a final text is the last word, once.

        A text that the known one begins with is an older state of it that took the slower way.
        """
        known, over = self._known.get(segment, ("", False))
        if over or (not final and known.startswith(text)):
            return False
        self._known[segment] = (text, final)
        self._known.move_to_end(segment)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return True
