"""``emu serve`` as a process: start, ready file, signals, and what is said when it cannot start."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from tests.needs import lack
from tests.programs import Start, ended, programs, stuff
from tests.rooms.conftest import require_livekit_server

pytestmark = pytest.mark.sockets

Calling = Callable[[dict[str, Any]], socket.socket]
PATIENCE = 20.0


@pytest.fixture
def emu(tmp_path: Path) -> Iterator[Start]:
    """Starts ``emu`` with these arguments in an empty folder."""
    with programs(tmp_path) as start:
        yield start


def said(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    return ended(process, PATIENCE)


def ready(path: Path) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if path.exists():
            found: dict[str, Any] = json.loads(path.read_text())
            return found
        time.sleep(0.02)
    raise AssertionError("the server did not get ready")


def call(report: dict[str, Any]) -> socket.socket:
    """A lokutor session on a bare socket, which reads nothing unless told to."""
    host, _, port = report["url"].removeprefix("http://").rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
    connection.sendall(
        b"GET /ws/agent?api_key=k HTTP/1.1\r\nHost: localhost\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert connection.recv(12) == b"HTTP/1.1 101"
    return connection


@pytest.fixture
def calling() -> Iterator[Callable[[dict[str, Any]], socket.socket]]:
    with ExitStack() as stack:
        yield lambda report: stack.enter_context(call(report))


def test_a_server_gets_ready_answers_and_stops(emu: Start, calling: Calling, tmp_path: Path) -> None:
    process = emu("serve", "--port", "0", "--ready-file", "ready.json", "--record", "calls")
    report = ready(tmp_path / "ready.json")
    assert stat.S_IMODE((tmp_path / "ready.json").stat().st_mode) == 0o600
    assert (process.pid, True) == (report["pid"], report["url"].startswith("http://127.0.0.1:"))
    assert report["providers"]["lokutor"]["start"].endswith("/ws/agent")
    with urlopen(report["url"] + "/health", timeout=PATIENCE) as answered:
        assert json.load(answered)["status"] == "ok"
    calling(report)
    process.send_signal(signal.SIGTERM)
    code, out, err = said(process)
    assert (code, err) == (0, "")
    assert "keys   any" in out
    assert "export LOKUTOR_SERVER_URL=ws://127.0.0.1:" in out
    assert "closed 1012" in out
    (folder,) = (tmp_path / "calls" / "lokutor").iterdir()
    assert json.loads((folder / "manifest.json").read_text())["complete"] is True
    assert not (tmp_path / "ready.json").exists()


def test_json_says_where_it_listens_on_its_first_line(emu: Start, tmp_path: Path) -> None:
    process = emu("serve", "--json", EMU_PORT="0", EMU_READY_FILE="ready.json", EMU_KEYS="hush-hush")
    report = ready(tmp_path / "ready.json")
    process.send_signal(signal.SIGINT)
    code, out, _ = said(process)
    assert (0, report) == (code, json.loads(out.splitlines()[0]))
    assert "hush" not in out


def test_a_client_that_reads_nothing_does_not_hold_up_the_end(
    emu: Start, calling: Calling, tmp_path: Path
) -> None:
    config = "[dialogue]\ngreeting = 'tone:440:60'\nburst = true\n[limits]\noutbox = 8\n"
    (tmp_path / "emu.toml").write_text(config)
    process = emu("serve", "--port", "0", "--ready-file", "ready.json")
    calling(ready(tmp_path / "ready.json"))
    time.sleep(0.5)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert said(process)[0] == 0
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_live_sessions_a_stuck_client_and_half_a_request_do_not_hold_up_the_end(
    emu: Start, calling: Calling, tmp_path: Path, number: signal.Signals
) -> None:
    config = "[dialogue]\ngreeting = 'tone:440:60'\nburst = true\n[limits]\noutbox = 8\n"
    (tmp_path / "emu.toml").write_text(config)
    process = emu("serve", "--port", "0", "--ready-file", "ready.json", "--record", "calls")
    report = ready(tmp_path / "ready.json")
    live, _ = calling(report), calling(report)
    host, _, port = report["url"].removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port))) as half:
        half.sendall(b"POST /session/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        threading.Thread(target=read_all, args=[live], daemon=True).start()
        time.sleep(0.5)
        began = time.monotonic()
        process.send_signal(number)
        assert said(process)[0] == 0
    assert time.monotonic() - began < 5
    manifests = [json.loads(file.read_text()) for file in tmp_path.glob("calls/lokutor/*/manifest.json")]
    assert [manifest["complete"] for manifest in manifests] == [True, True]


def read_all(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


FEW = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))
sys.argv = ["emu", "serve", "--port", "0", "--ready-file", "ready.json"]
runpy.run_module("voxemu.cli", run_name="__main__")
"""


