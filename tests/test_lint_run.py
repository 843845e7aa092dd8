"""`emu lint`: the linter's rules on recordings, of either end."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.client.calls import LOKUTOR, LYZR, clip, play
from tests.spoiler.clients import PlaysLateAudio
from voxemu.audio import floats, pcm16
from voxemu.cli import emu
from voxemu.lint_run import findings
from voxemu.record import Recording
from voxemu_client.caller import Caller
from voxemu_client.speech import Clip

TOP = Path(__file__).resolve().parents[1]


def interrupted(folder: Path, client: type[Caller]) -> Recording:
    clips = [clip(LYZR, 1.0), clip(LYZR, 0.8)]
    fault = {"kind": "late_audio", "ms": 300}
    call = play(LYZR, clips, agent="tone:440:3", barge_in=0.5, faults=[fault], client=client, record=folder)
    assert call.recording is not None
    return call.recording


def codes(recording: Recording) -> list[str]:
    return [each.code for each in findings(recording)]


def test_a_recording_of_a_client_that_plays_late_audio_shows_it(tmp_path: Path) -> None:
    assert codes(interrupted(tmp_path, PlaysLateAudio)) == ["F-NOT-FLUSHED"]


def test_a_recording_of_our_client_shows_that_it_flushed(tmp_path: Path) -> None:
    assert codes(interrupted(tmp_path, Caller)) == []


def louder(said: Clip) -> Clip:
    return Clip(said.name, pcm16((floats(said.pcm) * 20).clip(-1, 1)))


@pytest.mark.parametrize("provider", [LYZR, LOKUTOR], ids=lambda each: each.id)
def test_what_is_wrong_with_the_samples_is_found_in_a_recording(provider: object, tmp_path: Path) -> None:
    call = play(provider, [louder(clip(provider, 2.0))], record=tmp_path)  # type: ignore[arg-type]
    assert call.recording is not None
    assert codes(call.recording) == ["F-CLIPPED"]


def lint(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(emu, ["lint", *arguments])
    return done.exit_code, done.output


def test_goldens_are_clean() -> None:
    folders = [str(folder) for folder in (TOP / "recordings").glob("*/*")]
    assert folders
    code, said = lint("--fail-on", "finding", *folders)
    assert (code, said.count("nothing found")) == (0, len(folders))


@pytest.mark.parametrize(("flags", "code"), [([], 0), (["--fail-on", "finding"], 1), (["--json"], 0)])
def test_findings_fail_a_run_that_asks_for_it(flags: list[str], code: int, tmp_path: Path) -> None:
    interrupted(tmp_path, PlaysLateAudio)
    got, said = lint(*flags, str(tmp_path))
    assert got == code
    assert "F-NOT-FLUSHED" in said
