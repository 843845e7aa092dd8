"""Who is measured: each a server in a process of its own, started anew for every repeat."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.workload import Workload

HERE = Path(__file__).parent
COMPILERS = ("cc", "gcc", "clang")
ERRORS = "errors"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server under test. ``command`` takes a free port and an empty folder of its own."""

    name: str
    provider: str
    # Whose frames it is sent.
    command: Callable[[int, Path], list[str]]
    plain: bool = True
    # A baseline: no handshake.
    records: bool = False
    # It is ours and writes recordings below its folder, which say what happened.
    tells: bool = False
    # What it says is kept, as ``said`` in its folder.


def baselines(work: Workload, folder: Path) -> dict[str, Contestant]:
    """``bare`` for each kind of frames, ``script``, and ``floor`` where a compiler is."""
    python, frames = sys.executable, str(work.frames)

    def bare(port: int, _: Path) -> list[str]:
        return [python, "-m", "benchmarks.bare", str(port), frames]

    def script(port: int, own: Path) -> list[str]:
        return [python, "-m", "benchmarks.script", str(port), frames, str(own)]

    found = [
        Contestant("bare", "workbuddy", bare),
        Contestant("bare, 44.1 kHz", "lokutor", bare),
        Contestant("bare, base64", "lyzr-sip", bare),
        Contestant("script", "workbuddy", script),
    ]
    program = compiled(folder)
    if program is not None:
        found.append(
            Contestant("floor", "workbuddy", lambda port, _: [program, str(port), frames, str(work.spoken)])
        )
    return {one.name: one for one in found}


def compiled(folder: Path) -> str | None:
    """``floor`` as a program, below ``folder``; None where no compiler is."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return None
    program = folder / "floor"
    subprocess.run([compiler, "-O2", "-o", program, HERE / "floor.c"], check=True)
    return str(program)


def ours(work: Workload, folder: Path) -> dict[str, Contestant]:
    settings = folder / "emu.toml"
    settings.write_text("\n".join(work.settings()) + "\n")

    def serving(*before: str, record: bool = True) -> Callable[[int, Path], list[str]]:
        def command(port: int, own: Path) -> list[str]:
            record_to = ["--record", str(own)] if record else []
            program = before or ("voxemu.cli",)
            return [
                *(sys.executable, "-m", *program, "serve", "--json"),
                *("--port", str(port), "--config", str(settings), *record_to),
            ]

        return command

    recorded = Contestant("ours", "workbuddy", serving(), plain=False, records=True)
    found = [
        recorded,
        Contestant("ours, 44.1 kHz", "lokutor", serving(), plain=False, records=True),
        Contestant("ours, base64", "lyzr-sip", serving(), plain=False, records=True),
        Contestant("ours, not recorded", "workbuddy", serving(record=False), plain=False),
        replace(recorded, name="ours, ticks told", command=serving("benchmarks.ticks"), tells=True),
    ]
    return {one.name: one for one in found}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


@contextmanager
def served(one: Contestant, own: Path, core: int | None) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Its URL and its process, once it answers. It is ended with SIGTERM, so that it can say what it saw."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = one.command(port, own)
    out = own / "said" if one.tells else Path(os.devnull)
    with (
        out.open("wb") as said,
        (own / ERRORS).open("wb") as errors,
        subprocess.Popen(command, stdout=said, stderr=errors) as server,
    ):
        try:
            if core is not None:
                os.sched_setaffinity(server.pid, {core})
            wait_for(url, server, own / ERRORS)
            yield url, server
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()


def wait_for(url: str, server: subprocess.Popen[bytes], errors: Path, patience: float = 120.0) -> None:
    until = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(url + "/health", timeout=5):
                return
        except OSError:
            if server.poll() is not None:
                last = errors.read_text(errors="replace").splitlines()[-1:]
                raise RuntimeError(" ".join([f"the server ended with {server.returncode}:", *last])) from None
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def pipecat(python: str) -> Contestant:
    """``python`` is its own environment's; it knows nothing of ours."""
    program = HERE / "pipecat_echo.py"

    def command(port: int, own: Path) -> list[str]:
        return [python, "-P", str(program), str(port), str(own)]

    return Contestant("pipecat", "workbuddy", command)
