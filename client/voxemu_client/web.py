"""HTTP and websocket addresses: errors of the network as ours, and what may be said of a URL."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
from types import SimpleNamespace
from typing import Any, NoReturn
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from voxemu.errors import ConnectionLost, Refused, RemoteProtocolError, UsageError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


async def fetch(url: str, key: str = "") -> Any:
    """The JSON at ``url``, of an emulator. Raises ConnectionLost, RemoteProtocolError."""
    headers = {"x-api-key": key} if key else {}
    with translated(url):
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10.0)) as http,
            http.get(as_given(url), headers=headers, allow_redirects=False) as got,
        ):
            if got.status != 200:
                raise RemoteProtocolError(f"{without_secrets(url)} answered {got.status}")
            return parsed(await got.read())


async def turn_down_redirect(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: Any
) -> NoReturn:
    where = params.response.headers.get("Location", "")
    raise Refused("redirected", f"{params.url.with_query(None)} redirects to {where[:200]!r}; give that URL")


@contextlib.contextmanager
def translated(url: str) -> Any:
    """Errors of the network as ours; the query of a URL holds secrets and is not said."""
    shown = without_secrets(url)
    try:
        yield
    except aiohttp.WSServerHandshakeError as error:
        hint = {401: ": is the key right?", 403: ": is the key allowed to?", 404: ": is the path right?"}
        raise Refused(
            "upgrade",
            f"{shown} refused the websocket with {error.status}{hint.get(error.status, '')}",
            status=error.status,
        ) from error
    except aiohttp.InvalidURL as error:
        raise UsageError(f"{shown} is no URL that can be reached") from error
    except TimeoutError as error:
        raise ConnectionLost(f"{shown} did not answer in time; is a server there?") from error
    except aiohttp.ClientConnectorError as error:
        way_out = _way_out(shown, tls=isinstance(error, aiohttp.ClientSSLError))
        raise ConnectionLost(f"{shown} cannot be reached ({_reason(error)}); {way_out}") from error
    except (aiohttp.ClientError, OSError) as error:
        raise ConnectionLost(f"{shown} broke the connection: {str(error) or type(error).__name__}") from error


def _reason(error: aiohttp.ClientConnectorError) -> str:
    """The system's own words; asyncio's are about the call that it made."""
    number = error.os_error.errno
    # These have numbers of their own.
    foreign = isinstance(error.os_error, socket.gaierror | ssl.SSLError)
    if foreign or number is None or number <= 0:
        return error.strerror or str(error.os_error) or "no connection"
    return os.strerror(number)


def _way_out(shown: str, *, tls: bool) -> str:
    if tls:
        return "does it speak TLS there, with a certificate that this machine trusts?"
    if urlsplit(shown).hostname in LOOPBACK:
        return "is the server running? `emu serve` starts one"
    return "is the address right, and the server running?"


def as_given(url: str) -> URL:
    """A URL is opaque: not one of its characters is spelled anew."""
    return URL(url, encoded=True)


def without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def parsed(content: bytes) -> Any:
    """Parsed JSON; else a text that a sentence can hold."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        pass
    text = " ".join(content.decode("utf-8", "replace").split())
    if text[:1] == "<":
        return "an HTML page"
    return text[:200] or "nothing"
