"""What a load came to, for people and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from voxemu_client.load.kinds import LOST_PROCESS, OFF
from voxemu_client.load.order import Order
from voxemu_client.load.spread import Spread
from voxemu_client.load.tally import Tally
from voxemu_client.load.waits import with_open
from voxemu_client.summary import DONE, FAILED, INTERRUPTED, OFF_THE_PAGE, UNREACHABLE
from voxemu_client.telling import printable
from voxemu_client.web import without_secrets

FORM = 1
# Of the JSON; counted up when a figure changes its meaning.
LATE = 0.003
# Seconds. A generator whose frames are later than that at the 99th percentile measures itself.
UNFIT = 0.8
# Of a core: a process that works more than this has little left to be in time with.


@dataclass(frozen=True, slots=True)
class Report:
    order: Order
    tally: Tally
    processes: int
    interrupted: bool
    machine: dict[str, Any]

    @property
    def agent(self) -> Spread:
        return self.tally.spreads["agent"]

    @property
    def sending(self) -> Spread:
        return self.tally.spreads["sending"]

    @property
    def setup(self) -> Spread:
        return with_open(self.tally.spreads["setup"], self.tally.spreads["setup_open"])

    @property
    def turns(self) -> Spread:
        return with_open(self.tally.spreads["turns"], self.tally.spreads["turns_open"])

    @property
    def stops(self) -> Spread:
        return with_open(self.tally.spreads["stops"], self.tally.spreads["stops_open"])

    @property
    def at_end(self) -> int:
        """Calls that were held when the load was over, or when it was stopped."""
        return self.tally.held_at(self.tally.amounts.get("soonest_stop", self.order.over) - 0.001)

    @property
    def failed(self) -> int:
        return self.tally.counts["failed"]

    @property
    def busy(self) -> float:
        """The share of a core that a process of the generator took, on average."""
        window = self.tally.amounts.get("window", 0.0)
        return self.tally.amounts.get("processor", 0.0) / window if window else 0.0

    @property
    def was_late(self) -> bool:
        """The generator was, so that its figures are not the server's."""
        return (self.sending.percentile(99) or 0.0) > LATE

    @property
    def exit(self) -> int:
        if self.interrupted:
            return INTERRUPTED
        if not self.failed:
            return DONE
        if self.tally.errors[OFF]:
            return OFF_THE_PAGE
        return FAILED if self.tally.counts["let_in"] or self.tally.errors[LOST_PROCESS] else UNREACHABLE

    @property
    def reason(self) -> str:
        if self.interrupted:
            return "interrupted"
        if not self.failed:
            return f"all {self.order.sessions} sessions were held"
        kinds = ", ".join(f"{times} {kind}" for kind, times in self.tally.errors.most_common())
        return f"{self.failed} of {self.order.sessions} sessions failed: {kinds}"

    def json(self) -> dict[str, Any]:
        """Durations in milliseconds where the name says so, else in seconds."""
        counts, order = self.tally.counts, self.order
        return {
            "type": "load",
            "format": FORM,
            "exit": self.exit,
            "reason": self.reason,
            "asked": {
                "provider": order.provider,
                "url": without_secrets(order.url),
                "agent": order.agent,
                "sessions": order.sessions,
                "ramp": order.ramp,
                "duration": order.duration,
                "scenario": order.scenario or None,
            },
            "sessions": {
                "peak": self.tally.peak,
                "at_end": self.at_end,
                "completed": counts["completed"],
                "failed": counts["failed"],
            },
            "calls": {"placed": counts["placed"], "let_in": counts["let_in"], "whole": counts["calls"]},
            "agent_lateness_ms": self.agent.figures(),
            "agent_pauses": {
                "count": counts["pauses"],
                "longest": round(self.tally.amounts.get("longest_pause", 0.0), 3),
            },
            "setup_ms": self.setup.figures(),
            "turn_latency_ms": {
                **self.turns.figures(),
                "unanswered": len(self.turns) - len(self.tally.spreads["turns"]),
                "unsaid": counts["turns_unsaid"],
            },
            "barge_in_stop_ms": {
                **self.stops.figures(),
                "unheeded": len(self.stops) - len(self.tally.spreads["stops"]),
                "agent_was_silent": counts["barge_ins_missed"],
            },
            "audio": self._audio(),
            "errors": dict(self.tally.errors.most_common()),
            "error_examples": self.tally.examples,
            "reported": dict(self.tally.reported.most_common()),
            "generator": {
                "processes": self.processes,
                "lateness_ms": self.sending.figures(),
                "late": self.was_late,
                "core_share": round(self.busy, 3),
                "memory_per_session": self._memory(),
            },
            "machine": self.machine,
        }

    def _audio(self) -> dict[str, Any]:
        names = ("sent", "never_sent", "received", "heard")
        return {
            **{name: round(self.tally.amounts.get(name, 0.0), 3) for name in names},
            **{name: self.tally.counts[name] for name in ("frames_sent", "frames_received", "underruns")},
        }

    def _memory(self) -> int | None:
        """Bytes, of those that were up when the load ended."""
        memory = self.tally.amounts.get("memory")
        return None if memory is None or not self.at_end else round(memory / self.at_end)

    def lines(self) -> list[str]:
        """As a person reads it."""
        order, counts = self.order, self.tally.counts
        audio = self._audio()
        lines = [
            f"{order.provider}  {without_secrets(order.url)}  {order.sessions} sessions, "
            f"ramp {order.ramp:g} s, then {order.duration:g} s",
            f"  sessions     {self.tally.peak} at once, {self.at_end} at the end, "
            f"{counts['completed']} completed, {counts['failed']} failed",
            f"  {'milliseconds':<22} {'count':>9} {'p50':>8} {'p90':>8} {'p99':>8} {'max':>8}",
            figures_line("call let in", self.setup),
            figures_line("turn latency", self.turns),
            figures_line("barge-in stop", self.stops),
            figures_line("agent audio late", self.agent),
            figures_line("our own audio late", self.sending),
            f"  audio        sent {audio['sent']:.1f} s, received {audio['received']:.1f} s, "
            f"heard {audio['heard']:.1f} s",
        ]
        lines += self._remarks()
        for kind, times in self.tally.errors.most_common():
            lines.append(f"  failed       {times} {kind}: {printable(self.tally.examples.get(kind, ''))}")
        for code, times in self.tally.reported.most_common():
            lines.append(f"  reported     {times} errors {printable(code)}")
        lines.append(
            f"  generator    processes: {self.processes}, each with {self.busy:.0%} of a core"
            + ("" if (memory := self._memory()) is None else f"; {memory / 1000:.0f} kB a session")
        )
        return [*lines, *self._warnings()]

    def _remarks(self) -> list[str]:
        counts, amounts = self.tally.counts, self.tally.amounts
        unanswered = len(self.turns) - len(self.tally.spreads["turns"])
        unheeded = len(self.stops) - len(self.tally.spreads["stops"])
        said = [
            (unanswered, "turns had no answer; they count as long as they waited"),
            (counts["turns_unsaid"], "turns were due before their call was let in, and count from then"),
            (unheeded, "barge-ins were not heeded; they count as long as they waited"),
            (counts["barge_ins_missed"], "barge-ins found the agent silent, and were turns"),
            (counts["pauses"], f"pauses of the agent, up to {amounts.get('longest_pause', 0.0):.1f} s"),
        ]
        lines = [f"  counted      {times} {what}" for times, what in said if times]
        if (never := amounts.get("never_sent", 0.0)) > 0:
            lines.append(f"  congested    {never:.1f} s of user audio were never sent: the server took none")
        return lines

    def _warnings(self) -> list[str]:
        lines = []
        if self.was_late:
            late = 1000 * (self.sending.percentile(99) or 0.0)
            lines.append(
                f"  the generator itself was late (p99 {late:.1f} ms): these figures are not the server's "
                "alone. Take fewer sessions, more --processes, or another machine."
            )
        elif self.busy > UNFIT:
            lines.append("  the generator had little of its core left: more would make it late.")
        return lines


def figures_line(name: str, spread: Spread) -> str:
    figures = spread.figures()
    cells = "".join(
        f" {'-' if (value := figures[each]) is None else format(value, '.1f'):>8}" for each in SHOWN
    )
    return f"  {name:<22} {figures['count']:>9}{cells}"


SHOWN = ("p50", "p90", "p99", "max")
