"""The golden recordings in ``recordings/``: each call, rehearsed again, is the same to the sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxemu.record import Recording
from voxemu.wire import PROVIDERS
from voxemu_client.checking import RECEIVED, check, goldens, unused

RECORDINGS = Path(__file__).resolve().parent.parent / "recordings"
SHAPES = {
    f"{shape}-{agent}" for shape in ("turn", "barge-in", "pause", "hang-up") for agent in ("echo", "tone")
}
FOLDERS = goldens([RECORDINGS])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_a_golden_is_the_same_to_the_sample(folder: Path) -> None:
    checked = check(folder)
    assert (checked.broken, [each.text for each in [*checked.differences, *checked.unmet]]) == (None, [])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_has_every_shape_of_a_call(provider: str) -> None:
    assert {folder.name for folder in FOLDERS if folder.parent.name == provider} >= SHAPES


def test_the_goldens_are_small() -> None:
    files = [file for folder in FOLDERS for file in folder.iterdir()]
    assert sum(file.stat().st_size for file in files) < 20 * 1024 * 1024
    seconds = [Recording.open(folder).manifest["length"]["seconds"] for folder in FOLDERS]
    assert sum(seconds) / len(seconds) < 5


def test_every_file_of_the_goldens_is_used() -> None:
    idle = [line for line in unused([folder.parent for folder in FOLDERS]) if RECEIVED not in line]
    assert idle == []
