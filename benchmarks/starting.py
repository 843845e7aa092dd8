"""How soon things are there: the server, the command line, the plugin; and what the server does unasked."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
import urllib.request

from benchmarks.figures import Row, row
from benchmarks.machine import processor_seconds
from benchmarks.plugin import loading
from benchmarks.servers import free_port


def processor_time(command: list[str]) -> float:
    """Seconds of user and system time that a command takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def until_health(command: list[str], port: int) -> float:
    """Processor seconds of a server until ``/health`` answers."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                    return processor_seconds(server.pid)
                except OSError:
                    time.sleep(0.002)
        finally:
            server.kill()


def idle_row(name: str, pid: int, seconds: float) -> Row:
    """Of a server that nobody calls; what is loaded after the start is not part of it."""
    time.sleep(3.0)
    before = processor_seconds(pid)
    time.sleep(seconds)
    share = (processor_seconds(pid) - before) / seconds
    return row(f"CPU with no session, %: {name}", [100 * share], "≤ 0.2" if name == "ours" else "")


def starting_rows(repeats: int) -> list[Row]:
    python = sys.executable
    serve, helped = [], []
    for _ in range(repeats):
        bare, ours = free_port(), free_port()
        serve.append(
            until_health([python, "-m", "voxemu.cli", "serve", "--port", str(ours)], ours)
            / until_health([python, "-m", "benchmarks.bare", str(bare)], bare)
        )
        helped.append(
            processor_time([python, "-m", "voxemu.cli", "--help"])
            / processor_time([python, "-c", "import click"])
        )
    return [
        row("emu serve until /health ÷ bare's", serve, "≤ 1.6"),
        row("emu --help ÷ import click", helped, "≤ 2"),
        row("plugin import, ms", loading(max(repeats, 3)), "≤ 5"),
    ]
