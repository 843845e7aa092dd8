"""An aiohttp websocket as the pump sees one: what it is offered."""

from __future__ import annotations

import asyncio
from asyncio import sslproto
from typing import Any

from aiohttp.client_exceptions import ClientConnectionResetError

from voxemu.drive.websocket import WAITING, AiohttpSocket


class Protocol:
    writing_paused = False


class Transport:
    def __init__(self) -> None:
        self.protocol: Protocol | None = Protocol()
        self.waiting = 0
        self.closing = False

    def get_protocol(self) -> Protocol | None:
        return self.protocol

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return self.closing


class Ws:
    """Writes at once; ``gone``: raises, as aiohttp does on a line that is lost."""

    def __init__(self, gone: bool = False) -> None:
        self.sent: list[bytes | str] = []
        self._gone = gone

    async def send_bytes(self, message: bytes) -> None:
        if self._gone:
            raise ClientConnectionResetError("Cannot write to closing transport")
        self.sent.append(message)

    async def send_str(self, message: str) -> None:
        self.sent.append(message)


def socket_of(ws: Any, transport: Any) -> AiohttpSocket:
    return AiohttpSocket(ws, transport)


def test_a_line_with_room_takes_a_message_at_once() -> None:
    ws = Ws()
    socket = socket_of(ws, Transport())
    assert [socket.offer(b"pcm"), socket.offer("text")] == [True, True]
    assert ws.sent == [b"pcm", "text"]


def test_a_line_that_holds_much_already_is_to_be_waited_for() -> None:
    ws, transport = Ws(), Transport()
    transport.waiting = WAITING
    assert not socket_of(ws, transport).offer(b"pcm")
    assert ws.sent == []


def test_a_line_that_has_paused_us_is_to_be_waited_for() -> None:
    ws, transport = Ws(), Transport()
    assert transport.protocol is not None
    transport.protocol.writing_paused = True
    assert not socket_of(ws, transport).offer(b"pcm")
    assert ws.sent == []


def test_a_line_that_is_lost_takes_nothing() -> None:
    lost, closing = Transport(), Transport()
    # As asyncio leaves it.
    lost.protocol = None
    closing.closing = True
    assert [socket_of(Ws(), transport).offer(b"pcm") for transport in (lost, closing, None)] == [False] * 3


def test_whoever_waits_is_told_of_a_line_that_breaks() -> None:
    assert not socket_of(Ws(gone=True), Transport()).offer(b"pcm")


class Closing:
    """The part of asyncio's TLS that a transport tells of its end."""

    def _start_shutdown(self) -> None:
        return


async def test_a_line_over_tls_that_was_closed_twice_takes_no_more_and_nothing_breaks() -> None:
    made: Any = sslproto._SSLProtocolTransport
    transport = made(asyncio.get_running_loop(), Closing())
    for _ in range(2):
        # The second time it forgets its protocol.
        transport.close()
    assert not socket_of(Ws(), transport).offer("too late")
