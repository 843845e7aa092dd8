"""One live call to every provider, on a real ``emu serve``, is the call of its golden recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxemu.provider import Provider
from voxemu.record import Recording
from voxemu.record.differences import told
from voxemu.record.likeness import compare_closely
from voxemu.scenario.reading import Scenario, load
from voxemu.wire import ON_SOCKETS, PROVIDERS
from voxemu_client.demo import emulator
from voxemu_client.dial import Outcome, Telephone
from voxemu_client.judging import judged
from voxemu_client.staging import plan_of, script_of

pytestmark = pytest.mark.sockets

RECORDINGS = Path(__file__).resolve().parents[2] / "recordings"


async def placed(scenario: Scenario, provider: Provider, folder: Path) -> Outcome:
    async with emulator(folder / "server") as url:
        plan = plan_of(scenario, provider, url, key="local")
        (outcome,) = await Telephone(provider, plan, recordings=folder / "client").call(
            script_of(scenario, provider)
        )
    return outcome


CALLS = 4
# A machine that stands still for more than the tolerances (40 ms) makes a call of another one, whoever is at
# fault; what is wrong with us is wrong in every call.


async def differences(provider: Provider, golden: Path, folder: Path) -> list[str]:
    """What is unlike in one live call."""
    scenario = load(golden / "scenario.toml")
    outcome = await placed(scenario, provider, folder)
    assert outcome.recording is not None
    unmet = [str(verdict) for verdict in judged(scenario, outcome.caller) if not verdict.met]
    return unmet + told(compare_closely(Recording.open(golden), Recording.open(outcome.recording)))


@pytest.mark.parametrize("provider", ON_SOCKETS.values(), ids=list(ON_SOCKETS))
async def test_a_live_call_is_like_its_golden(provider: Provider, tmp_path: Path) -> None:
    found: list[str] = []
    for number in range(CALLS):
        found = await differences(provider, RECORDINGS / provider.id / "turn-echo", tmp_path / str(number))
        if not found:
            break
    assert found == []


async def test_a_live_call_in_a_room_is_what_its_scenario_expects(tmp_path: Path) -> None:
    # Its golden is rehearsed without the room: the time that audio takes through one, and what Opus makes of
    # its samples, are in no rehearsal.
    provider = PROVIDERS["lyzr-livekit"]
    golden = RECORDINGS / provider.id / "turn-echo"
    scenario = load(golden / "scenario.toml")
    outcome = await placed(scenario, provider, tmp_path)
    assert outcome.recording is not None
    assert [verdict for verdict in judged(scenario, outcome.caller) if not verdict.met] == []
    first, second = (Recording.open(folder) for folder in (golden, outcome.recording))
    assert len(second.manifest["turns"]) == len(first.manifest["turns"])
