"""Rehearsals: the same scenario gives the same call, to the byte, however often and wherever it is run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.calls import LYZR, WORKBUDDY
from tests.client.scenarios import AGENT, HEAD, SAY, recorded, run, written
from voxemu.provider import Provider
from voxemu.record import Recording
from voxemu.scenario.format import LinkTable
from voxemu.scenario.reading import read
from voxemu.wire import PROVIDERS
from voxemu_client.rehearsing import perform

providers = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))

RUNS = 20
OVER = '[[caller.step]]\nsay = "noise:0.4:0.2"\nafter = "agent_audio_started"\ndelay = 0.3\nbarge_in = true\n'
ROUGH = LinkTable(latency_ms=30, jitter_ms=40, loss=0.02)


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


@providers
def test_every_run_writes_the_same_files(provider: Provider, tmp_path: Path) -> None:
    scenario = written(SAY + OVER, AGENT)
    runs = []
    for number in range(RUNS):
        recorded(tmp_path / f"{number}", scenario, provider, link=ROUGH)
        runs.append(digests(tmp_path / f"{number}"))
    assert runs == [runs[0]] * RUNS


def test_another_process_with_another_hash_seed_writes_the_same_files(tmp_path: Path) -> None:
    golden = Path(__file__).resolve().parents[2] / "recordings" / "lokutor" / "barge-in-echo"
    code = (
        "import sys; from pathlib import Path; from voxemu.scenario.reading import load;"
        "from voxemu_client.rehearsing import perform; s = load(Path(sys.argv[1], 'scenario.toml'));"
        "perform(s, s.provider(), record={'caller': Path(sys.argv[2])})"
    )
    found = []
    for seed in ("0", "1", "4711"):
        folder = tmp_path / seed
        folder.mkdir()
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        subprocess.run([sys.executable, "-c", code, str(golden), str(folder)], check=True, env=env)
        found.append(digests(folder))
    assert found == [found[0]] * 3


@providers
def test_either_end_can_be_recorded(provider: Provider, tmp_path: Path) -> None:
    scenario = written(SAY, AGENT)
    for end in ("caller", "provider"):
        recording = recorded(tmp_path / end, scenario, provider, end)
        assert recording.complete
        assert recording.manifest["role"] == end
        assert len(recording.manifest["turns"]) == 1


def test_no_ticket_is_written_down(tmp_path: Path) -> None:
    recorded(tmp_path / "call", written(SAY), WORKBUDDY)
    text = "".join((tmp_path / "call" / name).read_text() for name in ("timeline.jsonl", "manifest.json"))
    assert "ticket" not in text


def test_without_its_wire_track_a_recording_keeps_the_digest(tmp_path: Path) -> None:
    whole = recorded(tmp_path / "whole", written(SAY), LYZR)
    lean = recorded(tmp_path / "lean", written(SAY), LYZR, wire_track=False)
    assert not (tmp_path / "lean" / "agent-wire.wav").exists()
    assert lean.agent_wire is None
    assert lean.manifest["digests"] == whole.manifest["digests"]


def test_a_recording_that_lost_its_wire_track_is_broken(tmp_path: Path) -> None:
    recorded(tmp_path / "call", written(SAY), LYZR)
    (tmp_path / "call" / "agent-wire.wav").unlink()
    with pytest.raises(Exception, match=r"agent-wire\.wav"):
        Recording.open(tmp_path / "call")


def test_the_seed_decides_what_the_network_does() -> None:
    ends = {run(SAY, LYZR, link=ROUGH, seed=seed).end.seconds for seed in (1, 1, 2)}
    assert len(ends) == 2


def test_latency_is_heard_in_the_answer() -> None:
    def first_audio(latency: float) -> float:
        done = run(SAY, LYZR, link=LinkTable(latency_ms=latency))
        return float(done.caller.account.report()["turns"][0]["first_audio"])

    assert first_audio(100) - first_audio(0) == pytest.approx(0.2, abs=0.02)


def test_a_line_that_is_cut_on_purpose_is_no_failure_and_one_that_breaks_is() -> None:
    done = run(SAY, LYZR, link=LinkTable(cut=1.2))
    assert done.end.caller is not None
    assert done.end.caller.code == 1006
    assert done.met


def test_a_call_is_broken_off_at_its_limit() -> None:
    scenario = '[[caller.step]]\nsay = "tone:300:60"\n'
    done = perform(read(HEAD + "limit = 3.0\n" + scenario, Path("x.toml")), LYZR)
    assert [(verdict.wanted, verdict.seen) for verdict in done.verdicts] == [
        ("the call ends within 3 s", "it was broken off there")
    ]


def test_session_settings_reach_the_agent(tmp_path: Path) -> None:
    caller = '[caller.settings]\nprompt = "Be brief."\n'
    text = SAY + caller
    recording = recorded(tmp_path / "call", written(text), PROVIDERS["lokutor"])
    assert recording.manifest["sent_settings"] == {"prompt": "Be brief."}
    assert recording.manifest["seed"] == 0
