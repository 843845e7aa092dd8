"""One session of the generator: a websocket by hand, as thin as a socket lets it be."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from benchmarks.workload import CONFIRM
from voxemu.provider import Message

AUDIO = 300
# Bytes: a shorter message is no audio.
HEED = 0.5
# Seconds after which an interruption that did not stop the agent counts as that.


def client_frame(payload: bytes, opcode: int) -> bytes:
    """A masked websocket frame; a mask of zeros leaves the payload as it is."""
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | opcode, 0x80 | size])
    else:
        head = bytes([0x80 | opcode, 0x80 | 126]) + size.to_bytes(2, "big")
    return head + bytes(4) + payload


def framed(message: Message) -> bytes:
    return client_frame(message, 2) if isinstance(message, bytes) else client_frame(message.encode(), 1)


class Line:
    """One session: writes prepared frames, counts what comes."""

    __slots__ = (
        "_asked",
        "_frames",
        "_rest",
        "_stopped",
        "_unsent",
        "arrivals",
        "lost",
        "sent",
        "sock",
        "stops",
    )

    def __init__(self, sock: socket.socket, frames: Sequence[bytes]) -> None:
        self.sock = sock
        self._frames = frames
        self._rest = self._unsent = b""
        self._asked: float | None = None
        # When the agent was given the sample that makes it stop, and
        self._stopped = 0.0
        # when its last frame came after that.
        self.sent = 0
        self.arrivals: list[float] = []
        self.stops: list[float] = []
        # Seconds from the one to the other.
        self.lost = False

    def join(self, request: bytes, opening: Sequence[bytes]) -> None:
        """Raises ConnectionError for an answer that is no upgrade."""
        self.sock.sendall(request)
        head, found, rest = b"", b"", b""
        while not found:
            got = self.sock.recv(65_536)
            if not got:
                raise ConnectionError("closed before the upgrade")
            head, found, rest = (head + got).partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            raise ConnectionError(head.decode(errors="replace")[:200])
        self._rest = rest
        for message in opening:
            self.sock.sendall(message)
        self.sock.setblocking(False)

    def speak(self, at: int, now: float) -> None:
        """Frame ``at`` of the period."""
        frame = self._unsent + self._frames[at] if self._unsent else self._frames[at]
        try:
            done = self.sock.send(frame)
        except BlockingIOError:
            done = 0
        except OSError:
            self.lost = True
            return
        self._unsent = frame[done:] if done < len(frame) else b""
        self.sent += 1
        if at == CONFIRM - 1:
            self.judge()
            self._asked = self._stopped = now

    def judge(self) -> None:
        """The last interruption is over: how long the agent took."""
        if self._asked is not None:
            self.stops.append(self._stopped - self._asked)
            self._asked = None

    def take(self, now: float) -> None:
        try:
            got = self.sock.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            got = b""
        if not got:
            self.lost = True
            return
        if self._rest:
            got = self._rest + got
        self._rest = self._messages(got, now)

    def _messages(self, got: bytes, now: float) -> bytes:
        """What is left of them, less than a message."""
        at, end = 0, len(got)
        while end - at >= 2:
            size, head = got[at + 1] & 127, 2
            if size == 126:
                if end - at < 4:
                    break
                size, head = got[at + 2] << 8 | got[at + 3], 4
            elif size == 127:
                if end - at < 10:
                    break
                size, head = int.from_bytes(got[at + 2 : at + 10], "big"), 10
            if end - at < head + size:
                break
            if size >= AUDIO:
                self.arrivals.append(now)
                if self._asked is not None and now - self._asked < HEED:
                    self._stopped = now
            elif got[at] & 15 == 9:
                self.sock.send(client_frame(got[at + head : at + head + size], 10))
            at += head + size
        return got[at:] if at else got

    def begin_window(self) -> None:
        self.sent = 0
        self.arrivals = []
        self.stops = []
        self._asked = None

    def close(self) -> None:
        self.sock.close()
