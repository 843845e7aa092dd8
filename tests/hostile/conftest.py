"""One server for all hostile cases, with limits that are met soon; and what must be true after each."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from tests.hostile.lines import PATIENCE, Target, descriptors, memory, waited
from tests.needs import lack
from voxemu.events import AgentAudioSent
from voxemu.wire import ON_SOCKETS, PROVIDERS

SETTINGS = """
[agents]
default = "tone:440:0.1"

[dialogue]
think_time = 0.02

[workbuddy]
token_wait = 3.0
ready_delay = 0.02

[lokutor]
ready_delay = 0.02

[lyzr_sip]
url_life = 3.0

[lyzr_livekit]
join_wait = 4.0
rejoin_wait = 0.2

[[agent]]
name = "flood"
agent = "tone:440:60"
dialogue.burst = true

[[key]]
value = "hush-hush-flood"
agent = "flood"

[limits]
message = 65_536
http_body = 16_384
headers = 1.5
body = 1.5
outbox = 16
stall = 1.0
connections = 60
sessions = 24
unused_starts = 400
ahead = 2.0
ping = 0.5
"""

FLOODING = "hush-hush-flood"
# The key whose agent says a minute of speech at once.
FRESH = 3.0
# Seconds that a new session of any provider may take after a case. What either program waits for a processor
# does not count, as the system says it (schedstat): a busy machine is no slow server.
MORE_MEMORY = 64 * 1024 * 1024
# Bytes that a server may have more after a case than before all of them. Allocators keep what was freed, so
# this is coarse; what a case leaves behind is counted, object by object (``served``).


ROOMS = all(find_spec(package) is not None for package in ("livekit", "livekit.api", "aiortc"))
SERVED = PROVIDERS if ROOMS else ON_SOCKETS
# Those whose sessions work here.


@dataclass
class House:
    """The server as its host sees it."""

    target: Target
    pid: int
    out: Path
    err: Path
    read: int = 0
    complained: int = 0
    descriptors: int = 0
    memory: int = 0
    tls: tuple[str, int] = ("", 0)
    # Where it listens with TLS, under a certificate of ``trusted`` for everybody's name.
    trusted: trustme.CA = field(default_factory=trustme.CA)
    refused: set[int] = field(default_factory=set)
    # Statuses that this case makes it answer, beside those of a client's own fault.
    told: str = ""
    # What it may say about this case on stderr, line by line, as a pattern; "" is nothing.

    def news(self) -> list[dict[str, Any]]:
        """What it said on stdout since this was last asked."""
        text = self.out.read_bytes()[self.read :]
        self.read += len(text)
        return [json.loads(line) for line in text.decode().splitlines()]

    def complaints(self) -> str:
        """What it said on stderr since this was last asked."""
        text = self.err.read_bytes()[self.complained :]
        self.complained += len(text)
        return text.decode()

    def tally(self) -> dict[str, int]:
        """Of what it is made of, how much there is beside its furniture; see ``served``."""
        file = self.out.with_name("tally")
        file.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR1)
        until = time.monotonic() + PATIENCE
        while not file.exists():
            assert time.monotonic() < until, "it does not answer a signal"
            time.sleep(0.002)
        found: dict[str, int] = json.loads(file.read_text())
        return found

    def calm(self) -> None:
        """Waits until nothing of the case is open any more."""
        until = time.monotonic() + PATIENCE
        while (found := descriptors(self.pid)) > self.descriptors:
            assert time.monotonic() < until, f"{found} descriptors are open, not {self.descriptors}"
            time.sleep(0.02)

    def settle(self) -> None:
        """Waits until nothing is left of the case."""
        self.calm()
        until = time.monotonic() + PATIENCE
        while left := self.tally():
            assert time.monotonic() < until, f"left behind: {left}"
            time.sleep(0.02)

    def must_begin(self, provider: str) -> None:
        """A new session works, and soon."""
        before, began = waited(str(self.pid)) + waited("thread-self"), time.monotonic()
        self.target.talk(provider)
        took = time.monotonic() - began - (waited(str(self.pid)) + waited("thread-self") - before)
        assert took < FRESH, f"a session of {provider} took {took:.2f} s"

    def must_be_well(self) -> None:
        """The after-check of every case."""
        self.target.hang_up()
        for provider in SERVED:
            self.must_begin(provider)
        self.target.hang_up()
        self.settle()
        complaints = self.complaints().splitlines()
        assert [line for line in complaints if re.fullmatch(self.told, line) is None] == []
        said = self.news()
        statuses = {one["status"] for one in said if one["type"] == "turned_away"}
        assert not {status for status in statuses if 500 <= status < 600} - self.refused
        closes = {one["code"] for one in said if one["type"] == "closed" and one["by"] == "provider"}
        assert 1011 not in closes | statuses
        assert "agent_failed" not in {one["type"] for one in said}
        assert "hush" not in self.out.read_text()
        assert memory(self.pid) < self.memory + MORE_MEMORY


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, top: Path) -> Iterator[House]:
    if not Path("/proc/self/fd").exists():
        lack("this system does not show what a program has open (/proc)")
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "emu.toml").write_text(SETTINGS)
    trusted = trustme.CA()
    vendors = [host for provider in PROVIDERS.values() for host in provider.hosts]
    certificate = trusted.issue_cert("localhost", "127.0.0.1", *vendors)
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
    where = ["--port", "0", "--tls-port", "0", "--tls-cert", "both.pem", "--tls-key", "both.pem"]
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.hostile.served", str(folder / "tally")),
                *("serve", "--json", "--record", "calls", *where),
                *(("--livekit", "embedded") if ROOMS else ()),
            ],
            cwd=folder,
            stdout=out,
            stderr=err,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(top), *(path for path in sys.path if path)]),
            },
        )
        try:
            yield _warmed(server, folder, trusted)
        finally:
            server.terminate()
            server.wait(PATIENCE)
    recorded = [file for file in (folder / "calls").rglob("*") if file.is_file()]
    assert recorded
    assert [file for file in recorded if b"hush" in file.read_bytes()] == []


def _warmed(server: subprocess.Popen[bytes], folder: Path, trusted: trustme.CA) -> House:
    until = time.monotonic() + PATIENCE
    while not (said := (folder / "out").read_text()).endswith("\n"):
        assert time.monotonic() < until, (folder / "err").read_text()
        assert server.poll() is None, (folder / "err").read_text()
        time.sleep(0.02)
    report = json.loads(said.splitlines()[0])
    found = House(
        Target(_address(report["url"])), server.pid, folder / "out", folder / "err", trusted=trusted
    )
    found.tls = _address(report["tls_url"])
    for provider in SERVED:
        # What is loaded with the first call is no leak.
        found.target.talk(provider)
    found.descriptors = descriptors(server.pid)
    for provider in ON_SOCKETS:
        # The most that a case makes it hold: a minute of speech at once. Allocators keep some of that.
        call = found.target.call(provider, "" if provider == "workbuddy" else "flood", key=FLOODING)
        call.speak()
        call.hear(AgentAudioSent)
        found.target.hang_up()
    found.calm()
    os.kill(server.pid, signal.SIGUSR2)
    found.settle()
    found.memory = memory(server.pid)
    found.news()
    return found


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


@pytest.fixture
def target(house: House) -> Iterator[Target]:
    """The server; after the test it must be well."""
    house.refused, house.told = set(), ""
    yield house.target
    house.must_be_well()


@pytest.fixture
def rooms(target: Target) -> Target:
    """The server, where it has rooms."""
    if not ROOMS:
        lack("rooms need the extra livekit", "pip install voxemu[livekit]")
    return target


@pytest.fixture
def refuses(house: House, target: Target) -> Callable[[int], None]:
    """Says that this case makes the server answer such a status of 500 or more."""
    return house.refused.add
