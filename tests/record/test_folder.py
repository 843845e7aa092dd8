from __future__ import annotations

import stat
from pathlib import Path

import pytest

from voxemu.errors import RecordingError
from voxemu.record import fresh_directory
from voxemu.record.folder import safe_name


def test_a_recording_lies_under_its_provider(tmp_path: Path) -> None:
    assert fresh_directory(tmp_path / "rec", "lokutor", "call-1") == tmp_path / "rec/lokutor/call-1"


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    names = [fresh_directory(tmp_path, "lokutor", "call").name for _ in range(3)]
    assert names == ["call", "call-2", "call-3"]


def test_every_folder_made_is_its_owners_alone(tmp_path: Path) -> None:
    made = fresh_directory(tmp_path / "a/b", "lokutor", "call")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (made, *list(made.parents)[:3])}
    assert modes == {0o700}


@pytest.mark.parametrize(
    ("asked", "safe"),
    [
        ("../../etc/passwd", "etc-passwd"),
        ("", "call"),
        ("..", "call"),
        ("a b\0c", "a-b-c"),
        (".hidden", "hidden"),
    ],
)
def test_no_name_leads_out_of_the_folder(asked: str, safe: str) -> None:
    assert safe_name(asked) == safe


def test_a_long_name_is_cut() -> None:
    assert len(safe_name("x" * 1000)) == 80


def test_a_place_where_nothing_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match=r"cannot create .*file/lokutor: Not a directory"):
        fresh_directory(tmp_path / "file", "lokutor", "call")
