"""One run of ``emu compare``: two recordings, what is printed, the exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxemu.errors import UsageError
from voxemu.record.differences import as_json, as_junit, told
from voxemu.record.golden import compare_exactly
from voxemu.record.likeness import Tolerances, compare_closely
from voxemu.record.recording import Recording

SAME, DIFFERS = 0, 1


def run(options: Mapping[str, Any]) -> int:
    """Raises RecordingError, UsageError."""
    first, second = (Recording.open(Path(options[name])) for name in ("first", "second"))
    if options["exact"]:
        found = compare_exactly(first, second)
    else:
        tolerances = Tolerances(
            onset=options["onset_ms"] / 1000,
            level_db=options["level_db"],
            drop=options["drop_ms"] / 1000,
        )
        found = compare_closely(first, second, tolerances)
    code = DIFFERS if found else SAME
    if options["junit"] is not None:
        cases = {f"{options['first']} and {options['second']}": told(found)}
        try:
            Path(options["junit"]).write_text(as_junit("emu compare", cases), "utf-8")
        except OSError as error:
            raise UsageError(f"--junit {options['junit']} cannot be written: {error.strerror}") from error
    if options["as_json"]:
        sys.stdout.write(json.dumps({"exit": code, "differences": as_json(found)}) + "\n")
    else:
        lines = told(found) or ["the same" + ("" if options["exact"] else ", within the tolerances")]
        sys.stdout.write("\n".join(lines) + "\n")
    return code
