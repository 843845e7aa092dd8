"""docs/test-bench.md is true: its scenarios are rehearsed and its tests are run, by the words of the page."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

# Loaded beforehand: pytester forgets what a run in this process has loaded, and some of it loads only once.
import voxemu.agents
import voxemu.testing.virtual_emu
from tests.client.calls import LOKUTOR
from voxemu.cli import emu
from voxemu.fault import fault_of
from voxemu.provider import CallPlan, Route
from voxemu.scenario.acting import scripted
from voxemu.scenario.reading import load, read
from voxemu.server.audience import Audience
from voxemu.server.config import load as load_settings
from voxemu.server.control import Control
from voxemu.server.door import Door
from voxemu.server.faultbook import FaultBook
from voxemu.server.library import Library
from voxemu.server.registry import Registry
from voxemu.server.steering import Steering
from voxemu.server.watching import Watching
from voxemu.testing.virtual import run_virtual, virtual_emulator, virtual_wall
from voxemu.wire import ON_SOCKETS, PROVIDERS
from voxemu_client.dial import Telephone
from voxemu_client.rehearsing import perform
from voxemu_client.script import Script
from voxemu_client.speech import Clip

INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""
APP = '''
"""An app, as small as it gets: one question, and a tool."""
import asyncio
from voxemu.agents import sine
from voxemu.provider import CallPlan
from voxemu.wire import PROVIDERS
from voxemu_client.dial import Telephone
from voxemu_client.script import Script
from voxemu_client.speech import Clip

def call(env, tools={}, label=""):
    provider = PROVIDERS["lokutor"]
    answers = {name: tool(city="Rome") for name, tool in tools.items()}
    question = Clip("question", sine(provider.format, 300.0, 0.4))
    script = Script((question,), lead=0.1, quiet=0.2, tools=answers)
    plan = CallPlan(env["LOKUTOR_SERVER_URL"], env["EMU_KEY"])
    asyncio.run(Telephone(provider, plan, label=label).call(script))

class Played:
    after_the_interruption = 0

async def interrupt(env):
    """A question, and another one over its answer; what sounded of the old answer afterwards."""
    provider = PROVIDERS["lokutor"]
    clips = tuple(Clip(name, sine(provider.format, 300.0, 0.8)) for name in ("question", "stop"))
    played = Played()
    telephone = Telephone(provider, CallPlan(env["LOKUTOR_SERVER_URL"], env["EMU_KEY"]))
    (outcome,) = await telephone.call(Script(clips, barge_in=0.6))
    late = 22_050 - outcome.caller.playback.late
    played.after_the_interruption = max(0, late - provider.frame_samples)
    return played

async def ask(env, questions):
    """WorkBuddy, with a new token whenever the session's is no longer good."""
    provider = PROVIDERS["workbuddy"]
    left = tuple(Clip(f"question {n}", sine(provider.format, 300.0, 0.4)) for n in range(questions))
    while left:
        telephone = Telephone(provider, CallPlan(env["WORKBUDDY_API_URL"], env["EMU_KEY"]))
        (outcome,) = await telephone.call(Script(left, lead=0.1, quiet=0.2))
        left = outcome.caller.unsaid if outcome.closed.code == 4003 else ()
