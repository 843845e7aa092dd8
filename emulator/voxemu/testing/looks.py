"""What can be asked of the emulator itself: as the control API has it, as properties."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voxemu.agents import known_agents
from voxemu.server.steering import cleared
from voxemu.testing.stage import Stage


class Looks:
    @property
    def _stage(self) -> Stage:
        raise NotImplementedError

    @property
    def faults(self) -> list[dict[str, Any]]:
        """What is to go wrong: by the settings, by scripts, and by what was asked for."""
        listed: list[dict[str, Any]] = self._stage.run(self._stage.server.book.listed)
        return listed

    @property
    def agents(self) -> list[str]:
        """Who can answer: the emulator's own, and the ``[[agent]]`` tables."""
        tables = self._stage.server.config.settings.agent_tables
        return [*known_agents(), *(table.name for table in tables)]

    @property
    def settings(self) -> dict[str, tuple[Any, str]]:
        """Every setting by its name in ``emu.toml``: its value, and where that came from."""
        return {each["name"]: (each["value"], each["from"]) for each in self._stage.server.config.shown()}

    @property
    def recordings(self) -> list[Path]:
        """The folders of this test's recordings, in the order in which the sessions opened."""
        self._stage.catch_up()
        records = [witnessed.record for witnessed in list(self._stage.journal.sessions)]
        return [Path(record.recording) for record in records if record.recording is not None]

    def reset(self, label: str | None = None) -> None:
        """Ends and forgets the sessions, and the faults that were asked for; of one label, or all."""
        server, journal = self._stage.server, self._stage.journal

        def act() -> None:
            cleared(server.registry, server.book, label)
            journal.forget(label)

        self._stage.run(act)
