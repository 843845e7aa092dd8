"""The demo: its table, its judgement, and the emulator that it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from voxemu.errors import ConnectionLost
from voxemu_client import demo
from voxemu_client.web import fetch

GOOD: dict[str, Any] = {
    "provider": "lokutor",
    "exit": 0,
    "reason": "hung up (1000)",
    "turns": [{"first_audio": 0.84}, {"first_audio": None}],
    "barge_in": {"stop": 0.062},
    "audio": {"heard": 1.0, "received": 1.5, "dropped": 0.5},
    "findings": [],
}


def test_the_table_has_a_row_for_each_provider() -> None:
    lines = demo.table([GOOD, {**GOOD, "provider": "workbuddy"}])
    assert [line.split()[0] for line in lines[2:]] == ["lokutor", "workbuddy"]
    assert lines[2].split("  ")[0] == "lokutor"
    assert "840 - ms" in lines[2]
    assert "62 ms" in lines[2]


def test_a_call_that_was_not_placed_has_a_row_too() -> None:
    failed = {"provider": "lokutor", "exit": 3, "reason": "no server", "findings": []}
    assert demo.table([failed])[2].split() == ["lokutor", "0", "ms", "-", "-", "-", "-", "0"]


@pytest.mark.parametrize(
    ("summary", "code"), [(GOOD, 0), ({**GOOD, "exit": 3}, 3), ({**GOOD, "barge_in": None}, 1)]
)
def test_every_call_must_be_answered_and_interrupted(summary: dict[str, Any], code: int) -> None:
    assert demo._judged([GOOD, summary]) == code


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (1.9, None),
        (21.7, "This machine is busy (load 22 on 2 processors): on a quiet one all is sooner."),
    ],
)
def test_a_machine_that_is_busy_is_told_beside_its_figures(
    monkeypatch: pytest.MonkeyPatch, load: float, said: str | None
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0), raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert demo.crowded() == said


@pytest.mark.sockets
async def test_the_emulator_is_started_and_stopped(tmp_path: Path) -> None:
    async with demo.emulator(tmp_path / "recordings") as url:
        assert (await fetch(f"{url}/health"))["status"] == "ok"
    with pytest.raises(ConnectionLost):
        await fetch(f"{url}/health")


@pytest.mark.sockets
async def test_an_emulator_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConnectionLost, match=r"the emulator did not start: .*recordings"):
        async with demo.emulator(tmp_path / "file" / "recordings"):
            pass
