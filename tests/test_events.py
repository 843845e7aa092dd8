"""What every event is: a value, whatever class it is of."""

from __future__ import annotations

import copy
import gc
import pickle
from typing import Any, get_args, get_type_hints

import pytest
from msgspec import NODEFAULT, structs

from voxemu import agent, events
from voxemu.events import (
    Downlink,
    Event,
    Interrupted,
    Line,
    Note,
    Opened,
    SettingSent,
    SpeakingStarted,
    ThinkingStarted,
    Transcribed,
    Uplink,
    UserAudioSent,
)
from voxemu.fault import Fault

FAMILIES = (Event, Uplink, Downlink, Line, Note)
KINDS = [
    kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind not in FAMILIES
]
CUES_AND_STEPS = [*get_args(agent.Cue), *get_args(agent.Step), Fault]

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def made(kind: type[Any]) -> Any:
    """One with some value in each field that has no default."""
    needed = [field.name for field in structs.fields(kind) if field.default is NODEFAULT]
    return kind(**dict.fromkeys(needed, "x"))


@pytest.mark.parametrize("kind", [*KINDS, *CUES_AND_STEPS], ids=lambda kind: kind.__name__)
def test_what_was_said_is_not_changed_afterwards(kind: type[Any]) -> None:
    one = made(kind)
    for name in (*kind.__struct_fields__, "another"):
        with pytest.raises(AttributeError):
            setattr(one, name, "y")
    assert made(kind) == one


@every_kind
def test_events_are_equal_by_what_they_say_and_can_be_keys(kind: type[Event]) -> None:
    assert made(kind) == made(kind)
    assert {made(kind): 1}[made(kind)] == 1


@pytest.mark.parametrize(
    ("one", "other"), [(ThinkingStarted(1), SpeakingStarted(1)), (Opened(), Interrupted())]
)
def test_events_of_two_kinds_are_never_equal(one: Event, other: Event) -> None:
    assert one != other


@every_kind
def test_an_event_goes_to_another_process_and_back(kind: type[Event]) -> None:
    assert pickle.loads(pickle.dumps(made(kind))) == made(kind)
    assert copy.deepcopy(made(kind)) == made(kind)


def test_the_garbage_collector_does_not_look_at_events_whatever_they_hold() -> None:
    assert not gc.is_tracked(SettingSent("tools", [{"name": "weather"}]))


@every_kind
def test_no_field_of_an_event_can_be_made_to_hold_it(kind: type[Event]) -> None:
    """An event that held itself would never be freed: the collector does not look."""
    changeable = {list, dict, set, bytearray}
    hints = get_type_hints(kind)
    assert [name for name in kind.__struct_fields__ if hints[name] in changeable] == []


def test_an_event_is_read_by_place_and_by_name() -> None:
    match Transcribed("user", "hello"):
        case Transcribed(speaker, text, final=final):
            assert (speaker, text, final) == ("user", "hello", True)


def test_one_value_of_an_event_is_replaced_in_a_new_one() -> None:
    sent = UserAudioSent(b"\0\0", 16_000)
    assert structs.replace(sent, rate=8000) == UserAudioSent(b"\0\0", 8000)
    assert sent.rate == 16_000
