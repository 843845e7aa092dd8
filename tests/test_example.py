"""The sample project's tests, run as its owner would: the wheel installed beside it, nothing of this tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.sockets

Run = Callable[..., str]


@pytest.fixture(scope="module")
def python(wheel_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it; what voxemu needs is found where this suite has it."""
    home = tmp_path_factory.mktemp("fresh")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "install"]
    subprocess.run([*install, "--quiet", "--no-index", "--no-deps", str(wheel_file)], check=True)
    (place,) = home.glob("lib/python3.*/site-packages")
    # A folder named so is searched, and its own .pth files, an editable install's among them, are not read.
    (place / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.fixture
def project(top: Path, tmp_path: Path) -> Path:
    """A copy of the sample project."""
    copied = tmp_path / "voice-app"
    leftovers = shutil.ignore_patterns("__pycache__", ".*", "emu-traces")
    shutil.copytree(top / "examples" / "voice-app", copied, ignore=leftovers)
    return copied


@pytest.fixture
def run(python: Path, project: Path) -> Run:
    """Runs Python in the project and answers what it said, checking its exit code."""
    environ = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}

    def run(*args: str, code: int = 0) -> str:
        done = subprocess.run(
            [python, *args], cwd=project, env=environ, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_wheel_is_what_runs_and_the_project_keeps_its_own_packages(run: Run, python: Path) -> None:
    out = run(
        "-c", "import voxemu, client, emulator; print(voxemu.__file__, client.__file__, emulator.__file__)"
    )
    library, client, emulator = out.split()
    assert Path(library).is_relative_to(python.parent.parent)
    assert Path(client).parts[-3:] == ("voice-app", "client", "__init__.py")
    assert Path(emulator).parts[-3:] == ("voice-app", "emulator", "__init__.py")


def test_the_tests_of_the_sample_project_pass(run: Run) -> None:
    assert re.search(r"\d passed in", run("-m", "pytest", "-q"))


def test_the_tests_of_the_sample_project_pass_in_parallel(run: Run) -> None:
    assert re.search(r"\d passed in", run("-m", "pytest", "-q", "-n", "2"))


def test_an_app_that_goes_on_playing_when_interrupted_fails_with_the_reason(run: Run, project: Path) -> None:
    source = project / "client" / "voice.py"
    text = source.read_text()
    assert text.count("self._playback.flush()") == 1
    source.write_text(text.replace("self._playback.flush()", "pass"))
    out = run(
        "-m", "pytest", "-q", "-k", "silent_at_once and lyzr", "--emu-trace", "retain-on-failure", code=1
    )
    assert re.search(
        r"AssertionError: the app played \d\.\d\d s of the agent, the user should have heard \d\.\d\d s: "
        r"\d\.\d\d s too much\n"
        r"E +The user interrupted the agent at \d\.\d\d s, and \d\.\d\d s that the app had been sent "
        r"were not to sound any more\.\n"
        r'E +Does the app empty its playback queue when it is sent \{"type":"clear"\}\?\n',
        out,
    ), out
    assert re.search(r"\d s  barge-in after \d+ ms of the reply, stopped in \d+ ms\n", out)
    (kept,) = re.findall(r"^recording: (\S+)$", out, re.MULTILINE)
    assert (project / kept / "call.wav").exists()
    assert "site-packages/voxemu" not in out
