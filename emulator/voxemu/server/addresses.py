"""Addresses that are listened on, and whether others can reach them."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from ipaddress import ip_address

from voxemu.errors import SettingsError
from voxemu.server.holder import holder_of


def is_loopback(host: str) -> bool:
    name = host.strip("[]").lower()
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def bound_socket(host: str, port: int, setting: str) -> socket.socket:
    """One socket; ``localhost`` is the first address it has."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        # What calls itself localhost and means one address mostly means the old one.
        family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        return socket.create_server(address[:2], family=family)
    except socket.gaierror as error:
        raise SettingsError(f"host {host!r} is no address of this machine: {error.strerror}") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            by = holder_of(port)
            taken = f"taken by {by}" if by else "taken"
            flag = f"--{setting.replace('_', '-')}"
            what = f"{setting} {port} on {host} is {taken}; choose another with {flag}, or 0 for any free one"
        elif error.errno == errno.EACCES:
            what = f"{setting} {port} on {host} may not be used by this user; choose one above 1023"
        else:
            what = f"cannot listen on {host}, {setting} {port}: {os.strerror(error.errno or 0)}"
        raise SettingsError(what) from error


def tls_context(cert: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:
        # ssl.SSLError is one, too, and says where in OpenSSL and not what.
        pair = "both must be PEM files, and the key the certificate's"
        reason = pair if isinstance(error, ssl.SSLError) else error.strerror or error
        raise SettingsError(f"tls_cert {cert} and tls_key {key} cannot be used: {reason}") from error
    return context


def url_of(scheme: str, host: str, bound: socket.socket) -> str:
    shown = host.strip("[]")
    return f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{bound.getsockname()[1]}"
