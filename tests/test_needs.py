"""A missing tool is a skip with a reason for a developer, and a failure in CI."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.needs import require_file, require_library, require_tool

MISSING: list[tuple[Callable[[], object], str]] = [
    (lambda: require_tool("no-such-tool", "a hint"), r"no-such-tool is not on the PATH \(a hint\)$"),
    (lambda: require_file("/no/such.wav"), "there is no file /no/such.wav$"),
    (lambda: require_library("no-such-library"), "the shared library no-such-library is not installed$"),
]


@pytest.mark.parametrize(("ask", "reason"), MISSING)
def test_what_is_missing_skips_the_test_with_a_one_line_reason(
    ask: Callable[[], object], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VOXEMU_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match=reason):
        ask()


@pytest.mark.parametrize(("ask", "reason"), MISSING)
def test_what_is_missing_fails_the_test_when_everything_is_required(
    ask: Callable[[], object], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXEMU_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="VOXEMU_REQUIRE_ALL=1"):
        ask()


def test_what_is_there_is_given_back(tmp_path: Path) -> None:
    (tmp_path / "here.wav").touch()
    assert require_file(tmp_path / "here.wav") == tmp_path / "here.wav"
    assert Path(require_tool("sh")).name == "sh"
