"""A bare socket to the server, which may say what no library would: half requests, wrong frames, nothing."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from voxemu.agents import sine
from voxemu.events import AgentAudioSent, Event, SessionStarted, UserAudioSent
from voxemu.provider import CallPlan, Codec, Provider, Response, Role
from voxemu.wire import PROVIDERS

PATIENCE = 20.0
# Seconds for what a calm machine does at once.
KEY = "hush-hush-key"
# Shown by every client here, and to be found nowhere.

ROOM, END = "/v1/sessions/start", "/v1/sessions/end"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
BROKEN = 1006


def frame(
    payload: bytes = b"",
    kind: int = TEXT,
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
) -> bytes:
    """One websocket frame; ``length`` is what its head says where that is not true."""
    said = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | reserved << 4 | kind])
    bit = 0x80 if masked else 0
    if said < 126:
        head += bytes([bit | said])
    elif said < 1 << 16:
        head += bytes([bit | 126]) + struct.pack(">H", said)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", said)
    if not masked:
        return head + payload
    mask = b"\x00\x00\x00\x00"
    # As good as any other, and the payload stays readable.
    return head + mask + payload


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(struct.pack(">H", code) + reason, CLOSE)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Line:
    """One connection. Everything is given up after PATIENCE."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        self._rest = b""

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    # --- out ----------------------------------------------------------------------------------------------

    def send(self, *parts: bytes) -> None:
        """What the server does not want to read any more is not sent."""
        with suppress(ConnectionError):
            self.socket.sendall(b"".join(parts))

    def flood(self, part: bytes, seconds: float) -> int:
        """Sends for so long; the bytes that were taken."""
        taken, until = 0, time.monotonic() + seconds
        self.socket.settimeout(0.05)
        try:
            while time.monotonic() < until:
                try:
                    taken += self.socket.send(part)
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
        finally:
            self.socket.settimeout(PATIENCE)
        return taken

    def reset(self) -> None:
        """Breaks off without a word: RST in place of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def read_little(self) -> None:
        """Lets the smallest amount wait at this end that the system allows."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)

    # --- in -----------------------------------------------------------------------------------------------

    def _more(self) -> bool:
        try:
            got = self.socket.recv(65_536)
        except ConnectionError:
            return False
        self._rest += got
        return bool(got)

    def _exactly(self, count: int) -> bytes | None:
        while len(self._rest) < count:
            if not self._more():
                return None
        found, self._rest = self._rest[:count], self._rest[count:]
        return found

    def answer(self, *, body: bool = True) -> Answer | None:
        """The next HTTP answer; None where the line was closed instead."""
        while b"\r\n\r\n" not in self._rest:
            if not self._more():
                return None
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0)) if body else 0
        status = int(first.split()[1])
        if status == 100:
            return self.answer(body=body)
        return Answer(status, headers, self._exactly(length) or b"")

    def is_closed(self) -> bool:
        """Waits until the server has closed it."""
        while self._more():
            pass
        return True

    def frame(self) -> tuple[int, bytes] | None:
        """The next frame of the server: kind and payload; None where the line was closed."""
        head = self._exactly(2)
        if head is None:
            return None
        assert head[1] < 0x80, "a server's frames are not masked"
        length = head[1]
        if length >= 126:
            size = 2 if length == 126 else 8
            more = self._exactly(size)
            if more is None:
                return None
            length = int.from_bytes(more, "big")
        payload = self._exactly(length)
        return None if payload is None else (head[0] & 0x0F, payload)

    def close_code(self) -> int:
        """Reads until the close; 1006 where there is none."""
        while (got := self.frame()) is not None:
            kind, payload = got
            if kind == CLOSE:
                return int.from_bytes(payload[:2], "big") if payload else 1005
        return BROKEN


def request(
    method: str = "GET", path: str = "/health", headers: Iterable[str] = (), body: bytes | None = None
) -> bytes:
    """A request as a well-behaved client writes it; ``headers`` are whole lines."""
    given = {line.partition(":")[0].lower() for line in headers}
    lines = [f"{method} {path} HTTP/1.1", *headers]
    if "host" not in given:
        lines.append("Host: localhost")
    if body is not None and "content-length" not in given and "transfer-encoding" not in given:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)


@dataclass
class Call:
    """A session as the provider's page wants it, on a bare line."""

    provider: Provider
    line: Line
    codec: Codec
    seen: list[Event] = field(default_factory=list)

    def say(self, *events: Event) -> None:
        for event in events:
            for message in self.codec.encode(event):
                self.line.send(
                    frame(message, BINARY) if isinstance(message, bytes) else frame(message.encode())
                )

    def speak(self, seconds: float = 0.4, hush: float = 0.8) -> None:
        ours = self.provider.format
        pcm = sine(ours, 300.0, seconds) + ours.silence(ours.samples(hush))
        step = 2 * self.provider.frame_samples
        self.say(*(UserAudioSent(pcm[at : at + step], ours.rate) for at in range(0, len(pcm), step)))

    def hear(self, kind: type[Event]) -> Event:
        while True:
            got = self.line.frame()
            assert got is not None, f"the line broke while waiting for {kind.__name__}: {self.seen[-5:]}"
            opcode, payload = got
            if opcode == PING:
                self.line.send(frame(payload, PONG))
            elif opcode == PONG:
                continue
            elif opcode in (TEXT, BINARY):
                for event in self.codec.decode(payload if opcode == BINARY else payload.decode()):
                    self.seen.append(event)
                    if isinstance(event, kind):
                        return event
            else:
                code = int.from_bytes(payload[:2], "big")
                raise AssertionError(f"closed {code} {payload[2:]!r} while waiting for {kind.__name__}")

    def hang_up(self) -> None:
        self.line.send(closing(1000))
        self.line.close_code()
        self.line.socket.close()


