"""Where settings come from: a file, then ``EMU_*`` variables, then flags; the later wins.

All three become one tree, and every leaf knows its source by name, so that an error can say where to look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from voxemu.agents import file_behind, names_an_agent
from voxemu.errors import SettingsError, meant
from voxemu.server.schema import AGENT_TABLES, hint_at
from voxemu.tables import Location, Problem, checked

PREFIX = "EMU_"
NOT_OURS = ("EMU_KEY", "EMU_KEY_FILE", "EMU_URL", "EMU_CONFIG")
# The client's, and the one that names the file.
PATHS = ("record", "tls_cert", "tls_key", "ready_file")


@dataclass(slots=True)
class Gathered:
    """One tree of what was set, and the source of every leaf."""

    tree: dict[str, Any] = field(default_factory=dict)
    sources: dict[Location, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def has(self, location: Location) -> bool:
        """Whether somebody said this, or the table around it as a whole."""
        return any(location[:length] in self.sources for length in range(2, len(location) + 1)) or (
            location[:1] in self.sources and len(location) == 1
        )

    def source(self, location: Location) -> str:
        """Of this leaf, or of the nearest table around it."""
        for length in range(len(location), 0, -1):
            if location[:length] in self.sources:
                rest = ".".join(map(str, location[length:]))
                return self.sources[location[:length]] + (f".{rest}" if rest else "")
        return ".".join(map(str, location))

    def put(self, path: tuple[str, ...], value: Any, source: str) -> None:
        table = self.tree
        for name in path[:-1]:
            table = table.setdefault(name, {})
        table[path[-1]] = value
        self.sources[path] = source


def gather(config: str | None, environ: Mapping[str, str], flags: Mapping[str, Any]) -> Gathered:
    """Raises SettingsError for a file that cannot be read; other problems are gathered."""
    found = Gathered()
    _read_file(found, config or environ.get("EMU_CONFIG"))
    for name, text in sorted(environ.items()):
        if name.startswith(PREFIX) and name not in NOT_OURS:
            path = ("auth", "keys") if name == "EMU_KEYS" else tuple(name[len(PREFIX) :].lower().split("__"))
            _put_text(found, path, text, name)
    for flag, value in flags.items():
        if value is not None and value != () and value is not False:
            _put_text(found, (flag,), list(value) if isinstance(value, tuple) else value, _spelled(flag))
    return found


def given(settings: Mapping[str, Any], source: str) -> Gathered:
    """What a program says itself: tables and values as a file would hold them."""
    found = Gathered({name: str(value) if name in PATHS else value for name, value in settings.items()})
    _note_sources(found, (), found.tree, f"{source}: ")
    return found


def _spelled(flag: str) -> str:
    return "--" + flag.replace("_", "-")


def _put_text(found: Gathered, path: tuple[str, ...], text: Any, source: str) -> None:
    """What a variable or a flag says, read as the setting's own type."""
    hint = hint_at(path)
    if isinstance(hint, list):
        found.problems.append(f"{source}: there is no setting {'.'.join(path)!r}; {meant(path[-1], hint)}")
        return
    value, wrong = checked(hint, _read(hint, text) if isinstance(text, str) else text, path)
    if wrong:
        found.problems.append(f"{source}: {sentence(wrong[0])}")
    else:
        found.put(path, value, source)


_BOOLEANS = dict.fromkeys(("1", "on", "true", "yes", "y", "t"), True)
_BOOLEANS |= dict.fromkeys(("0", "off", "false", "no", "n", "f"), False)


def _read(hint: Any, text: str) -> Any:
    """A text as this type writes it; one that it cannot be stays what it is, and is found to be wrong."""
    if get_origin(hint) is Annotated or NoneType in get_args(hint):
        return _read(get_args(hint)[0], text)
    if hint is bool:
        return _BOOLEANS.get(text.lower(), text)
    if get_origin(hint) is Literal:
        return next((choice for choice in get_args(hint) if str(choice) == text), text)
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            return text
    return text


# --- the file -------------------------------------------------------------------------------------------


def _read_file(found: Gathered, config: str | None) -> None:
    path, table = _chosen(config)
    if path is None:
        return
    tree = _parsed(path)
    shown = str(path)
    for name in table:
        tree = tree.get(name, {})
    prefix = ".".join((*table, ""))
    if not isinstance(tree, dict):
        raise SettingsError(f"{shown}: {prefix[:-1]} must be a table")
    if "providers" in tree:
        tree["provider"] = tree.pop("providers")
    if not isinstance(tree.get("agent", ""), str):
        tree[AGENT_TABLES] = tree.pop("agent")
    _note_sources(found, (), tree, f"{shown}: {prefix}")
    _anchor(tree, path.parent)
    found.tree = tree


def _chosen(config: str | None) -> tuple[Path | None, tuple[str, ...]]:
    if config is not None:
        path = Path(config)
        return path, ("tool", "emu") if path.name == "pyproject.toml" else ()
    if Path("emu.toml").exists():
        return Path("emu.toml"), ()
    if Path("pyproject.toml").exists():
        return Path("pyproject.toml"), ("tool", "emu")
    return None, ()


def _parsed(path: Path) -> dict[str, Any]:
    # Late: a start without a file has no need of it.
    import tomllib

    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        hint = ""
        if "overwrite" in str(error) or "namespace" in str(error):
            hint = '; beside [[agent]] tables the default agent is [agents] default = "…"'
        raise SettingsError(f"{path}: no valid TOML: {error}{hint}") from error


def _note_sources(found: Gathered, location: Location, value: Any, shown: str) -> None:
    if location:
        found.sources[location] = shown
    if isinstance(value, dict):
        for name, inner in value.items():
            written = "agent" if name == AGENT_TABLES else name
            separator = "." if location else ""
            _note_sources(found, (*location, name), inner, f"{shown}{separator}{written}")
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            _note_sources(found, (*location, at), inner, f"{shown}[{at}]")


def _anchor(tree: dict[str, Any], folder: Path) -> None:
    """Paths in a file are relative to that file."""
    for name, value in tree.items():
        if isinstance(value, dict):
            _anchor(value, folder)
        elif isinstance(value, list):
            for inner in value:
                if isinstance(inner, dict):
                    _anchor(inner, folder)
        elif (
            isinstance(value, str)
            and value
            and (name in PATHS or (name == "greeting" and not names_an_agent(value)))
        ):
            tree[name] = str(folder / value)
        elif isinstance(value, str) and (behind := file_behind(value)) is not None:
            tree[name] = f"{behind[0]}:{folder / behind[1]}"


# --- errors ---------------------------------------------------------------------------------------------


def sentence(problem: Problem) -> str:
    """What is wrong with a value; a key's is never shown."""
    return problem.worded(secret=problem.location[:1] in (("auth",), ("key",)))
