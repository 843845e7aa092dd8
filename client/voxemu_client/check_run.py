"""One run of ``emu check``: which goldens, what is printed, the exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxemu.errors import UsageError
from voxemu.record.differences import as_json, as_junit, told
from voxemu_client.checking import Checked, check, goldens, unused

SAME, DIFFERS, BROKEN, NOTHING = 0, 1, 2, 5
RECORDINGS = Path("recordings")
SHOWN = 12
# Differences of one golden that are printed; the first is the cause.


def run(options: Mapping[str, Any], environ: Mapping[str, str]) -> int:
    """Raises UsageError."""
    if options["update"] and environ.get("CI", "").lower() in ("true", "1", "yes"):
        raise UsageError(
            "--update rewrites goldens, and CI is set: run it at your desk and commit the result"
        )
    paths = [Path(path) for path in options["paths"]]
    if not paths:
        paths = [RECORDINGS] if RECORDINGS.is_dir() else []
    folders = goldens(paths)
    results = []
    for folder in folders:
        results.append(check(folder, update=options["update"]))
        if not options["as_json"]:
            _say(_lines(results[-1]))
    idle = unused(paths)
    code = _code(results)
    if options["junit"] is not None:
        _write_junit(Path(options["junit"]), results)
    if options["as_json"]:
        _say([json.dumps(_summary(results, idle, code))])
    else:
        _say([f"UNUSED   {each}" for each in idle] + [_total(results, paths)])
    return code


def _code(results: list[Checked]) -> int:
    if not results:
        return NOTHING
    if any(each.broken is not None for each in results):
        return BROKEN
    return DIFFERS if any(not each.same and not each.mended for each in results) else SAME


def _lines(checked: Checked) -> list[str]:
    if checked.broken is not None:
        first, *rest = checked.broken.splitlines()
        return [f"BROKEN   {checked.name}: {first}", *(f"         {line}" for line in rest)]
    if checked.same:
        return [f"same     {checked.name:<32} {checked.seconds:5.2f} s in {checked.took * 1000:4.0f} ms"]
    head = "DIFFERS" if not checked.updated else "NEW" if checked.is_new else "UPDATED"
    texts = told([*checked.differences, *checked.unmet])
    more = [f"and {len(texts) - SHOWN} more"] if len(texts) > SHOWN else []
    if checked.received is not None:
        more.append(f"the received recording: {checked.received}")
    shown = told(checked.unmet) if checked.updated and checked.is_new else [*texts[:SHOWN], *more]
    return [f"{head:<8} {checked.name}", *(f"         {line}" for line in shown)]


def _total(results: list[Checked], paths: list[Path]) -> str:
    if not results:
        return f"nothing to check: no scenario.toml below {', '.join(map(str, paths or [RECORDINGS]))}"
    counts = {
        "same": sum(each.same for each in results),
        "updated": sum(each.updated for each in results),
        "differ": sum(bool(each.differences) and not each.updated for each in results),
        "with unmet expectations": sum(bool(each.unmet) for each in results),
        "broken": sum(each.broken is not None for each in results),
    }
    said = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
    seconds = sum(each.seconds for each in results)
    goldens = "1 golden" if len(results) == 1 else f"{len(results)} goldens"
    return f"{goldens}, {seconds:.0f} s of calls: {said}"


def _summary(results: list[Checked], idle: list[str], code: int) -> dict[str, Any]:
    return {
        "exit": code,
        "goldens": [
            {
                "name": each.name,
                "path": str(each.folder),
                "outcome": "broken" if each.broken else "same" if each.same else "differs",
                "broken": each.broken,
                "new": each.is_new,
                "updated": each.updated,
                "received": None if each.received is None else str(each.received),
                "differences": as_json([*each.differences, *each.unmet]),
            }
            for each in results
        ],
        "unused": idle,
    }


def _write_junit(path: Path, results: list[Checked]) -> None:
    """Raises UsageError."""
    cases = {
        each.name: told([*([] if each.updated else each.differences), *each.unmet])
        for each in results
        if each.broken is None
    }
    errors = {each.name: each.broken for each in results if each.broken is not None}
    try:
        path.write_text(as_junit("emu check", cases, errors), "utf-8")
    except OSError as error:
        raise UsageError(f"--junit {path} cannot be written: {error.strerror}") from error


def _say(lines: list[str]) -> None:
    if lines:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
