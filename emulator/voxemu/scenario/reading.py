"""Reading a scenario: the file, its tables, and a sentence with file and line for all that is wrong in it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from voxemu.agents import names_an_agent
from voxemu.dialogue.settings import DialogueSettings
from voxemu.errors import SettingsError, UsageError
from voxemu.fault import Fault, fault_of
from voxemu.provider import Provider
from voxemu.scenario.complaints import out_of_order, sentences
from voxemu.scenario.format import SCHEMA, Expectation, HangUpStep, SayStep, ScenarioTable
from voxemu.scenario.lines import Lines
from voxemu.spoiler import supports
from voxemu.tables import field_names, table_name
from voxemu.wire import PROVIDERS, provider_named


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario that can be run, and where it was read."""

    path: Path
    table: ScenarioTable
    lines: Lines

    @property
    def name(self) -> str:
        """The folder's, for one that lies in a recording; else the file's."""
        return self.path.parent.name if self.path.name == FILE else self.path.stem

    @property
    def steps(self) -> list[SayStep | HangUpStep]:
        return self.table.caller.step

    @property
    def expectations(self) -> list[Expectation]:
        return self.table.expect

    def faults(self, provider: Provider) -> list[Fault]:
        """What is to go wrong with this provider. Raises SettingsError for what it cannot have."""
        found = []
        for at, said in enumerate(self.table.fault):
            fault = fault_of(said, anchored=True)
            if fault.provider not in ("", provider.id):
                continue
            if not supports(provider, fault.kind):
                where = f"{self.place('fault', at)}: fault.{at + 1}"
                raise SettingsError(f"{where}: {provider.id} has nothing that a {fault.kind} could strike")
            found.append(fault)
        return found

    def place(self, *location: str | int) -> str:
        """``file:line`` of a value."""
        return f"{self.path}:{self.lines.of(location)}"

    def provider(self, asked: str | None = None) -> Provider:
        """The one that was asked for, else the scenario's own. Raises UsageError."""
        name = asked or self.table.provider
        if name is None:
            raise UsageError(
                f'{self.path} names no provider; give --provider, or write provider = "…" in it '
                f"(one of {', '.join(PROVIDERS)})"
            )
        return provider_named(name)

    def dialogue(self, provider: Provider) -> DialogueSettings:
        """The agent's side: the provider's defaults, ``[agent.dialogue]``, then the provider's own table."""
        own = field_names(DialogueSettings)
        found = {name: value for name, value in self._settings(provider).items() if name in own}
        greeting = found.get("greeting")
        if greeting and not names_an_agent(greeting):
            # Files are relative to the scenario.
            found["greeting"] = str(self.path.parent / greeting)
        return DialogueSettings(**found)

    def wire(self, provider: Provider) -> Any:
        """The settings of the provider's messages."""
        own = field_names(DialogueSettings)
        found = {name: value for name, value in self._settings(provider).items() if name not in own}
        return provider.settings_type(**found)

    def _settings(self, provider: Provider) -> dict[str, Any]:
        agent = self.table.agent
        tables = (agent.dialogue, getattr(agent, table_name(provider.id)))
        found = dict(provider.dialogue_defaults)
        for said in tables:
            found |= said
        return found


FILE = "scenario.toml"


def load(path: Path) -> Scenario:
    """Raises SettingsError with a line ``file:line: what is wrong`` for each thing that is."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not UTF-8 text") from error
    return read(text, path)


def read(text: str, path: Path) -> Scenario:
    """As ``load``, of a text that is or would be the file at ``path``."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_no_toml(path, str(error), text)) from error
    lines = Lines(text)
    if tree.get("schema") != SCHEMA:
        raise SettingsError(_other_schema(path, tree.get("schema"), lines))
    try:
        scenario = Scenario(path, ScenarioTable.model_validate(tree), lines)
    except ValidationError as error:
        raise SettingsError("\n".join(sentences(error, path, lines))) from None
    if problems := [*out_of_order(scenario.table, path, lines)]:
        raise SettingsError("\n".join(problems))
    return scenario


def _no_toml(path: Path, text: str, content: str) -> str:
    """The parser says ``… (at line 3, column 5)`` or ``… (at end of document)``."""
    what, _, where = text.rpartition(" (at ")
    line = where.removeprefix("line ").partition(",")[0]
    number = line if line.isdecimal() else str(len(content.splitlines()))
    return f"{path}:{number}: no valid TOML: {what or text}"


def _other_schema(path: Path, said: Any, lines: Lines) -> str:
    if said is None:
        return f'{path}:1: no scenario: the line schema = "{SCHEMA}" is missing'
    return f"{path}:{lines.of(('schema',))}: schema {said!r} is not {SCHEMA!r}, the one this voxemu reads"
