"""The rules of the house, as functions: source files in, broken rules out, each with its file and line.

What the rules say of this house (which layer, which door, which exception) stands in test_house.py.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Table = Mapping[str, Sequence[str]]

# What numpy.random has beside its global dice.
SEEDED = {"numpy.random.Generator", "numpy.random.default_rng"}


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: `from voxemu.audio import Frame` asks for `voxemu.audio.Frame`."""

    asked: str
    line: int
    for_types: bool  # under `if TYPE_CHECKING:`
    in_function: bool  # runs only when the function is called


@dataclass(frozen=True, slots=True)
class Use:
    """A name written out with its dots, its import resolved: `numpy.random.rand` for `np.random.rand`."""

    name: str
    line: int
    bare_call: bool  # called with no argument at all


@dataclass(frozen=True, slots=True)
class Module:
    """One source file, as the rules see it."""

    name: str
    path: Path
    imports: tuple[Import, ...]
    uses: tuple[Use, ...]

    def at(self, line: int) -> str:
        return f"{self.path}:{line}"


def read_house(*roots: Path) -> list[Module]:
    """Every module below the roots; a root is the folder that holds a package's own folder."""
    return [read_module(file, root) for root in roots for file in sorted(root.rglob("*.py"))]


def read_module(file: Path, root: Path) -> Module:
    parts = file.relative_to(root).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    imports = tuple(_imports(tree.body, for_types=False, in_function=False))
    return Module(name, file.relative_to(root.parent), imports, tuple(_uses(tree)))


