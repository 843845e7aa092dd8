"""Exact comparison: each kind of change is found, named, and told with its cause first."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from msgspec import structs

from tests.client.calls import LOKUTOR, LYZR
from tests.client.scenarios import SAY, recorded, written
from voxemu.agent import Call, Cue, Say, Step
from voxemu.agents import Tone
from voxemu.dialogue.playout import Playout
from voxemu.record import Recording
from voxemu.record.differences import Difference, as_json, as_junit, first_cause_first, told
from voxemu.record.golden import compare_exactly

TWICE = SAY + '[[caller.step]]\nsay = "tone:500:0.4"\nafter = "agent_audio_stopped"\ndelay = 0.4\n'
AGENT = '[agent]\nname = "tone:440:1"\n'


@pytest.fixture
def golden(tmp_path: Path) -> Recording:
    return recorded(tmp_path / "golden", written(TWICE, AGENT), LOKUTOR)


@pytest.fixture
def again(tmp_path: Path) -> Callable[..., Recording]:
    """The same call once more, with another agent's side or other code."""

    def again(rest: str = AGENT, steps: str = TWICE) -> Recording:
        return recorded(tmp_path / "again", written(steps, rest), LOKUTOR)

    return again


def test_the_same_call_does_not_differ(golden: Recording, again: Callable[..., Recording]) -> None:
    assert compare_exactly(golden, again()) == []


def test_a_later_reply_is_told_once_with_all_that_follows(
    golden: Recording, again: Callable[..., Recording]
) -> None:
    found = told(compare_exactly(golden, again(AGENT + "[agent.dialogue]\nthink_time = 0.48\n")))
    assert found[0].startswith(
        "transcript 2 (agent) comes 180 ms later (1.96 s, was 1.78 s); so do reply 1, "
    )
    assert found[1].startswith("agent audio differs from 1.84 s on (")
    assert any(text.startswith("transcript 4 (agent) comes 360 ms later") for text in found)


def test_a_dropped_frame_is_found_and_named(
    golden: Recording, again: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = Playout.take
    frames = iter(range(10_000))

    def leaky(self: Playout, now: float) -> list[bytes]:
        return [frame for frame in taken(self, now) if next(frames) != 7]

    monkeypatch.setattr(Playout, "take", leaky)
    found = told(compare_exactly(golden, again()))
    assert found[0] == "reply 1 is 60 ms shorter: 16 audio messages, were 17"
    assert found[1].startswith("agent audio differs from 2.26 s on (")


def test_a_changed_transcript_is_quoted(
    golden: Recording, again: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    respond = Tone.respond

    def mumbling(self: Tone, cue: Cue, call: Call) -> Iterable[Step]:
        for step in respond(self, cue, call):
            assert isinstance(step, Say)
            yield structs.replace(step, text="(a hum)")

    monkeypatch.setattr(Tone, "respond", mumbling)
    first, second = told(compare_exactly(golden, again()))
    assert first == "transcript 2 (agent) says '(a hum)', was '(a tone of 440 Hz for 1.00 s)'"
    assert second.startswith("transcript 4 (agent) says '(a hum)'")


def test_a_flipped_sample_is_found_with_its_place(golden: Recording) -> None:
    file = golden.path / "call.wav"
    content = bytearray(file.read_bytes())
    position = LOKUTOR.format.samples(2.1)
    content[44 + 4 * position + 2] ^= 1
    tampered = golden.path.with_name("tampered")
    shutil.copytree(golden.path, tampered)
    (tampered / "call.wav").write_bytes(content)
    first, second = compare_exactly(Recording.open(tampered), golden)
    assert first.text == "call.wav was changed: it does not agree with the digest in its own manifest"
    assert second.text.startswith("agent audio differs at 2.1000 s, in one sample (")
    assert second.at == pytest.approx(2.1)


def test_a_message_that_is_gone_is_missing_and_one_that_is_there_new(
    golden: Recording, again: Callable[..., Recording]
) -> None:
    quiet = again(AGENT + "[agent.lokutor]\ninitial_listening = false\n")
    assert told(compare_exactly(golden, quiet))[0] == "“listening started” 1 is missing (was at 0.00 s)"
    assert told(compare_exactly(quiet, golden))[0] == "“listening started” 1 is new (at 0.00 s)"


def test_another_agent_is_another_text_and_another_sound(
    golden: Recording, again: Callable[..., Recording]
) -> None:
    found = told(compare_exactly(golden, again('[agent]\nname = "tone:441:1"\n')))
    assert (
        found[0]
        == "transcript 2 (agent) says '(a tone of 441 Hz for 1.00 s)', was '(a tone of 440 Hz for 1.00 s)'"
    )
    assert found[1].startswith("agent audio differs from ")


def test_what_the_user_says_is_compared_too(golden: Recording, again: Callable[..., Recording]) -> None:
    found = told(compare_exactly(golden, again(steps=TWICE.replace("tone:300", "tone:301"))))
    assert found[0].startswith("user audio differs from 0.50 s on (")


def test_an_edited_timeline_does_not_agree_with_its_manifest(golden: Recording) -> None:
    file = golden.path / "timeline.jsonl"
    file.write_text(file.read_text().replace('"final":true', '"final": true', 1))
    (found,) = told(list(compare_exactly(Recording.open(golden.path), golden)))[:1]
    assert found == "timeline.jsonl was changed: it does not agree with the digest in its own manifest"


def test_a_recording_that_was_broken_off_says_so(golden: Recording) -> None:
    file = golden.path / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "complete": False}))
    found = told(compare_exactly(Recording.open(golden.path), golden))
    assert found == ["the recording is not complete, by its own manifest; `emu recover` finishes it"]


def test_recordings_of_different_providers_are_not_compared_further(
    golden: Recording, tmp_path: Path
) -> None:
    other = recorded(tmp_path / "other", written(TWICE, AGENT), LYZR)
    assert told(compare_exactly(golden, other)) == [
        "the provider is lyzr-sip, was lokutor",
        "the rate is 24000, was 44100",
    ]


def test_the_session_id_is_no_difference(golden: Recording, tmp_path: Path) -> None:
    other = recorded(tmp_path / "other", written(TWICE, AGENT), LOKUTOR, seed=9)
    assert compare_exactly(golden, other) == []


def test_causes_come_before_what_they_bring() -> None:
    sound = Difference("audio", "sound", 2.0)
    event = Difference("moved", "event", 2.0)
    early = Difference("changed", "early", 1.0)
    own = Difference("manifest", "own")
    assert first_cause_first([sound, event, early, own]) == [own, early, event, sound]


def test_differences_are_told_to_build_servers() -> None:
    xml = as_junit("goldens", {"a": [], "b": ["x < \x00 2", "y"]}, {"c": "no such file"})
    assert '<testsuite name="goldens" tests="3" failures="1" errors="1">' in xml
    assert '<failure message="x &lt; \ufffd 2">' in xml
    assert '<error message="no such file" />' in xml


def test_differences_are_told_to_programs() -> None:
    assert as_json([Difference("moved", "late", 1.5, "reply 1")]) == [
        {"kind": "moved", "text": "late", "at": 1.5, "what": "reply 1"}
    ]
