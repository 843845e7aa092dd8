"""The faults of a server: of its settings, of its agents' files, and those that were asked for while it runs.

What a file says of calls comes with its agent; what it says of starts is known here, for agents that answer
where nobody else is asked for: who else is asked for stands in a start request, which has yet to be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

from voxemu.casting import faults_behind
from voxemu.fault import Fault, table_of_fault
from voxemu.provider import Asked, Key, Provider
from voxemu.server.config import Config, ConfiguredKey
from voxemu.server.labels import key_in, label_in
from voxemu.spoiler import Starts, Struck
from voxemu.spoiler.start import Place


class FaultBook:
    def __init__(self, config: Config) -> None:
        self._config = config
        self._asked: list[Fault] = []
        self._scripted: list[tuple[Fault, int | None, str]] = []
        # For whose key, and the agent whose file says so.
        self._starts = Starts(Random(config.settings.seed))
        self.adopt()

    def adopt(self) -> None:
        """The settings are others now; starts are counted anew."""
        self._scripted = [
            (fault, owner, name)
            for name, owner in self._config.agents_of_starts()
            for fault in faults_behind(name)
        ]
        self._begin()

    def _begin(self) -> None:
        self._starts.clear()
        for fault, owner, _ in (*self._said(), *self._scripted):
            self._starts.add(fault, owner)

    # --- asked for while the server runs --------------------------------------------------------------

    def ask(self, fault: Fault) -> None:
        """For starts and sessions to come."""
        self._asked.append(fault)
        self._starts.add(fault)

    def forget(self, label: str | None = None) -> int:
        """What was asked for, or that of one label; how many there were."""
        left = [] if label is None else [fault for fault in self._asked if fault.label != label]
        gone, self._asked = len(self._asked) - len(left), left
        self._begin()
        return gone

    # --- what they come to ------------------------------------------------------------------------------

    def of_session(
        self, provider: Provider, key: Key, label: str, scripted: Iterable[Fault] = ()
    ) -> list[Fault]:
        """``scripted`` are those that its agent's file says."""
        ours = [fault for fault, owner, _ in self._said() if owner in (None, _number(key))]
        return [
            fault
            for fault in (*scripted, *ours)
            if not fault.strikes_a_start
            and fault.provider in ("", provider.id)
            and fault.label in ("", label)
        ]

    def at_start(self, place: Place, provider: Provider, asked: Asked) -> Struck:
        key = key_in(asked, self._config.key_ring()) if self._config.settings.keys else Key()
        return self.strike(place, provider, key, label_in(asked) or key.label)

    def strike(self, place: Place, provider: Provider, key: Key, label: str) -> Struck:
        return self._starts.strike(place, provider, label, _number(key))

    def token_expires(self, provider: Provider, key: Key, label: str) -> bool:
        return self.strike("token", provider, key, label).expired

    def listed(self) -> list[dict[str, Any]]:
        return [
            {**table_of_fault(fault), "from": source} for fault, _, source in (*self._said(), *self._scripted)
        ]

    def _said(self) -> Iterator[tuple[Fault, int | None, str]]:
        """By the settings, and by whoever runs the server."""
        for fault, owner in self._config.faults():
            yield fault, owner, "settings" if owner is None else f"key[{owner}]"
        for fault in self._asked:
            yield fault, None, "asked"


def _number(key: Key) -> int | None:
    return key.number if isinstance(key, ConfiguredKey) else -1
