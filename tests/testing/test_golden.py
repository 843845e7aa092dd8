"""`emu_golden` and scenarios, in somebody else's project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

# Loaded beforehand: see test_plugin.
import voxemu.record.likeness
import voxemu.testing.expectations
import voxemu.testing.golden
import voxemu.testing.virtual_emu  # noqa: F401
from tests.testing.test_plugin import made

pytestmark = pytest.mark.sockets


@pytest.fixture(autouse=True)
def _importable(pytester: pytest.Pytester, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(top))
    monkeypatch.delenv("CI", raising=False)
    pytester.syspathinsert(top)


VIRTUAL = """
    @pytest.mark.emu(agent="{agent}", settings=QUICK)
    async def test_call(emu_virtual, emu_golden):
        await talk(emu_virtual.url("lokutor"))
        emu_golden()
"""
REAL = """
    from voxemu.testing import Tolerances

    @pytest.mark.emu(agent="{agent}", settings=QUICK)
    async def test_call(emu, emu_golden):
        await talk(emu.url("lokutor"))
        # Late, where the machine is busy; never so late that another length of the reply would pass.
        emu_golden(tolerances=Tolerances(onset=2.0))
"""


def golden(pytester: pytest.Pytester, name: str = "call") -> Path:
    return pytester.path / "recordings" / "lokutor" / name


def test_a_call_without_a_golden_fails_and_leaves_what_was_received(pytester: pytest.Pytester) -> None:
    made(pytester, VIRTUAL.format(agent="tone:440:0.5"))
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *the session differs from its golden *recordings/lokutor/call",
            "E *  there is no golden yet",
            "E *received: *call.received; if it is right, `pytest --emu-update` makes it the golden",
        ]
    )
    assert sorted(file.name for file in golden(pytester, "call.received").iterdir()) == [
        "call.wav",
        "manifest.json",
        "timeline.jsonl",
    ]


@pytest.mark.parametrize("test", [VIRTUAL, REAL])
def test_the_same_call_again_is_the_same(pytester: pytest.Pytester, test: str) -> None:
    made(pytester, test.format(agent="tone:440:0.5"))
    written = pytester.runpytest("--emu-update")
    written.assert_outcomes(passed=1)
    written.stdout.fnmatch_lines(
        ["*= --emu-update wrote 1 =*", "golden written: *recordings/lokutor/call", "  there is no golden yet"]
    )
    assert json.loads((golden(pytester) / "manifest.json").read_text())["wire_track"] is False
    again = pytester.runpytest("--emu-update")
    again.assert_outcomes(passed=1)
    assert "wrote" not in again.stdout.str()
    pytester.runpytest().assert_outcomes(passed=1)
    assert not golden(pytester, "call.received").exists()


@pytest.mark.parametrize("test", [VIRTUAL, REAL])
def test_another_call_is_told_of_by_its_first_cause(pytester: pytest.Pytester, test: str) -> None:
    made(pytester, test.format(agent="tone:440:0.5"))
    pytester.runpytest("--emu-update").assert_outcomes(passed=1)
    made(pytester, test.format(agent="tone:440:0.9"))
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *the session differs from its golden *", "E *  * ms longer*"])
    assert golden(pytester, "call.received").exists()


def test_on_the_virtual_clock_a_difference_of_a_millisecond_is_one(pytester: pytest.Pytester) -> None:
    made(pytester, VIRTUAL.format(agent="tone:440:0.500"))
    pytester.runpytest("--emu-update").assert_outcomes(passed=1)
    made(pytester, VIRTUAL.format(agent="tone:440:0.501"))
    pytester.runpytest().assert_outcomes(failed=1)


def test_goldens_are_not_rewritten_where_nobody_looks(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    made(pytester, VIRTUAL.format(agent="tone:440:0.5"))
    result = pytester.runpytest_subprocess("--emu-update")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--emu-update rewrites goldens, and CI is set" in result.stderr.str()


def test_a_golden_that_cannot_be_read_is_a_sentence(pytester: pytest.Pytester) -> None:
    made(pytester, VIRTUAL.format(agent="tone:440:0.5"))
    pytester.runpytest("--emu-update").assert_outcomes(passed=1)
    (golden(pytester) / "manifest.json").write_text("{")
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *UsageError: *recordings/lokutor/call/manifest.json is no JSON*"])
    pytester.runpytest("--emu-update").assert_outcomes(passed=1)


ONE_AND_OTHER = VIRTUAL.format(agent="tone:440:0.5") + VIRTUAL.format(agent="tone:880:0.5").replace(
    "test_call", "test_other"
)


def _with_a_golden_too_many(pytester: pytest.Pytester) -> None:
    made(pytester, ONE_AND_OTHER)
    pytester.runpytest("--emu-update").assert_outcomes(passed=2)
    golden(pytester).rename(golden(pytester, "old"))
    made(pytester, VIRTUAL.format(agent="tone:880:0.5").replace("test_call", "test_other"))


@pytest.mark.parametrize("beside", [(), ("-n", "2")])
def test_a_golden_that_no_test_of_a_whole_run_looks_at_is_told(
    pytester: pytest.Pytester, beside: tuple[str, ...]
) -> None:
    _with_a_golden_too_many(pytester)
    lines = pytester.runpytest(*beside).stdout.str().splitlines()
    told = [line for line in lines if "unused golden" in line]
    assert told == [
        f"unused golden: {Path('recordings/lokutor/old')}, with which no test compared its session"
    ]


@pytest.mark.parametrize("part", [("-k", "other"), (".",)])
def test_a_run_of_chosen_tests_calls_no_golden_unused(
    pytester: pytest.Pytester, part: tuple[str, ...]
) -> None:
    _with_a_golden_too_many(pytester)
    assert "unused golden" not in pytester.runpytest(*part).stdout.str()


def test_a_golden_that_is_never_compared_is_an_error(pytester: pytest.Pytester) -> None:
    made(pytester, "    def test_it(emu, emu_golden):\n        pass")
    result = pytester.runpytest()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["emu_golden was asked for and never called: emu_golden()"])


def test_a_test_has_one_emulator(pytester: pytest.Pytester) -> None:
    made(pytester, "    def test_it(emu, emu_virtual):\n        pass")
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["a test has one emulator: ask for emu or for emu_virtual"])


# --- scenarios ----------------------------------------------------------------------------------------------

SCENARIO = """
schema = "voxemu.scenario/1"
provider = "lokutor"
[agent]
name = "tone:660:0.5"
[agent.dialogue]
think_time = 0.1
[caller]
[[caller.step]]
say = "hello"
[[expect]]
event = "agent_audio_started"
after = "turn_ended"
within_ms = 700
[[expect]]
event = "barge_in"
count = {barge_ins}
[[expect]]
speaker = "agent"
matches = "660 Hz"
"""

FOLLOWS = """
    @pytest.mark.emu(scenario="short")
    async def test_call(emu_virtual, emu_golden):
        await talk(emu_virtual.url(), seconds=0.5, in_time=True)
        emu_virtual.assert_heard(0.5, tone=660)
        emu_golden()
