"""From a scenario to what the client's engine runs: a script with steps, and the plan of a call."""

from __future__ import annotations

from pathlib import Path

from voxemu.agents import file_behind
from voxemu.errors import AudioError, SettingsError, UnknownName, UsageError
from voxemu.provider import CallPlan, Provider, unspoken
from voxemu.scenario.format import HangUpStep, SayStep
from voxemu.scenario.reading import Scenario
from voxemu_client.agenda import AT, Step
from voxemu_client.clips import load_clip
from voxemu_client.script import Script
from voxemu_client.silence import Silence
from voxemu_client.speech import Clip


def script_of(scenario: Scenario, provider: Provider) -> Script:
    """Reads the clips that are to be said. Raises UsageError with file and line."""
    if not scenario.steps:
        raise SettingsError(f"{scenario.path}: nobody calls: there is no [[caller.step]] in it")
    caller = scenario.table.caller
    try:
        rate = Script(rate=caller.rate).sending_rate(provider)
    except UsageError as error:
        raise SettingsError(f"{scenario.place('caller', 'rate')}: caller.rate: {error}") from error
    try:
        silence = Silence.parse(caller.silence)
    except UsageError as error:
        raise SettingsError(f"{scenario.place('caller', 'silence')}: caller.silence: {error}") from error
    return Script(
        steps=tuple(_steps(scenario, rate)),
        rate=caller.rate,
        silence=silence,
        half_duplex=caller.half_duplex,
        jitter_buffer=caller.jitter_buffer,
        lead=caller.lead,
        quiet=caller.quiet,
        patience=caller.patience,
        ready_patience=caller.ready_patience,
        tools=caller.tools,
    )


def _steps(scenario: Scenario, rate: int) -> list[Step]:
    steps = []
    for at, table in enumerate(scenario.steps):
        clip = _clip(scenario, table, at, rate)
        after, delay = (AT, table.at) if table.at is not None else (table.moment, table.delay)
        barge_in = isinstance(table, SayStep) and table.barge_in
        steps.append(Step(clip, after, delay, barge_in, at + 1))
    return steps


def _clip(scenario: Scenario, table: SayStep | HangUpStep, at: int, rate: int) -> Clip | None:
    if isinstance(table, HangUpStep):
        return None
    try:
        return load_clip(table.say, rate, folder=scenario.path.parent, seed=scenario.table.seed + at)
    except (AudioError, UnknownName) as error:
        place = scenario.place("caller", "step", at, "say")
        raise SettingsError(f"{place}: caller.step.{at + 1}.say: {error}") from error


def plan_of(scenario: Scenario, provider: Provider, url: str, *, key: str = "", agent: str = "") -> CallPlan:
    """Whom to call and what to ask for. Raises UsageError for settings that the wire has no words for."""
    caller = scenario.table.caller
    if lost := unspoken(provider, caller.settings):
        place = scenario.place("caller", "settings")
        raise SettingsError(f"{place}: caller.settings: {provider.id} has no words for {', '.join(lost)}")
    return CallPlan(
        url,
        key or caller.key or "",
        agent or caller.agent or _asked_for(scenario),
        caller.settings,
        caller.rate,
    )


def _asked_for(scenario: Scenario) -> str:
    """The agent to be asked for by name; "" where a file makes it, which is the server's affair."""
    agent = scenario.table.agent
    return "" if agent.step or file_behind(agent.name) is not None else agent.name


def named(path: str) -> Path:
    """The file of a scenario that is named by itself or by its folder. Raises SettingsError."""
    found = Path(path)
    if found.is_dir():
        found = found / "scenario.toml"
    if not found.is_file():
        raise SettingsError(f"{found}: there is no such scenario")
    return found
