"""The house is built as its plan says: directions of imports, laws of the core, doors, names.

The tables come first: whoever changes the plan changes them. Then the house as it is, then every rule
on small made-up houses, to show that it can fail.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import house as rules
from tests.needs import lack, require_tool

# From the ground up. A room may import what is in the rows above it in this table, and itself.
LAYERS = [
    ["voxemu.errors", "voxemu.audio", "voxemu.fault", "voxemu.loading"],
    ["voxemu.events"],
    ["voxemu.roombook", "voxemu.agent", "voxemu.engine", "voxemu.provider"],
    [
        "voxemu.wire",
        "voxemu.agents",
        "voxemu.dialogue",
        "voxemu.record",
        "voxemu.lint",
        "voxemu.drive",
        "voxemu.rooms",
        "voxemu.spoiler",
    ],
    ["voxemu.tables", "voxemu.greeting", "voxemu.prompts", "voxemu.fault_table"],
    ["voxemu.scenario", "voxemu.replay", "voxemu.overheard"],
    ["voxemu.casting"],
    ["voxemu_client.prompts", "voxemu_client.playback", "voxemu_client.speech", "voxemu_client.phases"],
    ["voxemu_client.silence", "voxemu_client.web", "voxemu_client.captions", "voxemu_client.voice_gate"],
    ["voxemu_client.room_ears"],
    ["voxemu_client.room"],
    [
        "voxemu_client.microphone",
        "voxemu_client.barge_in",
        "voxemu_client.agenda",
        "voxemu_client.clips",
    ],
    ["voxemu_client.account"],
    ["voxemu_client.script"],
    [
        "voxemu_client.caller",
        "voxemu_client.telling",
        "voxemu_client.manners",
        "voxemu_client.staging",
        "voxemu_client.entering",
    ],
    ["voxemu_client.judging"],
    ["voxemu_client.reporting"],
    [
        "voxemu.server",
        "voxemu.compare_run",
        "voxemu.lint_run",
        "voxemu.recover_run",
        "voxemu_client.dial",
        "voxemu_client.devices",
    ],
    ["voxemu_client.summary", "voxemu_client.agents_side"],
    ["voxemu_client.own_child"],
    ["voxemu_client.calling", "voxemu_client.rehearsing", "voxemu.testing"],
    ["voxemu_client.rehearsal_run", "voxemu_client.checking", "voxemu_client.load"],
    ["voxemu_client.check_run"],
    ["voxemu.cli", "voxemu.pytest_plugin", "voxemu_client.cli", "voxemu_client.demo"],
    ["voxemu.__main__", "voxemu_client.__main__"],
]

# In these rows neighbours may import each other, as long as they make no circle; wings and doors may not.
FRIENDS = [0, 2]

# Which of our packages a package may import.
ROOTS = {"voxemu": ["voxemu"], "voxemu_client": ["voxemu_client", "voxemu"]}

# Where sockets, clocks and dice belong. Everything else is the core.
SHELL = [
    "voxemu.server",
    "voxemu.compare_run",
    "voxemu.lint_run",
    "voxemu.recover_run",
    "voxemu.cli",
    "voxemu.__main__",
    "voxemu.pytest_plugin",
    "voxemu.testing",
    "voxemu_client.web",
    "voxemu_client.room",
    "voxemu_client.room_ears",
    "voxemu_client.dial",
    "voxemu_client.agents_side",
    "voxemu_client.devices",
    "voxemu_client.calling",
    "voxemu_client.own_child",
    "voxemu_client.rehearsing",
    "voxemu_client.rehearsal_run",
    "voxemu_client.checking",
    "voxemu_client.check_run",
    "voxemu_client.load.fleet",
    "voxemu_client.load.machine",
    "voxemu_client.load.run",
    "voxemu_client.load.sessions",
    "voxemu_client.load.worker",
    "voxemu_client.cli",
    "voxemu_client.__main__",
    "voxemu_client.demo",
]

# What the core may not use: it is given `now`, a seeded random.Random and a `new_id` instead.
BANNED = [
    "aiohttp",
    "asyncio",
    "datetime",
    "logging",
    "os.getrandom",
    "os.urandom",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "threading",
    "time",
    "uuid",
]

# May be named in annotations, under `if TYPE_CHECKING:`.
FOR_TYPES = ["random"]

# Excepted by name. The pump turns the crank in real time, on a websocket of either shell's, woken by the
# wheel, until somebody says stop; rooms are media over the network.
ALLOWED = {
    "voxemu.drive.pump": ["asyncio"],
    "voxemu.drive.stopping": ["asyncio"],
    "voxemu.drive.websocket": ["aiohttp", "asyncio"],
    "voxemu.drive.wheel": ["asyncio"],
    "voxemu.rooms": ["aiohttp", "asyncio", "datetime", "logging", "secrets", "socket", "subprocess", "time"],
}

# One door per third-party package.
DOORS = {
    "aiohttp": [
        "voxemu.drive.websocket",
        "voxemu.server",
        "voxemu.rooms",
        "voxemu_client.dial",
        "voxemu_client.web",
    ],
    "click": ["voxemu.cli", "voxemu_client.cli"],
    "jwt": ["voxemu.server", "voxemu.rooms.embedded"],
    "aioice": ["voxemu.rooms.embedded"],
    "aiortc": ["voxemu.rooms.embedded"],
    "av": ["voxemu.rooms.embedded"],
    "google": ["voxemu.rooms"],
    "livekit": ["voxemu.server", "voxemu.rooms", "voxemu_client.room", "voxemu_client.room_ears"],
    "numpy": [
        "voxemu.audio",
        "voxemu.agents",
        "voxemu.dialogue",
        "voxemu.lint",
        "voxemu.record",
        "voxemu.rooms.backdrop",
        "voxemu.spoiler",
    ],
    # Events and what else a call makes by the thousand are its Structs: a fifth of what a frozen dataclass
    # takes to be made, and a start need not compile a module's worth of methods for each class.
    "msgspec": [
        "voxemu.fault",
        "voxemu.events",
        "voxemu.agent",
        "voxemu.tables",
        "voxemu.wire",
        "voxemu.agents",
        "voxemu.dialogue",
        "voxemu.record.masking",
        "voxemu.record.timeline",
        "voxemu.server",
        "voxemu.lint_run",
    ],
    "pybase64": ["voxemu.wire"],
    "pydantic": ["voxemu.scenario"],
    "pylibsrtp": ["voxemu.rooms.embedded"],
    "pytest": ["voxemu.pytest_plugin"],
    "sounddevice": ["voxemu_client.devices"],
    "soundfile": ["voxemu.record", "voxemu_client.clips"],
    "soxr": ["voxemu.audio"],
    "uvloop": ["voxemu.server.loops"],
    "yarl": ["voxemu.server.relay", "voxemu_client.web"],
}

# Wants a system library (PortAudio), so it is imported only when sound is really asked for.
INSIDE_FUNCTIONS = ["sounddevice"]

# Distributions whose import name is another.
IMPORT_NAMES = {
    "PyJWT": "jwt",
    "livekit-api": "livekit",
    "protobuf": "google",
}

POOR_WORDS = ["manager", "helper", "helpers", "util", "utils", "base", "data", "info", "process"]

# Registry hosts and paths of a machine: they would tie the project to the place where it was written.
# Every name is broken in two, so that this file does not hold what it looks for.
PRIVATE_PLACES = re.compile(
    "|".join(
        first + second
        for first, second in [
            ("py", "pi[.]org"),
            ("python", "hosted"),
            ("npm", "js[.](org|com)"),
            ("(proxy|sum)[.]go", "lang"),
            ("deb[.]deb", "ian"),
            ("deb", "ian[.]org"),
            ("/ro", "ot/"),
            ("/ho", "me/[a-z]"),
            ("/Us", "ers/[A-Za-z]"),
            ("/wo", "rk/"),
            ("/fa", "rm/"),
        ]
    )
)


# --- The house as it is -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def roots(top: Path) -> list[Path]:
    return [top / "emulator", top / "client"]


@pytest.fixture(scope="module")
def house(roots: list[Path]) -> list[rules.Module]:
    return rules.read_house(*roots)


def test_both_packages_are_read(house: list[rules.Module]) -> None:
    assert {"voxemu", "voxemu.dialogue", "voxemu_client", "voxemu_client.prompts"} <= {m.name for m in house}


def test_imports_follow_the_arrows_of_the_plan(house: list[rules.Module]) -> None:
    assert rules.arrows(house, LAYERS, ROOTS, FRIENDS) == []


def test_no_modules_import_each_other_in_a_circle(house: list[rules.Module]) -> None:
    assert rules.circles(house) == []


def test_the_core_reads_no_clock_opens_no_socket_and_rolls_no_dice(house: list[rules.Module]) -> None:
    assert rules.impurities(house, shell=SHELL, banned=BANNED, for_types=FOR_TYPES, allowed=ALLOWED) == []


def test_third_party_packages_come_in_through_their_door(house: list[rules.Module]) -> None:
    assert rules.doors(house, DOORS, INSIDE_FUNCTIONS) == []


def test_every_dependency_has_a_door(top: Path) -> None:
    project = tomllib.loads((top / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = project["dependencies"] + extras["devices"] + extras["livekit"]
    names = [re.split(r"[^A-Za-z0-9_.-]", requirement)[0] for requirement in needed]
    assert [name for name in names if IMPORT_NAMES.get(name, name) not in DOORS] == []


def test_modules_are_named_after_what_is_in_them(house: list[rules.Module]) -> None:
    assert rules.poor_names(house, POOR_WORDS) == []


def test_both_packages_are_typed(roots: list[Path]) -> None:
    assert rules.untyped_packages(*roots) == []


def test_no_file_names_a_registry_or_a_place_on_somebodys_machine(top: Path) -> None:
    git = require_tool("git")
    if not (top / ".git").exists():
        lack("these files are not a git checkout")
    # New files too, so that it shows before they are committed; -z gives names as they are. In a container
    # the files often belong to somebody else, which git refuses unless told.
    trusting = ["-c", f"safe.directory={top}"]
    listed = subprocess.run(
        [git, *trusting, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=top,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    files = [file for name in listed.split("\0") if name and (file := top / name).is_file()]
    assert files
    assert private_places(files) == []


def private_places(files: list[Path]) -> list[str]:
    """The lines of text files that name such a place."""
    return [
        f"{file}:{number}: {found[0]}"
        for file in files
        if b"\0" not in (content := file.read_bytes())
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1)
        if (found := PRIVATE_PLACES.search(line))
    ]


# --- Every rule can fail ------------------------------------------------------------------------------------

Build = Callable[[dict[str, str]], list[rules.Module]]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Makes a house of module names and their source, each package under its own root."""

    def build(sources: dict[str, str]) -> list[rules.Module]:
        made = {"voxemu": tmp_path / "emulator", "voxemu_client": tmp_path / "client"}
        for root in made.values():
            root.mkdir()
        for name, source in sources.items():
            place = made[name.partition(".")[0]].joinpath(*name.split("."))
            is_package = any(other.startswith(name + ".") for other in sources)
            file = place / "__init__.py" if is_package else place.with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source)
        return rules.read_house(*made.values())

    return build


