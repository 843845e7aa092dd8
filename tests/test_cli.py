"""The ``emu`` command itself."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from voxemu import __version__, cli


def ran(args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(args)
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


def bring(monkeypatch: pytest.MonkeyPatch, **commands: str) -> None:
    found = [EntryPoint(name, value, cli.COMMANDS) for name, value in commands.items()]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: found)
    # Found out once a process.
    monkeypatch.delitem(vars(cli.emu), "_brought", raising=False)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(["--version"], capsys) == (0, f"emu {__version__}\n", "")


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ran(["--help"], capsys)
    assert code == 0
    assert "serve" in out
    assert "explain" in out


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom voxemu import cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "print([name for name in ('aiohttp', 'numpy', 'pydantic', 'soundfile') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"


def test_explain_prints_the_rule(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ran(["explain", "F-ODD-BYTES"], capsys)
    assert code == 0
    assert out.startswith("F-ODD-BYTES: ")


def test_explain_alone_lists_the_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert "F-ODD-BYTES" in ran(["explain"], capsys)[1]


def test_a_command_of_another_package_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bring(monkeypatch, findings="voxemu.cli:explain")
    assert "F-ODD-BYTES" in ran(["findings"], capsys)[1]


@pytest.mark.parametrize("value", ["nowhere_at_all:client", "voxemu.cli:nothing", "voxemu.cli:main"])
def test_a_command_that_cannot_be_loaded_is_a_sentence(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bring(monkeypatch, broken=value)
    code, _, err = ran(["broken"], capsys)
    assert code == 2
    assert err.startswith(f"emu: the command 'broken' ({value}) ")
    assert ran(["--help"], capsys)[0] == 0


def test_a_wrong_option_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = ran(["serve", "--prot", "1"], capsys)
    assert code == 2
    assert "--port" in err
