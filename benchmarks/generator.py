"""Many callers in one process, as cheap as Python allows: what the servers of a benchmark are asked to bear.

    python -m benchmarks.generator --url http://127.0.0.1:8090 --provider workbuddy --sessions 25 --pid PID

Each session streams prepared frames by ``Workload``; of what comes back only headers are read. No event loop
stands between this and the sockets, and it never spins: the server's core may share a cache with this one.
Prints one JSON object: frames both ways, how late frames came, how soon the agent stopped when it was
interrupted, how late this process itself was, and what processor time and memory the server (``--pid``) took
meanwhile. With ``--plain`` the provider's frames go to ``/`` without any handshake, as baselines take them.
"""

from __future__ import annotations

import argparse
import base64
import gc
import json
import os
import random
import select
import socket
import sys
import time
import urllib.request
from collections.abc import Sequence
from random import Random
from urllib.parse import urlsplit

from benchmarks.line import Line, framed
from benchmarks.machine import processor_seconds, resident, seconds_without_core
from benchmarks.workload import PTIME, Workload
from voxemu.events import UserAudioSent
from voxemu.provider import CallPlan, Message, Response, Role
from voxemu.wire import PROVIDERS
from voxemu_client.load.machine import make_room

PAUSE = 0.3
# Seconds without agent audio that end a reply.
SLOTS = 20
# Sessions are spread over the 20 ms of a frame by so much.
KEY = "bench-key"


