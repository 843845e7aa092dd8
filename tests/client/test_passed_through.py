"""A call that passes through to another emulator: recorded on the way, and served again without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.client.calls import clip
from voxemu.cli import emu
from voxemu.provider import CallPlan, Provider
from voxemu.record import Recording
from voxemu.record.differences import told
from voxemu.record.golden import compare_exactly
from voxemu.testing.virtual import run_virtual, virtual_emulator, virtual_wall
from voxemu.wire import ON_SOCKETS
from voxemu_client.dial import Outcome, Telephone
from voxemu_client.script import Script

providers = pytest.mark.parametrize("provider", ON_SOCKETS.values(), ids=list(ON_SOCKETS))

KEY = "a-key-that-nobody-may-read"
SCRIPT = """
schema = "voxemu.scenario/1"
[[agent.step]]
on = "turn"
user_says = "Good morning"
say = "tone:440:2"
text = "Good morning to you"
[[agent.step]]
on = "turn"
say = "tone:520:1"
text = "I beg your pardon"
"""
QUIET = {"echo_guard": False}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agent.toml").write_text(SCRIPT)
    return tmp_path


async def call(provider: Provider, url: str, folder: Path, name: str) -> Recording:
    script = Script((clip(provider, 1.0), clip(provider, 0.5, "stop")), barge_in=0.8)
    telephone = Telephone(
        provider, CallPlan(url, KEY), recordings=folder / "client" / name, wall=virtual_wall
    )
    outcome: Outcome = (await telephone.call(script))[0]
    assert outcome.recording is not None
    return Recording.open(outcome.recording)


async def passed_through(provider: Provider, folder: Path) -> Recording:
    """The client's recording of a call that a second emulator answered, behind the first."""
    agent = f"script:{folder / 'agent.toml'}"
    upstream = virtual_emulator(agent=agent, port=8091, dialogue=QUIET, record=str(folder / "upstream"))
    async with (
        upstream as real,
        virtual_emulator(
            upstream=real.url, provider=[provider.id], dialogue=QUIET, record=str(folder / "relay")
        ) as ours,
    ):
        return await call(provider, ours.url, folder, "first")


async def replayed(provider: Provider, folder: Path, recording: Path) -> Recording:
    async with virtual_emulator(agent=f"replay:{recording}", dialogue=QUIET) as emu:
        return await call(provider, emu.url, folder, "again")


def only(folder: Path, provider: Provider) -> Path:
    (found,) = (folder / provider.id).iterdir()
    return found


@providers
def test_what_passes_through_is_recorded_as_the_upstream_recorded_it(
    provider: Provider, folder: Path
) -> None:
    run_virtual(passed_through(provider, folder))
    there, here = (Recording.open(only(folder / name, provider)) for name in ("upstream", "relay"))
    assert (here.left, here.right) == (there.left, there.right)
    assert here.manifest["turns"] == there.manifest["turns"]


def said(recording: Recording, way: str) -> list[tuple[int, str]]:
    return [(line.t, line.type) for line in recording.timeline.lines if line.dir == way]


@providers
@pytest.mark.parametrize("way", ["up", "down"])
def test_every_message_is_in_the_timeline_as_the_upstream_has_it(
    provider: Provider, way: str, folder: Path
) -> None:
    run_virtual(passed_through(provider, folder))
    there, here = (Recording.open(only(folder / name, provider)) for name in ("upstream", "relay"))
    assert said(here, way) == said(there, way)


@providers
def test_a_recorded_call_is_served_offline(provider: Provider, folder: Path) -> None:
    first = run_virtual(passed_through(provider, folder))
    again = run_virtual(replayed(provider, folder, only(folder / "relay", provider)))
    assert list(told(compare_exactly(first, again))) == []


@providers
def test_emu_compare_says_that_both_calls_are_the_same(provider: Provider, folder: Path) -> None:
    first = run_virtual(passed_through(provider, folder))
    again = run_virtual(replayed(provider, folder, only(folder / "relay", provider)))
    said = CliRunner().invoke(emu, ["compare", str(first.path), str(again.path), "--exact"])
    assert (said.exit_code, said.output) == (0, "the same\n")


@providers
def test_no_secret_lands_on_disk(provider: Provider, folder: Path) -> None:
    run_virtual(passed_through(provider, folder))
    written = [path.read_text() for path in (folder / "relay").rglob("*.json*")]
    assert len(written) == 2
    text = "".join(written)
    assert [word for word in (KEY, "eyJ", "ticket", "emu_relay") if word in text] == []