'''
PLAYS_LATE = """
from voxemu_client.playback import Playback
Playback.cut_off = lambda self, now: None
"""
BOOKING = """
schema = "voxemu.scenario/1"
[[agent.step]]
on = "turn"
say = "tone:440:0.6"
text = "Your table is booked."
"""


@pytest.fixture(scope="module")
def page(top: Path) -> str:
    return (top / "docs" / "test-bench.md").read_text("utf-8")


def blocks(page: str, mark: str, language: str) -> list[str]:
    return re.findall(rf"<!-- {mark} -->\n```{language}\n(.*?)```", page, re.DOTALL)


@pytest.fixture
def project(page: str, pytester: pytest.Pytester, top: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the page's files, and an app."""
    monkeypatch.delenv("CI", raising=False)
    pytester.makeini(INI)
    (pytester.path / "calls").mkdir()
    for name in ("weather", "rough"):
        (text,) = blocks(page, f"file: calls/{name}.toml", "toml")
        (pytester.path / "calls" / f"{name}.toml").write_text(text)
    (pytester.path / "my_app.py").write_text(APP)
    pytester.syspathinsert(pytester.path)
    return pytester.path


def test_the_first_script_is_a_script_on_every_provider(page: str) -> None:
    text = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0]
    for provider in ON_SOCKETS.values():
        scripted(read(text, Path("page.toml")), provider)


def test_the_weather_is_asked_for_and_told(project: Path) -> None:
    scenario = load(project / "calls" / "weather.toml")
    done = perform(scenario, scenario.provider())
    assert [verdict.seen for verdict in done.verdicts if not verdict.met] == []
    assert len(done.verdicts) == 2


def test_the_command_of_the_page_prints_what_the_page_shows(page: str, project: Path) -> None:
    shown = re.findall(r"\$ (emu rehearse .*)\n((?:.*\n)*?)```", page)
    assert shown
    for command, printed in shown:
        done = CliRunner().invoke(emu, shlex.split(command)[1:])
        assert done.exit_code == ("FAILED" in printed)
        assert _timeless(done.output) == _timeless(printed)


def _timeless(text: str) -> str:
    """Without how long it took here."""
    return re.sub(r"in \d+ ms", "in N ms", text)


def test_every_command_of_the_page_is_one(page: str) -> None:
    commands = re.findall(r"^(?:\$ )?(emu .*)$|`(emu [^`]*)`", page, re.MULTILINE)
    lines = [shlex.split((shown or said).replace("…", " x"))[1:] for shown, said in commands]
    assert len(lines) > 8
    for line in lines:
        with click.Context(emu, info_name="emu") as above:
            name, command, rest = emu.resolve_command(above, line)
            assert command is not None
            assert name is not None
            unknown = [part for part in rest if part.startswith("--") and part != "--"]
            known = {option for param in command.params for option in param.opts}
            assert [part for part in unknown if part not in known and name != "exec"] == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_rough_call_is_rough(page: str, tmp_path: Path, provider: str) -> None:
    (text,) = blocks(page, "file: calls/rough.toml", "toml")
    scenario = read(text, tmp_path / "rough.toml")
    done = perform(scenario, PROVIDERS[provider])
    assert [fault.kind for _, fault in done.agent.faults] == ["drop"] * 5 + ["close"]
    assert done.end.caller is not None
    assert done.end.caller.code == 1006


@pytest.mark.sockets
def test_the_app_is_tested_with_the_weather_tool(page: str, project: Path, pytester: pytest.Pytester) -> None:
    test, _ = blocks(page, "test", "python")
    pytester.makepyfile(test)
    pytester.runpytest().assert_outcomes(passed=1)


@pytest.mark.sockets
def test_an_app_without_the_tool_fails(page: str, project: Path, pytester: pytest.Pytester) -> None:
    test, _ = blocks(page, "test", "python")
    call = re.sub(r", tools=.*\)", ")", test).replace('emu.assert_transcript("In', '("In')
    pytester.makepyfile(call)
    pytester.runpytest().assert_outcomes(passed=1, errors=1)


async def recorded(folder: Path, page: str) -> None:
    """A call to a vendor (another emulator, here), recorded on the way, with the page's commands."""
    ((provider, root),) = re.findall(r"\$ emu serve --provider (\S+) --upstream \S+ --record (\S+)\n", page)
    ((there, name),) = re.findall(r"\$ mv (\S+)/\S+ \S+/(\S+)\n", page)
    assert (there, f"replay:{there}/{name}") == (f"{root}/{provider}", _replayed(page))
    (folder / "vendor.toml").write_text(BOOKING)
    vendor = virtual_emulator(agent=f"script:{folder / 'vendor.toml'}", port=8091)
    async with vendor as real:
        relay = virtual_emulator(upstream=real.url, provider=[provider], record=str(folder / root))
        async with relay as ours:
            question = Clip("question", voxemu.agents.sine(LOKUTOR.format, 300.0, 0.4))
            telephone = Telephone(LOKUTOR, CallPlan(ours.url, "k"), wall=virtual_wall)
            await telephone.call(Script((question,), lead=0.1, quiet=0.2))
    (found,) = (folder / there).iterdir()
    found.rename(found.with_name(name))


def _replayed(page: str) -> str:
    """Who answers when the vendor is not there, by the page's command."""
    (agent,) = re.findall(r"\$ emu serve --provider \S+ --agent (replay:\S+)\n", page)
    assert isinstance(agent, str)
    return agent


@pytest.mark.sockets
def test_a_recorded_vendor_call_is_served_offline(
    page: str, project: Path, pytester: pytest.Pytester
) -> None:
    run_virtual(recorded(project, page))
    _, test = blocks(page, "test", "python")
    pytester.makepyfile(test)
    pytester.runpytest().assert_outcomes(passed=1)


# --- faults --------------------------------------------------------------------------------------------


@pytest.mark.sockets
@pytest.mark.parametrize("example", ["late audio", "token"])
def test_the_examples_of_faults_pass(
    page: str, project: Path, pytester: pytest.Pytester, example: str
) -> None:
    (test,) = blocks(page, example, "python")
    pytester.makepyfile(test)
    pytester.runpytest().assert_outcomes(passed=1)


@pytest.mark.sockets
def test_an_app_that_plays_late_audio_fails(page: str, project: Path, pytester: pytest.Pytester) -> None:
    (test,) = blocks(page, "late audio", "python")
    pytester.makepyfile(test + PLAYS_LATE)
    pytester.runpytest_subprocess().assert_outcomes(failed=1)


@pytest.mark.sockets
def test_parallel_tests_share_one_emulator(page: str, project: Path, pytester: pytest.Pytester) -> None:
    (test,) = blocks(page, "parallel", "python")
    file = pytester.makepyfile(test)
    (command,) = re.findall(r"`(emu exec -- pytest [^`]*)`", page)
    program, *options = shlex.split(command)
    done = pytester.run(
        str(Path(sys.executable).with_name(program)),
        options[0],
        "--fail-on",
        "finding",
        "--",
        sys.executable,
        "-m",
        *options[2:],
        "-q",
        str(file),
    )
    assert done.ret == 0
    done.assert_outcomes(passed=6)


@pytest.mark.parametrize("fault", range(3))
def test_the_faults_of_the_page_can_be(page: str, fault: int) -> None:
    (text,) = re.findall(r"```toml\n(\[\[fault\]\].*?)```", page, re.DOTALL)
    said = tomllib.loads(text)["fault"][fault]
    assert fault_of(said, anchored=True).kind == said["kind"]


def test_every_route_of_the_page_is_served(page: str) -> None:
    named = set(re.findall(r"`(?:GET|POST|GET`, `POST) (/__emu/[\w./{}]+)", page))
    routes = {route.path for route in control_routes()}
    assert named - routes == set()
    acts = {f"/__emu/sessions/{{id}}/{name}" for name in re.findall(r"`POST …/{id}/(\w+)`", page)}
    assert acts
    assert acts - routes == set()


def control_routes() -> list[Route]:
    config = load_settings(None, {}, {})
    book, registry = FaultBook(config), Registry()
    door = Door(config)
    parts = (
        Watching(registry, Audience(), book, config, door),
        Steering(registry, book, config),
        Library(config, door),
    )
    none: Any = None
    control = Control(registry, none, none, none, (), None, parts)
    return [route for route, _ in control.served()]
