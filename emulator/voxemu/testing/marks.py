"""``@pytest.mark.emu(…)``: what it may say, and what the nearest of several says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from voxemu.errors import UsageError, meant
from voxemu.testing.settings import Rung
from voxemu.wire import provider_named

MARK = "@pytest.mark.emu"
WORDS = ("provider", "agent", "scenario", "clock", "settings")
CLOCKS = ("real", "media", "virtual")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the markers of one test ask for."""

    provider: str | None = None
    scenario: str | None = None
    clock: str | None = None
    rungs: list[Rung] = field(default_factory=list)
    # Settings, those of the farthest marker first.


def wanted(marks: Iterable[tuple[tuple[Any, ...], Mapping[str, Any]]]) -> Wanted:
    """From the arguments of each marker, the nearest first. Raises UsageError with the whole sentence."""
    said: dict[str, Any] = {}
    rungs: list[Rung] = []
    for positional, named in marks:
        _check(positional, named)
        rungs[:0] = _settings(named)
        said = {**named, **said}
    return Wanted(said.get("provider"), said.get("scenario"), said.get("clock"), rungs)


def _check(positional: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    if positional:
        raise UsageError(f"{MARK}({positional[0]!r}): name it, as in {MARK}(provider={positional[0]!r})")
    for word, value in named.items():
        if word not in WORDS:
            raise UsageError(f"{MARK}({word}=…): there is no such argument; {meant(word, WORDS)}")
        if word == "settings":
            if not isinstance(value, Mapping):
                raise UsageError(
                    f"{MARK}(settings={value!r}): must be tables as in emu.toml, "
                    'like {"dialogue": {"burst": True}}'
                )
        elif not isinstance(value, str):
            raise UsageError(f"{MARK}({word}={value!r}): must be a string")
    if "provider" in named:
        try:
            provider_named(named["provider"])
        except UsageError as error:
            raise UsageError(f"{MARK}(provider=…): {error}") from None
    if named.get("clock", "real") not in CLOCKS:
        raise UsageError(f"{MARK}(clock={named['clock']!r}): {meant(named['clock'], CLOCKS)}")


def _settings(named: Mapping[str, Any]) -> list[Rung]:
    found = [Rung(f"{MARK}(settings=…)", named["settings"])] if "settings" in named else []
    own = {word: named[word] for word in ("agent", "clock") if named.get(word) not in (None, "virtual")}
    return [*found, Rung(MARK, own)] if own else found