"""


def test_a_scenario_sets_up_the_agent_and_names_the_golden(pytester: pytest.Pytester) -> None:
    pytester.makefile(".toml", short=SCENARIO.format(barge_ins=0))
    made(pytester, FOLLOWS)
    pytester.runpytest("--emu-update").assert_outcomes(passed=1)
    assert golden(pytester, "short").exists()


def test_what_a_scenario_expects_is_asked_of_a_test_that_passes(pytester: pytest.Pytester) -> None:
    pytester.makefile(".toml", short=SCENARIO.format(barge_ins=1))
    made(pytester, FOLLOWS)
    result = pytester.runpytest("--emu-update")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["the call is not what its scenario expects", "  *short.toml:14: 1 of barge_in: there were none"]
    )


def test_what_the_marker_says_wins_over_its_scenario(pytester: pytest.Pytester) -> None:
    pytester.makefile(".toml", short=SCENARIO.format(barge_ins=0))
    made(
        pytester,
        """
    @pytest.mark.emu(scenario="short.toml", agent="tone:100:1", provider="workbuddy")
    def test_it(emu):
        assert (emu.agent, emu.url()) == ("tone:100:1", emu.url("workbuddy"))
        assert emu._stage.server.config.settings.dialogue == {"think_time": 0.1}
        """,
    )
    result = pytester.runpytest()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*short.toml is of one session, and 0 were opened"])


@pytest.mark.parametrize(
    ("scenario", "sentence"),
    [
        ("none", "@pytest.mark.emu(scenario='none'): there is no such file in "),
        ("broken", "broken.toml:1: no scenario: the line schema"),
    ],
)
def test_a_scenario_that_cannot_be_read_is_one_sentence(
    pytester: pytest.Pytester, scenario: str, sentence: str
) -> None:
    pytester.makefile(".toml", broken="x = 1\n")
    made(pytester, f"    @pytest.mark.emu(scenario={scenario!r})\n    def test_it(emu):\n        pass")
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    assert sentence in result.stdout.str()
