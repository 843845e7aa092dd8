"""``emu check`` as it is typed, on goldens made for the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from tests.client.scenarios import HEAD, SAY
from voxemu.cli import main
from voxemu.record import Recording, migration

Run = Callable[..., tuple[int, str, str]]

SCENARIO = f'{HEAD}provider = "workbuddy"\n[agent]\nname = "tone:440:0.3"\n[caller]\nquiet = 0.2\n{SAY}'


@pytest.fixture
def emu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)

    def emu(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(args))
        said = capsys.readouterr()
        return int(str(ended.value.code or 0)), said.out, said.err

    return emu


@pytest.fixture
def golden(emu: Run, tmp_path: Path) -> Path:
    """A golden that was made by --update."""
    folder = tmp_path / "recordings" / "workbuddy" / "hello"
    folder.mkdir(parents=True)
    (folder / "scenario.toml").write_text(SCENARIO)
    assert emu("check", "--update")[0] == 0
    return folder


def change(golden: Path, text: str = "[agent.dialogue]\nthink_time = 0.4\n") -> None:
    (golden / "scenario.toml").write_text(SCENARIO + text)


def test_a_golden_is_complete_in_itself_and_has_no_wire_track(golden: Path) -> None:
    assert {file.name for file in golden.iterdir()} == {
        *("scenario.toml", "call.wav", "timeline.jsonl", "manifest.json")
    }
    assert Recording.open(golden).complete


def test_the_same_call_is_exit_code_0(emu: Run, golden: Path) -> None:
    code, out, _ = emu("check")
    assert code == 0
    assert out.splitlines()[0].startswith("same     workbuddy/hello")
    assert out.splitlines()[-1].endswith("1 same")


def test_a_differing_call_is_exit_code_1_and_lies_beside_the_golden(emu: Run, golden: Path) -> None:
    change(golden)
    before = (golden / "call.wav").read_bytes()
    code, out, _ = emu("check")
    assert code == 1
    assert "reply 1 starts 100 ms later" in out
    assert "the received recording: recordings/workbuddy/hello.received" in out
    assert (golden / "call.wav").read_bytes() == before
    assert Recording.open(golden.with_name("hello.received")).complete


def test_what_was_received_is_gone_once_the_call_is_the_same_again(emu: Run, golden: Path) -> None:
    change(golden)
    emu("check")
    (golden / "scenario.toml").write_text(SCENARIO)
    assert emu("check")[0] == 0
    assert not golden.with_name("hello.received").exists()


def test_an_update_rewrites_the_golden_and_shows_what_changed(emu: Run, golden: Path) -> None:
    change(golden)
    code, out, _ = emu("check", "--update")
    assert code == 0
    assert out.startswith("UPDATED  workbuddy/hello\n         reply 1 starts 100 ms later")
    assert emu("check")[0] == 0


def test_goldens_are_not_rewritten_by_a_build_server(
    emu: Run, golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    code, _, err = emu("check", "--update")
    assert code == 2
    assert "CI is set" in err
    assert emu("check")[0] == 0


def test_a_scenario_without_a_recording_differs_until_it_is_made(emu: Run, golden: Path) -> None:
    (golden / "manifest.json").unlink()
    code, out, _ = emu("check")
    assert code == 1
    assert "there is no recording yet; `emu check --update recordings/workbuddy/hello` makes it" in out
    assert emu("check", "--update")[1].startswith("NEW      workbuddy/hello")


def test_an_expectation_that_is_not_met_is_not_mended_by_an_update(emu: Run, golden: Path) -> None:
    change(golden, '[[expect]]\nevent = "error"\nat_least = 1\n')
    for arguments in (("check",), ("check", "--update")):
        code, out, _ = emu(*arguments)
        assert code == 1
        assert "at least 1 of error: there were none" in out


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("call.wav", b"RIFF", "call.wav cannot be read as audio"),
        ("timeline.jsonl", b"{}\n", "schema None is not 'voxemu.timeline/1'"),
        ("manifest.json", b"[", "manifest.json is no JSON"),
        ("scenario.toml", b"x = ", "scenario.toml:1: no valid TOML"),
    ],
)
def test_a_file_that_cannot_be_read_is_exit_code_2(
    emu: Run, golden: Path, name: str, content: bytes, sentence: str
) -> None:
    (golden / name).write_bytes(content)
    code, out, _ = emu("check")
    assert code == 2
    assert out.startswith("BROKEN   workbuddy/hello: ")
    assert sentence in out


def test_a_broken_golden_can_be_made_anew(emu: Run, golden: Path) -> None:
    (golden / "call.wav").write_bytes(b"RIFF")
    assert emu("check", "--update")[0] == 0
    assert emu("check")[0] == 0


def test_nothing_to_check_is_exit_code_5(emu: Run, tmp_path: Path) -> None:
    code, out, _ = emu("check")
    assert (code, out) == (5, "nothing to check: no scenario.toml below recordings\n")
    (tmp_path / "empty").mkdir()
    assert emu("check", "empty")[0] == 5


def test_a_path_that_is_not_there_is_exit_code_2(emu: Run) -> None:
    code, _, err = emu("check", "nowhere")
    assert code == 2
    assert "nowhere is no folder" in err


def test_what_a_test_of_the_app_compares_with_is_not_unused(emu: Run, golden: Path) -> None:
    kept = golden.with_name("of-a-test")
    kept.mkdir()
    (kept / "manifest.json").write_text('{"role": "provider"}')
    assert "UNUSED" not in emu("check")[1]


def test_what_nothing_checks_is_told(emu: Run, golden: Path) -> None:
    (golden / "old.wav").touch()
    lonely = golden.with_name("lonely")
    lonely.mkdir()
    (lonely / "manifest.json").write_text("{}")
    code, out, _ = emu("check")
    assert code == 0
    assert f"UNUSED   {Path('recordings/workbuddy/lonely')}: no scenario.toml, so nothing runs it" in out
    assert "old.wav: not named by the scenario" in out


def test_programs_read_json_and_build_servers_junit(emu: Run, golden: Path, tmp_path: Path) -> None:
    change(golden)
    code, out, _ = emu("check", "--json", "--junit", "report.xml")
    said = json.loads(out)
    assert said["exit"] == code == 1
    assert said["goldens"][0]["outcome"] == "differs"
    assert said["goldens"][0]["differences"][0]["what"] == "reply 1"
    assert '<testcase classname="emu check" name="workbuddy/hello">' in (tmp_path / "report.xml").read_text()


def test_a_report_that_cannot_be_written_is_exit_code_2(emu: Run, golden: Path) -> None:
    assert emu("check", "--junit", "no/such/report.xml")[0] == 2


# --- rehearse, compare, migrate, schema -------------------------------------------------------------------


def test_a_rehearsal_prints_a_verdict_for_each_expectation(emu: Run, golden: Path) -> None:
    change(golden, '[[expect]]\nevent = "error"\ncount = 0\n[[expect]]\nstops_within_ms = 250\n')
    code, out, _ = emu("rehearse", "recordings/workbuddy/hello")
    assert code == 1
    head, step, met, unmet = out.splitlines()
    assert head.startswith("hello  workbuddy  ")
    assert step == "     0.50 s  step 1 says tone:300:0.5"
    assert met == "  ok           0 of error: there were none"
    assert unmet == (
        "  NO BARGE-IN  the agent stops within 250 ms of every barge_in: barge-in did not happen"
        "  [recordings/workbuddy/hello/scenario.toml:12]"
    )


def test_a_rehearsal_is_told_to_programs_and_recorded(emu: Run, golden: Path, tmp_path: Path) -> None:
    arguments = ("--latency", "20", "--jitter", "10", "--loss", "0.01", "--seed", "3")
    code, out, _ = emu("rehearse", str(golden), "--json", "--record", "out", "--end", "both", *arguments)
    said = json.loads(out)
    assert (code, said["exit"], said["verdicts"]) == (0, 0, [])
    assert {end: Recording.open(Path(path)).manifest["role"] for end, path in said["recordings"].items()} == {
        "caller": "caller",
        "provider": "provider",
    }


def test_a_rehearsal_of_nothing_is_exit_code_2(emu: Run, tmp_path: Path) -> None:
    assert "there is no such scenario" in emu("rehearse", "nothing.toml")[2]
    (tmp_path / "bad.toml").write_text(HEAD)
    code, _, err = emu("rehearse", "bad.toml")
    assert (code, err) == (
        2,
        "emu: bad.toml:1: nobody does anything; write [[caller.step]], [[agent.step]] or both\n",
    )


@pytest.mark.parametrize(
    ("caller", "step", "sentence"),
    [
        ("rate = 8000", SAY, ":4: caller.rate: workbuddy takes audio at 16000 Hz"),
        ('silence = "none"', SAY, ":4: caller.silence: silence 'none' is not known"),
        ('[caller.settings]\nvoice = "x"', SAY, ":4: caller.settings: workbuddy has no words"),
        ("", '[[caller.step]]\nsay = "helo"\n', ":6: caller.step.1.say: there is no prompt or file 'helo'"),
        ("", '[[caller.step]]\nsay = "x.wav"\n', ":6: caller.step.1.say: x.wav is not there"),
    ],
)
def test_what_this_provider_cannot_do_is_told_with_its_line(
    emu: Run, tmp_path: Path, caller: str, step: str, sentence: str
) -> None:
    (tmp_path / "x.toml").write_text(f'{HEAD}provider = "workbuddy"\n[caller]\n{caller}\n{step}')
    code, _, err = emu("rehearse", "x.toml")
    assert code == 2
    assert sentence in err


def test_two_recordings_are_compared(emu: Run, golden: Path, tmp_path: Path) -> None:
    change(golden)
    emu("check")
    assert emu("compare", str(golden), str(golden)) == (0, "the same, within the tolerances\n", "")
    received = str(golden) + ".received"
    code, out, _ = emu("compare", str(golden), received, "--junit", "report.xml")
    assert code == 1
    assert out.startswith("reply 1 starts 100 ms later")
    assert "<failure" in (tmp_path / "report.xml").read_text()
    assert emu("compare", str(golden), received, "--onset-ms", "120")[0] == 0
    assert emu("compare", "--exact", str(golden), received, "--onset-ms", "120")[0] == 1
    assert json.loads(emu("compare", "--json", str(golden), received)[1])["differences"][0]["kind"] == "moved"


def test_a_recording_that_is_none_is_exit_code_2(emu: Run, golden: Path) -> None:
    code, _, err = emu("compare", str(golden), "nowhere")
    assert code == 2
    assert "nowhere is no recording" in err


def with_schema(golden: Path, schema: str) -> None:
    manifest = golden / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema": schema}))


def test_an_older_recording_is_refused_with_the_command_that_migrates_it(
    emu: Run, golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(folder: Path) -> None:
        with_schema(folder, "voxemu.recording/1")

    monkeypatch.setattr(migration, "STEPS", {"voxemu.recording/0": step})
    with_schema(golden, "voxemu.recording/0")
    code, out, _ = emu("check")
    assert code == 2
    assert "`emu migrate recordings/workbuddy/hello` brings it to that" in out
    assert emu("migrate", str(golden))[1] == f"{golden}: voxemu.recording/0 -> voxemu.recording/1\n"
    assert emu("check")[0] == 0


def test_a_newer_recording_needs_a_newer_voxemu(emu: Run, golden: Path) -> None:
    with_schema(golden, "voxemu.recording/2")
    assert "a newer voxemu wrote it: update this one" in emu("check")[1]
    assert emu("migrate", str(golden))[0] == 2


def test_a_version_that_nothing_migrates_says_so(emu: Run, golden: Path) -> None:
    with_schema(golden, "voxemu.recording/0")
    assert "there is no migration from it" in emu("check")[1]


def test_a_recording_of_this_version_has_nothing_to_migrate(emu: Run, golden: Path) -> None:
    assert emu("migrate", str(golden)) == (0, f"{golden}: is voxemu.recording/1 already\n", "")


def test_the_schema_of_scenarios_is_printed(emu: Run) -> None:
    assert json.loads(emu("scenario", "schema")[1])["$id"] == "voxemu.scenario/1"


def test_a_scenario_and_flags_that_say_the_same_exclude_one_another(emu: Run, golden: Path) -> None:
    scenario = str(golden / "scenario.toml")
    code, _, err = emu("client", "--scenario", scenario, "--say", "yes", "--barge-in", "1")
    assert (code, err) == (2, "emu: a scenario says what the user does: leave --say, --barge-in out\n")


def test_help_names_the_exit_codes(emu: Run) -> None:
    assert "5 nothing to check" in click.unstyle(emu("check", "--help")[1])