class Crowd:
    def __init__(self, url: str, provider: str, sessions: int, workload: Workload, *, plain: bool) -> None:
        self._url = url
        self._provider = PROVIDERS[provider]
        self._plain = plain
        self._count = sessions
        self._work = workload
        self._frames = [framed(self._spelled(pcm)) for pcm in workload.talk(self._provider.format.rate)]
        self._epoll = select.epoll()
        self._frame = 0
        # Frames that each has sent since it began.
        self.lines: list[Line] = []
        self.late: list[float] = []

    def _spelled(self, pcm: bytes) -> Message:
        codec = self._provider.codec(Role.CALLER, self._provider.settings_type(), Random(0))
        rate = self._provider.format.rate if self._provider.declares_rate else None
        (message,) = codec.encode(UserAudioSent(pcm, rate))
        return message

    def _entrance(self) -> tuple[str, list[bytes]]:
        """Where the socket is, and what is said on it first."""
        if self._plain:
            return self._url, []
        plan = CallPlan(self._url, KEY)
        asked = self._provider.ask(plan)
        response = None
        if asked is not None:
            request = urllib.request.Request(asked.url, asked.body, dict(asked.headers), method=asked.method)
            with urllib.request.urlopen(request) as answer:
                response = Response(answer.status, json.loads(answer.read()))
        target = self._provider.reach(plan, response)
        codec = self._provider.codec(Role.CALLER, self._provider.settings_type(), Random(0))
        return target.url, [framed(said) for event in target.opening for said in codec.encode(event)]

    def open(self) -> None:
        dice = random.Random(1)
        for _ in range(self._count):
            url, opening = self._entrance()
            parts = urlsplit(url)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            key = base64.b64encode(dice.randbytes(16)).decode()
            request = (
                f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nX-API-Key: {KEY}\r\n\r\n"
            ).encode()
            sock = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80), timeout=30)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line = Line(sock, self._frames)
            line.join(request, opening)
            self._epoll.register(sock.fileno(), select.EPOLLIN)
            self.lines.append(line)

    def stream(self, frames: int) -> None:
        """Every session so many frames, one each 20 ms."""
        by_file = {line.sock.fileno(): line for line in self.lines}
        members = [list(enumerate(self.lines))[turn::SLOTS] for turn in range(SLOTS)]
        start = time.perf_counter()
        for slot in range(frames * SLOTS):
            due = start + slot * PTIME / SLOTS
            self._listen(by_file, due)
            self._speak(members[slot % SLOTS], self._frame + slot // SLOTS, due)
        self._listen(by_file, start + frames * PTIME)
        self._frame += frames

    def _listen(self, by_file: dict[int, Line], until: float) -> None:
        """To all of them, until it is time to speak."""
        while True:
            wait = until - time.perf_counter()
            ready = self._epoll.poll(max(0.0, wait), 1024)
            now = time.perf_counter()
            for file, _ in ready:
                line = by_file[file]
                line.take(now)
                if line.lost:
                    self._epoll.unregister(file)
            if now >= until:
                return

    def _speak(self, members: list[tuple[int, Line]], frame: int, due: float) -> None:
        for number, line in members:
            if not line.lost:
                now = time.perf_counter()
                self.late.append(now - due)
                line.speak(self._work.at(number, frame), now)

    def begin_window(self) -> None:
        self.late = []
        for line in self.lines:
            line.begin_window()

    def close(self) -> None:
        self._epoll.close()
        for line in self.lines:
            line.close()


# --- what became of it ----------------------------------------------------------------------------------


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def replies(arrivals: Sequence[float]) -> list[list[float]]:
    """Frames that came without a pause between them."""
    found: list[list[float]] = []
    for at in arrivals:
        if not found or at - found[-1][-1] > PAUSE:
            found.append([])
        found[-1].append(at)
    return found


def lateness(arrivals: Sequence[float]) -> list[float]:
    """Of every frame of each reply, against the grid that the reply's earliest frame gives."""
    found: list[float] = []
    for reply in replies(arrivals):
        off = [at - n * PTIME for n, at in enumerate(reply)]
        earliest = min(off)
        found += [each - earliest for each in off]
    return found


def run(options: argparse.Namespace) -> dict[str, float]:
    work = Workload(options.period)
    # What the server loads for its first call is no session's.
    first = Crowd(options.url, options.provider, 2, work, plain=options.plain)
    first.open()
    first.stream(1 if options.plain else work.answered)
    first.close()
    time.sleep(0.5)
    before = resident(options.pid)
    crowd = Crowd(options.url, options.provider, options.sessions, work, plain=options.plain)
    crowd.open()
    crowd.stream(work.warm)
    crowd.begin_window()
    began, cpu, own = time.perf_counter(), processor_seconds(options.pid), time.process_time()
    without = seconds_without_core(options.pid)
    frames = options.periods * work.frames
    crowd.stream(frames)
    wall, spent = time.perf_counter() - began, processor_seconds(options.pid) - cpu
    own, without = time.process_time() - own, seconds_without_core(options.pid) - without
    grown = resident(options.pid) - before
    for line in crowd.lines:
        line.judge()
    late = [each for line in crowd.lines for each in lateness(line.arrivals)]
    stops = [each for line in crowd.lines for each in line.stops]
    received = sum(len(line.arrivals) for line in crowd.lines)
    planned = range(options.sessions)
    sent = work.warm + frames
    outcome = {
        "sessions": options.sessions,
        "seconds": wall,
        "began": began,
        "cpu": spent,
        "share": spent / wall,
        "without_core": without / wall,
        "sent": sum(line.sent for line in crowd.lines),
        "received": received,
        "expected": options.sessions * options.periods * work.spoken,
        "turns": sum(work.turns(number, sent) for number in planned),
        "barge_ins": sum(work.barge_ins(number, sent) for number in planned),
        "us_for_20_ms": spent / wall / options.sessions * PTIME * 1e6,
        "memory_per_session": grown / options.sessions,
        "generator_late_p99": percentile(crowd.late, 0.99),
        "generator_share": own / wall,
        "late_p50": percentile(late, 0.5),
        "late_p99": percentile(late, 0.99),
        "late_p999": percentile(late, 0.999),
        "late_max": max(late, default=0.0),
        "stop_p50": percentile(stops, 0.5),
        "stop_p99": percentile(stops, 0.99),
        "stops": len(stops),
        "lost": sum(line.lost for line in crowd.lines),
    }
    crowd.close()
    return outcome


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--url", required=True)
    asked.add_argument("--provider", default="workbuddy")
    asked.add_argument("--plain", action="store_true", help="no handshake: a baseline")
    asked.add_argument("--sessions", type=int, default=25)
    asked.add_argument("--period", type=int, default=Workload().frames, help="frames")
    asked.add_argument("--periods", type=int, default=1)
    asked.add_argument("--pid", type=int, required=True)
    asked.add_argument("--core", type=int)
    options = asked.parse_args()
    make_room(options.sessions)
    gc.disable()
    # Nothing here goes in circles, and looking for that would make frames late.
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    sys.stdout.write(json.dumps(run(options)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
