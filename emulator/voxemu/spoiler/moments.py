"""What a fault that strikes at a moment does: what is said, and how the call goes on or ends."""

from __future__ import annotations

from dataclasses import dataclass

from voxemu.events import Closed, EndAsked, ErrorReported, Event, ReadingSlowed
from voxemu.fault import FOR_EVER, Fault
from voxemu.provider import Provider
from voxemu.spoiler.messages import note_of

REFUSED = 1008


@dataclass(frozen=True, slots=True)
class Strike:
    said: tuple[Event, ...]
    ends: Closed | EndAsked | None = None
    # By a close, or as the session itself ends a call.
    dead: float | None = None
    # Seconds in which nothing goes in or out.
    slow: int | None = None
    # Messages that are read slowly from now on; None: all of them.


def strike_of(fault: Fault, provider: Provider) -> Strike:
    note = note_of(fault)
    match fault.kind:
        case "error":
            closed = Closed(fault.code, fault.text, "provider") if fault.fatal else None
            return Strike((note, ErrorReported(fault.text)), closed)
        case "token_expired":
            *told, ends = _expired(provider)
            assert isinstance(ends, Closed)
            return Strike((note, *told), ends)
        case "close":
            return Strike((note,), Closed(fault.code, fault.text, "provider"))
        case "half_open":
            return Strike((note, ReadingSlowed(None)), dead=fault.ms / 1000)
        case "agent_leaves":
            return Strike((note,), EndAsked("agent_left", fault.text))
        case "slow_consumer":
            slow = None if fault.times == FOR_EVER else fault.times
            return Strike((note, ReadingSlowed(fault.ms / 1000)), slow=slow)
    return Strike((note,))


def _expired(provider: Provider) -> tuple[Event, ...]:
    """As this provider would say it, where it has words for that."""
    text = "the session's token has expired"
    return provider.refusal("expired") or (
        ErrorReported(text, "TOKEN_EXPIRED"),
        Closed(REFUSED, text, "provider"),
    )
