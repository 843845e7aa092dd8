"""Scripted agents and recordings in somebody's tests: named by a marker, and held to by the fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest

# Loaded beforehand: pytester forgets what a run in this process has loaded, and some of it loads only once.
import voxemu.testing.virtual_emu  # noqa: F401
from tests.testing.test_plugin import made

pytestmark = pytest.mark.sockets

ONE = """
schema = "voxemu.scenario/1"
[[agent.step]]
on = "turn"
say = "tone:440:0.2"
text = "One."
name = "one"
"""
TWO = ONE + '[[agent.step]]\non = "turn"\nsay = "tone:880:0.2"\n'


@pytest.fixture(autouse=True)
def _importable(pytester: pytest.Pytester, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(top))
    monkeypatch.delenv("CI", raising=False)
    pytester.syspathinsert(top)


CALL = """
    @pytest.mark.emu({mark})
    async def test_it(emu_virtual):
        await talk(emu_virtual.url("lokutor"), in_time=True)
        emu_virtual.assert_transcript("One.", "agent")
"""


def test_a_marker_names_a_script_that_lies_beside_the_test(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("one.toml").write_text(ONE)
    made(pytester, CALL.format(mark='agent="script:one.toml"'))
    pytester.runpytest().assert_outcomes(passed=1)


def test_a_key_has_its_own_script(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("one.toml").write_text(ONE)
    keys = 'settings={"key": [{"value": "k", "agent": "script:one.toml"}]}'
    made(pytester, CALL.format(mark=keys))
    pytester.runpytest().assert_outcomes(passed=1)


def test_the_agents_side_of_a_scenario_answers(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("one.toml").write_text(ONE + '[[expect]]\nheard_of = "one"\ninterrupted = false\n')
    made(pytester, CALL.format(mark='scenario="one.toml"'))
    pytester.runpytest().assert_outcomes(passed=1)


@pytest.mark.parametrize("word", ["scenario", "agent"])
def test_a_step_that_was_not_reached_fails_the_test(word: str, pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("two.toml").write_text(TWO)
    named = "two.toml" if word == "scenario" else "script:two.toml"
    made(pytester, CALL.format(mark=f'{word}="{named}"'))
    result = pytester.runpytest()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*the agent's script was not played to its end*",
            "*two.toml:8: step 2 says tone:880:0.2: never began*",
        ]
    )


def test_a_recording_answers(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("one.toml").write_text(ONE)
    made(
        pytester,
        CALL.format(mark='agent="script:one.toml"').replace("test_it", "test_first"),
        """
    import pathlib, shutil
    @pytest.mark.emu(agent="script:one.toml")
    async def test_recorded(emu_virtual):
        await talk(emu_virtual.url("lokutor"), in_time=True)
        await emu_virtual.session.wait_until_over_async()
        shutil.copytree(emu_virtual.session.recording, "kept")

    @pytest.mark.emu(agent="replay:kept")
    async def test_replayed(emu_virtual):
        await talk(emu_virtual.url("lokutor"), in_time=True)
        emu_virtual.assert_transcript("One.", "agent")
        emu_virtual.assert_heard(tone=440)
        assert emu_virtual.findings == []
""",
    )
    pytester.runpytest("-p", "no:randomly").assert_outcomes(passed=3)


def test_a_script_that_is_not_there_is_a_sentence(pytester: pytest.Pytester) -> None:
    made(pytester, CALL.format(mark='agent="script:gone.toml"'))
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*@pytest.mark.emu: agent: gone.toml: cannot be read: No such file*"])
