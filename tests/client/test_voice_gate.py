"""An agent's voice in a room never pauses; what of it belongs to a reply."""

from __future__ import annotations

import pytest

from tests.calls import speech
from voxemu.audio import AudioFormat
from voxemu_client.voice_gate import TAIL, UNTOLD, VoiceGate

AXIS = AudioFormat(48_000)
FRAME = AXIS.samples(0.02)
LOUD = speech(AXIS, 0.02)
QUIET = AXIS.silence(FRAME)
FAINT = b"\x05\x00" * FRAME


def passed(gate: VoiceGate, frames: list[bytes]) -> list[bytes]:
    return [out for frame in frames for out in gate.take(frame)]


def gate(state: str = "") -> VoiceGate:
    made = VoiceGate()
    if state:
        made.state(state)
    return made


@pytest.mark.parametrize("state", ["", "listening", "speaking"])
def test_silence_before_a_reply_is_left_out(state: str) -> None:
    assert passed(gate(state), [QUIET] * 50 + [LOUD]) == [LOUD]


def test_what_a_codec_makes_of_zeros_is_silence() -> None:
    assert passed(gate("listening"), [FAINT] * 10) == []


def test_a_pause_belongs_to_the_reply_while_the_agent_says_that_it_speaks() -> None:
    frames = [LOUD, *[QUIET] * 60, LOUD]
    assert passed(gate("speaking"), frames) == frames


def test_a_reply_ends_with_its_last_audible_frame_once_the_agent_listens() -> None:
    speaking = gate("speaking")
    assert passed(speaking, [LOUD]) == [LOUD]
    speaking.state("listening")
    assert passed(speaking, [LOUD, LOUD, *[QUIET] * 50]) == [LOUD, LOUD]


def test_a_short_silence_in_what_still_comes_is_kept() -> None:
    frames = [LOUD, *[QUIET] * TAIL, LOUD]
    assert passed(gate("listening"), frames) == frames


def test_silence_that_is_withheld_is_not_played_late() -> None:
    assert passed(gate("listening"), [LOUD, *[QUIET] * (TAIL + 1), LOUD]) == [LOUD, LOUD]


def test_a_reply_of_an_agent_without_states_ends_after_half_a_second_of_silence() -> None:
    assert passed(gate(), [LOUD, *[QUIET] * 100, LOUD]) == [LOUD, *[QUIET] * UNTOLD, LOUD]
