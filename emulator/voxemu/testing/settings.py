"""The settings of the emulator of one test: a ladder whose upper rungs win, checked as ``emu serve`` does.

From below: the project's file (``emu.toml`` or ``[tool.emu]``), the fixture ``emu_settings``, the marker, the
options, and what the test itself sets. ``EMU_*`` variables are not read: a test gives the same result in
every shell.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from voxemu.errors import SettingsError
from voxemu.server.config import Config, checked
from voxemu.server.ladder import Gathered, gather
from voxemu.server.run import check_ahead

OF_SERVE = (
    "host",
    "port",
    "public_url",
    "ready_file",
    "json",
    "record",
    "tls_port",
    "tls_cert",
    "tls_key",
)
# Where `emu serve` listens and what it writes is not for tests.
FOR_GOOD = (
    "provider",
    "allow_host",
    "allow_origin",
    "livekit",
    "livekit_url",
    "limits.http_body",
    "limits.unused_starts",
)
# What a server is built with.


class Rung(NamedTuple):
    """Settings as in ``emu.toml``, nested or dotted, and who says them."""

    source: str
    tables: Mapping[str, Any]


def settled(file: Path | None, rungs: Sequence[Rung], *, record: Path | None = None) -> Config:
    """Raises SettingsError with one line for each thing that is wrong, naming who said it."""
    found = gather(str(file or os.devnull), {}, {})
    for name in OF_SERVE:
        found.tree.pop(name, None)
    for rung in rungs:
        _put(found, rung)
    found.put(("port",), 0, "the fixtures")
    if "livekit" not in found.tree:
        # A test needs no server beside its emulator, and finds the same rooms on every machine.
        found.put(("livekit",), "embedded", "the fixtures")
    if record is not None:
        found.put(("record",), str(record), "--emu-record")
    config = checked(found)
    check_ahead(config)
    return config


def project_file(folder: Path) -> Path | None:
    """The settings file of a project, where it has one."""
    for name in ("emu.toml", "pyproject.toml"):
        if (folder / name).is_file():
            return folder / name
    return None


def leaves(tables: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every setting and its path. A provider may be named with its hyphen."""
    for name, value in tables.items():
        path = (*above, *str(name).replace("-", "_").split("."))
        if isinstance(value, Mapping):
            yield from leaves(value, path)
        else:
            yield path, value


def _put(found: Gathered, rung: Rung) -> None:
    for path, value in leaves(rung.tables):
        shown = ".".join(path)
        if path[0] in OF_SERVE:
            raise SettingsError(
                f"{rung.source}: {shown!r} is a setting of `emu serve`; "
                "the emulator of a test listens on a free port of this machine"
            )
        if path == ("agent",) and not isinstance(value, str):
            # As in the file, where [[agent]] tables share the name.
            path = ("[[agent]]",)
        for length in range(1, len(path)):
            found.sources[path[:length]] = f"{rung.source}: {'.'.join(path[:length])}"
        try:
            found.put(path, value, f"{rung.source}: {shown}")
        except (TypeError, AttributeError):
            raise SettingsError(f"{rung.source}: {shown!r} is no table") from None
