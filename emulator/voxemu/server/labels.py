"""Whose session it is: the label of a request, by its own header or by its key."""

from __future__ import annotations

from collections.abc import Mapping

from voxemu.errors import Refused
from voxemu.provider import Asked, Key, KeyRing

LABEL_HEADER = "x-emu-label"
LONGEST = 80
SECRET_QUERY = ("api_key", "ticket", "token")
SECRET_HEADERS = ("x-api-key", "authorization")


def secrets_in(asked: Asked) -> list[str]:
    """Keys and tickets that a request itself carries."""
    return [asked.query[name] for name in SECRET_QUERY if asked.query.get(name)] + shown_in(asked.headers)


def shown_in(headers: Mapping[str, str]) -> list[str]:
    """The keys that headers carry."""
    found = [headers.get(name, "").removeprefix("Bearer ").strip() for name in SECRET_HEADERS]
    return [key for key in found if key]


def key_in(asked: Asked, keys: KeyRing) -> Key:
    """Whose key the request shows; nobody's where none is known."""
    for secret in secrets_in(asked):
        try:
            key = keys.check(secret)
        except Refused:
            continue
        if key != Key():
            return key
    return Key()


def label_in(asked: Asked) -> str:
    """What the header says, printable and not too long; "" without one."""
    said = asked.headers.get(LABEL_HEADER, "").strip()
    return "".join(sign for sign in said if sign.isprintable())[:LONGEST]