@pytest.mark.parametrize(
    ("importer", "source", "reached", "complaint"),
    [
        ("voxemu.events", "import voxemu.engine", "voxemu.engine", "above"),
        ("voxemu.audio", "from voxemu.events import Uplink", "voxemu.events", "above"),
        ("voxemu.engine", "from voxemu import dialogue", "voxemu.dialogue", "above"),
        ("voxemu.wire.lokutor", "from voxemu.server import app", "voxemu.server.app", "above"),
        ("voxemu.server.app", "def f():\n    import voxemu.cli", "voxemu.cli", "above"),
        ("voxemu.wire.lokutor", "from voxemu.dialogue.vad import Vad", "voxemu.dialogue.vad", "beside"),
        ("voxemu.drive.pump", "import voxemu.record.timeline", "voxemu.record.timeline", "beside"),
        (
            "voxemu.agents.echo",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from voxemu.dialogue import Turn",
            "voxemu.dialogue",
            "beside",
        ),
        ("voxemu.cli", "import voxemu.pytest_plugin", "voxemu.pytest_plugin", "beside"),
        ("voxemu_client.dial", "import voxemu.server.app", "voxemu.server.app", "beside"),
        ("voxemu_client.caller", "from voxemu_client import dial", "voxemu_client.dial", "above"),
        ("voxemu.cli", "from voxemu_client.cli import client", "voxemu_client.cli", "voxemu never imports"),
        ("voxemu.dialogue.vad", "import voxemu_client", "voxemu_client", "voxemu never imports"),
        ("voxemu", "from voxemu.errors import EmuError", "voxemu.errors", "above"),
    ],
)
def test_an_import_against_the_arrows_is_found(
    build: Build, importer: str, source: str, reached: str, complaint: str
) -> None:
    built = build(
        {importer: source, reached: ""} if importer != "voxemu" else {reached: "", importer: source}
    )
    (broken,) = rules.arrows(built, LAYERS, ROOTS, FRIENDS)
    assert f"{importer} imports {reached}" in broken
    assert complaint in broken


