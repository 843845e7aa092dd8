"""What is wrong with a scenario, as sentences that name file, line and key, and what was meant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from voxemu.dialogue.settings import DialogueSettings
from voxemu.errors import AudioError, meant
from voxemu.scenario.agent_steps import wrong_steps
from voxemu.scenario.format import ScenarioTable
from voxemu.scenario.lines import Lines, Location
from voxemu.tables import field_names, said_in, table_name, worded
from voxemu.wire import PROVIDERS


def sentences(error: ValidationError, path: Path, lines: Lines) -> list[str]:
    """In the order of the file."""
    found = sorted((lines.of(_written(problem["loc"])), _sentence(problem)) for problem in error.errors())
    return [f"{path}:{number}: {text}" for number, text in dict.fromkeys(found)]


def _sentence(problem: Any) -> str:
    location = _written(problem["loc"])
    # Steps and expectations are counted from 1, as in what is printed of them.
    shown = ".".join(str(part + 1 if isinstance(part, int) else part) for part in location)
    match problem["type"]:
        case "extra_forbidden":
            return f"{shown}: there is no such key; {meant(str(location[-1]), _keys_beside(problem['loc']))}"
        case "missing":
            return f"{shown} is missing"
        case "list_type":
            return f"{shown} must be a list of tables: [[{'.'.join(map(str, location))}]]"
    return f"{shown}: {worded(problem, secret=location[:2] == ('caller', 'key'))}"


def _written(full: tuple[str | int, ...]) -> Location:
    """Where it stands in the file, which knows nothing of the tags that tell kinds apart."""
    return tuple(part for part in full if not str(part).startswith("<"))


def _keys_beside(full: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand where this one does."""
    models: list[type[BaseModel]] = [ScenarioTable]
    for part in full[:-1]:
        if isinstance(part, str) and part.startswith("<"):
            models = [model for model in models if part.strip("<>") in model.model_fields]
        elif isinstance(part, str):
            models = list(_models(_named(models[0])[part].annotation))
    return list(_named(models[0]))


def _named(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every model that an annotation is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def out_of_order(table: ScenarioTable, path: Path, lines: Lines) -> Iterator[str]:
    """What each step allows and all of them together do not."""
    if not table.caller.step and not table.agent.step:
        yield f"{path}:1: nobody does anything; write [[caller.step]], [[agent.step]] or both"
    for at, key, text in wrong_steps(table.agent.step):
        yield f"{path}:{lines.of(('agent', 'step', at, key))}: agent.step.{at + 1}: {text}"


def out_of_range(table: ScenarioTable, path: Path, lines: Lines) -> Iterator[str]:
    """Each setting is tried by itself, so that all that are wrong are named at once."""
    own = field_names(DialogueSettings)
    kinds: dict[str, type[Any]] = {"dialogue": DialogueSettings}
    kinds |= {table_name(name): provider.settings_type for name, provider in PROVIDERS.items()}
    for place, kind in kinds.items():
        for name, value in said_in(getattr(table.agent, place)).items():
            try:
                (DialogueSettings if name in own else kind)(**{name: value})
            except (ValueError, AudioError) as error:
                number = lines.of(("agent", place, name))
                yield f"{path}:{number}: agent.{place}.{name}: {error}"
