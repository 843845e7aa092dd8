"""``emu client`` as it is typed."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import soundfile

from tests.client.beside import emulator_beside
from tests.server.conftest import QUICK
from voxemu.record import Recording
from voxemu_client import calling, cli, devices
from voxemu_client.script import Script
from voxemu_client.silence import CONTINUOUS, Silence

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def emu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs ``emu client`` with these arguments; exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMU_KEY", raising=False)

    def emu(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["emu client", *args])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return emu


BRIEF = {**QUICK, "EMU_DIALOGUE__HANGOVER": "0.2"}
AGENT = "tone:440:0.3"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with emulator_beside(BRIEF, agent=AGENT) as found:
        yield found


@pytest.fixture
def locked() -> Iterator[str]:
    with emulator_beside({**BRIEF, "EMU_KEYS": "k-1"}, agent=AGENT) as found:
        yield found


@pytest.fixture
def yes(tmp_path: Path) -> str:
    """Something short to say."""
    wave = 0.3 * np.sin(np.arange(4000) * 2 * np.pi * 300 / 16_000)
    soundfile.write(tmp_path / "yes.wav", wave, 16_000)
    return str(tmp_path / "yes.wav")


# --- usage ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--provider", "lokutr"], "did you mean 'lokutor'?"),
        (["--url", "ftp://x"], "is no URL of a server"),
        (["--say", "helo"], "did you mean 'hello'?"),
        (["--say", "gone.wav"], "gone.wav is not there"),
        (["--mic", "--say", "hello"], "--mic"),
        (["--barge-in", "1", "--half-duplex"], "--half-duplex"),
        (["--barge-in", "-1"], "--barge-in must be 0 to 600 seconds"),
        (["--silence", "keepalive"], "keepalive:N"),
        (["--rate", "100"], "100 Hz is outside"),
        (["--provider", "workbuddy", "--rate", "8000"], "leave --rate out"),
        (
            ["--provider", "workbuddy", "--voice", "F1", "--max-context", "3"],
            "leave --voice, --max-context out",
        ),
        (["--key", "a", "--key-file", "b"], "not both"),
        (["--key-file", "gone"], "--key-file gone cannot be read: No such file or directory\n"),
        (
            ["--provider", "lyzr-livekit", "--agent-config", "gone"],
            "gone cannot be read: No such file or directory\n",
        ),
        (["--agent", "script:calls/a.toml"], "start it with `emu serve --agent script:calls/a.toml`"),
        (["--key-file", "gone.key"], "gone.key cannot be read"),
        (["--reconnect", "-1"], "--reconnect"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_exit_code_2(emu: Run, args: list[str], said: str) -> None:
    code, out, err = emu(*args)
    assert (code, out) == (2, "")
    assert said in err


def test_help_names_every_option(emu: Run) -> None:
    code, out, _ = emu("--help")
    options = "provider url key key-file agent say mic play half-duplex barge-in silence rate prompt voice"
    assert code == 0
    assert [
        name
        for name in f"{options} language max-context reconnect record json".split()
        if f"--{name}" not in out
    ] == []


def test_record_without_a_directory_is_the_folder_of_recordings() -> None:
    parsed = cli.client.make_context("emu client", ["--record", "--json"])
    assert parsed.params["record"] == "./recordings"
    parsed = cli.client.make_context("emu client", ["--record", "calls"])
    assert parsed.params["record"] == "calls"


def test_the_command_is_found_by_its_entry_point(top: Path) -> None:
    assert isinstance(cli.client, click.Command)
    assert 'client = "voxemu_client.cli:client"' in (top / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("given", "environ", "key"),
    [
        ({"key": " a "}, {"EMU_KEY": "b"}, "a"),
        ({}, {"EMU_KEY": "b\n"}, "b"),
        ({}, {}, None),
    ],
)
def test_the_key_is_the_flags_else_the_environments(given: Any, environ: Any, key: str | None) -> None:
    assert cli.key_of({"key": None, "key_file": None, **given}, environ) == key


def test_a_key_file_is_read_and_stripped(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    assert cli.key_of({"key": None, "key_file": str(tmp_path / "key")}, {"EMU_KEY": "b"}) == "secret"


@pytest.mark.parametrize(
    ("text", "silence"),
    [
        ("continuous", CONTINUOUS),
        ("suppress", Silence("suppress")),
        ("keepalive:2.5", Silence("keepalive", 2.5)),
    ],
)
def test_silence_is_read(text: str, silence: Silence) -> None:
    assert Silence.parse(text) == silence


# --- calls ---------------------------------------------------------------------------------------------


@pytest.mark.sockets
def test_a_call_ends_in_a_table_and_a_recording(emu: Run, url: str, yes: str) -> None:
    code, out, err = emu("--url", url, "--say", yes, "--record")
    assert (code, err) == (0, "")
    (found,) = Path("recordings/lokutor").iterdir()
    assert f"recording  {Path('recordings/lokutor') / found.name}" in out
    assert "yes.wav" in out
    assert Recording.open(found).complete


@pytest.mark.sockets
@pytest.mark.parametrize("provider", ["workbuddy", "lyzr-sip"])
def test_json_is_one_event_a_line_and_the_summary_last(emu: Run, url: str, yes: str, provider: str) -> None:
    code, out, err = emu("--url", url, "--provider", provider, "--say", yes, "--json", "--key", "sk-secret")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [lines[0]["type"], lines[-2]["type"], lines[-1]["type"]] == ["opened", "closed", "summary"]
    assert lines[-1]["turns"][0]["first_audio"] > 0
    assert "sk-secret" not in out


@pytest.mark.sockets
def test_a_token_is_in_none_of_the_lines(emu: Run, url: str, yes: str) -> None:
    _, out, _ = emu("--url", url, "--provider", "workbuddy", "--say", yes, "--json")
    presented = [json.loads(line) for line in out.splitlines() if '"token_presented"' in line]
    assert [each["token"] for each in presented] == ["***"]


@pytest.mark.sockets
def test_a_barge_in_that_never_came_is_exit_code_1(emu: Run, url: str, yes: str) -> None:
    code, _, err = emu("--url", url, "--say", yes, "--barge-in", "5")
    assert code == 1
    assert "nobody was interrupted" in err


@pytest.mark.sockets
def test_no_server_is_exit_code_3(emu: Run) -> None:
    code, out, err = emu("--url", "http://127.0.0.1:1")
    assert (code, out) == (3, "")
    assert err.endswith(
        "127.0.0.1:1/ws/agent cannot be reached (Connection refused); "
        "is the server running? `emu serve` starts one\n"
    )


@pytest.mark.sockets
def test_nobody_is_sent_to_emu_serve_for_a_server_elsewhere(emu: Run) -> None:
    code, _, err = emu("--url", "http://voice.invalid")
    assert code == 3
    assert err.endswith("); is the address right, and the server running?\n")


@pytest.mark.sockets
def test_no_server_is_a_summary_where_json_is_asked_for(emu: Run) -> None:
    code, out, _ = emu("--url", "http://127.0.0.1:1", "--json")
    (line,) = [json.loads(line) for line in out.splitlines()]
    assert (line["type"], line["exit"], code) == ("summary", 3, 3)


@pytest.mark.sockets
def test_without_a_key_a_refusal_says_so(emu: Run, url: str) -> None:
    code, _, err = emu("--url", url, "--provider", "workbuddy", "--key", " ")
    assert code == 3
    assert "401" in err
    assert "no key was given" in err


@pytest.mark.sockets
def test_a_server_with_keys_of_its_own_says_that_none_was_given(emu: Run, locked: str) -> None:
    code, _, err = emu("--url", locked)
    assert code == 3
    assert err.endswith("is the key right? (no key was given: --key, --key-file or EMU_KEY)\n")


@pytest.mark.sockets
def test_ctrl_c_leaves_a_complete_recording_and_exit_code_130(emu: Run, url: str) -> None:
    asked = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    asked.start()
    code, out, _ = emu("--url", url, "--say", "story", "--record", "calls")
    asked.join()
    (found,) = Path("calls/lokutor").iterdir()
    recording = Recording.open(found)
    assert code == 130
    assert "interrupted" in out
    assert recording.complete
    assert recording.manifest["closed"]["by"] == "caller"


@pytest.mark.sockets
def test_ctrl_c_before_the_call_is_connected_ends_it_too(emu: Run) -> None:
    def asked() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    import socket

    with socket.create_server(("127.0.0.1", 0)) as mute:
        timer = threading.Timer(0.5, asked)
        timer.start()
        code, _, _ = emu("--url", f"http://127.0.0.1:{mute.getsockname()[1]}", "--provider", "lyzr-sip")
        timer.join()
    assert code == 130


def test_a_terminal_without_the_letters_is_told_all_the_same(
    emu: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, err = (io.TextIOWrapper(io.BytesIO(), "ascii", write_through=True) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    code, _, _ = emu("--url", "http://127.0.0.1:1/ü")
    assert code == 3
    assert "\\xfc" in err.buffer.getvalue().decode()


@pytest.mark.sockets
def test_a_terminal_gets_a_progress_line(
    emu: Run, url: str, yes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    _, out, err = emu("--url", url, "--say", yes)
    assert "turn 1: speaking" in err
    assert "the agent is speaking" in err
    assert err.endswith("\r\x1b[K")
    assert "\x1b" not in out


@pytest.mark.sockets
def test_a_microphone_and_a_loudspeaker_take_part_in_a_call(
    emu: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[Pretended] = []

    class Pretended:
        def __init__(self, *given: Any) -> None:
            self.given, self.moves = given, ["opened"]
            parts.append(self)

        def start(self) -> None:
            self.moves.append("started")
            if callable(self.given[-1]):
                self.given[-1](bytes(882 * 2))

        def stop(self) -> None:
            self.moves.append("stopped")

        def saw(self, event: Any, now: float) -> tuple[()]:
            return ()

    monkeypatch.setattr(devices, "MicrophoneDevice", Pretended)
    monkeypatch.setattr(devices, "LoudspeakerDevice", Pretended)
    asked = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    asked.start()
    code, _, err = emu("--url", url, "--mic", "--play")
    asked.join()
    assert code == 130
    assert "headphones" in err
    assert [part.moves for part in parts] == [["opened", "started", "stopped"]] * 2


def test_no_key_is_made_up_for_a_host_that_is_not_this_machine() -> None:
    options = {"url": "https://voice.example.com"}
    assert calling._key(options, None) == ""


def test_a_script_without_clips_is_a_call_of_nothing() -> None:
    assert Script().clips == ()


# --- scenarios ------------------------------------------------------------------------------------------

SCENARIO = """
schema = "voxemu.scenario/1"
provider = "workbuddy"
[caller]
quiet = 0.2
[[caller.step]]
say = "yes"
[[expect]]
event = "agent_audio_started"
after = "turn_ended"
within_ms = {limit}
"""


def test_a_scenario_is_called_and_its_verdicts_are_told(emu: Run, url: str, tmp_path: Path) -> None:
    (tmp_path / "call.toml").write_text(SCENARIO.format(limit=5000))
    code, out, _ = emu("--scenario", "call.toml", "--url", url)
    assert code == 0
    assert "  ok           agent_audio_started within 5000 ms of every turn_ended: " in out


def test_a_scenario_that_is_not_met_is_exit_code_1_and_named(emu: Run, url: str, tmp_path: Path) -> None:
    (tmp_path / "call.toml").write_text(SCENARIO.format(limit=1))
    code, out, _ = emu("--scenario", "call.toml", "--url", url, "--json")
    summary = json.loads(out.splitlines()[-1])
    assert code == summary["exit"] == 1
    assert summary["reason"].startswith("agent_audio_started within 1 ms of every turn_ended: ")
    assert [verdict["outcome"] for verdict in summary["verdicts"]] == ["failed"]
    assert summary["scenario"] == "call"
