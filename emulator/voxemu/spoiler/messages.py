"""What becomes of a message that carries no sound, and what the timeline is told of a fault."""

from __future__ import annotations

from voxemu.events import Event, FaultInjected, Interrupted, Transcribed
from voxemu.fault import Fault


def spoiled(fault: Fault, event: Event, said: list[Event]) -> list[Event]:
    """``said`` is what would go out for ``event`` so far."""
    match fault.kind:
        case "missing_interrupted":
            return [each for each in said if not isinstance(each, Interrupted)]
        case "doubled_interrupted" | "doubled_speaking" | "doubled_transcript":
            return [*said, event]
        case "endless_interim":
            return [_unfinished(each) for each in said]
    return said


def _unfinished(event: Event) -> Event:
    if isinstance(event, Transcribed):
        return Transcribed(event.speaker, event.text, final=False, segment=event.segment)
    return event


def note_of(fault: Fault) -> FaultInjected:
    """For a message that is made up it says the type."""
    if fault.kind == "unknown_message":
        return FaultInjected(fault.kind, fault.text)
    return FaultInjected(fault.kind, str(fault).removeprefix(fault.kind).strip())
