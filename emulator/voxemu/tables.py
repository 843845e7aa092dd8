"""Tables of settings: their types say what may stand in them; what is wrong with what does is found here.

A setting is declared once, as a field with its type, where it is used; what ``emu.toml`` may say, and a
scenario of its agent, follows from that. Everything that is wrong is found at once, each with its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from msgspec import Struct, structs

from voxemu.errors import AudioError

Location = tuple[str | int, ...]


class Table(Struct, frozen=True):
    """A table with these fields; one without a default must be there."""


class Said:
    """``Annotated[dict[str, Any], Said(kind, …)]``: any of the fields of these settings, and what is in the
    dict is what was said. Each value is tried by itself, so that all are named that their class refuses."""

    def __init__(self, *kinds: type[Any]) -> None:
        self._kinds = kinds

    @cached_property
    def hints(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for kind in self._kinds:
            for name, hint in get_type_hints(kind).items():
                limit = [Read(or_off)] if NoneType in get_args(hint) else []
                found[name] = Annotated[(hint, *limit, _tried(kind, name))]
        return found


class Read:
    """``Annotated[…, Read(function)]``: what else a value may be written as.

    A plain function that stands there gets a value whose type is right and answers it, or what is meant by
    it; it raises ValueError, or Unfit where the value is to be told beside the sentence.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function


class Unfit(ValueError):
    """The value is not what its rule asks for."""


class Problem(Struct, frozen=True):
    """One thing that is wrong, and where."""

    kind: Literal["unknown", "missing", "wrong"]
    location: Location
    text: str = ""
    shown: str = ""
    # The value, where that helps; for eyes that may see it.
    known: tuple[str, ...] = ()
    # The names that may stand where this one is unknown.

    def worded(self, *, secret: bool = False) -> str:
        """What a value must be and is; a secret one is not shown."""
        return f"{self.text}, not {self.shown}" if self.shown and not secret else self.text


def checked(hint: Any, given: Any, at: Location = ()) -> tuple[Any, list[Problem]]:
    """What a value of this type says, and all that is wrong with it; if anything is, it says nothing."""
    wrong: list[Problem] = []
    return _value(hint, given, at, wrong), wrong


def table_name(provider: str) -> str:
    """``lyzr-sip`` has the table ``lyzr_sip``."""
    return provider.replace("-", "_")


def field_names(kind: type[Any]) -> frozenset[str]:
    return frozenset(kind.__match_args__)


# --- rules ----------------------------------------------------------------------------------------------


def or_off(value: Any) -> Any:
    """TOML has no null: a limit is taken away with ``false`` or ``"off"``."""
    return None if value is False or value in ("off", "none") else value


def between(least: float, most: float) -> Callable[[Any], Any]:
    def rule(value: Any) -> Any:
        if not value >= least:
            raise Unfit(f"must be greater than or equal to {least}")
        return _up_to(most, value)

    return rule


def above(least: float, most: float) -> Callable[[Any], Any]:
    """As ``between``, without the least."""

    def rule(value: Any) -> Any:
        if not value > least:
            raise Unfit(f"must be greater than {least}")
        return _up_to(most, value)

    return rule


def _up_to(most: float, value: Any) -> Any:
    if not value <= most:
        raise Unfit(f"must be less than or equal to {most}")
    return value


def _tried(kind: type[Any], name: str) -> Callable[[Any], Any]:
    def rule(value: Any) -> Any:
        kind(**{name: value})
        return value

    return rule


# --- tables ---------------------------------------------------------------------------------------------


def table_in(hint: Any) -> Any:
    """The table that a type stands for; None for a type of single values, or of lists."""
    if isinstance(hint, type) and issubclass(hint, Table):
        return hint
    return next((rule for rule in get_args(hint)[1:] if isinstance(rule, Said)), None)


def hints_of(table: Any) -> Mapping[str, Any]:
    """The names that may stand in a table, as they are written, and the types of what is theirs."""
    if isinstance(table, Said):
        return table.hints
    return {name: field.type for name, field in _declared(table).items()}