def test_limits_that_the_machine_cannot_carry_are_lowered_with_a_line(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    process = subprocess.Popen([sys.executable, "-c", FEW], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        ready(tmp_path / "ready.json")
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert "limits.connections is 172: this process may open no more files (ulimit -n)" in out


def test_the_soft_limit_of_descriptors_is_raised_to_the_hard_one(emu: Start, tmp_path: Path) -> None:
    process = emu("serve", "--port", "0", "--ready-file", "ready.json")
    ready(tmp_path / "ready.json")
    limits = Path(f"/proc/{process.pid}/limits")
    if not limits.exists():
        lack("this system does not show the limits of a program (/proc)")
    (line,) = [line for line in limits.read_text().splitlines() if line.startswith("Max open files")]
    _, _, _, soft, hard, _ = line.split()
    assert soft == hard


def test_a_second_signal_ends_it_at_once(emu: Start, calling: Calling, tmp_path: Path) -> None:
    process = emu("serve", "--port", "0", "--ready-file", "ready.json")
    calling(ready(tmp_path / "ready.json"))
    process.send_signal(signal.SIGINT)
    # The client does not answer the close, so the first signal alone takes two seconds.
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert said(process)[0] == 130


GARBAGE = b"\x81\x81\0\0\0\0{"
# A message, and so a line on stdout.
REFUSED = b"POST /session/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n{"
# Another line.
TERSE = """
import runpy, sys
from voxemu.server import printing
printing.ROOM = 2000
sys.argv = ["emu", "serve", "--port", "0", "--ready-file", "ready.json", "--json"]
runpy.run_module("voxemu.cli", run_name="__main__")
"""


@pytest.fixture
def terse(emu: Start, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A server that keeps little of what nobody reads."""
    with programs(tmp_path, "-c", TERSE) as start:
        yield start()


def refuse(report: dict[str, Any], times: int) -> None:
    """Has it answer so many requests that are none."""
    host, _, port = report["url"].removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as line:
        line.sendall(REFUSED * times)
        got = b""
        while got.count(b"HTTP/1.1 400") < times:
            more = line.recv(65_536)
            assert more
            got += more


def test_a_server_whose_output_nobody_reads_serves_on_and_says_what_is_missing(
    terse: subprocess.Popen[str], calling: Calling, tmp_path: Path
) -> None:
    report = ready(tmp_path / "ready.json")
    live = calling(report)
    stuff(terse)
    live.sendall(GARBAGE)
    refuse(report, 100)
    # Its session is heard, and a new one begins.
    live.sendall(b"\x89\x80\0\0\0\0")
    assert heard(live, b"\x8a\x00")
    calling(report)
    assert terse.stdout is not None
    lines: list[dict[str, Any]] = []
    while not lines or lines[-1].get("type") != "lines_lost":
        if text := terse.stdout.readline().strip():
            lines.append(json.loads(text))
    refused = [line.get("type") for line in lines].count("turned_away")
    assert refused + lines[-1]["lines"] >= 100
    terse.send_signal(signal.SIGTERM)
    assert said(terse)[0] == 0


def heard(live: socket.socket, wanted: bytes) -> bool:
    got = b""
    while wanted not in got and (more := live.recv(65_536)):
        got += more
    return wanted in got


@pytest.mark.parametrize("number", [1, 2], ids=["stdout", "stderr"])
def test_a_signal_ends_a_server_whose_output_nobody_reads(
    number: int, emu: Start, calling: Calling, tmp_path: Path
) -> None:
    process = emu("serve", "--port", "0", "--ready-file", "ready.json", EMU_FAIL_ON="finding")
    report = ready(tmp_path / "ready.json")
    calling(report).sendall(GARBAGE)
    # Its finding is to be said at the end, on stderr.
    stuff(process, number)
    refuse(report, 1)
    process.send_signal(signal.SIGINT)
    process.wait(PATIENCE)
    assert process.returncode == 1


CLOSED = """
import os, sys
os.closerange(0, 2)
os.execv(sys.executable, [sys.executable, "-m", "voxemu.cli", *sys.argv[1:]])
"""


def test_a_server_that_is_started_without_stdin_and_stdout_serves(tmp_path: Path) -> None:
    with programs(tmp_path, "-c", CLOSED) as start:
        process = start("serve", "--port", "0", "--ready-file", "ready.json")
        report = ready(tmp_path / "ready.json")
        refuse(report, 1)
        process.send_signal(signal.SIGTERM)
        assert said(process) == (0, "", "")


def test_a_server_whose_reader_has_gone_serves_on_and_says_nothing_of_it(emu: Start, tmp_path: Path) -> None:
    process = emu("serve", "--port", "0", "--ready-file", "ready.json")
    report = ready(tmp_path / "ready.json")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("voxemu ")
    process.stdout.close()
    refuse(report, 3)
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait(PATIENCE)) == ("", 0)
    process.stdout = None


def test_a_signal_stops_the_livekit_server_too(emu: Start, tmp_path: Path) -> None:
    require_livekit_server()
    process = emu("serve", "--port", "0", "--livekit", "server", "--ready-file", "ready.json", "--json")
    report = ready(tmp_path / "ready.json")
    server = "http" + report["livekit"]["url"].removeprefix("ws")
    with urlopen(server, timeout=5) as answered:
        assert answered.read() == b"OK"
    start = Request(report["providers"]["lyzr-livekit"]["start"], b"{}", {"x-api-key": "k"})
    with urlopen(start, timeout=30) as answered:
        assert json.load(answered)["livekitUrl"] == report["livekit"]["url"]
    process.send_signal(signal.SIGTERM)
    code, out, err = said(process)
    assert (code, err) == (0, "")
    assert '"reason":"the session was ended"' in out
    with pytest.raises(URLError):
        urlopen(server, timeout=5)


def test_a_port_that_is_taken_is_one_line(emu: Start) -> None:
    if not Path("/proc/net/tcp").exists():
        lack("this system does not say who listens on a port")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, out, err = said(emu("serve", "--port", port))
    assert (code, out) == (2, "")
    holder = f"{Path('/proc/self/comm').read_text().strip()} (process {os.getpid()})"
    choose = "choose another with --port, or 0 for any free one"
    assert err == f"emu: port {port} on 127.0.0.1 is taken by {holder}; {choose}\n"


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["serve", "--port", "x"], "emu: --port: must be a whole number, not 'x'\n"),
        (["serve", "--agent", "ecko"], "emu: --agent: there is no agent 'ecko'; did you mean 'echo'?"),
        (["serve", "--host", "0.0.0.0"], "emu: --host: 0.0.0.0 can be reached from the network"),
        (["serve", "--host", "192.0.2.1"], "emu: --host: 192.0.2.1 can be reached"),
        (
            ["serve", "--port", "0", "--ready-file", "no/where"],
            "emu: the ready file no/where cannot be written",
        ),
        (
            ["serve", "--port", "0", "--tls-port", "0", "--tls-cert", "a.pem", "--tls-key", "b.pem"],
            "emu: tls_cert a.pem and tls_key b.pem cannot be used: No such file or directory",
        ),
        (
            ["serve", "--port", "0", "--tls-port", "0", "--tls-cert", __file__, "--tls-key", __file__],
            f"emu: tls_cert {__file__} and tls_key {__file__} cannot be used: both must be PEM files",
        ),
        (["sreve"], "emu: there is no command 'sreve'; did you mean 'serve'?"),
        (["explain", "F-NOPE"], "emu: there is no finding 'F-NOPE'"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_2(emu: Start, args: list[str], sentence: str) -> None:
    code, out, err = said(emu(*args, EMU_SEED="1", EMU_PORT="0"))
    assert (code, out) == (2, "")
    assert err.startswith(sentence)
    assert "Traceback" not in err
