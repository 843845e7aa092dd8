"""The user's turns of a recorded call, as the emulator hears them."""

from __future__ import annotations

from dataclasses import dataclass

from voxemu.audio import SAMPLE_BYTES, sample_count
from voxemu.dialogue.echo_guard import EchoGuard
from voxemu.dialogue.settings import DialogueSettings
from voxemu.dialogue.turns import Turns, Utterance
from voxemu.record import Recording


@dataclass(frozen=True, slots=True)
class RecordedTurn:
    """Positions on the recorded call's axis."""

    start: int
    end: int
    # One past the last spoken sample.


def recorded_turns(recording: Recording, settings: DialogueSettings) -> list[RecordedTurn]:
    """The provider's end knows them; at the caller's end they are heard again, by the same detector."""
    if recording.manifest.get("role") == "provider":
        noted = [line.fields for line in recording.timeline.lines if line.type == "turn_ended"]
        return [RecordedTurn(each["start"], each["end"]) for each in noted if each["why"] != "hang_up"]
    return _heard_again(recording, settings)


def _heard_again(recording: Recording, settings: DialogueSettings) -> list[RecordedTurn]:
    axis = recording.format
    guard = EchoGuard(axis.rate) if settings.echo_guard else None
    turns = Turns(axis, settings, guard)
    step = axis.samples(0.02) * SAMPLE_BYTES
    ahead = axis.samples(0.1) * SAMPLE_BYTES
    # What sounds a little later is known to the guard by then, as in a call.
    found: list[RecordedTurn] = []
    for at in range(0, len(recording.left), step):
        if guard is not None:
            first = at + ahead if at else 0
            sounds = recording.right[first : at + ahead + step]
            if any(sounds):
                guard.played(sounds, first // SAMPLE_BYTES)
        heard = turns.hear(recording.left[at : at + step])
        found += [
            RecordedTurn(each.turn.start, each.turn.end) for each in heard if isinstance(each, Utterance)
        ]
    assert turns.position == sample_count(recording.left)
    return found
