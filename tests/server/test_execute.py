"""``emu exec``: a command, the emulator beside it, and how both end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.programs import Start, ended, programs

pytestmark = pytest.mark.sockets

PATIENCE = 30.0


@pytest.fixture
def emu_exec(tmp_path: Path) -> Iterator[Start]:
    """Starts ``emu exec`` with these arguments in an empty folder, away from any terminal."""
    with programs(tmp_path) as start:
        yield partial(start, "exec")


def said(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    return ended(process, PATIENCE)


def python(code: str) -> list[str]:
    return ["--", sys.executable, "-c", code]


def test_the_command_finds_the_emulator_in_its_environment(emu_exec: Start) -> None:
    code = """
import json, os
from urllib.request import urlopen
with urlopen(os.environ["EMU_URL"] + "/health") as answered:
    print(json.load(answered)["status"], os.environ["EMU_KEY"])
print(os.environ["LOKUTOR_SERVER_URL"].replace(os.environ["EMU_URL"].removeprefix("http"), ""))
print(os.environ["WORKBUDDY_API_URL"] == os.environ["LYZR_VOICE_SIP_URL"] == os.environ["EMU_URL"])
"""
    # The port of a file is that of `emu serve`, which may be running.
    assert said(emu_exec(*python(code), EMU_PORT="1")) == (0, "ok emu-key\nws/ws/agent\nTrue\n", "")


def test_nothing_is_printed_beside_what_the_command_prints(emu_exec: Start) -> None:
    assert said(emu_exec(*python("print('mine')"))) == (0, "mine\n", "")


def test_a_key_that_passes_is_given(emu_exec: Start) -> None:
    code = "import os; print(os.environ['EMU_KEY'])"
    assert said(emu_exec(*python(code), EMU_KEYS="first,second"))[1] == "first\n"
    assert said(emu_exec(*python(code), EMU_KEYS="first,second", EMU_KEY="second"))[1] == "second\n"


@pytest.mark.parametrize("code", [0, 1, 7])
def test_the_exit_code_is_the_commands(emu_exec: Start, code: int) -> None:
    assert said(emu_exec(*python(f"raise SystemExit({code})")))[0] == code


def test_a_command_that_was_killed_ends_as_in_a_shell(emu_exec: Start) -> None:
    assert said(emu_exec(*python("import os; os.kill(os.getpid(), 9)")))[0] == 128 + 9


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_the_command_which_ends_in_its_own_way(
    emu_exec: Start, tmp_path: Path, number: signal.Signals
) -> None:
    code = f"""
import pathlib, signal, sys, time
def asked(*_):
    print("cleaned up", flush=True)
    sys.exit(5)
signal.signal({int(number)}, asked)
pathlib.Path("ready").touch()
time.sleep(60)
"""
    process = emu_exec(*python(code))
    until = time.monotonic() + PATIENCE
    while not (tmp_path / "ready").exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(number)
    assert said(process) == (5, "cleaned up\n", "")


def test_options_before_the_command_are_the_emulators(emu_exec: Start) -> None:
    # Without the two dashes too, and what stands behind the command's name is the command's.
    process = emu_exec("--provider", "lokutor", sys.executable, "-c", "import os; print(*sorted(os.environ))")
    out = said(process)[1]
    assert "LOKUTOR_SERVER_URL" in out
    assert "WORKBUDDY_API_URL" not in out


def test_findings_are_counted_when_the_command_has_ended(emu_exec: Start) -> None:
    code = """
import json, os, time
from urllib.request import Request, urlopen
start = os.environ["LYZR_VOICE_SIP_URL"] + "/session/start"
urlopen(Request(start, b'{"agentId": "a"}', {"Content-Type": "application/json"})).close()
time.sleep(0.3)
"""
    process = emu_exec(*python(code), EMU_LYZR_SIP__URL_LIFE="0.1")
    assert said(process) == (0, "", "emu: 1 finding: F-NEVER-CONNECTED (`emu explain CODE`)\n")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ([], "emu: which command? As in: emu exec -- pytest -q\n"),
        (["--", "no-such-command"], "emu: there is no command 'no-such-command'; is it installed, and on"),
        (["--", "/"], "emu: / cannot be run: "),
        (["--agent", "ecko", "--", "true"], "emu: --agent: there is no agent 'ecko'; did you mean 'echo'?"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_2(emu_exec: Start, args: list[str], sentence: str) -> None:
    code, out, err = said(emu_exec(*args))
    assert (code, out) == (2, "")
    assert err.startswith(sentence)
    assert "Traceback" not in err
