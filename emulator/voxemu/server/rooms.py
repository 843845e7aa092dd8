"""Where rooms are: which kind is settled at the start, and they are made when the first one is wanted.

``embedded`` is rooms in this program; ``server`` is any livekit-server that can be found; a URL is that one;
``auto`` takes the first of: a server that ``LIVEKIT_URL`` names, one that already runs on this machine with
the development keys, one that we may start, embedded rooms. What is asked for by name must be there when the
emulator starts; what ``auto`` found is tried when a session is started, and told in its answer if it fails.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import web

from voxemu.errors import ConnectionLost, SettingsError, UsageError
from voxemu.server.answers import as_json, body_of
from voxemu.server.config import Config

if TYPE_CHECKING:
    from voxemu.rooms.embedded.backend import EmbeddedBackend
    from voxemu.rooms.livekit_server import Binary, RunningServer
    from voxemu.rooms.port import RoomBackend

log = logging.getLogger("voxemu")

EXTRA = "voxemu[livekit]"
PACKAGES = ("livekit.api", "livekit.rtc", "aiortc")
CLOCKS = {
    "media": "rooms run in real time only, and this emulator's time is the audio that clients send (--clock)",
    "virtual": "rooms run in real time only, and this emulator's clock is virtual",
}


LetIn = Callable[[web.Request, str], Awaitable[web.Response | None]]


@dataclass(frozen=True, slots=True)
class Choice:
    """Rooms that could be had."""

    backend: str
    # embedded, server, or none
    found: str
    # How they were found, or why there are none; for the banner and /health.
    make: Callable[[], RoomBackend] | None = None
    needs: str = ""
    # The module that is imported before that.
    url: str = ""


class Rooms:
    """The rooms of one server. ``clock`` is the name of its clock."""

    def __init__(self, config: Config, clock: str, environ: Mapping[str, str]) -> None:
        self._setting: str = config.settings.livekit
        self._host: str = config.settings.host
        self._public_url: str | None = config.settings.public_url
        self._body_time: float = config.settings.limits.body
        self._told: str | None = config.settings.livekit_url
        # The livekitUrl of a server, where one is configured.
        self._environ = environ
        self._wanted = any(provider.media == "room" for provider in config.providers.values())
        self._clock = clock
        self._choice = Choice("none", "no provider that is served here has rooms")
        self._backend: RoomBackend | None = None
        self._embedded: EmbeddedBackend | None = None
        # The same one, where it is that.
        self._starting: asyncio.Task[RoomBackend] | None = None
        self._closed = False

    # --- at the start -----------------------------------------------------------------------------------

    async def choose(self) -> None:
        """Raises SettingsError when rooms that were asked for by name cannot be had."""
        if not self._wanted:
            return
        self._choice = await self._chosen()
        if self._setting not in ("auto", "embedded"):
            try:
                await self.backend()
            except ConnectionLost as error:
                raise SettingsError(str(error)) from error

    async def _chosen(self) -> Choice:
        if self._clock in CLOCKS:
            return Choice("none", CLOCKS[self._clock])
        missing = _missing()
        if missing is not None:
            return Choice("none", f"rooms need the package {missing}; install {EXTRA}")
        if self._setting == "embedded":
            return self._in_this_program()
        return await self._server() or self._in_this_program()

    async def _server(self) -> Choice | None:
        """A server; None where there is none and there need not be."""
        from voxemu.rooms.livekit_server import find_binary, find_development, find_named

        by_url = self._setting if self._setting not in ("auto", "server") else None
        try:
            found: RunningServer | Binary | None = find_named(self._environ, by_url)
        except UsageError as error:
            if self._setting == "auto":
                return Choice("none", str(error))
            raise SettingsError(str(error)) from error
        found = found or await find_development() or find_binary()
        if found is not None:
            return self._on(found)
        if self._setting == "server":
            raise SettingsError(
                "--livekit server: there is none: LIVEKIT_URL is not set, none runs on 127.0.0.1:7880 with "
                "the development keys, and no livekit-server is beside emu or on the PATH "
                "(make livekit-server)"
            )
        return None

    def _on(self, found: RunningServer | Binary) -> Choice:
        from voxemu.rooms.livekit_server import LivekitServerBackend, RunningServer

        def make() -> RoomBackend:
            return LivekitServerBackend(found, public_url=self._told)

        if isinstance(found, RunningServer):
            url = "ws" + found.url.removeprefix("http")
            return Choice("server", found.found, make, "livekit.api", url)
        text = f"{found.path} ({found.found}), started with the first session"
        return Choice("server", text, make, "livekit.api")

    def _in_this_program(self) -> Choice:
        return Choice("embedded", "in this program", self._make_embedded, "voxemu.rooms.embedded.backend")

    def _make_embedded(self) -> RoomBackend:
        from voxemu.rooms.embedded import embedded_rooms

        host, told = media_addresses(self._host, self._public_url)
        self._embedded = embedded_rooms(host, told)
        return self._embedded

    # --- in use -----------------------------------------------------------------------------------------

    async def backend(self) -> RoomBackend:
        """The rooms, running. Raises ConnectionLost when they cannot be had; asked again, they are tried
        again."""
        if self._backend is not None:
            return self._backend
        if self._closed:
            raise ConnectionLost("the server is shutting down")
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start(), name="rooms")
        # Whoever waits may be gone before they are there.
        return await asyncio.shield(self._starting)

    async def _start(self) -> RoomBackend:
        try:
            self._backend = await _started(self._choice)
        except ConnectionLost as error:
            if self._setting != "auto" or self._choice.backend != "server" or self._choice.url:
                raise
            # It was there to be started, and cannot be: rooms there are all the same.
            log.warning("no livekit-server, so rooms are in this program: %s", error)
            self._choice = self._in_this_program()
            self._backend = await _started(self._choice)
        return self._backend

    def describe(self) -> dict[str, Any]:
        """For the banner and /health."""
        if self._backend is not None:
            return {"found": self._choice.found, **self._backend.describe()}
        choice = self._choice
        said = {"backend": choice.backend, "found": choice.found, "rooms": 0}
        return {**said, "url": choice.url} if choice.url else said

    async def close(self) -> None:
        self._closed = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        backend, self._backend = self._backend, None
        if backend is not None:
            await backend.close()

    # --- the HTTP side of embedded rooms ----------------------------------------------------------------

    def add_to(self, router: web.UrlDispatcher, let_in: LetIn) -> None:
        """``let_in`` is asked before somebody may join: what is answered in place of the upgrade, or None."""
        from voxemu.rooms.embedded.paths import ROUTES

        self._let_in = let_in
        if self._wanted:
            for method, path in ROUTES:
                router.add_route(method, path, self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self._choice.backend != "embedded":
            raise web.HTTPNotFound
        try:
            await self.backend()
        except ConnectionLost as error:
            return as_json(503, {"error": str(error)})
        assert self._embedded is not None
        if request.method == "POST":
            # Within its time; whoever reads it next has it.
            await body_of(request, self._body_time)
        if (room := self._embedded.room_to_join(request)) and (
            instead := await self._let_in(request, room)
        ) is not None:
            return instead
        return await self._embedded.serve(request)


def _missing() -> str | None:
    """The package of the extra that is not installed."""
    for package in PACKAGES:
        try:
            found = find_spec(package)
        except (ImportError, ValueError):
            found = None
        if found is None:
            return package
    return None


async def _started(choice: Choice) -> RoomBackend:
    """Raises ConnectionLost."""
    if choice.make is None:
        raise ConnectionLost(choice.found)
    try:
        # Importing takes a second, and the sessions that are open must not wait for it.
        await asyncio.to_thread(import_module, choice.needs)
        backend = choice.make()
        await backend.start()
    except ImportError as missing:
        raise ConnectionLost(f"rooms need the package {missing.name}; install {EXTRA}") from missing
    return backend


def media_addresses(host: str, public_url: str | None) -> tuple[str, tuple[str, ...]]:
    """Where embedded rooms listen for media, and the addresses that clients are told.

    Loopback stays loopback. A server that others can reach is reached for media at the same address; where
    it listens at all of them, at the public URL's, else at the one that this machine is known by outside.
    """
    name = host.strip("[]")
    if name == "localhost" or name.endswith(".localhost"):
        return "127.0.0.1", ()
    if _address(name) and not ip_address(name).is_unspecified:
        return name, ()
    public = urlsplit(public_url or "").hostname or ""
    told = public if _address(public) else _own_address()
    return "0.0.0.0", tuple(dict.fromkeys((told, "127.0.0.1")))


def _address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _own_address() -> str:
    """Nothing is sent: a UDP socket that is connected knows the address it would send from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        found: str = asking.getsockname()[0]
        return found
