"""Packages whose parts are loaded when somebody asks for them.

A server that only listens, and `emu --help`, need hardly any of them: importing all takes longer than all
that they do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def on_demand(package: str, parts: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's ``__getattr__``: ``parts`` says in which of its modules a name is.

    What type checkers are to know of it stands beside it under ``if TYPE_CHECKING:``.
    """

    def found(name: str) -> Any:
        if name not in parts:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{parts[name]}"), name)

    return found
