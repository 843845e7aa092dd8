"""What a load came to, in one process or in all: counts, durations, errors by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voxemu_client.load.spread import Spread

SPREADS = ("agent", "sending", "setup", "setup_open", "turns", "turns_open", "stops", "stops_open")
# Agent audio's lateness and our own; from when a call was to be placed until it was let in; waits. What is
# open was not answered: see ``waits``.


@dataclass(slots=True)
class Tally:
    spreads: dict[str, Spread] = field(default_factory=lambda: {name: Spread() for name in SPREADS})
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    # Of sessions that failed, by kind.
    reported: Counter[str] = field(default_factory=Counter)
    # Errors that providers told callers of, by code.
    spans: list[tuple[float, float]] = field(default_factory=list)
    # From when until when each call was held; seconds after the beginning.
    amounts: dict[str, float] = field(default_factory=dict)
    # Seconds of audio, of processor time … Over all processes they add up, but for "longest_" and "soonest_".
    examples: dict[str, str] = field(default_factory=dict)
    # The first sentence of each kind of error.

    def amount(self, name: str, more: float) -> None:
        self.amounts[name] = self.amounts.get(name, 0.0) + more

    def failed(self, kind: str, sentence: str) -> None:
        self.errors[kind] += 1
        self.examples.setdefault(kind, sentence)

    def merge(self, other: Tally) -> None:
        for name, spread in other.spreads.items():
            self.spreads[name].merge(spread)
        self.counts.update(other.counts)
        self.errors.update(other.errors)
        self.reported.update(other.reported)
        self.spans += other.spans
        for name, more in other.amounts.items():
            so_far = self.amounts.get(name)
            match name.partition("_")[0]:
                case _ if so_far is None:
                    self.amounts[name] = more
                case "longest":
                    self.amounts[name] = max(so_far, more)
                case "soonest":
                    self.amounts[name] = min(so_far, more)
                case _:
                    self.amounts[name] = so_far + more
        self.examples = other.examples | self.examples

    @property
    def peak(self) -> int:
        """Calls that were held at once, at most."""
        held = most = 0
        # At the same instant one ends before another begins.
        steps = [(begun, 1) for begun, _ in self.spans] + [(ended, -1) for _, ended in self.spans]
        for _, step in sorted(steps):
            held += step
            most = max(most, held)
        return most

    def held_at(self, moment: float) -> int:
        return sum(begun <= moment <= ended for begun, ended in self.spans)

    # --- between two of our own programs ------------------------------------------------------------

    def packed(self) -> dict[str, Any]:
        return {
            "spreads": {name: spread.packed() for name, spread in self.spreads.items()},
            "counts": self.counts,
            "errors": self.errors,
            "reported": self.reported,
            "spans": self.spans,
            "amounts": self.amounts,
            "examples": self.examples,
        }

    @classmethod
    def unpacked(cls, said: Mapping[str, Any]) -> Tally:
        return cls(
            {name: Spread.unpacked(spread) for name, spread in said["spreads"].items()},
            Counter(said["counts"]),
            Counter(said["errors"]),
            Counter(said["reported"]),
            [(begun, ended) for begun, ended in said["spans"]],
            dict(said["amounts"]),
            dict(said["examples"]),
        )
