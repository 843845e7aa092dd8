"""A scenario in a test: its agent's side for the emulator, and its expectations of the app's call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from voxemu.agents import file_behind, names_an_agent
from voxemu.errors import UsageError
from voxemu.scenario.moments import AGENT_STARTED, AGENT_STOPPED, READY, SAID, TURN_OVER, Moment
from voxemu.scenario.reading import FILE, Scenario, load
from voxemu.scenario.verdicts import judge
from voxemu.tables import table_name
from voxemu.testing.marks import MARK, Wanted
from voxemu.testing.session import EmuSession
from voxemu.testing.settings import Rung
from voxemu.wire import PROVIDERS

CALLERS_OWN = {SAID, TURN_OVER}
# Moments that only the reference client knows of itself.


def found(name: str, *folders: Path) -> Scenario:
    """The scenario of this name: a file, or a folder with one in it, in the first folder that has it."""
    for folder in folders:
        for path in (folder / name, folder / name / FILE, folder / f"{name}.toml"):
            if path.is_file():
                return load(path)
    places = ", ".join(str(folder) for folder in dict.fromkeys(folders))
    raise UsageError(f"{MARK}(scenario={name!r}): there is no such file in {places}")


def planned(wanted: Wanted, *folders: Path) -> tuple[Wanted, Scenario | None]:
    """What the markers want, with what their scenario says below it."""
    wanted = anchored(wanted, *folders)
    if wanted.scenario is None:
        return wanted, None
    scenario = found(wanted.scenario, *folders)
    clock = wanted.clock or scenario.table.clock
    rungs = [agents_side(scenario), *wanted.rungs]
    if clock == "media":
        rungs.insert(1, Rung(str(scenario.path), {"clock": clock}))
    if clock == "rehearsal":
        # There is nobody to rehearse with: the app's call is the real one.
        clock = None
    provider = wanted.provider or scenario.table.provider
    return replace(wanted, provider=provider, clock=clock, rungs=rungs), scenario


def agents_side(scenario: Scenario) -> Rung:
    """The settings of ``[agent]`` and its tables, and the seed."""
    agent = scenario.table.agent
    tables: dict[str, Any] = {"agent": _agent_of(scenario), "seed": scenario.table.seed}
    for name in ("dialogue", *map(table_name, PROVIDERS)):
        said = dict(getattr(agent, name))
        greeting = said.get("greeting")
        if greeting and not names_an_agent(greeting):
            said["greeting"] = str(scenario.path.parent / greeting)
        if said:
            tables[name] = said
    if scenario.table.fault and not agent.step:
        # Those of a script come with it.
        tables["fault"] = scenario.table.fault
    return Rung(str(scenario.path), tables)


def _agent_of(scenario: Scenario) -> str:
    """Files are relative to the scenario."""
    agent = scenario.table.agent
    if agent.step:
        return f"script:{scenario.path}"
    behind = file_behind(agent.name)
    return agent.name if behind is None else f"{behind[0]}:{scenario.path.parent / behind[1]}"


def anchored(wanted: Wanted, *folders: Path) -> Wanted:
    """A marker's ``script:`` and ``replay:`` lie where its scenarios do."""
    return replace(wanted, rungs=[Rung(rung.source, _placed(rung.tables, folders)) for rung in wanted.rungs])


def _placed(tables: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tables.items():
        if isinstance(value, Mapping):
            found[name] = _placed(value, folders)
        elif isinstance(value, list):
            found[name] = [_placed(each, folders) if isinstance(each, Mapping) else each for each in value]
        elif isinstance(value, str) and (behind := file_behind(value)) is not None:
            kind, path = behind
            place = next((folder / path for folder in folders if (folder / path).exists()), Path(path))
            found[name] = f"{kind}:{place}"
        else:
            found[name] = value
    return found


def unmet(scenario: Scenario, session: EmuSession) -> list[str]:
    """What the session does not keep of the scenario's expectations, each with its file and line."""
    moments = list(moments_of(session))
    lines = []
    for at, expected in enumerate(scenario.expectations):
        place = scenario.place("expect", at)
        asked = {str(getattr(expected, name, "")) for name in ("event", "after")}
        if own := " and ".join(sorted(asked & CALLERS_OWN)):
            lines.append(f"{place}: {own}: only the reference client knows of itself")
            continue
        verdict = judge(expected, moments, place)
        if not verdict.met:
            lines.append(f"{verdict.place}: {verdict.wanted}: {verdict.seen}")
    return lines


def moments_of(session: EmuSession) -> Iterator[Moment]:
    """As the provider's end knows them; when the agent sounds is read off what the user heard."""
    told = session.moments
    yield from told
    ready = "connected" if session.vendor.ready is None else "session_started"
    yield from (Moment(READY, moment.at) for moment in told if moment.name == ready)
    for start, end in session.heard.stretches:
        yield Moment(AGENT_STARTED, start)
        yield Moment(AGENT_STOPPED, end)
