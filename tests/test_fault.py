"""What a [[fault]] may say."""

from __future__ import annotations

from typing import Any

import pytest

from voxemu.errors import SettingsError, UnknownName
from voxemu.fault import KINDS, fault_of, table_of_fault


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_needs_no_more_than_its_name(kind: str) -> None:
    assert fault_of({"kind": kind}).kind == kind


def test_a_kind_has_its_own_defaults() -> None:
    assert (fault_of({"kind": "late_audio"}).ms, fault_of({"kind": "late_audio"}).times) == (500.0, 0)


def test_what_was_said_is_told_again_without_the_defaults() -> None:
    said = {"kind": "close", "code": 1005, "at": 2.0}
    assert said == table_of_fault(fault_of(said))


def test_a_fault_of_a_moment_in_a_file_must_say_which() -> None:
    with pytest.raises(SettingsError, match="needs a moment"):
        fault_of({"kind": "close"}, anchored=True)


def test_an_expired_token_without_a_moment_is_one_at_the_door() -> None:
    assert not fault_of({"kind": "token_expired"}, anchored=True).is_anchored


def test_a_mistyped_kind_is_told_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'late_audio'"):
        fault_of({"kind": "late_adio"})


def test_a_part_of_a_kind_is_told_the_kinds_that_have_it() -> None:
    with pytest.raises(UnknownName, match="did you mean 'late_audio' or 'upgrade_late'"):
        fault_of({"kind": "late"})


def test_a_letter_or_two_are_no_part_of_a_kind() -> None:
    with pytest.raises(UnknownName, match="known: agent_leaves, burst"):
        fault_of({"kind": "la"})


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({}, "a fault needs a kind"),
        ({"kind": "drop", "ms": 3}, "has no 'ms'"),
        ({"kind": "http_status", "at": 3}, "has no 'at'"),
        ({"kind": "drop", "chance": 2}, "chance must be a number of 0 to 1, not 2"),
        ({"kind": "drop", "nth": True}, "nth must be a whole number of 1 to 1e"),
        ({"kind": "drop", "times": 1.5}, "times must be a whole number"),
        ({"kind": "error", "fatal": 1}, "fatal must be true or false, not 1"),
        ({"kind": "error", "text": 1}, "text must be a text"),
        ({"kind": "close", "code": 17}, "code must be a whole number of 1000 to 4999"),
    ],
)
def test_what_cannot_be_is_refused_by_name(table: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        fault_of(table)
