"""The state machine of a session: all of it, as a table.

A trigger that a state does not list is an error of ours, never of the peer's.
"""

from __future__ import annotations

from enum import Enum, auto

from voxemu.errors import LocalProtocolError


class State(Enum):
    NEW = "new"
    # The connection is not open yet.
    LISTENING = "listening"
    # Nobody speaks.
    HEARING = "hearing"
    # The user speaks.
    THINKING = "thinking"
    # A turn has ended, the reply is not audible yet.
    SPEAKING = "speaking"
    # The reply sounds, by the playout clock.
    ENDED = "ended"


class Trigger(Enum):
    OPEN = auto()
    SPEECH = auto()
    # Speech confirmed (while SPEAKING: a barge-in).
    NOISE = auto()
    # The sound was too short to be a turn.
    TURN = auto()
    # The user's turn was endpointed.
    THINK = auto()
    # A reply without a turn before it: a greeting.
    SPEAK = auto()
    # The reply becomes audible.
    INTERRUPT = auto()
    # The client asked for the reply to stop.
    DONE = auto()
    # The reply has sounded to its end, or there is none.
    END = auto()


TRANSITIONS: dict[State, dict[Trigger, State]] = {
    State.NEW: {Trigger.OPEN: State.LISTENING, Trigger.END: State.ENDED},
    State.LISTENING: {
        Trigger.SPEECH: State.HEARING,
        Trigger.THINK: State.THINKING,
        Trigger.END: State.ENDED,
    },
    State.HEARING: {
        Trigger.NOISE: State.LISTENING,
        Trigger.TURN: State.THINKING,
        Trigger.END: State.ENDED,
    },
    State.THINKING: {
        Trigger.SPEECH: State.HEARING,
        Trigger.SPEAK: State.SPEAKING,
        Trigger.DONE: State.LISTENING,
        Trigger.END: State.ENDED,
    },
    State.SPEAKING: {
        Trigger.SPEECH: State.HEARING,
        Trigger.INTERRUPT: State.LISTENING,
        Trigger.DONE: State.LISTENING,
        Trigger.END: State.ENDED,
    },
    State.ENDED: {},
}


def after(state: State, trigger: Trigger) -> State:
    try:
        return TRANSITIONS[state][trigger]
    except KeyError:
        raise LocalProtocolError(f"{trigger.name} cannot happen while {state.name}") from None
