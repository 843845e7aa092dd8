from __future__ import annotations

from itertools import product

import pytest

from voxemu.dialogue.states import TRANSITIONS, State, Trigger, after
from voxemu.errors import LocalProtocolError


@pytest.mark.parametrize(("state", "trigger"), list(product(State, Trigger)))
def test_a_trigger_that_a_state_does_not_list_is_our_error(state: State, trigger: Trigger) -> None:
    if trigger in TRANSITIONS[state]:
        assert after(state, trigger) is TRANSITIONS[state][trigger]
    else:
        with pytest.raises(LocalProtocolError, match=f"{trigger.name} cannot happen while {state.name}"):
            after(state, trigger)


def test_every_state_can_be_reached_and_ended() -> None:
    reached = {state for ways in TRANSITIONS.values() for state in ways.values()}
    assert reached == set(State) - {State.NEW}
    assert all(
        ways.get(Trigger.END) is State.ENDED
        for state, ways in TRANSITIONS.items()
        if state is not State.ENDED
    )
