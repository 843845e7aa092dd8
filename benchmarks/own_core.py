"""A core of one's own: a loop whose time is the processor's, and what a kernel would take of it.

Time passes while this thread works, and jumps where nobody has anything to do. What others do with the core
meanwhile is nobody's delay.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import thread_time
from typing import Any

from voxemu.testing.virtual_loop import Jump, VirtualLoop

MESSAGE = bytes(664)
# As long as one with 20 ms of 16 kHz.
TRIES = 2000
HEAD_ENDS = b"\r\n\r\n"


class OwnTime:
    """Seconds that this thread worked and that it would have waited, of a core ``speed`` times as fast."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._began = thread_time()
        self._waited = 0.0
        self.work = 0.0
        # Seconds charged for what is not done here, less those that do not count.

    def worked(self) -> float:
        return (thread_time() - self._began + self.work) / self._speed

    def time(self) -> float:
        return self._waited + self.worked()

    def advance(self, seconds: float) -> None:
        self._waited += seconds

    @contextmanager
    def stopped(self) -> Iterator[None]:
        since = thread_time()
        try:
            yield
        finally:
            self.work -= thread_time() - since


class OwnLoop(VirtualLoop):
    def __init__(self, speed: float) -> None:
        super().__init__()
        self.clock = OwnTime(speed)
        self._selector = Jump(self.clock)  # type: ignore[arg-type]

    def time(self) -> float:
        return self.clock.time()


class Kernel:
    """What handing a message to a socket takes, and taking one from it."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            one = socket.create_connection(server.getsockname())
            other, _ = server.accept()
        with one, other:
            self.sending = self.taking = 0.0
            for _ in range(TRIES):
                begun = thread_time()
                one.send(MESSAGE)
                sent = thread_time()
                other.recv(65_536)
                self.sending += (sent - begun) / TRIES
                self.taking += (thread_time() - sent) / TRIES


class Wire(asyncio.Transport):
    """A caller's socket and the server's transport, in one. What is said on it has arrived."""

    def __init__(self, clock: OwnTime, kernel: Kernel) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self._clock = clock
        self._kernel = kernel
        self._protocol: asyncio.BaseProtocol | None = None
        self._closing = False
        self._said = self._answered = b""
        self.heard: Callable[[float], None] | None = None
        # Told when something can be taken.

    # the server's end

    def attach(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self._clock.work += self._kernel.sending
        now = self._clock.time()
        with self._clock.stopped():
            self._answered += data
            if self.heard is not None:
                self.heard(now)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        """It never falls behind by much."""

    def resume_reading(self) -> None:
        """It was not paused."""

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self.get_protocol().connection_lost(None)

    def abort(self) -> None:
        self.close()

    # the caller's

    def send(self, data: bytes) -> int:
        self._said += data
        return len(data)

    def recv(self, most: int) -> bytes:
        got, self._answered = self._answered, b""
        return got

    def arrive(self) -> None:
        """What was sent reaches the server."""
        said, self._said = self._said, b""
        self._clock.work += self._kernel.taking
        protocol = self.get_protocol()
        assert isinstance(protocol, asyncio.Protocol)
        protocol.data_received(said)

    async def asked(self, request: bytes) -> bytes:
        """The head of the answer; its body, as far as it has come, can be taken then."""
        self.send(request)
        self.arrive()
        while HEAD_ENDS not in self._answered:  # noqa: ASYNC110  it comes in a few turns of the loop
            await asyncio.sleep(0)
        head, _, self._answered = self._answered.partition(HEAD_ENDS)
        return head
