"""`emu faults`."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from voxemu.cli import emu
from voxemu.fault import KINDS
from voxemu.spoiler.explain import explained
from voxemu.spoiler.support import IN_ROOMS, ROOMS_LACK
from voxemu.wire import PROVIDERS


def test_every_fault_is_listed_with_who_can_have_it() -> None:
    said = CliRunner().invoke(emu, ["faults"]).output
    assert [kind for kind in KINDS if f"  {kind} " not in said] == []
    assert "an interruption is not told (lyzr-sip, lokutor)" in said
    assert "the upgrade is refused over HTTP (all; *)" in said


@pytest.mark.parametrize("kind", KINDS)
def test_rooms_are_spoken_of_where_they_are_another_matter(kind: str) -> None:
    said = explained(kind, PROVIDERS)
    assert ("Not in rooms: " in said) is (kind in ROOMS_LACK)
    assert ("\nIn rooms: " in said) is (kind in IN_ROOMS)


def test_nothing_is_said_of_kinds_that_there_are_not() -> None:
    assert set(ROOMS_LACK) | set(IN_ROOMS) <= set(KINDS)
    assert set(ROOMS_LACK) & set(IN_ROOMS) == set()


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_is_explained_with_its_fields_and_an_example(kind: str) -> None:
    said = explained(kind, PROVIDERS)
    assert [field for field in KINDS[kind].takes if f"  {field} = " not in said] == []
    assert f'[[fault]]\nkind = "{kind}"\n' in said
