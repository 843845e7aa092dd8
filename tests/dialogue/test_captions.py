from __future__ import annotations

import pytest

from tests.calls import Talk
from tests.dialogue.test_session import Scripted, say
from voxemu.events import BargedIn, Transcribed

LINE = "one two three four five six seven eight nine ten"


def lines(talk: Talk, speaker: str) -> list[tuple[str, bool]]:
    return [(event.text, event.final) for event in talk.all(Transcribed) if event.speaker == speaker]


def test_only_final_lines_are_said_by_default() -> None:
    talk = Talk()
    talk.say(1.2)
    talk.quiet(4.0)
    assert all(event.final for event in talk.all(Transcribed))


def test_the_users_line_grows_every_half_second_and_ends_final() -> None:
    talk = Talk(interim_transcripts=True)
    talk.say(1.2)
    talk.quiet(1.0)
    assert lines(talk, "user") == [
        ("(0.50 s of speech)", False),
        ("(1.00 s of speech)", False),
        ("(1.20 s of speech)", True),
    ]
    assert {event.segment for event in talk.all(Transcribed) if event.speaker == "user"} == {1}


def test_an_agents_line_grows_as_it_sounds_under_one_number_and_ends_final() -> None:
    talk = Talk(agent=Scripted([[say(LINE, 2.0)]]), interim_transcripts=True, transcript_place="with_audio")
    talk.say(0.4)
    talk.quiet(5.0)
    grown = lines(talk, "agent")
    assert [text for text, final in grown if not final] == [" ".join(LINE.split()[:n]) for n in range(1, 11)]
    assert grown[-1] == (LINE, True)
    assert {event.segment for event in talk.all(Transcribed) if event.speaker == "agent"} == {2}


def test_an_interrupted_line_ends_with_what_was_heard_of_it() -> None:
    talk = Talk(agent=Scripted([[say(LINE, 5.0)]]), interim_transcripts=True, transcript_place="with_audio")
    talk.say(0.4)
    talk.quiet(0.8 + 2.0)
    talk.say(0.5)
    heard = talk.only(BargedIn).after
    text, final = lines(talk, "agent")[-1]
    assert final
    assert len(text.split()) == pytest.approx(heard * 2, abs=1)
    assert len(text.split()) < 10


def test_a_line_said_before_its_sound_has_an_interim_half_when_those_are_on() -> None:
    talk = Talk(agent=Scripted([[say("a b c d", 0.2)]]), interim_transcripts=True)
    talk.say(0.4)
    talk.quiet(2.0)
    assert lines(talk, "agent") == [("a b", False), ("a b c d", True)]
