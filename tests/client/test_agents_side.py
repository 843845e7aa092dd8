"""What the emulator is asked after a call by a scenario: which steps of its script began."""

from __future__ import annotations

from pathlib import Path

from tests.client.calls import LOKUTOR, clip
from voxemu.provider import CallPlan
from voxemu.scenario.script_watch import ScriptWatch
from voxemu.testing.virtual import run_virtual, virtual_emulator, virtual_wall
from voxemu_client.agents_side import scripts_watch
from voxemu_client.dial import Telephone
from voxemu_client.script import Script

SCRIPT = """
schema = "voxemu.scenario/1"
[[agent.step]]
on = "turn"
say = "tone:440:2"
name = "long"
[[agent.step]]
on = "turn"
say = "tone:440:0.3"
[[agent.step]]
on = "turn"
say = "tone:440:0.3"
"""


def asked(folder: Path, label: str = "mine") -> ScriptWatch | None:
    """After a call with an interruption, labelled ``mine``."""
    (folder / "script.toml").write_text(SCRIPT)

    async def call() -> ScriptWatch | None:
        quiet = {"echo_guard": False}
        async with virtual_emulator(agent=f"script:{folder / 'script.toml'}", dialogue=quiet) as emu:
            plan = CallPlan(emu.url, "k")
            script = Script((clip(LOKUTOR, 1.0), clip(LOKUTOR, 0.5, "stop")), barge_in=0.8)
            await Telephone(LOKUTOR, plan, wall=virtual_wall, label="mine").call(script)
            return await scripts_watch(emu.url, "k", label, LOKUTOR)

    return run_virtual(call())


def test_a_step_that_never_began_is_a_verdict(tmp_path: Path) -> None:
    watch = asked(tmp_path)
    assert watch is not None
    (verdict,) = watch.verdicts()
    assert (verdict.outcome, verdict.wanted) == ("never_began", "the agent's step 3 says tone:440:0.3")
    assert verdict.place == f"{tmp_path / 'script.toml'}:10"


def test_what_was_heard_of_a_step_is_a_moment(tmp_path: Path) -> None:
    watch = asked(tmp_path)
    assert watch is not None
    began, cut, again = watch.moments
    assert [moment.name for moment in (began, cut, again)] == ["step_began", "step_interrupted", "step_began"]
    assert (cut.text, cut.step) == ("long", 1)
    assert cut.seconds is not None
    assert 0.7 < cut.seconds < 1.1


def test_a_session_of_another_label_is_not_ours(tmp_path: Path) -> None:
    assert asked(tmp_path, "another") is None


def test_a_server_that_is_no_emulator_says_nothing() -> None:
    async def ask() -> ScriptWatch | None:
        return await scripts_watch("http://127.0.0.1:8099", "", "mine", LOKUTOR)

    assert run_virtual(ask()) is None
