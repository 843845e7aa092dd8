"""The reference client on the virtual clock: against the rehearsal of the same call, and by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.client.calls import clip, play
from voxemu.errors import Refused
from voxemu.events import Event, RatesAnnounced, TokenPresented
from voxemu.provider import CallPlan, Provider
from voxemu.record import Recording
from voxemu.testing.virtual import run_virtual, virtual_emulator, virtual_wall
from voxemu.wire import ON_SOCKETS, PROVIDERS
from voxemu_client.dial import Outcome, Telephone
from voxemu_client.script import Script

providers = pytest.mark.parametrize("provider", ON_SOCKETS.values(), ids=list(ON_SOCKETS))

AGENT = "tone:440:3"


def script(provider: Provider) -> Script:
    return Script((clip(provider, 1.0), clip(provider, 0.5, "stop")), barge_in=0.8)


def dialled(provider: Provider, folder: Path, **settings: Any) -> Outcome:
    """The call on the virtual clock, recorded by the client."""

    async def call() -> Outcome:
        async with virtual_emulator(agent=AGENT, dialogue={"echo_guard": False, **settings}) as emu:
            plan = CallPlan(emu.url, "k")
            telephone = Telephone(provider, plan, recordings=folder, wall=virtual_wall)
            (outcome,) = await telephone.call(script(provider))
            return outcome

    return run_virtual(call())


def recording(outcome: Outcome) -> Recording:
    assert outcome.failure is None
    assert outcome.recording is not None
    return Recording.open(outcome.recording)


@providers
def test_the_agent_is_interrupted_on_the_virtual_clock(provider: Provider, tmp_path: Path) -> None:
    found = recording(dialled(provider, tmp_path))
    assert len(found.manifest["barge_ins"]) == 1
    assert found.manifest["started"] == "2000-01-01T00:00:00.000+00:00"


def test_a_room_keeps_real_time_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="rooms run in real time only, and this emulator's clock is virtual"):
        dialled(PROVIDERS["lyzr-livekit"], tmp_path)


OPENINGS: dict[str, tuple[Event, ...]] = {
    "lyzr-sip": (),
    "workbuddy": (TokenPresented("t"),),
    "lokutor": (RatesAnnounced(44_100, 44_100),),
}
"""What a caller says first on each wire; a token is masked in both recordings."""


@pytest.mark.parametrize(("name", "opening"), OPENINGS.items())
def test_the_client_has_the_call_that_is_rehearsed(
    name: str, opening: tuple[Event, ...], tmp_path: Path
) -> None:
    provider = PROVIDERS[name]
    (tmp_path / "rehearsed").mkdir()
    spoken = script(provider)
    played = play(
        provider,
        spoken.clips,
        agent=AGENT,
        record=tmp_path / "rehearsed",
        opening=opening,
        barge_in=spoken.barge_in,
    )
    assert played.recording is not None
    found = recording(dialled(provider, tmp_path))
    assert found.manifest["digests"] == played.recording.manifest["digests"]


def test_the_same_call_twice_is_the_same_call(tmp_path: Path) -> None:
    lokutor = PROVIDERS["lokutor"]
    first, second = (recording(dialled(lokutor, tmp_path / name)) for name in ("a", "b"))
    assert first.manifest == second.manifest
