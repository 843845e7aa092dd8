"""Connections of the virtual loop, held to what asyncio promises of any transport."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxemu.testing.virtual_loop import VirtualLoop, run_virtual
from voxemu.testing.virtual_wire import BETWEEN, HIGH_WATER, End, listening

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def joined(limit: int = 2**16) -> tuple[Streams, Streams]:
    """The client's streams and the server's."""
    accepted: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()
    await asyncio.start_server(lambda *streams: accepted.set_result(streams), "here", 80, limit=limit)
    return await asyncio.open_connection("there", 80, limit=limit), await accepted


def virtually(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        async def main() -> None:
            await test()

        run_virtual(main(), limit=100)

    run.__name__ = test.__name__
    return run


class Witness(asyncio.Protocol):
    """Writes down what its transport tells it."""

    def __init__(self, stays_open: bool = False) -> None:
        self.told: list[Any] = []
        self.stays_open = stays_open
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, End)
        self.line = transport
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.stays_open

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append(error and type(error))
        self.lost.set()


async def witnesses(**how: Any) -> tuple[Witness, Witness]:
    loop = asyncio.get_running_loop()
    server = Witness(**how)
    await loop.create_server(lambda: server, port=80)
    _, client = await loop.create_connection(Witness, "anywhere", 80)
    return client, server


@given(st.lists(st.binary(min_size=1, max_size=300_000), max_size=6), st.integers(1, 200_000))
def test_every_byte_arrives_in_its_order_past_a_slow_reader(chunks: list[bytes], piece: int) -> None:
    async def send() -> None:
        (_, writer), (reader, other) = await joined(limit=1000)

        async def speak() -> None:
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
            writer.close()

        speaking = asyncio.ensure_future(speak())
        heard = bytearray()
        while read := await reader.read(piece):
            heard += read
            await asyncio.sleep(0.001)
        await speaking
        other.close()
        assert heard == b"".join(chunks)

    run_virtual(send())


@virtually
async def test_what_is_written_in_one_turn_of_the_loop_arrives_in_one_piece() -> None:
    client, server = await witnesses()
    client.line.write(b"one")
    client.line.writelines([b"two", b"three"])
    await asyncio.sleep(1)
    assert server.told == ["made", b"onetwothree"]


@virtually
async def test_a_writer_whose_reader_pauses_is_told_to_pause_and_to_go_on() -> None:
    client, server = await witnesses()
    await asyncio.sleep(0)
    server.line.pause_reading()
    client.line.write(bytes(BETWEEN + HIGH_WATER))
    assert client.told == ["made"]
    client.line.write(b"!")
    assert (client.told, client.line.get_write_buffer_size()) == (["made", "pause"], HIGH_WATER + 1)
    server.line.resume_reading()
    await asyncio.sleep(1)
    assert (client.told, client.line.get_write_buffer_size()) == (["made", "pause", "resume"], 0)
    assert sum(map(len, server.told[1:])) == BETWEEN + HIGH_WATER + 1


@virtually
async def test_closing_lets_arrive_what_was_written() -> None:
    client, server = await witnesses()
    client.line.write(bytes(BETWEEN + 5))
    client.line.close()
    assert client.line.is_closing()
    await server.lost.wait()
    assert b"".join(server.told[1:-2]) == bytes(BETWEEN + 5)
    assert (server.told[-2:], client.told) == (["eof", None], ["made", None])


@virtually
async def test_aborting_drops_what_has_not_left() -> None:
    client, server = await witnesses()
    await asyncio.sleep(0)
    server.line.pause_reading()
    client.line.write(bytes(BETWEEN + 5))
    client.line.abort()
    server.line.resume_reading()
    await server.lost.wait()
    assert (sum(map(len, server.told[1:-2])), client.told) == (BETWEEN, ["made", None])


@virtually
async def test_one_side_may_have_said_all_and_still_listen() -> None:
    client, server = await witnesses(stays_open=True)
    client.line.write(b"question")
    client.line.write_eof()
    await asyncio.sleep(1)
    server.line.write(b"answer")
    server.line.close()
    await client.lost.wait()
    assert (server.told, client.told) == (
        ["made", b"question", "eof", None],
        ["made", b"answer", "eof", None],
    )


@virtually
async def test_writing_to_an_end_that_is_gone_is_a_reset() -> None:
    client, server = await witnesses()
    client.stays_open = True
    await asyncio.sleep(0)
    server.line.abort()
    await asyncio.sleep(1)
    client.line.write(b"is anybody there?")
    await client.lost.wait()
    assert client.told == ["made", "eof", ConnectionResetError]


@virtually
async def test_writing_after_the_end_was_said_is_an_error() -> None:
    client, _ = await witnesses()
    client.line.write_eof()
    with pytest.raises(RuntimeError, match="write_eof"):
        client.line.write(b"one more thing")


@virtually
async def test_a_protocol_that_raises_loses_its_connection_and_is_told_of() -> None:
    class Broken(Witness):
        def data_received(self, data: bytes) -> None:
            raise ValueError("no")

    told: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    server = Broken()
    await loop.create_server(lambda: server, port=80)
    _, client = await loop.create_connection(Witness, "anywhere", 80)
    client.line.write(b"data")
    await client.lost.wait()
    assert (server.told, str(told[0]["exception"])) == (["made", ValueError], "no")


@virtually
async def test_a_protocol_with_its_own_buffer_is_given_every_byte() -> None:
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer, self.heard = bytearray(3), b""

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, taken: int) -> None:
            self.heard += self.buffer[:taken]

    server = Buffered()
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: server, port=80)
    _, client = await loop.create_connection(Witness, "anywhere", 80)
    client.line.write(b"0123456789")
    await asyncio.sleep(1)
    assert server.heard == b"0123456789"


@virtually
async def test_a_port_is_served_once_and_free_again_when_its_server_closes() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Witness, sock=listening(80))
    with pytest.raises(OSError, match="port 80"):
        await loop.create_server(Witness, port=80)
    server.close()
    with pytest.raises(ConnectionRefusedError):
        await loop.create_connection(Witness, "anywhere", 80)
    await loop.create_server(Witness, port=80)


@virtually
async def test_tls_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="no TLS on the virtual clock"):
        await asyncio.open_connection("here", 443, ssl=True)


@virtually
async def test_what_runs_in_a_thread_elsewhere_takes_no_virtual_time() -> None:
    assert (await asyncio.to_thread(sum, [1, 2]), asyncio.get_running_loop().time()) == (3, 0)


def test_a_loop_in_which_everything_waits_for_ever_says_so() -> None:
    loop = VirtualLoop()
    with pytest.raises(RuntimeError, match="waits for something that cannot come"):
        loop.run_until_complete(loop.create_future())
    loop.close()
