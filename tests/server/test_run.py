"""Starting and stopping inside this process, and what the log may say."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.server.conftest import Start
from voxemu.errors import SettingsError
from voxemu.server.addresses import bound_socket, is_loopback
from voxemu.server.run import serve

pytestmark = pytest.mark.sockets


def ready_report(file: Path) -> dict[str, Any]:
    """What the ready file says, once it says anything: one that an earlier run left is not JSON here."""
    until = time.monotonic() + 30
    while True:
        try:
            report: dict[str, Any] = json.loads(file.read_text())
            return report
        except (FileNotFoundError, json.JSONDecodeError):
            assert time.monotonic() < until, "the server was never ready"
            time.sleep(0.01)


@pytest.fixture
def served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[dict[str, Any], str]]:
    """Serves until it is ready, asks for its health, stops it; the report and what was printed."""
    monkeypatch.chdir(tmp_path)

    def served(env: dict[str, str] | None = None, **flags: Any) -> tuple[dict[str, Any], str]:
        reports: list[dict[str, Any]] = []

        def stop_when_ready() -> None:
            try:
                reports.append(ready_report(tmp_path / "ready"))
                with urlopen(reports[0]["url"] + "/health", timeout=5) as answered:
                    assert answered.status == 200
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        watcher = threading.Thread(target=stop_when_ready)
        watcher.start()
        code = serve(None, env or {}, {"port": "0", "ready_file": "ready", **flags})
        watcher.join()
        assert code == 0
        return reports[0], capsys.readouterr().out

    return served


Served = Callable[..., tuple[dict[str, Any], str]]


def test_the_banner_says_what_a_user_needs(served: Served, tmp_path: Path) -> None:
    report, out = served(record="calls", agent="tone:440")
    url = report["url"]
    for line in (
        f"POST  {url}/session/start",
        f"export WORKBUDDY_API_URL={url}",
        "export LOKUTOR_SERVER_URL=ws" + url.removeprefix("http"),
        "documented, not verified live",
        "keys   any",
        "agent  tone:440",
        "recorded to calls",
    ):
        assert line in out
    assert not (tmp_path / "ready").exists()


def test_the_banner_counts_the_keys_and_warns_of_the_network(served: Served) -> None:
    _, out = served({"EMU_KEYS": "hush-one,hush-two"}, host="0.0.0.0")
    assert "keys   2 configured" in out
    assert "WARNING: reachable from the network" in out
    assert "no key is asked for by lyzr-sip" in out
    assert "hush" not in out


def test_a_stale_ready_file_is_not_believed(served: Served, tmp_path: Path) -> None:
    (tmp_path / "ready").write_text("{")
    assert served()[0]["pid"] == os.getpid()


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"cannot listen on 192\.0\.2\.1, port 0"):
        bound_socket("192.0.2.1", 0, "port")


def test_a_name_without_an_address_is_refused() -> None:
    with pytest.raises(SettingsError, match="is no address of this machine"):
        bound_socket("nowhere.invalid", 0, "port")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("app.localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("localhost.com", False),
    ],
)
def test_loopback_hosts(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


async def test_a_key_in_a_broken_request_is_not_logged(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    emu = await start()
    host, _, port = emu.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /ws/agent?api_key=hush-hush\xff HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = await reader.read()
    assert b" 400 " in answer.splitlines()[0]
    assert b'{"error":"this is no HTTP request that can be read"}' in answer
    writer.close()
    await writer.wait_closed()
    assert "a request that is no valid HTTP" in emu.out.getvalue()
    assert "hush" not in emu.out.getvalue() + caplog.text


def test_a_server_starts_without_what_only_calls_need() -> None:
    looked = (
        "import sys, voxemu.server.run; print({'numpy', 'jwt', 'pydantic', 'soundfile'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"