@pytest.mark.parametrize(
    ("importer", "source", "reached"),
    [
        ("voxemu.audio", "from voxemu.errors import EmuError", "voxemu.errors"),
        ("voxemu.provider", "from voxemu.engine import Engine", "voxemu.engine"),
        ("voxemu.wire.lokutor", "from voxemu.wire.json_forms import read", "voxemu.wire.json_forms"),
        ("voxemu.server.app", "from voxemu.dialogue.session import Session", "voxemu.dialogue.session"),
        ("voxemu.server.app", "from voxemu import __version__", "voxemu"),
        ("voxemu_client.dial", "from voxemu.wire import PROVIDERS", "voxemu.wire"),
        ("voxemu_client.demo", "from voxemu.server.app import serve", "voxemu.server.app"),
        ("voxemu_client.cli", "from voxemu_client import prompts", "voxemu_client.prompts"),
        ("voxemu.cli", "import json, click, voxemusic", "voxemu.server"),
    ],
)
def test_an_import_along_the_arrows_is_free(build: Build, importer: str, source: str, reached: str) -> None:
    assert rules.arrows(build({importer: source, reached: ""}), LAYERS, ROOTS, FRIENDS) == []


def test_a_module_outside_the_plan_is_found(build: Build) -> None:
    (broken,) = rules.arrows(build({"voxemu.attic": ""}), LAYERS, ROOTS, FRIENDS)
    assert "voxemu.attic has no place in the plan" in broken


