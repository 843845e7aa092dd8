"""Starting and stopping the server: sockets, the ready file, the banner, signals."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from .. import __version__
from ..audio import AudioFormat
from ..errors import SettingsError, UsageError
from .app import Server, build
from .config import Config, load
from .greeting import greeting_sound
from .news import News

GRACE = 3.5
# Seconds that the sessions have to end when the server stops; with the close of what is left, under 5.


def serve(config_file: str | None, environ: Mapping[str, str], flags: Mapping[str, Any]) -> int:
    """Runs until a signal. The exit code. Raises UsageError for what cannot be."""
    config = load(config_file, environ, flags)
    check_ahead(config)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    return asyncio.run(_serve(config, News(sys.stdout, as_json=config.settings.json_lines)))


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
        raise SettingsError(f"--record: recordings cannot be written to {folder}: {error.strerror}") from error


async def _serve(config: Config, news: News) -> int:
    async with running(config, news) as (server, report):
        settings = config.settings
        ready = Path(settings.ready_file) if settings.ready_file else None
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
async def running(config: Config, news: News) -> AsyncIterator[tuple[Server, dict[str, Any]]]:
    """The server, listening, and the report of where; on leaving it has stopped.

    Raises SettingsError for an address or a certificate that cannot be used.
    """
    settings = config.settings
    server = build(config, news)
    sockets = [_bound(settings.host, settings.port, "port")]
    context = None
    runner = web.AppRunner(
        server.app, access_log=None, handle_signals=False, shutdown_timeout=0.5, keepalive_timeout=30
    )
    try:
        if settings.tls_port is not None:
            context = _tls(settings.tls_cert, settings.tls_key)
            sockets.append(_bound(settings.host, settings.tls_port, "tls_port"))
        await runner.setup()
        await web.SockSite(runner, sockets[0]).start()
        if context is not None:
            await web.SockSite(runner, sockets[1], ssl_context=context).start()
        yield server, _report(config, sockets)
        await _end_sessions(server)
    finally:
        await runner.cleanup()
        for bound in sockets:
            bound.close()


async def _end_sessions(server: Server) -> None:
    server.calls.shut_down()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            while server.calls.open_sockets:
                await asyncio.sleep(0.01)


# --- addresses -----------------------------------------------------------------------------------------------


def _bound(host: str, port: int, setting: str) -> socket.socket:
    """One socket; ``localhost`` is the first address it has."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except socket.gaierror as error:
        raise SettingsError(f"host {host!r} is no address of this machine: {error.strerror}") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            what = f"{setting} {port} on {host} is taken; choose another, or 0 for any that is free"
        elif error.errno == errno.EACCES:
            what = f"{setting} {port} on {host} may not be used by this user; choose one above 1023"
        else:
            what = f"cannot listen on {host}, {setting} {port}: {os.strerror(error.errno or 0)}"
        raise SettingsError(what) from error


def _tls(cert: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:
        # ssl.SSLError is one, too.
        raise SettingsError(f"tls_cert {cert} and tls_key {key} cannot be used: {error.strerror or error}") from error
    return context


def _url(scheme: str, host: str, bound: socket.socket) -> str:
    shown = host.strip("[]")
    return f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{bound.getsockname()[1]}"


# --- what is said when it listens ----------------------------------------------------------------------------


def _report(config: Config, sockets: list[socket.socket]) -> dict[str, Any]:
    host = config.settings.host
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    url = _url("http", shown, sockets[0])
    base = config.settings.public_url or url
    report = {
        "url": url,
        "pid": os.getpid(),
        "version": __version__,
        "providers": {
            name: {"start": provider.start_url(base), "env": dict(provider.exports(base))}
            for name, provider in config.providers.items()
        },
    }
    if len(sockets) > 1:
        report["tls_url"] = _url("https", shown, sockets[1])
    return report


def write_ready(path: Path, report: dict[str, Any]) -> None:
    """As a whole or not at all: whoever waits for the file never reads half of it."""
    try:
        handle, beside = tempfile.mkstemp(prefix=path.name, dir=path.parent)
        with open(handle, "w") as file:
            file.write(json.dumps(report) + "\n")
        os.replace(beside, path)
    except OSError as error:
        raise SettingsError(f"the ready file {path} cannot be written: {error.strerror}") from error


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
    if config.settings.record:
        lines.append(f"  calls are recorded to {config.settings.record}")
    if config.is_public:
        lines.append("  WARNING: reachable from the network. Audio and prompts of every call pass here.")
    return "\n".join([*lines, "", "  Ctrl-C stops it.", ""])