@dataclass
class Target:
    """Where the server is, and how to get there."""

    address: tuple[str, int]
    lines: list[Line] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    def line(self) -> Line:
        self.lines.append(Line(self.address))
        return self.lines[-1]

    def hang_up(self) -> None:
        """Whatever a case left open."""
        for line in self.lines:
            line.socket.close()
        self.lines.clear()

    def asked(self, *parts: bytes) -> Answer | None:
        """One request on a line of its own."""
        with self.line() as line:
            line.send(*parts)
            return line.answer(body=not parts[0].startswith(b"HEAD"))

    def upgraded(self, path: str, *headers: str) -> Line:
        """A websocket, whoever is to speak on it."""
        line = self.line()
        line.send(request("GET", path, [*UPGRADE, *headers]))
        answer = line.answer()
        assert answer is not None
        assert answer.status == 101, answer
        return line

    def started(self, provider_id: str, agent: str = "", key: str = KEY) -> tuple[Provider, str, Any]:
        """The handshake up to the socket: the path to upgrade, and what is to be said first."""
        provider = PROVIDERS[provider_id]
        plan = CallPlan(self.url, key, agent)
        asked, response = provider.ask(plan), None
        if asked is not None:
            path = "/" + asked.url.split("/", 3)[3]
            lines = [f"{name}: {value}" for name, value in asked.headers.items()]
            answer = self.asked(request(asked.method, path, lines, asked.body or b""))
            assert answer is not None
            response = Response(answer.status, answer.json)
        target = provider.reach(plan, response)
        return provider, "/" + target.url.split("/", 3)[3], target.opening

    def call_codec(self, provider: Provider) -> Codec:
        return provider.codec(Role.CALLER, provider.settings_type(), Random(1))

    def call(self, provider_id: str, agent: str = "", *, key: str = KEY, begun: bool = True) -> Call:
        """A session; ``begun`` waits until the provider says that it is there."""
        provider, path, opening = self.started(provider_id, agent, key)
        call = Call(provider, self.upgraded(path), self.call_codec(provider))
        call.say(*opening)
        if begun:
            call.hear(SessionStarted)
        return call

    def talk(self, provider_id: str) -> None:
        """A whole session: speech, and the agent's answer; of one in a room, that its agent is there."""
        if PROVIDERS[provider_id].media == "room":
            self.visit()
            return
        call = self.call(provider_id)
        call.speak()
        call.hear(AgentAudioSent)
        call.hang_up()

    def visit(self) -> None:
        """A session in a room, as far as it goes without media: its agent is in the room; it is ended."""
        room = self.room()
        room.join()
        room.leave()
        self.end(room.name)

    def room(self, **body: Any) -> RoomLine:
        """A room that was started, and nobody is in it yet."""
        answer = self.asked(request("POST", ROOM, [f"x-api-key: {KEY}"], json.dumps(body).encode()))
        assert answer is not None
        assert answer.status == 200, answer
        return RoomLine(self, answer.json["userToken"], answer.json["roomName"])

    def end(self, room: str) -> None:
        body = json.dumps({"roomName": room}).encode()
        answer = self.asked(request("POST", END, [f"x-api-key: {KEY}"], body))
        assert answer is not None
        assert answer.status == 204, answer


@dataclass
class RoomLine:
    """LiveKit's signalling, spoken by hand: protobufs as binary messages."""

    target: Target
    token: str
    name: str

    def connect(self, path: str = "/rtc", **query: str) -> Line:
        """The websocket; who joins has it said on it."""
        given = urlencode({"access_token": self.token, **query})
        self.line = self.target.upgraded(f"{path}?{given}")
        return self.line

    def join(self, path: str = "/rtc") -> Any:
        """The JoinResponse; the room's agent is in it."""
        self.connect(path)
        joined = self.hear("join")
        assert [who.identity for who in joined.other_participants]
        return joined

    def say(self, **message: Any) -> None:
        from livekit.protocol import rtc

        self.line.send(frame(rtc.SignalRequest(**message).SerializeToString(), BINARY))

    def hear(self, kind: str) -> Any:
        """The next message of this kind; what comes before it is passed over."""
        found = self.hears(kind)
        assert found is not None, f"the line was closed while waiting for {kind}"
        return getattr(found, kind)

    def hears(self, kind: str) -> Any | None:
        """The same, with what it stands in; None where the line was closed instead."""
        from livekit.protocol import rtc

        while (got := self.line.frame()) is not None and got[0] != CLOSE:
            if got[0] == BINARY:
                said = rtc.SignalResponse.FromString(got[1])
                if said.WhichOneof("message") == kind:
                    return said
        return None

    def leave(self) -> None:
        from livekit.protocol import rtc

        self.say(leave=rtc.LeaveRequest())
        self.line.socket.close()


def waited(task: str) -> float:
    """Seconds that a program's main thread (``self``: this one) has waited for a processor so far.

    0 where the system does not say.
    """
    try:
        told = Path(f"/proc/{task}/schedstat").read_text().split()
    except OSError:
        return 0.0
    return int(told[1]) / 1e9


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def memory(pid: int) -> int:
    """Resident bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
