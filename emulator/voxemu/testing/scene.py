"""One test with its emulator: set up from the ladder, judged and cleared away at its end."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from voxemu.errors import UsageError
from voxemu.scenario.reading import Scenario
from voxemu.server.config import Config
from voxemu.testing.claims import counted
from voxemu.testing.emu import Emu
from voxemu.testing.marks import MARK, Wanted
from voxemu.testing.settings import Rung, settled
from voxemu.testing.thread import EmulatorThread

LONGEST = 60


class Scene:
    """``keep`` is whether this test's recordings stay though it passes; without a ``folder`` none do."""

    def __init__(
        self,
        begin: Callable[[Config, Sequence[Rung]], Emu],
        end: Callable[[], None],
        wanted: Wanted,
        rungs: Sequence[Rung],
        *,
        file: Path | None,
        folder: Path | None,
        keep: bool,
    ) -> None:
        self._end = end
        self._keep = keep
        self._folder = folder
        self.failed = False
        self.scenario: Scenario | None = None
        # Whose expectations a test that passes must keep.
        self._root = folder or Path(tempfile.mkdtemp(prefix="emu-"))
        ladder = [*rungs, *wanted.rungs]
        try:
            self.emu = begin(settled(file, ladder, record=self._root), ladder)
        except BaseException:
            self._clear()
            raise

    def report(self) -> str:
        """What a failing test is told beside its own failure."""
        lines = [self.emu.story]
        if self._folder is not None:
            lines += [f"recording: {_near(session.recording)}" for session in self.emu.sessions]
        return "\n".join(lines)

    def end(self) -> str | None:
        """Ends every session. What went wrong inside the emulator, if anything did."""
        self._end()
        problem = self._problem()
        if problem is not None:
            problem += f"\n\n{self.report()}"
        if not self._keep and not (self._folder is not None and (self.failed or problem)):
            self._clear()
        return problem

    def _problem(self) -> str | None:
        if errors := self.emu.errors:
            return "\n\n".join([f"{counted(len(errors), 'error')} inside the emulator", *errors])
        if self.failed:
            return None
        sessions = self.emu.sessions if self.emu.has_run else []
        if missed := [line for session in sessions for line in session.missed_steps]:
            return "\n".join(
                ["the agent's script was not played to its end", *(f"  {line}" for line in missed)]
            )
        if self.scenario is None:
            return None
        from voxemu.testing.expectations import unmet

        if len(sessions) != 1:
            return f"{self.scenario.path} is of one session, and {len(sessions)} were opened"
        if lines := unmet(self.scenario, sessions[0]):
            return "\n".join(["the call is not what its scenario expects", *(f"  {line}" for line in lines)])
        return None

    def _clear(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        if self._folder is not None:
            # The folder of all of them, where this was the last.
            try:
                self._folder.parent.rmdir()
            except OSError:
                return


class ThreadScene(Scene):
    """On the emulator that runs in a thread; its clock is real or media."""

    def __init__(self, server: EmulatorThread, wanted: Wanted, rungs: Sequence[Rung], **where: Any) -> None:
        def begin(config: Config, ladder: Sequence[Rung]) -> Emu:
            server.troubles.found = []
            stage = server.play(config)
            return Emu(
                stage, server.troubles.found, file=where["file"], rungs=ladder, provider=wanted.provider
            )

        if wanted.clock == "virtual":
            raise UsageError(f"{MARK}(clock='virtual'): ask for the fixture emu_virtual, in place of emu")
        super().__init__(begin, server.rest, wanted, rungs, **where)


def _near(path: Path) -> Path:
    """As one would type it here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def folder_name(nodeid: str) -> str:
    """For this test's recordings: its name, and a digest of the rest, which would not fit."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", nodeid.rpartition("::")[2]).strip("-.")[:LONGEST]
    return f"{plain}-{sha256(nodeid.encode()).hexdigest()[:6]}"
