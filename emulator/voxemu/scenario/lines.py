"""On which line of a TOML file a value stands: what the parser knows and does not tell.

The text has been parsed already, so it is valid; only keys and brackets are looked for. What stands inside
an inline table or an array belongs to the line of the key in front of it.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

OPEN = "\0"
# Stands for quotes that have not been closed.

Location = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[\[?)\s*(?P<path>[^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""\s*(?P<path>(?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_TRIPLE = re.compile(r""""{3}(?:\\.|[^\\])*?"{3}|'{3}.*?'{3}""", re.DOTALL)
_REST = re.compile(r""""{3}|'{3}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|\#[^\n]*""")
# One after the other, so that three quotes that are not closed yet are no empty string.


class Lines:
    """Line numbers by location, counted from 1; a location is keys and positions in arrays of tables."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Location, int] = {(): 1}
        table: Location = ()
        counts: dict[Location, int] = {}
        lines = text.splitlines()
        # A value over several lines: the keys in its strings and tables are none of ours.
        open_until = 0
        for number, line in enumerate(lines, start=1):
            if number <= open_until:
                continue
            if (header := _HEADER.match(line)) is not None and not _KEY.match(line):
                table = self._enter(_keys(header["path"]), header[1] == "[[", counts)
                for length in range(1, len(table) + 1):
                    self._lines.setdefault(table[:length], number)
            elif (key := _KEY.match(line)) is not None:
                location = (*table, *_keys(key["path"]))
                for length in range(len(table) + 1, len(location) + 1):
                    self._lines.setdefault(location[:length], number)
                open_until = _last_line(lines, number)

    def of(self, location: Location) -> int:
        """Of this value, or of the nearest thing around it."""
        while location not in self._lines:
            location = location[:-1]
        return self._lines[location]

    def _enter(self, keys: list[str], is_array: bool, counts: dict[Location, int]) -> Location:
        """The table that a header opens; ``[caller.step.x]`` belongs to the last ``[[caller.step]]``."""
        table: Location = ()
        for at, key in enumerate(keys):
            table = (*table, key)
            if is_array and at == len(keys) - 1:
                counts[table] = counts.get(table, -1) + 1
            if table in counts:
                table = (*table, counts[table])
        return table


def _keys(path: str) -> list[str]:
    keys: list[str] = []
    found: Any = tomllib.loads(f"{path} = 0")
    while isinstance(found, dict):
        ((key, found),) = found.items()
        keys.append(key)
    return keys


def _last_line(lines: list[str], number: int) -> int:
    """Where the value that begins on this line ends."""
    for last in range(number, len(lines) + 1):
        text = "\n".join(lines[number - 1 : last])
        rest = _REST.sub(_kept_open, _TRIPLE.sub("", text))
        if OPEN in rest:
            continue
        if rest.count("[") + rest.count("{") <= rest.count("]") + rest.count("}"):
            return last
    return number


def _kept_open(found: re.Match[str]) -> str:
    return OPEN if found[0] in ('"""', "'''") else ""
