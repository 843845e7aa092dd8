from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.calls import speech
from voxemu.audio import AudioFormat
from voxemu.dialogue.settings import DialogueSettings
from voxemu.dialogue.turns import Heard, Noise, Onset, Turns, Utterance

FORMAT = AudioFormat(16000)
CALL = bytes(2 * 8000) + speech(FORMAT, 0.7) + bytes(2 * 12000) + speech(FORMAT, 0.06) + bytes(2 * 12000)
CALL += speech(FORMAT, 1.5) + bytes(2 * 12000)


def heard(chunks: list[bytes], **figures: float) -> list[Heard]:
    turns = Turns(FORMAT, DialogueSettings(**figures), None)  # type: ignore[arg-type]
    return [found for chunk in chunks for found in turns.hear(chunk)]


def cut_up(pcm: bytes, sizes: list[int]) -> list[bytes]:
    chunks, at, n = [], 0, 0
    while at < len(pcm):
        size = 2 * sizes[n % len(sizes)]
        chunks.append(pcm[at : at + size])
        at, n = at + size, n + 1
    return chunks


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 9000), min_size=1, max_size=12))
def test_what_was_said_does_not_depend_on_the_chunks(sizes: list[int]) -> None:
    assert heard(cut_up(CALL, sizes), max_utterance=1.0) == heard([CALL], max_utterance=1.0)


def test_a_turn_holds_pre_roll_speech_and_hangover() -> None:
    found = heard([CALL])
    assert isinstance(found[0], Onset)
    assert isinstance(found[1], Utterance)
    turn = found[1].turn
    assert (turn.first, turn.start, turn.end) == (8000 - 4800, 8000, 8000 + 11200)
    assert turn.pcm == CALL[2 * turn.first : 2 * (turn.end + 8000)]
    assert turn.speech == CALL[2 * turn.first : 2 * turn.end]


def test_noise_takes_no_number() -> None:
    found = heard([CALL])
    assert [type(what) for what in found] == [Onset, Utterance, Onset, Noise, Onset, Utterance]
    assert [what.turn.number for what in found if isinstance(what, Utterance)] == [1, 2]


def test_what_was_spoken_is_no_pre_roll_of_the_next_turn() -> None:
    call = speech(FORMAT, 0.5) + bytes(2 * 8400) + speech(FORMAT, 0.5) + bytes(2 * 16000)
    first, second = (what.turn for what in heard([call], pre_roll=1.0) if isinstance(what, Utterance))
    assert second.first == first.end


def test_little_is_kept_while_nobody_speaks() -> None:
    turns = Turns(FORMAT, DialogueSettings(), None)
    for _ in range(500):
        turns.hear(bytes(640))
    assert len(turns._pcm) <= 2 * 16000
