"""Starting and stopping the server: sockets, the ready file, the banner, signals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from voxemu import __version__
from voxemu.audio import AudioFormat
from voxemu.drive.stopping import stopped_by_signals
from voxemu.errors import RecordingError, SettingsError, UsageError, VoxemuError
from voxemu.greeting import greeting_sound
from voxemu.record.folder import usable_root
from voxemu.server.accepting import Listener
from voxemu.server.addresses import bound_socket, tls_context, url_of
from voxemu.server.app import Server, build
from voxemu.server.config import Config, load
from voxemu.server.descriptors import fill_standard_files, raise_soft_limit
from voxemu.server.logs import set_up_logging
from voxemu.server.loops import new_loop
from voxemu.server.news import News, Out, lost
from voxemu.server.printing import printing
from voxemu.server.timing import Timing
from voxemu.server.warming import warm_up

FOUND = 1
# The exit code for findings, where they are to fail the run.
GRACE = 3.5
# Seconds that the sessions have to end when the server stops; with the close of what is left, under 5.


def serve(config_file: str | None, environ: Mapping[str, str], flags: Mapping[str, Any]) -> int:
    """Runs until a signal. The exit code. Raises UsageError for what cannot be."""
    config = load(config_file, environ, flags)
    check_ahead(config)
    fill_standard_files()
    raise_soft_limit()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(_serve(config))


def check_ahead(config: Config) -> None:
    """What would go wrong in a call goes wrong at the start. Raises UsageError."""
    for provider, effective in config.every_effective():
        if effective.dialogue.greeting:
            try:
                greeting_sound(effective.dialogue.greeting)(AudioFormat(provider.format.rate))
            except UsageError as error:
                origin = effective.origins["greeting"]
                raise SettingsError(f"{origin}: {error}") from error
    for source, name in config.agents_from_files():
        _check_agent(config, source, name)
    if config.settings.record is not None:
        try:
            usable_root(Path(config.settings.record), config.providers)
        except RecordingError as error:
            raise SettingsError(f"--record: {error}") from error


def _check_agent(config: Config, source: str, name: str) -> None:
    """A script or a recording must be good for one provider that is served at least; read here, it is there
    when the first call comes."""
    from voxemu.casting import cast

    problems = []
    for provider, effective in config.every_effective():
        try:
            cast(name, provider, effective.dialogue)
        except VoxemuError as error:
            problems.append(str(error))
        else:
            return
    raise SettingsError(f"{source}: {problems[0]}")


async def _serve(config: Config) -> int:
    """Prints nothing by itself: whoever does not read what is said holds up no session and no signal."""
    as_json = config.settings.json_lines
    stop = asyncio.Event()
    with (
        stopped_by_signals(stop.set),
        printing(sys.stdout, partial(lost, as_json=as_json)) as out,
        printing(sys.stderr, partial(lost, as_json=False)) as err,
    ):
        set_up_logging(config.secrets(), err)
        server = await _serve_until(stop, config, News(out, as_json=as_json))
        if server.registry.codes and config.settings.fail_on == "finding":
            tell_findings(server, err)
            return FOUND
    return 0


async def _serve_until(stop: asyncio.Event, config: Config, news: News) -> Server:
    ready = Path(config.settings.ready_file) if config.settings.ready_file else None
    if ready is not None:
        # One that another run left behind would be believed.
        ready.unlink(missing_ok=True)
    async with running(config, news) as (server, report):
        if ready is not None:
            write_ready(ready, report)
        news.listening(report, banner(server, report))
        warming = asyncio.create_task(warm_up())
        try:
            await stop.wait()
        finally:
            warming.cancel()
            if ready is not None:
                ready.unlink(missing_ok=True)
    return server


def tell_findings(server: Server, err: Out) -> None:
    """In a line, where there are any."""
    found = server.registry.codes
    if found:
        what = "finding" if found.total() == 1 else "findings"
        codes = ", ".join(sorted(found))
        err.write(f"emu: {found.total()} {what}: {codes} (`emu explain CODE`)\n")


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
    runner = web.AppRunner(server.app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    listening: list[Listener] = []
    try:
        if settings.tls_port is not None:
            context = tls_context(settings.tls_cert, settings.tls_key)
            sockets.append(bound_socket(settings.host, settings.tls_port, "tls_port"))
        await server.rooms.choose()
        await runner.setup()
        assert runner.server is not None
        made = server.connections.factory(runner.server)
        for bound_one, tls in zip(sockets, (None, context), strict=False):
            listening.append(Listener(bound_one, made, server.connections, tls))
            await listening[-1].open()
        yield server, _report(server, sockets)
        for each in listening:
            each.close()
        await _end_sessions(server, grace)
    finally:
        for each in listening:
            each.close()
        await server.room_calls.close()
        await runner.cleanup()
        for bound_one in sockets:
            bound_one.close()


async def _end_sessions(server: Server, grace: float) -> None:
    server.room_calls.shut_down()
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
        "livekit": server.rooms.describe(),
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


def _answering(config: Config) -> str:
    upstream = config.settings.upstream
    return config.default_agent if upstream is None else f"none: calls pass through to {upstream}"


CLOCKS = {
    "real": "real",
    "virtual": "virtual",
    "media": "media: time is the audio that a client sends; it must send its silence too",
}


def rooms_line(said: Mapping[str, Any]) -> str:
    where = "".join(f" {said[name]}" for name in ("url", "media") if said.get(name))
    return f"{said['backend']}{where}: {said['found']}"


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
    lines += ["", f"  keys   {config.key_ring()}", f"  agent  {_answering(config)}"]
    lines.append(f"  clock  {CLOCKS[server.timing.name]}")
    lines.append(f"  rooms  {rooms_line(report['livekit'])}")
    if faults := [fault["kind"] for fault in server.book.listed()]:
        lines.append(f"  faults {', '.join(dict.fromkeys(faults))}: on purpose (`emu faults`)")
    if config.settings.record:
        lines.append(f"  calls are recorded to {config.settings.record}")
    for name, value in server.lowered.items():
        lines.append(f"  limits.{name} is {value}: this process may open no more files (ulimit -n)")
    if config.is_public:
        lines.append("  WARNING: reachable from the network. Audio and prompts of every call pass here.")
        if config.settings.seed is not None:
            lines.append("  WARNING: with a seed, ids and tokens are the same in every run, so no secret.")
        open_ones = [name for name, provider in config.providers.items() if not provider.asks_for_key]
        if open_ones:
            lines.append(f"  WARNING: no key is asked for by {', '.join(open_ones)}, as on the page.")
    return "\n".join([*lines, "", "  Ctrl-C stops it.", ""])
