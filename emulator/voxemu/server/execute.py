"""``emu exec``: an emulator for as long as one command runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from voxemu.errors import UsageError
from voxemu.server.config import load
from voxemu.server.exports import exported, key_of
from voxemu.server.logs import set_up_logging
from voxemu.server.news import Out, Silence, lost
from voxemu.server.printing import printing
from voxemu.server.registry import Registry
from voxemu.server.run import FOUND, check_ahead, running, tell_findings

FORWARDED = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
FROM_TERMINAL = ("SIGINT", "SIGQUIT")
# A terminal sends these to the command itself, too.


def execute(
    config_file: str | None, environ: Mapping[str, str], flags: Mapping[str, Any], command: Sequence[str]
) -> int:
    """The command's exit code; 128 and the signal's number where it was killed, as shells say it.

    Raises UsageError for settings that cannot be, or a command that is not there.
    """
    if not command:
        raise UsageError("which command? As in: emu exec -- pytest -q")
    config = load(config_file, environ, {"port": "0", **{k: v for k, v in flags.items() if v is not None}})
    check_ahead(config)
    return asyncio.run(_execute(config, environ, list(command)))


async def _execute(config: Any, environ: Mapping[str, str], command: list[str]) -> int:
    with printing(sys.stderr, partial(lost, as_json=False)) as err:
        set_up_logging(config.secrets(), err)
        async with running(config, Silence()) as (server, report):
            key = environ.get("EMU_KEY") or key_of(config)
            told = exported(config, config.settings.public_url or report["url"], key)
            code = await _run(command, {**environ, **told})
        if code >= 0:
            tell_findings(server, err)
            _tell_missed(server.registry, err)
    if code == 0 and server.registry.codes and config.settings.fail_on == "finding":
        return FOUND
    return code if code >= 0 else 128 - code


def _tell_missed(registry: Registry, err: Out) -> None:
    missed = sum(record.counters["script_step_missed"] for record in registry.all())
    if missed:
        what = "step" if missed == 1 else "steps"
        err.write(f"emu: {missed} {what} of the agent's script never began\n")


async def _run(command: list[str], environ: Mapping[str, str]) -> int:
    try:
        child = await asyncio.create_subprocess_exec(*command, env=environ)
    except FileNotFoundError:
        raise UsageError(f"there is no command {command[0]!r}; is it installed, and on the PATH?") from None
    except OSError as error:
        raise UsageError(f"{command[0]} cannot be run: {error.strerror}") from error
    with _forwarding(child):
        return await child.wait()


@contextlib.contextmanager
def _forwarding(child: asyncio.subprocess.Process) -> Iterator[None]:
    """Signals that reach us reach the command; how it ends is its own affair, and we end after it."""
    loop = asyncio.get_running_loop()
    numbers = [getattr(signal, name) for name in (*FORWARDED, *FROM_TERMINAL) if hasattr(signal, name)]

    def forward(number: int) -> None:
        if signal.Signals(number).name in FROM_TERMINAL and _in_foreground():
            return
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)

    # Windows' loop has no signal handlers.
    with contextlib.suppress(NotImplementedError):
        for number in numbers:
            loop.add_signal_handler(number, forward, number)
    try:
        yield
    finally:
        with contextlib.suppress(NotImplementedError):
            for number in numbers:
                loop.remove_signal_handler(number)


def _in_foreground() -> bool:
    """Whether a terminal sends Ctrl-C to us and to the command alike."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False
