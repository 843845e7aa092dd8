"""``emu_golden``: whether a test's session is still the call that was once recorded as right."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from voxemu.errors import RecordingError, UsageError
from voxemu.record.differences import Difference, told
from voxemu.record.folder import CALL, MANIFEST, TIMELINE, read_json, safe_name, write_json
from voxemu.record.golden import compare_exactly, is_kept_by_a_test
from voxemu.record.likeness import Tolerances, compare_closely
from voxemu.record.recording import Recording
from voxemu.testing.emu import Emu
from voxemu.testing.session import EmuSession

RECEIVED = ".received"
SHOWN = 12
# Differences that a failing test is told; the first is the cause.


class EmuGolden:
    """Compares sessions with goldens below ``root``, each in ``<provider>/<name>/``.

    On the virtual clock to the sample; a call in real time with the tolerances of ``emu compare``.
    """

    def __init__(self, emu: Emu, root: Path, name: str, *, update: bool, exact: bool) -> None:
        self._emu = emu
        self._root = root
        self._name = name
        self._update = update
        self._exact = exact
        self.asked = False
        self.written: list[str] = []
        # What `--emu-update` changed, for people.
        self.compared: list[Path] = []

    def __call__(
        self,
        session: EmuSession | None = None,
        *,
        name: str | None = None,
        exact: bool | None = None,
        tolerances: Tolerances | None = None,
    ) -> None:
        """Fails where the session, by default the only one, differs from its golden.

        ``name`` is the golden's, by default the scenario's or the test's; ``tolerances`` are for a call that
        is not compared exactly, by default those of ``emu compare``.
        """
        __tracebackhide__ = True
        self.asked = True
        one = session or self._emu.session
        folder = self._root / one.provider / safe_name(name or self._name)
        self.compared.append(folder)
        how = None if (self._exact if exact is None else exact) else tolerances or Tolerances()
        self._emu.judge(one, lambda: self._judge(one, folder, how))

    def _judge(self, session: EmuSession, folder: Path, tolerances: Tolerances | None) -> None:
        __tracebackhide__ = True
        fresh = Recording.open(session.recording)
        found = _compared(folder, fresh, tolerances, update=self._update)
        received = folder.with_name(folder.name + RECEIVED)
        shutil.rmtree(received, ignore_errors=True)
        if not found:
            return
        lines = _lines(found)
        if self._update:
            _keep(fresh, folder)
            self.written.append("\n".join([f"golden written: {self._shown(folder)}", *lines]))
            return
        _keep(fresh, received)
        head = f"the session differs from its golden {self._shown(folder)}"
        foot = f"received: {self._shown(received)}; if it is right, `pytest --emu-update` makes it the golden"
        raise AssertionError("\n".join([head, *lines, foot]))

    def _shown(self, folder: Path) -> Path:
        return folder.relative_to(self._root.parent)


def unused(root: Path, compared: Iterable[Path]) -> list[Path]:
    """The goldens of tests below ``root`` that are none of these."""
    known = set(compared)
    found = sorted(manifest.parent for manifest in root.rglob(MANIFEST))
    return [
        folder
        for folder in found
        if folder not in known and not folder.name.endswith(RECEIVED) and is_kept_by_a_test(folder)
    ]


def _compared(
    folder: Path, fresh: Recording, tolerances: Tolerances | None, *, update: bool
) -> list[Difference]:
    """Without tolerances: to the sample."""
    if not (folder / MANIFEST).exists():
        return [Difference("missing", "there is no golden yet", None, MANIFEST)]
    try:
        golden = Recording.open(folder)
    except RecordingError as error:
        if not update:
            raise UsageError(str(error)) from None
        return [Difference("manifest", f"it could not be read: {error}")]
    if tolerances is None:
        return compare_exactly(golden, fresh)
    return compare_closely(golden, fresh, tolerances)


def _lines(found: list[Difference]) -> list[str]:
    lines = [f"  {text}" for text in told(found[:SHOWN])]
    more = len(found) - SHOWN
    return [*lines, f"  and {more} more"] if more > 0 else lines


def _keep(fresh: Recording, folder: Path) -> None:
    """Without the wire track, of which the digest is in the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (CALL, TIMELINE):
        shutil.copyfile(fresh.path / name, folder / name)
    write_json(folder / MANIFEST, {**read_json(fresh.path / MANIFEST), "wire_track": False})
