"""Golden recordings: each is rehearsed again by its own scenario and compared to the sample.

A golden is a folder that is complete in itself: ``scenario.toml``, the recording of the caller's end without
its wire track, and the audio files that the scenario names.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from voxemu.errors import RecordingError, UsageError, VoxemuError
from voxemu.record import Recording
from voxemu.record.differences import Difference
from voxemu.record.folder import CALL, MANIFEST, TIMELINE
from voxemu.record.golden import compare_exactly, is_kept_by_a_test
from voxemu.scenario.reading import FILE, Scenario, load
from voxemu_client.rehearsing import Performance, perform

KEPT = (CALL, TIMELINE, MANIFEST)
RECEIVED = ".received"


@dataclass(slots=True)
class Checked:
    """What became of one golden."""

    folder: Path
    differences: list[Difference] = field(default_factory=list)
    unmet: list[Difference] = field(default_factory=list)
    # The scenario's own expectations hold for its golden too; no update can mend these.
    broken: str | None = None
    # Why it could not be checked.
    is_new: bool = False
    # There was no recording to compare with.
    updated: bool = False
    received: Path | None = None
    seconds: float = 0.0
    took: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def same(self) -> bool:
        return self.broken is None and not self.differences and not self.unmet

    @property
    def mended(self) -> bool:
        """It differed, and the golden has been rewritten."""
        return self.updated and not self.unmet


def goldens(paths: Iterable[Path]) -> list[Path]:
    """Every folder with a scenario at or below these. Raises UsageError for a path that is not there."""
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            raise UsageError(f"{path} is no folder; give one that holds goldens, or a golden's own")
        found |= {file.parent: None for file in sorted(path.rglob(FILE)) if not _is_received(file.parent)}
    return list(found)


def _is_received(folder: Path) -> bool:
    return folder.name.endswith(RECEIVED)


def check(folder: Path, *, update: bool = False) -> Checked:
    """Rehearses the golden's scenario; a differing run is left beside it, or replaces it (``update``)."""
    checked = Checked(folder)
    received = folder.with_name(folder.name + RECEIVED)
    try:
        scenario = load(folder / FILE)
        with tempfile.TemporaryDirectory(prefix="voxemu-") as scratch:
            fresh = _rehearsed(scenario, Path(scratch), checked)
            _compare(folder, fresh, checked, update=update)
            shutil.rmtree(received, ignore_errors=True)
            if update and checked.differences:
                _keep(fresh.path, folder)
                checked.updated = True
            elif not checked.same:
                received.mkdir()
                _keep(fresh.path, received)
                checked.received = received
    except (VoxemuError, OSError) as error:
        checked.broken = str(error)
    return checked


def _rehearsed(scenario: Scenario, scratch: Path, checked: Checked) -> Recording:
    begun = time.perf_counter()
    done = perform(scenario, scenario.provider(), record={"caller": scratch}, wire_track=False)
    checked.took = time.perf_counter() - begun
    checked.seconds = done.end.seconds
    checked.unmet = _unmet(done)
    return Recording.open(scratch)


def _unmet(done: Performance) -> list[Difference]:
    return [
        Difference("expectation", f"{each.wanted}: {each.seen}", done.end.seconds, each.place)
        for each in done.verdicts
        if not each.met
    ]


def _compare(folder: Path, fresh: Recording, checked: Checked, *, update: bool) -> None:
    if not (folder / MANIFEST).exists():
        checked.is_new = True
        text = f"there is no recording yet; `emu check --update {folder}` makes it"
        checked.differences = [Difference("missing", text, None, MANIFEST)]
        return
    try:
        checked.differences = compare_exactly(Recording.open(folder), fresh)
    except RecordingError as error:
        if not update:
            raise
        checked.differences = [Difference("manifest", f"it could not be read: {error}")]


def _keep(source: Path, folder: Path) -> None:
    for name in KEPT:
        shutil.copyfile(source / name, folder / name)


def unused(paths: Iterable[Path]) -> list[str]:
    """What lies below these and no check looks at: recordings without a scenario, files nobody names."""
    found: dict[str, None] = {}
    for path in paths:
        for manifest in sorted(path.rglob(MANIFEST)):
            folder = manifest.parent
            if (folder / FILE).exists() or is_kept_by_a_test(folder):
                continue
            if not _is_received(folder):
                found[f"{folder}: no {FILE}, so nothing runs it"] = None
            elif not folder.with_name(folder.name.removesuffix(RECEIVED)).exists():
                found[f"{folder}: its golden is gone"] = None
        for folder in goldens([path]):
            found |= {f"{file}: not named by the scenario": None for file in _unnamed(folder)}
    return list(found)


def _unnamed(folder: Path) -> list[Path]:
    text = (folder / FILE).read_text("utf-8", errors="replace")
    return [
        file
        for file in sorted(folder.iterdir())
        if file.is_file() and file.name not in (FILE, *KEPT) and file.name not in text
    ]
