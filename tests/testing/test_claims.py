"""Claims that do not hold say what was expected, what was seen, and why that may be."""

from __future__ import annotations

from typing import Any

import pytest

from voxemu.agents import sine
from voxemu.provider import Provider
from voxemu.testing.claims import Claims
from voxemu.testing.events import BargeIn, End, Finding, SeenEvent, Transcript, Turn
from voxemu.testing.heard import Heard
from voxemu.wire import PROVIDERS


class Told(Claims):
    """A session that is made up."""

    vendor: Provider = PROVIDERS["lokutor"]
    flush_message = '{"type":"status","data":"interrupted"}'
    turns: list[Turn] = []  # noqa: RUF012
    transcripts: list[Transcript] = []  # noqa: RUF012
    barge_ins: list[BargeIn] = []  # noqa: RUF012
    findings: list[Finding] = []  # noqa: RUF012
    received = 0.0
    dropped = 0.0
    closed: End | None = None
    heard = Heard(b"", 44_100)
    said = Heard(b"", 44_100)
    kinds: tuple[str, ...] = ()

    def __init__(self, **facts: Any) -> None:
        for name, value in facts.items():
            setattr(self, name, value)

    def all(self, kind: str) -> list[SeenEvent]:
        return [SeenEvent(0.0, kind) for each in self.kinds if each == kind]


def tone(seconds: float, *, after: float = 0.0, hertz: float = 440.0) -> Heard:
    axis = PROVIDERS["lokutor"].format
    return Heard(axis.silence(axis.samples(after)) + sine(axis, hertz, seconds), axis.rate)


TURN = Turn(1, 0.5, 1.5, 1.0, "silence")
LATE = Turn(2, 4.31, 5.0, 0.69, "silence")
BARGE = BargeIn(2.37, 2.41, 40.0, 0.6, 2.36)


def sentence(claim: str, told: Told, *args: Any, **named: Any) -> str:
    with pytest.raises(AssertionError) as failed:
        getattr(told, claim)(*args, **named)
    return str(failed.value)


# --- turns --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, "The app sent no user audio at all."),
        ({"kinds": ("input_started",)}, "All of the user audio was silence."),
        (
            {"kinds": ("input_started", "turn_discarded")},
            "What sounded was too short to be a turn (dialogue.min_utterance), 1 time.",
        ),
        (
            {"kinds": ("input_started", "turn_started")},
            "The user is still talking: a turn ends with half a second of silence, sent or not sent.",
        ),
        (
            {"kinds": ("input_started",), "said": tone(0.5, after=1.0)},
            "There was sound in the user's audio at 1.00 to 1.50 s.",
        ),
    ],
)
def test_turns_that_are_missing(facts: dict[str, Any], why: str) -> None:
    assert sentence("assert_turns", Told(**facts), 1) == f"1 user turn expected, 0 heard\n{why}"


def test_turns_too_many() -> None:
    assert sentence("assert_turns", Told(turns=[TURN, LATE]), 1) == "1 user turn expected, 2 heard"


# --- barge-in -----------------------------------------------------------------------------------------------


def test_a_barge_in_that_never_happened_says_when_the_user_spoke() -> None:
    told = Told(turns=[TURN, LATE], heard=tone(1.0, after=2.0))
    assert sentence("assert_barge_in", told) == (
        "no barge-in\n"
        "The user spoke 2 times, never while the agent was speaking:\n"
        "  turn 1 began at 0.50 s, before the agent had said anything\n"
        "  turn 2 began at 4.31 s, 1.31 s after the agent had stopped"
    )


def test_a_barge_in_on_an_agent_that_never_spoke() -> None:
    assert sentence("assert_barge_in", Told(turns=[TURN])).endswith(
        "The user spoke 1 time, and the agent never did."
    )


def test_a_barge_in_of_nobody() -> None:
    assert sentence("assert_barge_in", Told()).endswith(
        "The user said nothing. The app sent no user audio at all."
    )


def test_a_barge_in_that_came_late() -> None:
    told = Told(barge_ins=[BARGE])
    told.assert_barge_in(within_ms=40)
    assert sentence("assert_barge_in", told, 30) == (
        "the agent stopped 40 ms after the user began to speak at 2.37 s, 30 ms allowed"
    )


def test_an_interruption_that_should_not_have_been() -> None:
    Told().assert_no_barge_in()
    assert sentence("assert_no_barge_in", Told(barge_ins=[BARGE])) == (
        "the agent was interrupted at 2.41 s, by speech from 2.37 s on; "
        "is its own voice coming back through the microphone?"
    )


