"""What pyproject.toml asks for, what the documentation says of it and what is pinned for tests agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@pytest.fixture(scope="module")
def requirements(top: Path) -> list[Requirement]:
    """Every requirement of the project, optional ones included."""
    project = tomllib.loads((top / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(line) for group in groups for line in group]


def test_every_dependency_is_documented_with_its_range(top: Path, requirements: list[Requirement]) -> None:
    table = (top / "docs/dependencies.md").read_text()
    rows = dict(re.findall(r"^\| ([\w-]+) \|.*\| `([^`]+)` \|$", table, re.MULTILINE))
    documented = {name: Requirement(name + bounds).specifier for name, bounds in rows.items()}
    assert documented == {requirement.name: requirement.specifier for requirement in requirements}


def test_every_dependency_is_pinned_within_its_range(top: Path, requirements: list[Requirement]) -> None:
    pinned = dict(
        line.split("==")
        for line in (top / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    )
    versions = {canonicalize_name(name): version for name, version in pinned.items()}
    outside = [
        str(requirement)
        for requirement in requirements
        if not requirement.specifier.contains(versions.get(canonicalize_name(requirement.name), "0"))
    ]
    assert outside == []
    assert len(versions) > len(requirements)


def test_constraints_are_names_and_versions_only(top: Path) -> None:
    lines = (top / "constraints.txt").read_text().splitlines()
    assert [
        line for line in lines if not re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!]*", line)
    ] == []