def test_a_circle_is_found_however_long(build: Build) -> None:
    built = build(
        {
            "voxemu.wire.a": "from voxemu.wire import b",
            "voxemu.wire.b": "def later():\n    from voxemu.wire.c import name",
            "voxemu.wire.c": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import voxemu.wire.a",
            "voxemu.wire.d": "import voxemu.wire.a",
        }
    )
    assert rules.circles(built) == ["voxemu.wire.a -> voxemu.wire.b -> voxemu.wire.c -> voxemu.wire.a"]


def test_a_package_that_gathers_its_own_modules_is_no_circle(build: Build) -> None:
    built = build(
        {
            "voxemu.wire": "from voxemu.wire import a\nfrom voxemu.wire.b import B",
            "voxemu.wire.a": "from voxemu.wire.b import B",
            "voxemu.wire.b": "",
        }
    )
    assert rules.circles(built) == []


@pytest.mark.parametrize(
    ("importer", "source", "banned"),
    [
        ("voxemu.dialogue.vad", "import time", "time"),
        ("voxemu.dialogue.vad", "from time import monotonic", "time"),
        ("voxemu.record.recording", "from datetime import datetime", "datetime"),
        ("voxemu.wire.lokutor", "import uuid", "uuid"),
        ("voxemu.wire.lokutor", "import asyncio.queues", "asyncio"),
        ("voxemu.drive.link", "def f():\n    import random\n    return random.random()", "random"),
        ("voxemu.drive.rehearsal", "import asyncio", "asyncio"),
        ("voxemu.drive.pump", "import logging", "logging"),
        ("voxemu.rooms.port", "import uuid", "uuid"),
        ("voxemu.agents.echo", "import os\nos.urandom(8)", "os.urandom"),
        ("voxemu.agents.echo", "import os as system\nkey = system.urandom", "os.urandom"),
        ("voxemu.agents.echo", "from os import urandom", "os.urandom"),
        ("voxemu.agents.echo", "import secrets", "secrets"),
        (
            "voxemu.agents.tone",
            "import numpy as np\nnp.random.default_rng()",
            "numpy.random.default_rng without a seed",
        ),
        ("voxemu.agents.tone", "from numpy.random import rand\nrand(3)", "numpy.random.rand"),
        ("voxemu_client.caller", "import logging", "logging"),
        ("voxemu_client.playback", "import aiohttp", "aiohttp"),
        (
            "voxemu.engine",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    import random",
            "random",
        ),
    ],
)
def test_a_clock_a_socket_or_dice_in_the_core_are_found(
    build: Build, importer: str, source: str, banned: str
) -> None:
    (broken,) = rules.impurities(
        build({importer: source}), shell=SHELL, banned=BANNED, for_types=FOR_TYPES, allowed=ALLOWED
    )
    assert f"{importer} is below the shell and may not use {banned}" in broken


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("voxemu.server.app", "import asyncio, aiohttp, time, secrets"),
        ("voxemu.cli", "import logging"),
        ("voxemu_client.dial", "import asyncio"),
        ("voxemu.drive.pump", "import asyncio"),
        ("voxemu.rooms.embedded", "import asyncio, aiohttp"),
        ("voxemu.drive.link", "import typing\nif typing.TYPE_CHECKING:\n    import random"),
        (
            "voxemu.drive.link",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from random import Random",
        ),
        ("voxemu.agents.tone", "import numpy as np\nrng: np.random.Generator = np.random.default_rng(7)"),
        ("voxemu.wire.lokutor", "import timeit, os.path, randomised"),
        ("voxemu.record.timeline", "time = 3\nprint(time)"),
    ],
)
def test_what_the_shell_and_the_exceptions_use_is_free(build: Build, importer: str, source: str) -> None:
    built = build({importer: source})
    assert rules.impurities(built, shell=SHELL, banned=BANNED, for_types=FOR_TYPES, allowed=ALLOWED) == []


