"""The tables of a scenario file: models of pydantic's, and among them the tables of settings.

Those are the same as in ``emu.toml``, so ``voxemu.tables`` says what is wrong in them, and pydantic carries
it.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainValidator, create_model

from voxemu.tables import Problem, Said, checked, hints_of


class Table(BaseModel):
    """Strict: a number in quotes is no number.

    Only a table that is validated itself is built for that; those inside it are built as parts of it.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class WrongSettings(ValueError):
    """What is wrong in a table of settings, each with its place in it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} settings are wrong")
        self.problems = problems


class _Described:
    """The JSON Schema of a table of settings, made when somebody asks for it."""

    def __init__(self, name: str, said: Said) -> None:
        self._name = name
        self._said = said

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        fields: dict[str, Any] = {name: (hint, None) for name, hint in hints_of(self._said).items()}
        return create_model(self._name, __base__=Table, **fields).model_json_schema()


def settings_table(name: str, *kinds: type[Any]) -> Any:
    """A dict of what was said of these settings."""
    said = Said(*kinds)
    hint = Annotated[dict[str, Any], said]
    return Annotated[hint, PlainValidator(partial(_right, hint)), _Described(name, said)]


def _right(hint: Any, given: Any) -> Any:
    value, wrong = checked(hint, given)
    if wrong:
        raise WrongSettings(wrong)
    return value
