"""A backdrop as Opus packets, each encoded once, when it is first needed, for all rooms."""

from __future__ import annotations

from functools import lru_cache

from voxemu.rooms.backdrop import backdrop
from voxemu.rooms.embedded.opus import OpusEncoder
from voxemu.rooms.port import Background


class EncodedLoop:
    def __init__(self, background: Background, thinking: bool) -> None:
        self._frames = backdrop(background, thinking=thinking)
        self._packets: dict[int, bytes] = {}
        self._encoder = OpusEncoder()

    def packet(self, frame: int) -> bytes:
        at = frame % len(self._frames)
        if at not in self._packets:
            self._packets[at] = self._encoder.encode(self._frames[at])
        return self._packets[at]


@lru_cache(maxsize=8)
def encoded_loop(background: Background, thinking: bool) -> EncodedLoop:
    return EncodedLoop(background, thinking)
