"""Keeps keys, tickets and tokens out of everything that is written down."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote, quote_plus

from msgspec import Struct
from msgspec.structs import asdict

MASK = "***"

SHORT = 6
# A secret shorter than this is masked as a whole word only: the key "a" must not eat every text.
TELLING = 12
# This many first characters give a secret away: an excerpt may be cut in the middle of one.
DEEPEST = 32
LONGEST = 20_000
# Characters of one text that are written down. No page has a longer one; strangers send millions.
WIDEST = 10_000
# Entries of one list or object.

LOOKS_SECRET = re.compile(
    r"""(?ix)
    (?P<lead> bearer \s+
      | \\? ["']? \b (?: [\w-]{0,40} (?: token|secret|password ) | x?[-_]?api[-_]?key | authorization )
        \\? ["']? \s* [:=] \s* \\? ["']? (?: bearer \s+ )? )
    [^\s"'\\&,;}]{4,}
    | \b eyJ [\w-]{8,} (?: \. [\w-]* )*    # a JWT
    """
)
NAMES_SECRET = re.compile(r"(?i)(token|secret|password|api[-_]?key|authorization)$|^key$")


class Mask:
    """Replaces every known secret, and whatever looks like one, by ``***``.

    A secret is found as it is, percent-encoded, and cut short after its first dozen characters.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._known: re.Pattern[str] | None = None
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        new = {secret.strip() for secret in secrets if secret and secret.strip()} - self._secrets
        if new:
            self._secrets |= new
            self._known = _pattern(self._secrets)

    def hides(self, text: str) -> bool:
        """Whether one of the known secrets is in this text."""
        return self._known is not None and self._known.search(text[:LONGEST]) is not None

    def text(self, text: str) -> str:
        if len(text) > LONGEST:
            text = f"{text[:LONGEST]}… ({len(text)} characters)"
        if self._known is not None:
            text = self._known.sub(MASK, text)
        return LOOKS_SECRET.sub(lambda found: (found["lead"] or "") + MASK, text)

    def plain(self, value: Any, depth: int = 0) -> Any:
        """``value`` as JSON can say it, secrets masked: what is no number becomes text, bytes a length."""
        match value:
            case None | bool() | int():
                return value
            case str():
                return self.text(value)
            case float():
                return value if math.isfinite(value) else str(value)
            case bytes() | bytearray():
                return f"{len(value)} bytes"
        if depth >= DEEPEST:
            return "…"
        if isinstance(value, Mapping):
            return {
                self.text(str(name)): MASK
                if isinstance(item, str) and NAMES_SECRET.search(str(name))
                else self.plain(item, depth + 1)
                for name, item in islice(value.items(), WIDEST)
            }
        if isinstance(value, Struct):
            return self.plain(asdict(value), depth)
        if is_dataclass(value) and not isinstance(value, type):
            named = {field.name: getattr(value, field.name) for field in fields(value)}
            return self.plain(named, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return [self.plain(item, depth + 1) for item in islice(value, WIDEST)]
        return self.text(str(value))


def _pattern(secrets: set[str]) -> re.Pattern[str]:
    whole = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
    starts = sorted({form[:TELLING] for form in whole if len(form) > TELLING})
    parts = [re.escape(form) if len(form) >= SHORT else rf"\b{re.escape(form)}\b" for form in whole]
    parts += [re.escape(start) + r"""[^\s"'\\&,;}]*""" for start in starts]
    return re.compile("|".join(parts))


def _forms(secret: str) -> set[str]:
    encoded = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    lower = {re.sub(r"%[0-9A-F]{2}", lambda hex_: hex_[0].lower(), form) for form in encoded}
    return {secret} | encoded | lower
