"""The wheel holds the two packages and nothing else, so that nobody's own `client` or `tests` is shadowed."""

from __future__ import annotations

import configparser
import email
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

import pytest

import voxemu
from voxemu import prompts


@pytest.fixture(scope="module")
def wheel(wheel_file: Path) -> ZipFile:
    return ZipFile(wheel_file)


def dist_info(wheel: ZipFile, name: str) -> str:
    return wheel.read(f"voxemu-{voxemu.__version__}.dist-info/{name}").decode()


@pytest.fixture(scope="module")
def metadata(wheel: ZipFile) -> Message:
    return email.message_from_string(dist_info(wheel, "METADATA"))


def test_the_wheel_brings_two_packages_and_nothing_else(wheel: ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"voxemu", "voxemu_client", f"voxemu-{voxemu.__version__}.dist-info"}


def test_the_wheel_holds_every_file_of_both_packages(wheel: ZipFile, top: Path) -> None:
    sources = {
        str(file.relative_to(root))
        for root in (top / "emulator", top / "client")
        for file in root.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == sources


def test_both_packages_arrive_typed(wheel: ZipFile) -> None:
    assert {"voxemu/py.typed", "voxemu_client/py.typed"} <= set(wheel.namelist())


def test_every_prompt_arrives_as_it_is(wheel: ZipFile) -> None:
    arrived = {name: wheel.read(f"voxemu/prompts/{name}.wav") for name in prompts.names()}
    assert arrived
    assert arrived == {name: prompts.path(name).read_bytes() for name in prompts.names()}


def test_the_licence_comes_along(wheel: ZipFile, metadata: Message, top: Path) -> None:
    assert metadata["License-Expression"] == "MIT"
    assert dist_info(wheel, "licenses/LICENSE") == (top / "LICENSE").read_text()


def test_the_metadata_says_what_it_is_and_what_it_needs(metadata: Message) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("voxemu", voxemu.__version__)
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get_all("Provides-Extra") == ["dev", "devices", "fast", "livekit"]


def test_nothing_optional_is_needed_for_an_ordinary_install(metadata: Message) -> None:
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(line.split("<")[0].split(">")[0] for line in needed) == [
        "aiohttp",
        "click",
        "msgspec",
        "numpy",
        "pybase64",
        "pydantic",
        "pyjwt",
        "soundfile",
        "soxr",
    ]


def test_the_command_and_the_client_that_plugs_into_it_are_found(wheel: ZipFile) -> None:
    points = configparser.ConfigParser(delimiters="=")
    points.read_string(dist_info(wheel, "entry_points.txt"))
    assert {section: dict(points[section]) for section in points.sections()} == {
        "console_scripts": {"emu": "voxemu.cli:main"},
        "pytest11": {"voxemu": "voxemu.pytest_plugin"},
        "voxemu.commands": {
            name: f"voxemu_client.cli:{name}" for name in ("client", "rehearse", "check", "load")
        },
    }
