"""Where a call stands at the caller's end: all of it, as a table.

A trigger that a phase does not list leaves it as it is: agent audio while the user speaks is no news.
"""

from __future__ import annotations

from enum import Enum, auto


class Phase(Enum):
    NEW = "new"
    # The connection is not open yet.
    ENTERING = "entering"
    # Audio is not let in yet.
    LEADING = "leading"
    # The microphone is open, nobody has spoken.
    SPEAKING = "speaking"
    # A clip is being said.
    AWAITING = "awaiting"
    # A reply is waited for.
    LISTENING = "listening"
    # The agent speaks, or has just done so.
    PAUSING = "pausing"
    # The turn is over, and the moment of the next step has not come.
    TALKING = "talking"
    # A real microphone: the user and nobody else knows whose turn it is.
    OVER = "over"


class Trigger(Enum):
    OPEN = auto()
    LET_IN = auto()
    TAKE_OVER = auto()
    # Let in, with a real microphone.
    SPEAK = auto()
    SPOKEN = auto()
    # The clip is said.
    THOUGHT = auto()
    # The provider says that a reply is coming.
    SOUND = auto()
    # Agent audio came.
    LAPSE = auto()
    # What was waited for is over, or did not come.
    END = auto()


TRANSITIONS: dict[Phase, dict[Trigger, Phase]] = {
    Phase.NEW: {Trigger.OPEN: Phase.ENTERING, Trigger.END: Phase.OVER},
    Phase.ENTERING: {
        Trigger.LET_IN: Phase.LEADING,
        Trigger.TAKE_OVER: Phase.TALKING,
        Trigger.END: Phase.OVER,
    },
    Phase.LEADING: {
        Trigger.SPEAK: Phase.SPEAKING,
        Trigger.THOUGHT: Phase.AWAITING,
        Trigger.SOUND: Phase.LISTENING,
        Trigger.LAPSE: Phase.PAUSING,
        Trigger.END: Phase.OVER,
    },
    Phase.SPEAKING: {Trigger.SPOKEN: Phase.AWAITING, Trigger.END: Phase.OVER},
    Phase.AWAITING: {
        Trigger.SPEAK: Phase.SPEAKING,
        Trigger.SOUND: Phase.LISTENING,
        Trigger.LAPSE: Phase.PAUSING,
        Trigger.END: Phase.OVER,
    },
    Phase.LISTENING: {
        Trigger.SPEAK: Phase.SPEAKING,
        Trigger.THOUGHT: Phase.AWAITING,
        Trigger.LAPSE: Phase.PAUSING,
        Trigger.END: Phase.OVER,
    },
    Phase.PAUSING: {
        Trigger.SPEAK: Phase.SPEAKING,
        Trigger.THOUGHT: Phase.AWAITING,
        Trigger.SOUND: Phase.LISTENING,
        Trigger.END: Phase.OVER,
    },
    Phase.TALKING: {Trigger.END: Phase.OVER},
    Phase.OVER: {},
}


def after(phase: Phase, trigger: Trigger) -> Phase:
    return TRANSITIONS[phase].get(trigger, phase)
