"""Expectations, judged by the moments of a call."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenario.test_reading import scenario
from voxemu.audio import AudioFormat
from voxemu.events import AgentAudioSent, BargedIn, Closed, Transcribed, TurnEnded
from voxemu.scenario.moments import MOMENTOUS, MOMENTS, Moment, moments_in
from voxemu.scenario.verdicts import Verdict, judge

CALL = [
    Moment("connected", 0.0),
    Moment("turn_ended", 2.0),
    Moment("agent_audio_started", 2.8),
    Moment("agent_transcript", 2.7, "(echo of 1.20 s of speech)"),
    Moment("transcript", 2.7, "(echo of 1.20 s of speech)"),
    Moment("barge_in", 3.5, seconds=0.14),
    Moment("turn_ended", 4.0),
    Moment("agent_audio_started", 5.0),
    Moment("closed", 9.0, "1000, by the caller"),
]


def verdict(text: str, moments: list[Moment] | None = None) -> Verdict:
    (expected,) = scenario("[[expect]]\n" + text).expectations
    return judge(expected, CALL if moments is None else moments, "greet.toml:4")


@pytest.mark.parametrize(
    ("text", "outcome", "seen"),
    [
        ('event = "agent_audio_started"\nafter = "turn_ended"\nwithin_ms = 1000', "met", "800 ms, 1000 ms"),
        ('event = "agent_audio_started"\nafter = "turn_ended"\nwithin_ms = 999', "failed", "800 ms, 1000 ms"),
        ('event = "agent_audio_started"\nafter = "turn_ended"\nnth = 1\nwithin_ms = 800', "met", "800 ms"),
        ('event = "error"\nwithin_ms = 1000', "failed", "never"),
        ('event = "error"\nafter = "thinking"\nwithin_ms = 9', "failed", "there was no thinking"),
        (
            'event = "closed"\nafter = "turn_ended"\nnth = 3\nwithin_ms = 9',
            "failed",
            "there were 2 of turn_ended, no number 3",
        ),
        ('no_reply = 0.7\nafter = "turn_ended"\nnth = 1', "met", "none"),
        ('no_reply = 0.9\nafter = "turn_ended"', "failed", "a reply after 0.80 s"),
        ('no_reply = 5\nafter = "agent_audio_started"\nnth = 2', "failed", "a reply after 0.00 s"),
        ('no_reply = 3\nafter = "closed"', "failed", "the call was over after 0.00 s"),
        ("stops_within_ms = 140", "met", "140 ms"),
        ("stops_within_ms = 139", "failed", "140 ms"),
        ("stops_within_ms = 250\nnth = 2", "no_barge_in", "barge-in did not happen"),
        ('matches = "echo of 1\\\\.2"', "met", "'(echo of 1.20 s of speech)'"),
        ('matches = "tone"', "failed", "'(echo of 1.20 s of speech)'"),
        ('matches = "echo"\nspeaker = "user"', "failed", "there was no user_transcript"),
        ('event = "turn_ended"\ncount = 2', "met", "there were 2"),
        ('event = "turn_ended"\ncount = 3', "failed", "there were 2"),
        ('event = "turn_ended"\nat_least = 2\nat_most = 2', "met", "there were 2"),
        ('event = "turn_ended"\nat_most = 1', "failed", "there were 2"),
        ('event = "error"\ncount = 0', "met", "there were none"),
    ],
)
def test_an_expectation_is_judged(text: str, outcome: str, seen: str) -> None:
    found = verdict(text)
    assert (found.outcome, found.seen) == (outcome, seen)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('event = "ready"\nwithin_ms = 50', "ready within 50 ms of connected"),
        (
            'event = "agent_audio_started"\nafter = "turn_ended"\nwithin_ms = 1',
            "agent_audio_started within 1 ms of every turn_ended",
        ),
        ('no_reply = 2\nafter = "turn_ended"\nnth = 2', "no reply for 2 s after turn_ended 2"),
        ("stops_within_ms = 250", "the agent stops within 250 ms of every barge_in"),
        ('matches = "yes"\nspeaker = "agent"\nnth = 1', "the agent's line 1 matches /yes/"),
        ('event = "error"\nat_most = 1', "at most 1 of error"),
    ],
)
def test_an_expectation_is_a_sentence(text: str, wanted: str) -> None:
    assert verdict(text).wanted == wanted


def test_a_verdict_says_where_it_was_asked_for() -> None:
    assert verdict("stops_within_ms = 1").place == "greet.toml:4"


AXIS = AudioFormat(16_000)


@pytest.mark.parametrize(
    ("event", "moments"),
    [
        (Transcribed("agent", "yes"), [("agent_transcript", 7.0), ("transcript", 7.0)]),
        (Transcribed("agent", "ye", final=False), []),
        (TurnEnded(1, 16_000, 32_000, 40_000, 1.0, "silence"), [("turn_ended", 2.0)]),
        (BargedIn(1, 16_000, 17_600, 0, 0, 0.5, 0.1), [("barge_in", 1.1)]),
        (Closed(1000, "", "caller"), [("closed", 7.0)]),
        (AgentAudioSent(b"\0\0"), []),
    ],
)
def test_an_event_is_a_moment_where_it_lies(event: Any, moments: list[tuple[str, float]]) -> None:
    assert [(each.name, each.at) for each in moments_in(event, 7.0, AXIS)] == moments


def test_every_moment_that_an_event_is_has_a_name_that_is_explained() -> None:
    events: list[Any] = [Transcribed("user", ""), Transcribed("agent", ""), Closed(1000)]
    events += [TurnEnded(1, 0, 1, 1, 0.0, "silence"), BargedIn(1, 0, 0, 0, 0, 0.0, 0.0)]
    names = {moment.name for event in events for moment in moments_in(event, 0.0, AXIS)}
    assert names <= set(MOMENTS)
    assert {type(event) for event in events} <= MOMENTOUS
