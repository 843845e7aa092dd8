"""Without the extra ``voxemu[livekit]`` there are no rooms, and it is said what is missing."""

from __future__ import annotations

import sys

import pytest

from voxemu.errors import ConnectionLost
from voxemu.rooms.embedded import embedded_rooms


@pytest.mark.parametrize("package", ["aiortc", "av", "livekit.api", "pylibsrtp"])
def test_a_missing_package_is_named_with_its_remedy(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("voxemu.rooms.embedded.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConnectionLost, match=f"{package}.*voxemu\\[livekit\\]"):
        embedded_rooms()


def test_with_the_extra_there_are_rooms() -> None:
    assert embedded_rooms().describe()["backend"] == "embedded"
