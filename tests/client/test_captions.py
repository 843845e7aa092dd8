"""Transcripts that come in two forms, without doubles."""

from __future__ import annotations

from voxemu_client import captions
from voxemu_client.captions import Captions


def told(*said: tuple[str, str, bool]) -> list[tuple[str, str, bool]]:
    known = Captions()
    return [one for one in said if known.is_news(*one)]


def test_the_same_from_either_form_is_told_once() -> None:
    grown, whole = ("a", "good", False), ("a", "good morning", True)
    assert told(grown, grown, whole, whole) == [grown, whole]


def test_a_form_that_lags_behind_adds_nothing() -> None:
    first, second = ("a", "good", False), ("a", "good morning", False)
    assert told(second, first) == [second]


def test_a_text_that_was_corrected_is_news() -> None:
    assert len(told(("a", "wood", False), ("a", "good", False))) == 2


def test_a_segment_that_was_cut_is_told_as_it_was_left_and_not_what_it_would_have_been() -> None:
    grown, cut = ("a", "good morning to you", False), ("a", "good mor", True)
    assert told(grown, cut, grown, ("a", "good morning to you", True)) == [grown, cut]


def test_segments_are_told_apart() -> None:
    assert len(told(("a", "yes", True), ("b", "yes", True))) == 2


def test_the_oldest_segments_are_forgotten() -> None:
    known = Captions()
    for number in range(captions.KEPT + 1):
        known.is_news(str(number), "yes", True)
    assert known.is_news("0", "yes", True)
    assert not known.is_news(str(captions.KEPT), "yes", True)
