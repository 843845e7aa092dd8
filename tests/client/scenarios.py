"""Scenarios written in a test, and run in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voxemu.provider import Provider
from voxemu.record import Recording
from voxemu.scenario.reading import Scenario, read
from voxemu_client.rehearsing import End, Performance, perform

HEAD = 'schema = "voxemu.scenario/1"\n'
SAY = '[[caller.step]]\nsay = "tone:300:0.5"\n'
AGENT = '[agent]\nname = "tone:440:1"\n'
# Short enough for a test, long enough to be talked over.


def written(steps: str, rest: str = AGENT, caller: str = "") -> Scenario:
    return read(f"{HEAD}[caller]\n{caller}\n{steps}\n{rest}", Path("here/scenario.toml"))


def run(steps: str, provider: Provider, rest: str = AGENT, caller: str = "", **how: Any) -> Performance:
    return perform(written(steps, rest, caller), provider, **how)


def recorded(
    folder: Path, scenario: Scenario, provider: Provider, end: End = "caller", **how: Any
) -> Recording:
    """The recording of a rehearsal."""
    folder.mkdir(parents=True)
    perform(scenario, provider, record={end: folder}, **how)
    return Recording.open(folder)
