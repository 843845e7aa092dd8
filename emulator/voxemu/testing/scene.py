"""One test with its emulator: set up from the ladder, judged and cleared away at its end."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from voxemu.testing.claims import counted
from voxemu.testing.emu import Emu
from voxemu.testing.marks import Wanted
from voxemu.testing.settings import Rung, settled
from voxemu.testing.thread import EmulatorThread

LONGEST = 60


class Scene:
    """``keep`` is where this test's recordings are to stay; None throws them away with a passing test."""

    def __init__(
        self,
        server: EmulatorThread,
        wanted: Wanted,
        rungs: Sequence[Rung],
        *,
        file: Path | None,
        folder: Path | None,
        keep: bool,
    ) -> None:
        self._server = server
        self._keep = keep
        self._folder = folder
        self.failed = False
        self._root = folder or Path(tempfile.mkdtemp(prefix="emu-"))
        ladder = [*rungs, *wanted.rungs]
        try:
            config = settled(file, ladder, record=self._root)
            server.troubles.found.clear()
            stage = server.play(config)
        except BaseException:
            self._clear()
            raise
        self.emu = Emu(stage, server.troubles.found, file=file, rungs=ladder, provider=wanted.provider)

    def report(self) -> str:
        """What a failing test is told beside its own failure."""
        lines = [self.emu.story]
        if self._folder is not None:
            lines += [f"recording: {_near(session.recording)}" for session in self.emu.sessions]
        return "\n".join(lines)

    def end(self) -> str | None:
        """Ends every session. What went wrong inside the emulator, if anything did."""
        self._server.rest()
        problems = [*self.emu.errors]
        self._server.troubles.found.clear()
        if not self._keep and not (self._folder is not None and (self.failed or problems)):
            self._clear()
        if not problems:
            return None
        more = f"\n\n{self.report()}"
        return "\n\n".join([f"{counted(len(problems), 'error')} inside the emulator", *problems]) + more

    def _clear(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        if self._folder is not None:
            # The folder of all of them, where this was the last.
            try:
                self._folder.parent.rmdir()
            except OSError:
                return


def _near(path: Path) -> Path:
    """As one would type it here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def folder_name(nodeid: str) -> str:
    """For this test's recordings: its name, and a digest of the rest, which would not fit."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", nodeid.rpartition("::")[2]).strip("-.")[:LONGEST]
    return f"{plain}-{sha256(nodeid.encode()).hexdigest()[:6]}"
