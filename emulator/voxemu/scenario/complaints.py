"""What is wrong with a scenario, as sentences that name file, line and key, and what was meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from voxemu.errors import meant
from voxemu.scenario.agent_steps import wrong_steps
from voxemu.scenario.format import ScenarioTable
from voxemu.scenario.lines import Lines, Location
from voxemu.scenario.table import WrongSettings
from voxemu.tables import Problem


def sentences(error: ValidationError, path: Path, lines: Lines) -> list[str]:
    """In the order of the file."""
    found = sorted((lines.of(place), text) for problem in error.errors() for place, text in _all_of(problem))
    return [f"{path}:{number}: {text}" for number, text in dict.fromkeys(found)]


def _all_of(problem: Any) -> Iterator[tuple[Location, str]]:
    location, error = _written(problem["loc"]), problem.get("ctx", {}).get("error")
    if not isinstance(error, WrongSettings):
        yield location, f"{_shown(location)}{_sentence(problem)}"
        return
    for each in error.problems:
        place = (*location, *each.location)
        yield place, f"{_shown(place)}{_of_setting(each)}"


def _shown(location: Location) -> str:
    """Steps and expectations are counted from 1, as in what is printed of them."""
    return ".".join(str(part + 1 if isinstance(part, int) else part) for part in location)


def _sentence(problem: Any) -> str:
    location = _written(problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            return _unknown(location, _keys_beside(problem["loc"]))
        case "missing":
            return " is missing"
        case "list_type":
            return f" must be a list of tables: [[{'.'.join(map(str, location))}]]"
    return f": {_worded(problem, secret=location[:2] == ('caller', 'key'))}"


def _of_setting(problem: Problem) -> str:
    if problem.kind == "unknown":
        return _unknown(problem.location, problem.known)
    return f": {problem.worded()}"


def _unknown(location: Location, known: Iterable[str]) -> str:
    return f": there is no such key; {meant(str(location[-1]), known)}"


def _worded(problem: Any, *, secret: bool) -> str:
    """What is wrong with a value, as pydantic found it, in our words; a secret value is not shown."""
    if problem["type"] in ("model_type", "model_attributes_type"):
        return "must be a table"
    text: str = problem["msg"].removeprefix("Value error, ")
    text = (
        text.replace("Input should be", "must be")
        .replace("a valid integer", "a whole number")
        .replace("a valid ", "a ")
    )
    given = problem["input"]
    if secret or not isinstance(given, str | int | float) or problem["type"] == "value_error":
        return text
    return f"{text}, not {given!r}"


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