# --- what was heard -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, "The agent had nothing to answer: no turn of the user has ended. The app sent no user audio"),
        ({"turns": [TURN], "received": 2.0}, "2.00 s were sent to the app and dropped before they sounded."),
        ({"turns": [TURN]}, "The agent was still thinking when the session ended, or had been interrupted."),
    ],
)
def test_nothing_heard(facts: dict[str, Any], why: str) -> None:
    assert sentence("assert_heard", Told(**facts)).startswith(f"the user heard nothing\n{why}")


def test_too_little_heard() -> None:
    told = Told(heard=tone(1.0), received=3.0, dropped=2.0)
    told.assert_heard(1.05)
    told.assert_heard((0.5, 1.2))
    assert sentence("assert_heard", told, (1.5, 2.5)) == (
        "the user heard 1.00 s of the agent, 1.50 to 2.50 s expected "
        "(3.00 s were sent to the app, 2.00 s dropped)"
    )


def test_another_tone_heard() -> None:
    Told(heard=tone(1.0)).assert_heard(tone=440)
    assert sentence("assert_heard", Told(heard=tone(1.0)), tone=880) == (
        "the user heard 440 Hz, 880 Hz expected"
    )
    assert sentence("assert_heard", Told(heard=tone(0.05)), tone=880) == (
        "the user heard no tone, 880 Hz expected"
    )


def test_an_agent_that_should_have_been_silent() -> None:
    Told().assert_heard_nothing()
    assert sentence("assert_heard_nothing", Told(heard=tone(1.0, after=2.0))) == (
        "the user heard the agent from 2.00 to 3.00 s, nothing expected"
    )


def test_a_line_that_nobody_said() -> None:
    told = Told(transcripts=[Transcript(1.0, "agent", "Good day."), Transcript(1.0, "user", "Hello?")])
    told.assert_transcript("day")
    told.assert_transcript("Hello", speaker="user")
    assert sentence("assert_transcript", told, "night") == (
        "no line of the agent has 'night' in it; it said\n  Good day."
    )


# --- what the app played ------------------------------------------------------------------------------------


def test_an_app_that_does_not_drop_what_was_interrupted() -> None:
    told = Told(heard=tone(0.6), barge_ins=[BARGE])
    assert sentence("assert_played", told, tone(3.0).pcm) == (
        "the app played 3.00 s of the agent, the user should have heard 0.60 s: 2.40 s too much\n"
        "The user interrupted the agent at 2.37 s, and 2.36 s that the app had been sent were not to sound "
        "any more.\n"
        'Does the app empty its playback queue when it is sent {"type":"status","data":"interrupted"}?'
    )


def test_where_the_provider_has_no_word_for_it_the_app_must_notice_itself() -> None:
    told = Told(heard=tone(0.6), barge_ins=[BARGE], flush_message="", vendor=PROVIDERS["workbuddy"])
    assert sentence("assert_played", told, tone(3.0).pcm, 44_100).endswith(
        "This provider sends no message for it: does the app empty its playback queue when it hears the user "
        "itself?"
    )


def test_an_app_that_plays_too_much_without_an_interruption() -> None:
    assert "Nobody interrupted the agent. Does the app play something twice, or at another rate" in sentence(
        "assert_played", Told(heard=tone(0.6)), tone(1.2).pcm
    )


def test_an_app_that_plays_too_little() -> None:
    told = Told(heard=tone(2.0), received=2.0)
    told.assert_played([tone(1.0).pcm, tone(0.9).pcm])
    assert sentence("assert_played", told, tone(1.0).pcm) == (
        "the app played 1.00 s of the agent, the user should have heard 2.00 s: 1.00 s too little\n"
        "2.00 s were sent to the app. Did it stop before its queue was played, drop a last partial frame, or "
        "play at another rate than 44100 Hz?"
    )


def test_what_was_played_may_have_another_rate() -> None:
    Told(heard=tone(2.0)).assert_played(tone(1.0).pcm, 22_050)


# --- the end and findings -----------------------------------------------------------------------------------


def test_a_session_that_is_still_live() -> None:
    assert sentence("assert_closed", Told()) == (
        "the session is still live; does the app close its websocket?"
    )


def test_another_end() -> None:
    told = Told(closed=End(1006, "", "line"))
    told.assert_closed()
    told.assert_closed(1006, by="line")
    assert sentence("assert_closed", told, 1000, by="caller") == (
        "closed 1006 by the line '', 1000 by the caller expected"
    )


def test_findings() -> None:
    told = Told(findings=[Finding(1.0, "F-RATE-APPARENT", "A rule.", "lokutor", "16 kHz")])
    told.assert_no_findings(except_for=["F-RATE-APPARENT"])
    assert sentence("assert_no_findings", told) == (
        "1 finding\n  F-RATE-APPARENT at 1.00 s: 16 kHz\n    A rule. (`emu explain F-RATE-APPARENT`)"
    )
