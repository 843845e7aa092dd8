"""A rehearsal does little per second of call, counted in function calls: a busy machine changes nothing."""

from __future__ import annotations

import cProfile
import pstats
from pathlib import Path

import pytest

from voxemu.provider import Provider
from voxemu.scenario.reading import load
from voxemu.wire import ON_SOCKETS
from voxemu_client.rehearsing import perform

DUPLEX = Path(__file__).resolve().parents[2] / "benchmarks" / "duplex.toml"
MOST = 9_000
# Calls of functions, built-in ones too, for each second of the call.


@pytest.mark.parametrize("provider", ON_SOCKETS.values(), ids=list(ON_SOCKETS))
def test_a_second_of_a_recorded_duplex_call_takes_few_function_calls(
    provider: Provider, tmp_path: Path
) -> None:
    scenario, profile = load(DUPLEX), cProfile.Profile()
    profile.enable()
    done = perform(scenario, provider, record={"caller": tmp_path})
    profile.disable()
    assert done.met
    assert pstats.Stats(profile).total_calls / done.end.seconds < MOST  # type: ignore[attr-defined]
