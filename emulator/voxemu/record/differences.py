"""What differs between two recordings, as data: told to people, to programs and to a build server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal
from xml.etree import ElementTree as ET

Kind = Literal[
    "manifest", "setup", "missing", "new", "changed", "moved", "length", "audio", "level", "expectation"
]

# Of what begins at the same moment, which is the cause: an event before the sound that it brings.
_RANK: dict[str, int] = {"manifest": 0, "setup": 1, "audio": 8, "level": 9, "expectation": 10}


@dataclass(frozen=True, slots=True)
class Difference:
    """``text`` is a sentence of people's; ``at`` the second where it begins, None where it has no place."""

    kind: Kind
    text: str
    at: float | None = None
    what: str = ""
    # What it is about: ``reply 2``, ``agent audio`` …


def first_cause_first(found: Iterable[Difference]) -> list[Difference]:
    """What cannot be explained by a moment of the call, then in the order of the call."""
    return sorted(found, key=lambda each: (each.at is not None, each.at or 0.0, _RANK.get(each.kind, 5)))


def told(found: Iterable[Difference]) -> list[str]:
    return [each.text for each in found]


def as_json(found: Iterable[Difference]) -> list[dict[str, Any]]:
    return [asdict(each) for each in found]


def as_junit(suite: str, cases: Mapping[str, Sequence[str]], errors: Mapping[str, str] | None = None) -> str:
    """JUnit's XML: a test case for each name, failed where it has differences, in error where it broke."""
    errors = errors or {}
    root = ET.Element(
        "testsuite",
        name=suite,
        tests=str(len({*cases, *errors})),
        failures=str(sum(1 for found in cases.values() if found)),
        errors=str(len(errors)),
    )
    for name, found in cases.items():
        case = ET.SubElement(root, "testcase", classname=suite, name=name)
        if found:
            failure = ET.SubElement(case, "failure", message=_printable(found[0]))
            failure.text = _printable("\n".join(found))
    for name, text in errors.items():
        case = ET.SubElement(root, "testcase", classname=suite, name=name)
        ET.SubElement(case, "error", message=_printable(text))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _printable(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return "".join(
        sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in text
    )
