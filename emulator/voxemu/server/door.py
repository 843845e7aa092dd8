"""Who may come in: the Host header, the Origin header, and what browsers are told (CORS).

A page that a browser loaded from anywhere can reach a server on this machine: by DNS rebinding, which the
Host header gives away, and by cross-origin requests, which the Origin header gives away. Both are refused
with the flag that would let them in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from voxemu.errors import Refused
from voxemu.server.addresses import is_loopback
from voxemu.server.config import Config
from voxemu.server.control_header import CONTROL, CONTROL_HEADER, changes
from voxemu.server.labels import shown_in

ALLOWED_HEADERS = "authorization, content-type, x-api-key, x-emu-label"
# By name: `*` does not cover Authorization.
METHODS = "GET, POST, OPTIONS"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Door:
    def __init__(self, config: Config) -> None:
        settings = config.settings
        self._config = config
        self._hosts = {_host_name(host) for host in (*settings.allow_host, settings.host)}
        self._origins = {_origin(origin) for origin in settings.allow_origin}
        if settings.public_url:
            self._hosts.add(_host_name(urlsplit(settings.public_url).netloc))
            self._origins.add(_origin(settings.public_url))
        self._vendors = {host for provider in config.providers.values() for host in provider.hosts}

    # --- the Host header --------------------------------------------------------------------------------

    def host_problem(self, request: web.Request) -> str | None:
        """Why this Host is refused; None when it is good."""
        host = _host_name(request.headers.get("Host", ""))
        if not host or is_loopback(host) or host in self._hosts or host == own_address(request):
            return None
        if request.secure and host in self._vendors:
            return None
        return f"the host {host!r} is not this server's; start it with --allow-host {host} to let it in"

    # --- the Origin header ------------------------------------------------------------------------------

    def origin_problem(self, request: web.Request) -> str | None:
        """Why this Origin is refused; None when it is good, or when there is none (no browser)."""
        origin = request.headers.get("Origin")
        if origin is None or self.admits_origin(origin, request.headers.get("Host", "")):
            return None
        shown = origin[:200]
        return f"pages of the origin {shown!r} may not call this server; start it with --allow-origin {shown}"

    def admits_origin(self, origin: str, host: str) -> bool:
        asked = _origin(origin)
        if "*" in self._origins or asked in self._origins:
            return True
        try:
            parts = urlsplit(asked)
            name = parts.hostname or ""
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or parts.path or "@" in parts.netloc:
            return False
        return name in ("localhost", "127.0.0.1", "::1") or (bool(host) and parts.netloc == host.lower())

    # --- the control header -----------------------------------------------------------------------------

    def control_problem(self, request: web.Request) -> str | None:
        """Why this request may not change the emulator; None when it may, or does not."""
        if not changes(request.method, request.path) or request.headers.get(CONTROL_HEADER):
            return None
        return f"what changes the emulator needs the header {CONTROL_HEADER}: 1, which a web page cannot send"

    # --- keys of the control API ------------------------------------------------------------------------

    def key_problem(self, request: web.Request) -> str | None:
        """Why whoever asks may not look at the emulator's own pages; None when they may.

        They show what is said in every call, so where others than this machine can reach them, they are for
        those who hold a key.
        """
        if not request.path.startswith(CONTROL) or request.method == "OPTIONS":
            return None
        reached = self._config.is_public or self._config.settings.public_url is not None
        if not reached or self._config.settings.auth.keys is None:
            return None
        shown = shown_in(request.headers)
        try:
            self._config.key_ring().check(shown[0] if shown else "")
        except Refused as refused:
            return f"{refused}; others can reach this server, so {CONTROL} asks for one (x-api-key)"
        return None

    # --- what browsers are told -------------------------------------------------------------------------

    def tell(self, request: web.Request, response: web.StreamResponse) -> None:
        """Adds the CORS headers, to errors too: a page must be able to read them."""
        origin = request.headers.get("Origin")
        response.headers["Vary"] = "Origin"
        if origin is None or self.origin_problem(request) is not None:
            return
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = "Retry-After"
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = METHODS
            response.headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
            response.headers["Access-Control-Max-Age"] = "600"
            if request.headers.get("Access-Control-Request-Private-Network") == "true":
                response.headers["Access-Control-Allow-Private-Network"] = "true"


def _host_name(host: str) -> str:
    """Without the port, in lower case; an IPv6 address without its brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.count(":") > 1 else host.partition(":")[0].rstrip(".")


def own_address(request: web.Request) -> str:
    """The address that this connection came in at: a name can be rebound, an address cannot."""
    transport = request.transport
    name = transport.get_extra_info("sockname") if transport is not None else None
    return str(name[0]) if isinstance(name, tuple) else ""


def _origin(origin: str) -> str:
    return origin.strip().lower().rstrip("/")
