"""One live call to every provider, on a real ``emu serve``, is the call of its golden recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxemu.provider import Provider
from voxemu.record import Recording
from voxemu.record.differences import told
from voxemu.record.likeness import compare_closely
from voxemu.scenario.reading import load
from voxemu.wire import PROVIDERS
from voxemu_client.demo import emulator
from voxemu_client.dial import Telephone
from voxemu_client.judging import judged
from voxemu_client.staging import plan_of, script_of

pytestmark = pytest.mark.sockets

RECORDINGS = Path(__file__).resolve().parents[2] / "recordings"


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))
async def test_a_live_call_is_like_its_golden(provider: Provider, tmp_path: Path) -> None:
    golden = RECORDINGS / provider.id / "turn-echo"
    scenario = load(golden / "scenario.toml")
    async with emulator(tmp_path / "server") as url:
        plan = plan_of(scenario, provider, url, key="local")
        (outcome,) = await Telephone(provider, plan, recordings=tmp_path / "client").call(
            script_of(scenario, provider)
        )
    assert outcome.recording is not None
    assert [verdict for verdict in judged(scenario, outcome.caller) if not verdict.met] == []
    assert told(compare_closely(Recording.open(golden), Recording.open(outcome.recording))) == []
