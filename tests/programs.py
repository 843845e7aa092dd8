"""``emu`` as a program of its own, for tests of what only a process can do."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from tests.needs import lack


class Start(Protocol):
    def __call__(self, *args: str, size: int | None = None, **env: str) -> subprocess.Popen[str]: ...


@contextmanager
def programs(folder: Path, *program: str) -> Iterator[Start]:
    """Starts ``emu`` with these arguments in the folder, and kills what is left at the end.

    ``program`` is what Python runs in place of that. Its environment is ``env`` and nothing of ours but the
    paths; no file that it writes grows over ``size``.
    """
    started: list[subprocess.Popen[str]] = []

    def start(*args: str, size: int | None = None, **env: str) -> subprocess.Popen[str]:
        def bound() -> None:
            if size is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        found = subprocess.Popen(
            [sys.executable, *(program or ("-m", "voxemu.cli")), *args],
            cwd=folder,
            env={
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "PATH": os.environ.get("PATH", ""),
                **env,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=bound if size is not None else None,
        )
        started.append(found)
        return found

    yield start
    for process in started:
        process.kill()
        process.communicate()


def stuff(process: subprocess.Popen[str], number: int = 1) -> None:
    """Fills its stdout (or file ``number``), which is a pipe that nobody reads, with empty lines."""
    path = Path(f"/proc/{process.pid}/fd/{number}")
    if not path.exists():
        lack("this system does not show what a program has open (/proc)")
    pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, b"\n")
    os.close(pipe)


def clog(process: subprocess.Popen[str]) -> None:
    """Fills its stdout, and waits until it stands still over that."""
    doing = Path(f"/proc/{process.pid}/syscall")
    if not doing.exists():
        lack("this system does not say what a program waits for (/proc)")
    stuff(process)
    for _ in range(3000):
        # The number of a system call, and what it is about: file 1.
        if doing.read_text().split()[1:2] == ["0x1"]:
            return
        time.sleep(0.02)
    raise AssertionError("it never writes")


def ended(process: subprocess.Popen[str], patience: float) -> tuple[int, str, str]:
    """Exit code, stdout, stderr, when it has ended within so many seconds."""
    out, err = process.communicate(timeout=patience)
    return process.returncode, out, err
