"""Who plays the agent: from a name in the settings, or a scenario, to an agent for one call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from voxemu.agent import Agent
from voxemu.agents import file_behind, make_agent, names_an_agent
from voxemu.dialogue.settings import DialogueSettings
from voxemu.errors import UsageError
from voxemu.fault import Fault, fault_of
from voxemu.greeting import greeted
from voxemu.provider import Provider
from voxemu.record.folder import MANIFEST

if TYPE_CHECKING:
    from voxemu.scenario.reading import Scenario


class Cast(NamedTuple):
    """Who answers one call, and what is to go wrong in it: a scenario file says both."""

    agent: Agent
    faults: tuple[Fault, ...] = ()


def cast(name: str, provider: Provider, settings: DialogueSettings) -> Cast:
    """A new agent for one call; ``settings`` may have it greet.

    ``script:FILE``, ``replay:RECORDING``, or any name that ``make_agent`` takes. Raises UsageError.
    """
    return _greeted(_cast(name, provider, settings, Path()), settings)


def cast_of(scenario: Scenario, provider: Provider, settings: DialogueSettings) -> Cast:
    """The agent of a scenario: its steps, or the agent it names. Raises UsageError."""
    if scenario.table.agent.step:
        return _greeted(_scripted(scenario, provider), settings)
    agent, faults = _cast(scenario.table.agent.name, provider, settings, scenario.path.parent)
    return _greeted(Cast(agent, (*faults, *scenario.faults(provider))), settings)


def faults_behind(name: str) -> list[Fault]:
    """What this agent's file says is to go wrong, with whatever provider. Raises UsageError."""
    match file_behind(name):
        case "script", path:
            return [*map(fault_of, _loaded(Path(path)).table.fault)]
    return []


def _greeted(cast: Cast, settings: DialogueSettings) -> Cast:
    return Cast(greeted(cast.agent, settings), cast.faults)


def _scripted(scenario: Scenario, provider: Provider, name: str = "") -> Cast:
    from voxemu.scenario.acting import scripted

    return Cast(scripted(scenario, provider, name), tuple(scenario.faults(provider)))


def plays_a_script(scenario: Scenario) -> bool:
    """Whether the scenario's agent has steps, its own or those of a file."""
    behind = file_behind(scenario.table.agent.name)
    return bool(scenario.table.agent.step) or (behind is not None and behind[0] == "script")


def is_castable(name: str) -> bool:
    """Whether settings may name this agent; whether its file is there is not asked."""
    return names_an_agent(name) or file_behind(name) is not None


def check(name: str) -> None:
    """Raises UsageError for a name that no call could be cast by: unknown, or a file that cannot be read."""
    match file_behind(name):
        case None:
            make_agent(name)
        case "script", path:
            _loaded(Path(path))
        case _, path:
            _recording_at(Path(path))


def _cast(name: str, provider: Provider, settings: DialogueSettings, folder: Path) -> Cast:
    match file_behind(name):
        case None:
            return Cast(make_agent(name))
        case "script", path:
            return _scripted(_loaded(folder / path), provider, name)
        case _, path:
            # Late: it brings numpy, and a server without such an agent starts without.
            from voxemu.replay.reading import part_at
            from voxemu.replay.replayed import Replayed

            part = part_at(_recording_at(folder / path), provider, settings)
            return Cast(Replayed(name, part, settings.replay_anchor))


def _recording_at(path: Path) -> Path:
    if not (path / MANIFEST).is_file():
        raise UsageError(f"replay:{path}: there is no recording: give the folder that holds {MANIFEST}")
    return path


def _loaded(path: Path) -> Scenario:
    # Late: hardly any server has an agent of a script, and its tables take as long as the rest of a start.
    from voxemu.scenario.reading import FILE, load

    return load(path / FILE if path.is_dir() else path)