@cache
def _declared(table: type[Table]) -> dict[str, structs.FieldInfo]:
    return {field.encode_name: field for field in structs.fields(table)}


def _table(table: Any, given: Any, at: Location, wrong: list[Problem]) -> Any:
    if not isinstance(given, dict):
        wrong.append(Problem("wrong", at, "must be a table"))
        return None
    before, known = len(wrong), hints_of(table)
    said = {
        name: _value(hint, given[name], (*at, name), wrong) for name, hint in known.items() if name in given
    }
    wrong += [Problem("missing", (*at, name)) for name in _required(table) if name not in given]
    wrong += [Problem("unknown", (*at, name), known=tuple(known)) for name in given if name not in known]
    if len(wrong) > before:
        return None
    return said if isinstance(table, Said) else _filled(table, said)


def _required(table: Any) -> list[str]:
    if isinstance(table, Said):
        return []
    return [name for name, field in _declared(table).items() if field.required]


def _filled(table: type[Table], said: Mapping[str, Any]) -> Table:
    fields = _declared(table)
    return table(**{fields[name].name: value for name, value in said.items()})


# --- values ---------------------------------------------------------------------------------------------

_KINDS = {bool: "a boolean", int: "a whole number", float: "a number", str: "a string"}


def _value(hint: Any, given: Any, at: Location, wrong: list[Problem]) -> Any:
    table, origin = table_in(hint), get_origin(hint)
    if table is not None:
        return _table(table, given, at, wrong)
    if origin is Annotated:
        return _ruled(hint, given, at, wrong)
    if hint in _KINDS:
        return _plain(hint, given, at, wrong)
    if origin is Literal:
        return _one_of(get_args(hint), given, at, wrong)
    if origin is list:
        return _list(get_args(hint)[0], given, at, wrong)
    if NoneType in get_args(hint):
        (other,) = (choice for choice in get_args(hint) if choice is not NoneType)
        return None if given is None else _value(other, given, at, wrong)
    assert origin in (dict, Mapping), f"no setting can be a {hint}"
    if not isinstance(given, dict):
        wrong.append(Problem("wrong", at, "must be a table"))
    return given


def _ruled(hint: Any, given: Any, at: Location, wrong: list[Problem]) -> Any:
    inner, *rules = get_args(hint)
    for rule in rules:
        if isinstance(rule, Read):
            given = rule.function(given)
    before, value = len(wrong), _value(inner, given, at, wrong)
    if len(wrong) > before or value is None:
        return None
    try:
        for rule in rules:
            if not isinstance(rule, Read):
                value = rule(value)
    except Unfit as error:
        _refuse(str(error), given, at, wrong)
    except (ValueError, AudioError) as error:
        wrong.append(Problem("wrong", at, str(error)))
    return value


def _plain(kind: Any, given: Any, at: Location, wrong: list[Problem]) -> Any:
    """Strict: a number in quotes is no number, and a boolean is none either."""
    right = isinstance(given, (int, float) if kind is float else kind)
    if not right or (isinstance(given, bool) and kind is not bool):
        return _refuse(f"must be {_KINDS[kind]}", given, at, wrong)
    return float(given) if kind is float else given


def _one_of(choices: tuple[Any, ...], given: Any, at: Location, wrong: list[Problem]) -> Any:
    if type(given) in map(type, choices) and given in choices:
        return given
    *most, last = map(repr, choices)
    return _refuse(f"must be {', '.join(most)} or {last}" if most else f"must be {last}", given, at, wrong)


def _list(inner: Any, given: Any, at: Location, wrong: list[Problem]) -> Any:
    if not isinstance(given, list):
        return _refuse("must be a list", given, at, wrong)
    return [_value(inner, each, (*at, number), wrong) for number, each in enumerate(given)]


def _refuse(text: str, given: Any, at: Location, wrong: list[Problem]) -> None:
    shown = repr(given) if isinstance(given, str | int | float) else ""
    wrong.append(Problem("wrong", at, text, shown))
