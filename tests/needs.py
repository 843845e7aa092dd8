"""What a test needs from the machine, beside Python: said in one line when it is missing."""

from __future__ import annotations

import ctypes.util
import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def require_tool(name: str, hint: str = "") -> str:
    """The path of a program on the PATH; without it the test is skipped, or fails (see ``lack``)."""
    found = shutil.which(name)
    return found if found is not None else lack(f"the program {name} is not on the PATH", hint)


def require_file(path: str | os.PathLike[str], hint: str = "") -> Path:
    """A file the machine may have; without it the test is skipped, or fails (see ``lack``)."""
    found = Path(path)
    return found if found.is_file() else lack(f"there is no file {found}", hint)


def require_library(name: str, hint: str = "") -> str:
    """The file of a shared library, such as `portaudio`; without it as for a tool."""
    found = ctypes.util.find_library(name)
    return found if found is not None else lack(f"the shared library {name} is not installed", hint)


def lack(reason: str, hint: str = "") -> NoReturn:
    """End this test because the machine lacks something: a skip for a developer, a failure in CI.

    CI sets VOXEMU_REQUIRE_ALL=1, so that a test cannot go quiet there because a package was renamed.
    """
    sentence = f"{reason} ({hint})" if hint else reason
    if os.environ.get("VOXEMU_REQUIRE_ALL") == "1":
        pytest.fail(f"{sentence}, and VOXEMU_REQUIRE_ALL=1", pytrace=False)
    pytest.skip(sentence)
