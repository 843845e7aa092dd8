"""Tables of a settings file as pydantic models, made from the dataclasses that the settings belong to.

A setting is declared once, where it is used; what may stand in ``emu.toml`` and in a scenario follows from
that. What is wrong with a value is said in our words.
"""

from __future__ import annotations

from dataclasses import fields
from types import NoneType
from typing import Annotated, Any, get_args, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, create_model


class Table(BaseModel):
    """Strict: a number in quotes is no number.

    Only a table that is validated itself is built for that; those inside it are built as parts of it.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


def table_name(provider: str) -> str:
    """``lyzr-sip`` has the table ``lyzr_sip``."""
    return provider.replace("-", "_")


def field_names(kind: type[Any]) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))


def table_of(name: str, *kinds: type[Any]) -> Any:
    """A table with every field of these dataclasses, each of which may be left out."""
    found: dict[str, Any] = {}
    for kind in kinds:
        hints = get_type_hints(kind)
        found |= {field.name: (_annotated(hints[field.name]), None) for field in fields(kind)}
    return create_model(name, __base__=Table, **found)


def or_off(value: Any) -> Any:
    """TOML has no null: a limit is taken away with ``false`` or ``"off"``."""
    return None if value is False or value in ("off", "none") else value


def _annotated(hint: Any) -> Any:
    if NoneType in get_args(hint):
        return Annotated[hint, BeforeValidator(or_off)]
    if any(isinstance(choice, int) for choice in get_args(hint)):
        return Annotated[hint, BeforeValidator(_digits)]
    return hint


def _digits(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def said_in(table: BaseModel) -> dict[str, Any]:
    """What was set, and nothing that was left out."""
    found: dict[str, Any] = table.model_dump(exclude_unset=True)
    return found


def worded(problem: Any, *, secret: bool = False) -> str:
    """What is wrong with a value, as pydantic found it, in our words; a secret value is not shown."""
    if problem["type"] in ("model_type", "model_attributes_type"):
        return "must be a table"
    text: str = problem["msg"].removeprefix("Value error, ").partition(", unable to parse")[0]
    text = (
        text.replace("Input should be", "must be")
        .replace("a valid integer", "a whole number")
        .replace("a valid ", "a ")
    )
    given = problem["input"]
    if secret or not isinstance(given, str | int | float) or problem["type"] in ("missing", "value_error"):
        return text
    return f"{text}, not {given!r}"
