"""Comparison with tolerances, for calls that were held in real time."""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.calls import speech
from tests.client.calls import LOKUTOR, LYZR, WORKBUDDY
from tests.client.scenarios import SAY, recorded, written
from voxemu.audio import AudioFormat
from voxemu.record import Recording
from voxemu.record.differences import told
from voxemu.record.likeness import Tolerances, compare_closely
from voxemu.record.waveforms import Sound, alike, sounds_in
from voxemu.scenario.format import LinkTable

TWICE = SAY + '[[caller.step]]\nsay = "tone:500:0.4"\nafter = "agent_audio_stopped"\ndelay = 0.6\n'
OVER = (
    SAY
    + '[[caller.step]]\nsay = "tone:500:0.4"\nafter = "agent_audio_started"\ndelay = DELAY\nbarge_in = true\n'
)
AGENT = '[agent]\nname = "tone:440:1"\n'

Call = Callable[..., Recording]


@pytest.fixture
def call(tmp_path: Path) -> Call:
    def call(rest: str = AGENT, steps: str = TWICE, **how: Any) -> Recording:
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        return recorded(folder, written(steps, rest), LYZR, **how)

    return call


def found(first: Recording, second: Recording, **tolerances: float) -> list[str]:
    return told(compare_closely(first, second, Tolerances(**tolerances)))


def test_the_same_call_is_like_itself(call: Call) -> None:
    assert found(call(), call()) == []


def test_a_network_like_this_machines_own_is_within_the_tolerances(call: Call) -> None:
    assert found(call(), call(link=LinkTable(latency_ms=2, jitter_ms=15))) == []


def test_a_late_reply_is_told_where_it_comes_from_and_once(call: Call) -> None:
    later = call(AGENT + "[agent.dialogue]\nthink_time = 0.48\n")
    first, second = found(call(), later)
    assert first == "reply 1 starts 180 ms later (2.02 s, was 1.84 s)"
    assert second.startswith("reply 2 starts 180 ms later")


def test_an_onset_within_the_tolerance_is_none(call: Call) -> None:
    later = call(AGENT + "[agent.dialogue]\nthink_time = 0.34\n")
    assert found(call(), later) == []
    assert len(found(call(), later, onset=0.03)) == 2


def test_another_sound_is_heard(call: Call) -> None:
    other = call('[agent]\nname = "tone:660:1"\n')
    texts = found(call(), other)
    assert any(text.startswith("reply 1 sounds different (likeness 0.") for text in texts)
    assert any("transcript 1 (agent) says" in text or "transcript 2 (agent) says" in text for text in texts)


def test_a_quieter_reply_is_told_in_decibels(call: Call, tmp_path: Path) -> None:
    golden, quiet = call(), tmp_path / "quiet"
    shutil.copytree(golden.path, quiet)
    content = bytearray((quiet / "call.wav").read_bytes())
    samples = array("h", content[44:])
    samples[1::2] = array("h", [round(sample * 0.8) for sample in samples[1::2]])
    (quiet / "call.wav").write_bytes(content[:44] + samples.tobytes())
    texts = found(golden, Recording.open(quiet))
    assert texts == ["reply 1 is 1.9 dB quieter", "reply 2 is 1.9 dB quieter"]
    assert found(golden, Recording.open(quiet), level_db=2.0) == []


def test_a_barge_in_that_cuts_later_is_told(call: Call) -> None:
    early, late = (call(steps=OVER.replace("DELAY", delay)) for delay in ("0.2", "0.5"))
    texts = found(early, late)
    assert any(text == "barge-in 1 stops the agent 300 ms later in its reply" for text in texts)
    assert any(text == "reply 1 is 300 ms longer" for text in texts)


def test_a_barge_in_that_did_not_happen_is_told(call: Call) -> None:
    cut, uncut = call(steps=OVER.replace("DELAY", "0.2")), call()
    assert any(text.startswith("barge-in 1 did not happen") for text in found(cut, uncut))
    assert any(text.startswith("barge-in 1 is new") for text in found(uncut, cut))


def test_a_turn_that_is_missing_is_told_on_both_channels(call: Call) -> None:
    texts = found(call(), call(steps=SAY))
    assert texts[0] == "the user's turn 2 is missing (was at 3.44 s)"
    assert "reply 2 is missing (was at 4.68 s)" in texts
    assert any(text.startswith("transcript 3 (user) is missing") for text in texts)


def test_figures_in_a_transcript_may_differ_a_little(call: Call) -> None:
    longer = call(steps=TWICE.replace("tone:300:0.5", "tone:300:0.54"))
    assert found(call(), longer) == []
    assert any("says" in text for text in found(call(), longer, number=0.01))


def test_recordings_of_different_providers_are_not_compared_further(call: Call, tmp_path: Path) -> None:
    other = recorded(tmp_path / "other", written(TWICE, AGENT), LOKUTOR)
    assert found(call(), other) == ["the provider is lokutor, was lyzr-sip", "the rate is 44100, was 24000"]


# --- waveforms ------------------------------------------------------------------------------------------

AXIS = AudioFormat(WORKBUDDY.format.rate)


def test_sounds_are_parted_by_pauses_and_not_by_the_gaps_between_words() -> None:
    word, gap, pause = speech(AXIS, 0.3), AXIS.silence(AXIS.samples(0.2)), AXIS.silence(AXIS.samples(0.4))
    sounds = sounds_in(pause + word + gap + word + pause + word, AXIS)
    assert [(AXIS.seconds(each.start), AXIS.seconds(each.end)) for each in sounds] == [
        pytest.approx((0.4, 1.2), abs=0.011),
        pytest.approx((1.6, 1.9), abs=0.011),
    ]


def test_the_same_sound_is_found_where_it_lies_later() -> None:
    clip = speech(AXIS, 0.5)
    late = AXIS.silence(800) + clip
    both = alike(clip, Sound(0, 8000), late + AXIS.silence(800), Sound(0, 8800), AXIS)
    assert both.shift == 800
    assert both.likeness == pytest.approx(1.0)
    assert both.level_db == pytest.approx(0.0, abs=0.01)


def test_silence_is_like_nothing_and_breaks_nothing() -> None:
    silence = AXIS.silence(1600)
    assert sounds_in(silence, AXIS) == []
    assert alike(silence, Sound(0, 1600), silence, Sound(0, 1600), AXIS).likeness == 0.0
