"""ICE, the lite half (RFC 8445 § 2.5), for every connection over one UDP socket.

A lite agent sends no checks: it answers those of the client, which always has the controlling role. So
nothing is gathered, nobody else's candidates matter (browsers hide theirs behind mDNS names), a hundred
sessions take one file descriptor, and a machine without a network has rooms too. Datagrams are told apart by
the user name in their STUN checks, and after that by where they come from.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from aioice import stun

from voxemu.errors import ConnectionLost

HANDSHAKES = range(20, 64)
MEDIA = range(128, 192)
# What a first byte tells of a datagram (RFC 7983).
PATHS = 32
# Addresses that one client may check from; its network changes now and then, no more.
WAITING = 256
# Datagrams that a line holds for somebody slow; what comes on top is lost, as on any network.
BUFFER = 1 << 20

Address = tuple[str, int]


class IcePort(asyncio.DatagramProtocol):
    """The socket. ``lines`` are found by their local user name."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._by_name: dict[str, IceLine] = {}
        self._by_address: dict[Address, IceLine] = {}
        self._closed = asyncio.Event()
        self.port = 0

    async def open(self, host: str) -> None:
        """Raises ConnectionLost when no UDP port can be had on ``host``."""
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, 0))
        except OSError as error:
            raise ConnectionLost(f"no UDP port for media on {host}: {error}") from error
        self._transport = transport
        sock: socket.socket = transport.get_extra_info("socket")
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        self.port = sock.getsockname()[1]

    async def close(self) -> None:
        for line in list(self._by_name.values()):
            line.close()
        if self._transport is not None:
            self._transport.close()
            self._transport = None
            await self._closed.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()

    def new_line(self, hear: Callable[[bytes], None]) -> IceLine:
        """``hear`` is given the datagrams that are RTP or RTCP."""
        line = IceLine(self, hear)
        self._by_name[line.name] = line
        return line

    def forget(self, line: IceLine) -> None:
        self._by_name.pop(line.name, None)
        for address in [at for at, known in self._by_address.items() if known is line]:
            del self._by_address[address]

    def send(self, datagram: bytes, to: Address) -> None:
        if self._transport is not None:
            self._transport.sendto(datagram, to)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if not data:
            return
        if data[0] < 4:
            self._answer_check(data, addr)
        elif (line := self._by_address.get(addr)) is not None:
            line.received(data)

    def error_received(self, exc: Exception) -> None:
        """Somebody's port is closed: their connection notices by itself."""

    def _answer_check(self, data: bytes, addr: Address) -> None:
        try:
            asked = stun.parse_message(data)
        except (ValueError, IndexError, UnicodeDecodeError):
            return
        if asked.message_method != stun.Method.BINDING or asked.message_class != stun.Class.REQUEST:
            return
        line = self._by_name.get(str(asked.attributes.get("USERNAME", "")).partition(":")[0])
        if line is None or not asked.check_message_integrity(line.password.encode()):
            return
        said = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, asked.transaction_id)
        said.attributes["XOR-MAPPED-ADDRESS"] = addr
        said.add_message_integrity(line.password.encode())
        self.send(bytes(said), addr)
        self._by_address[addr] = line
        if (old := line.comes_from(addr)) is not None:
            self._by_address.pop(old, None)
        line.checked(addr, nominated="USE-CANDIDATE" in asked.attributes)


class IceLine:
    """One connection's share of the port; what aiortc's DTLS transport takes for its ICE transport."""

    role = "controlled"

    def __init__(self, port: IcePort, hear: Callable[[bytes], None]) -> None:
        self.name = secrets.token_hex(8)
        self.password = secrets.token_hex(16)
        self.heard_at = 0.0
        # Loop time of the client's last check; checks go on for as long as it lives.
        self._port = port
        self._hear = hear
        self._loop = asyncio.get_running_loop()
        self._remote: Address | None = None
        self._addresses: dict[Address, None] = {}
        self._waiting: deque[bytes] = deque(maxlen=WAITING)
        self._arrived = asyncio.Event()
        self.connected = asyncio.Event()
        self.closed = False

    def comes_from(self, addr: Address) -> Address | None:
        """Notes it; the address that is forgotten for it, where there are too many."""
        self._addresses[addr] = None
        if len(self._addresses) <= PATHS:
            return None
        oldest = next(known for known in self._addresses if known != self._remote)
        del self._addresses[oldest]
        return oldest

    def checked(self, addr: Address, *, nominated: bool) -> None:
        self.heard_at = self._loop.time()
        if nominated or self._remote is None:
            self._remote = addr
            self.connected.set()

    def received(self, data: bytes) -> None:
        if data[0] in MEDIA:
            self._hear(data)
        elif data[0] in HANDSHAKES:
            self._waiting.append(data)
            self._arrived.set()

    def send(self, datagram: bytes) -> None:
        if self._remote is not None and not self.closed:
            self._port.send(datagram, self._remote)

    def close(self) -> None:
        self.closed = True
        self._port.forget(self)
        self._arrived.set()
        self.connected.set()

    # What aiortc's RTCDtlsTransport calls.

    async def _recv(self) -> bytes:
        while not self._waiting:
            if self.closed:
                raise ConnectionError("the line is closed")
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()

    async def _send(self, datagram: bytes) -> None:
        if self.closed:
            raise ConnectionError("the line is closed")
        with suppress(OSError):
            self.send(datagram)