def _imports(body: Iterable[ast.AST], *, for_types: bool, in_function: bool) -> Iterator[Import]:
    for node in body:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(alias.name, node.lineno, for_types, in_function)
            case ast.ImportFrom(module=module, names=names, level=level):
                # ruff forbids relative imports; the dots are kept so that one shows as unknown if it gets by.
                source = "." * level + (module or "")
                for alias in names:
                    yield Import(f"{source}.{alias.name}", node.lineno, for_types, in_function)
            case ast.If(test=test, body=then, orelse=otherwise) if _is_type_checking(test):
                yield from _imports(then, for_types=True, in_function=in_function)
                yield from _imports(otherwise, for_types=for_types, in_function=in_function)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _imports(node.body, for_types=for_types, in_function=True)
            case _:
                yield from _imports(ast.iter_child_nodes(node), for_types=for_types, in_function=in_function)


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def _uses(tree: ast.Module) -> Iterator[Use]:
    meant = _local_names(tree)
    bare_calls = {
        id(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and not node.args and not node.keywords
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            first, *rest = ast.unparse(node).split(".")
            if first in meant:
                yield Use(".".join([meant[first], *rest]), node.lineno, id(node) in bare_calls)


def _local_names(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: `np` is `numpy`, after `import numpy as np`."""
    meant = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    # `import a.b` binds `a`; `import a.b as c` binds all of it.
                    bound = alias.name if alias.asname else alias.name.partition(".")[0]
                    meant[alias.asname or bound] = bound
            case ast.ImportFrom(module=str(module), names=names):
                for alias in names:
                    meant[alias.asname or alias.name] = f"{module}.{alias.name}"
    return meant


def is_within(name: str, places: Iterable[str]) -> bool:
    """Whether a dotted name is one of the places, or below one."""
    return any(name == place or name.startswith(place + ".") for place in places)


def target(asked: str, known: Iterable[str]) -> str | None:
    """The module of this house that an import reaches, or None for somebody else's."""
    reached = [name for name in known if is_within(asked, [name])]
    return max(reached, key=len, default=None)


# --- The arrows ---------------------------------------------------------------------------------------------


def layer_of(name: str, layers: Sequence[Sequence[str]]) -> tuple[int, str] | None:
    """How high a module stands, and which room of that layer it is in (the longest that fits)."""
    rooms = [
        (len(room), height, room)
        for height, row in enumerate(layers)
        for room in row
        if is_within(name, [room])
    ]
    if not rooms:
        return None
    _, height, room = max(rooms)
    return height, room


def arrows(
    house: Sequence[Module], layers: Sequence[Sequence[str]], roots: Table, friends: Sequence[int] = ()
) -> list[str]:
    """Imports go down: never up, never to a neighbour in the same layer unless its rooms are friends.

    `roots` says which of this house's packages a package may import. The packages' own names, which hold
    a version and nothing more, may be imported from everywhere.
    """
    broken = []
    for module in house:
        own = layer_of(module.name, layers)
        if own is None and module.name not in roots:
            broken.append(f"{module.path}: {module.name} has no place in the plan; give it one in LAYERS")
        for wanted in module.imports:
            reached = target(wanted.asked, [other.name for other in house])
            if reached is None or reached == module.name:
                continue
            where = f"{module.at(wanted.line)}: {module.name} imports {reached}"
            mine, theirs = module.name.partition(".")[0], reached.partition(".")[0]
            if theirs not in roots[mine]:
                broken.append(f"{where}: {mine} never imports {theirs}")
            elif reached not in roots and (other := layer_of(reached, layers)) is not None:
                here = (-1, module.name) if own is None else own
                if other[0] > here[0]:
                    broken.append(f"{where}, which is above it")
                elif other[0] == here[0] and other[1] != here[1] and here[0] not in friends:
                    broken.append(f"{where}, which is beside it")
    return broken


def circles(house: Sequence[Module]) -> list[str]:
    """Modules that import each other, directly or by a longer way round; imports for types count too."""
    known = [module.name for module in house]
    reaches = {
        module.name: sorted(
            {reached for wanted in module.imports if (reached := target(wanted.asked, known)) is not None}
            - {module.name}
        )
        for module in house
    }
    found: list[str] = []
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> None:
        if name in way:
            found.append(" -> ".join([*way[way.index(name) :], name]))
        elif name not in done:
            for reached in reaches[name]:
                walk(reached, [*way, name])
            done.add(name)

    for name in known:
        walk(name, [])
    return found


# --- What may be imported from outside ----------------------------------------------------------------------


def impurities(
    house: Sequence[Module],
    *,
    shell: Sequence[str],
    banned: Sequence[str],
    for_types: Sequence[str],
    allowed: Table,
) -> list[str]:
    """Clocks, sockets and dice below the shell.

    `banned` holds modules and single functions (`os.urandom`); `for_types` those that may still be named in
    annotations; `allowed` the modules that are excepted, and from what. Of NumPy's dice only a generator
    made with a seed is free.
    """
    broken = []
    for module in house:
        if is_within(module.name, shell):
            continue
        excepted = [
            name for place, names in allowed.items() if is_within(module.name, [place]) for name in names
        ]
        seen: dict[tuple[int, str], None] = {}  # a dict keeps the order of the file
        for wanted in module.imports:
            if wanted.for_types and is_within(wanted.asked, for_types):
                continue
            seen |= {(wanted.line, name): None for name in banned if is_within(wanted.asked, [name])}
        for use in module.uses:
            seen |= {(use.line, name): None for name in banned if "." in name and is_within(use.name, [name])}
            if use.name == "numpy.random.default_rng" and use.bare_call:
                seen[use.line, f"{use.name} without a seed"] = None
            elif use.name.startswith("numpy.random.") and use.name not in SEEDED:
                seen[use.line, use.name] = None
        broken += [
            f"{module.at(line)}: {module.name} is below the shell and may not use {name}"
            for line, name in seen
            if not is_within(name, excepted)
        ]
    return broken


def doors(house: Sequence[Module], table: Table, inside_functions: Sequence[str] = ()) -> list[str]:
    """Third-party packages that come in elsewhere than through their door, or have none in the table."""
    own = {module.name.partition(".")[0] for module in house}
    broken = []
    for module in house:
        for wanted in module.imports:
            package = wanted.asked.partition(".")[0]
            if package in own or package in sys.stdlib_module_names:
                continue
            where = f"{module.at(wanted.line)}: {module.name} imports {package}"
            if package not in table:
                broken.append(f"{where}, which has no door; give it one in DOORS")
            elif not is_within(module.name, table[package]):
                broken.append(f"{where}, whose door is {', '.join(table[package])}")
            elif package in inside_functions and not (wanted.in_function or wanted.for_types):
                broken.append(f"{where} as soon as it is loaded; import it inside the function that needs it")
    return list(dict.fromkeys(broken))


# --- Names and files ----------------------------------------------------------------------------------------


def poor_names(house: Sequence[Module], words: Sequence[str]) -> list[str]:
    """Modules whose name says nothing about what is in them."""
    return [
        f"{module.path}: {word!r} says nothing about what is in it"
        for module in house
        for word in words
        if word in module.name.rpartition(".")[2].split("_")
    ]


def untyped_packages(*roots: Path) -> list[str]:
    """Packages without py.typed, which type checkers would then read as untyped."""
    packages = sorted(
        package for root in roots for package in root.iterdir() if (package / "__init__.py").is_file()
    )
    return [f"{package.name} has no py.typed" for package in packages if not (package / "py.typed").is_file()]
