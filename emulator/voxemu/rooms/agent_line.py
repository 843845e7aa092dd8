"""The line between the emulator and the child that holds a room's agent: framed messages on a socket pair.

A frame is its kind (one byte), the length of what follows (four bytes, big end first), and that. Kinds: ``t``
and ``b`` are a text and a binary message of the port; ``c`` is a word about the room itself, a JSON object.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any

from voxemu.provider import Message

HEADER = struct.Struct("!cI")
LONGEST = 4 * 1024 * 1024
# Bytes of one frame; a reply sent in a burst is the longest there is.

Word = dict[str, Any]


class AgentLine:
    """One end of the line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> AgentLine:
        return cls(*await asyncio.open_connection(sock=end))

    async def receive(self) -> Message | Word | None:
        """The next message or word; None when the other end is gone."""
        try:
            kind, length = HEADER.unpack(await self._reader.readexactly(HEADER.size))
            if length > LONGEST:
                return None
            payload = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        if kind == b"b":
            return payload
        if kind == b"t":
            return payload.decode()
        word: Word = json.loads(payload)
        return word

    async def send(self, message: Message) -> None:
        """Raises ConnectionError when the other end is gone."""
        if isinstance(message, bytes):
            await self._write(b"b", message)
        else:
            await self._write(b"t", message.encode())

    async def tell(self, **word: Any) -> None:
        await self._write(b"c", json.dumps(word).encode())

    async def _write(self, kind: bytes, payload: bytes) -> None:
        if self._writer.is_closing():
            raise ConnectionResetError("the line to the agent is closed")
        self._writer.write(HEADER.pack(kind, len(payload)) + payload)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()
