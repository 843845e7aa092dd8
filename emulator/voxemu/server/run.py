"""Starting and stopping the server: sockets, the ready file, the banner, signals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from voxemu import __version__
from voxemu.audio import AudioFormat
from voxemu.errors import SettingsError, UsageError
from voxemu.greeting import greeting_sound
from voxemu.server.addresses import bound_socket, tls_context, url_of
from voxemu.server.answers import Quietly
from voxemu.server.app import Server, build
from voxemu.server.config import Config, load
from voxemu.server.news import News
from voxemu.server.timing import Timing

GRACE = 3.5
# Seconds that the sessions have to end when the server stops; with the close of what is left, under 5.


def serve(config_file: str | None, environ: Mapping[str, str], flags: Mapping[str, Any]) -> int:
    """Runs until a signal. The exit code. Raises UsageError for what cannot be."""
    config = load(config_file, environ, flags)
    check_ahead(config)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    set_up_logging()
    return asyncio.run(_serve(config, News(sys.stdout, as_json=config.settings.json_lines)))


def set_up_logging() -> None:
    """What goes wrong is said on stderr; nothing that a request carries, since keys are among it."""
    logging.basicConfig(format="emu: %(message)s", level=logging.WARNING)
    logging.getLogger("aiohttp.server").addFilter(Quietly())
    # It warns of every client that offers a subprotocol; none of the providers has one.
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)


def check_ahead(config: Config) -> None:
    """What would go wrong in a call goes wrong at the start. Raises UsageError."""
    for provider, effective in config.every_effective():
        if effective.dialogue.greeting:
            try:
                greeting_sound(effective.dialogue.greeting)(AudioFormat(provider.format.rate))
            except UsageError as error:
                origin = effective.origins["greeting"]
                raise SettingsError(f"{origin}: {error}") from error
    if config.settings.record is not None:
        _check_writable(Path(config.settings.record))


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SettingsError(
            f"--record: recordings cannot be written to {folder}: {error.strerror}"
        ) from error


async def _serve(config: Config, news: News) -> int:
    ready = Path(config.settings.ready_file) if config.settings.ready_file else None
    if ready is not None:
        # One that another run left behind would be believed.
        ready.unlink(missing_ok=True)
    async with running(config, news) as (server, report):
        stop = asyncio.Event()
        _on_signals(stop)
        if ready is not None:
            write_ready(ready, report)
        news.listening(report, banner(server, report))
        try:
            await stop.wait()
        finally:
            if ready is not None:
                ready.unlink(missing_ok=True)
    return 0


def _on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def asked(number: int) -> None:
        if stop.is_set():
            # Asked twice: at once. What is recorded so far is on the disk and playable.
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows' loop has no signal handlers; there Ctrl-C is a KeyboardInterrupt.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, asked, number)


@contextlib.asynccontextmanager
async def running(
    config: Config,
    news: News,
    *,
    bound: socket.socket | None = None,
    grace: float = GRACE,
    timing: Timing | None = None,
) -> AsyncIterator[tuple[Server, dict[str, Any]]]:
    """The server, listening, and the report of where; on leaving it has stopped.

    ``bound`` is a listening socket to serve on, and to close, in place of the configured address; sessions
    that are open at the end have ``grace`` seconds to go. Raises SettingsError for an address or a
    certificate that cannot be used.
    """
    settings = config.settings
    server = build(config, news, timing)
    sockets = [bound or bound_socket(settings.host, settings.port, "port")]
    context = None
    runner = web.AppRunner(
        server.app, access_log=None, handle_signals=False, shutdown_timeout=0.5, keepalive_timeout=30
    )
    try:
        if settings.tls_port is not None:
            context = tls_context(settings.tls_cert, settings.tls_key)
            sockets.append(bound_socket(settings.host, settings.tls_port, "tls_port"))
        await runner.setup()
        await web.SockSite(runner, sockets[0]).start()
        if context is not None:
            await web.SockSite(runner, sockets[1], ssl_context=context).start()
        yield server, _report(server, sockets)
        for site in list(runner.sites):
            await site.stop()
        await _end_sessions(server, grace)
    finally:
        await runner.cleanup()
        for listening in sockets:
            listening.close()


async def _end_sessions(server: Server, grace: float) -> None:
    server.calls.shut_down()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(server.calls.idle.wait(), grace)


# --- what is said when it listens -----------------------------------------------------------------------


def _report(server: Server, sockets: list[socket.socket]) -> dict[str, Any]:
    config = server.config
    host = config.settings.host
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    url = url_of("http", shown, sockets[0])
    base = config.settings.public_url or url
    report = {
        "url": url,
        "pid": os.getpid(),
        "version": __version__,
        "clock": server.timing.name,
        "providers": {
            name: {"start": provider.start_url(base), "env": dict(provider.exports(base))}
            for name, provider in config.providers.items()
        },
    }
    if len(sockets) > 1:
        report["tls_url"] = url_of("https", shown, sockets[1])
    return report


def write_ready(path: Path, report: dict[str, Any]) -> None:
    """As a whole or not at all: whoever waits for the file never reads half of it."""
    try:
        handle, beside = tempfile.mkstemp(prefix=path.name, dir=path.parent)
        with open(handle, "w") as file:  # noqa: PTH123  an open file, not a path
            file.write(json.dumps(report) + "\n")
        Path(beside).replace(path)
    except OSError as error:
        raise SettingsError(f"the ready file {path} cannot be written: {error.strerror}") from error


CLOCKS = {
    "real": "real",
    "virtual": "virtual",
    "media": "media: time is the audio that a client sends; it must send its silence too",
}


def banner(server: Server, report: dict[str, Any]) -> str:
    config = server.config
    lines = [f"voxemu {__version__} on {report['url']}", ""]
    if "tls_url" in report:
        lines[0] += f" and {report['tls_url']}"
    for name, said in report["providers"].items():
        provider = config.providers[name]
        lines.append(f"  {name:<12}  {provider.start.method:<4}  {said['start']}")
        lines.append(f"  {'':<12}  {provider.title}; {provider.unverified}")
    lines += ["", "  For your app:"]
    for said in report["providers"].values():
        lines += [f"    export {name}={value}" for name, value in said["env"].items()]
    lines += ["", f"  keys   {config.key_ring()}", f"  agent  {config.default_agent}"]
    lines.append(f"  clock  {CLOCKS[server.timing.name]}")
    if config.settings.record:
        lines.append(f"  calls are recorded to {config.settings.record}")
    if config.is_public:
        lines.append("  WARNING: reachable from the network. Audio and prompts of every call pass here.")
        open_ones = [name for name, provider in config.providers.items() if not provider.asks_for_key]
        if open_ones:
            lines.append(f"  WARNING: no key is asked for by {', '.join(open_ones)}, as on the page.")
    return "\n".join([*lines, "", "  Ctrl-C stops it.", ""])