@pytest.mark.parametrize(
    ("importer", "source", "complaint"),
    [
        ("voxemu.wire.lokutor", "import numpy as np", "imports numpy, whose door is voxemu.audio, "),
        (
            "voxemu.audio",
            "from soundfile import SoundFile",
            "imports soundfile, whose door is voxemu.record, ",
        ),
        ("voxemu.audiobook", "import soxr", "imports soxr, whose door is voxemu.audio"),
        ("voxemu.server.app", "import ujson", "imports ujson, which has no door"),
        ("voxemu_client.devices", "import sounddevice", "inside the function"),
    ],
)
def test_a_package_that_comes_in_elsewhere_than_through_its_door_is_found(
    build: Build, importer: str, source: str, complaint: str
) -> None:
    (broken,) = rules.doors(build({importer: source}), DOORS, INSIDE_FUNCTIONS)
    assert complaint in broken


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("voxemu.audio", "import json, soxr\nimport numpy.typing as npt"),
        ("voxemu.agents.tone", "import numpy as np"),
        ("voxemu_client.devices", "def play():\n    import sounddevice"),
        ("voxemu_client.cli", "import click\nfrom voxemu.events import Uplink"),
    ],
)
def test_a_package_that_comes_in_through_its_door_is_free(build: Build, importer: str, source: str) -> None:
    assert rules.doors(build({importer: source, "voxemu.events": ""}), DOORS, INSIDE_FUNCTIONS) == []


@pytest.mark.parametrize(
    ("name", "word"),
    [("voxemu.session_manager", "manager"), ("voxemu.wire.utils", "utils"), ("voxemu_client.info", "info")],
)
def test_a_name_that_says_nothing_is_found(build: Build, name: str, word: str) -> None:
    (broken,) = rules.poor_names(build({name: ""}), POOR_WORDS)
    assert repr(word) in broken


def test_a_word_is_not_found_inside_another(build: Build) -> None:
    assert rules.poor_names(build({"voxemu.database": "", "voxemu.processing": ""}), POOR_WORDS) == []


def test_a_package_without_py_typed_is_found(build: Build, tmp_path: Path) -> None:
    build({"voxemu": "", "voxemu.audio": ""})
    assert rules.untyped_packages(tmp_path / "emulator", tmp_path / "client") == ["voxemu has no py.typed"]


@pytest.mark.parametrize(
    "line",
    [
        "index-url = https://" + "py" + "pi.org/simple",
        "https://files.python" + "hosted.org/packages/x.whl",
        "GOPROXY=https://proxy.go" + "lang.org",
        "http://deb.deb" + "ian.org/x",
        "see /ro" + "ot/notes.txt",
        "/ho" + "me/me/project",
    ],
)
def test_a_registry_or_a_place_on_a_machine_is_found(line: str, tmp_path: Path) -> None:
    file = tmp_path / "notes.md"
    file.write_text(f"first\n{line}\n")
    (broken,) = private_places([file])
    assert broken.startswith(f"{file}:2: ")


def test_ordinary_text_and_binary_files_name_no_place(tmp_path: Path) -> None:
    text, sound = tmp_path / "notes.md", tmp_path / "a.wav"
    text.write_text("pip install voxemu, from PyPI; Debian's alsa-utils; $HOME/recordings\n")
    sound.write_bytes(b"RIFF\0" + b"/ro" + b"ot/")
    assert private_places([text, sound]) == []
