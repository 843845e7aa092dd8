"""What a person or a program is told of a scenario's call: what was said when, and the verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from voxemu.fault import Fault
from voxemu.scenario.script_watch import ScriptWatch
from voxemu.scenario.verdicts import Verdict
from voxemu_client.agenda import Taken
from voxemu_client.caller import Caller
from voxemu_client.judging import told
from voxemu_client.telling import printable

MARKS = {"met": "ok", "failed": "FAILED", "no_barge_in": "NO BARGE-IN", "never_began": "NEVER BEGAN"}


def step_lines(caller: Caller) -> list[str]:
    return [f"  {taken.at:7.2f} s  {_step(taken)}" for taken in caller.account.steps]


def agent_lines(agent: ScriptWatch) -> list[str]:
    """And what went wrong on purpose."""
    return [
        *(f"  {at:7.2f} s  the agent's step {begun.step} {begun.what}" for at, begun in agent.begun),
        *(f"  {at:7.2f} s  fault {fault.kind} {fault.detail}".rstrip() for at, fault in agent.faults),
    ]


def spared_lines(faults: Iterable[Fault]) -> list[str]:
    """Whoever wrote a fault thinks that the call went on in spite of it."""
    return [f"  {'never':>9}  fault {fault}: it did not strike" for fault in faults]


def _step(taken: Taken) -> str:
    return told(taken.step) + (" over the agent" if taken.over_agent and taken.step.clip else "")


def verdict_lines(verdicts: Iterable[Verdict]) -> list[str]:
    """A line each; what was not met says where it was asked for."""
    return [
        f"  {MARKS[verdict.outcome]:<11}  {verdict.wanted}: {printable(verdict.seen)}"
        + ("" if verdict.met or not verdict.place else f"  [{verdict.place}]")
        for verdict in verdicts
    ]


def report(caller: Caller, verdicts: Iterable[Verdict]) -> dict[str, Any]:
    return {
        "steps": [
            {
                "step": taken.step.number,
                "at": round(taken.at, 3),
                "says": None if taken.step.clip is None else taken.step.clip.name,
                "over_agent": taken.over_agent,
            }
            for taken in caller.account.steps
        ],
        "verdicts": [
            {"outcome": each.outcome, "wanted": each.wanted, "seen": each.seen, "place": each.place}
            for each in verdicts
        ],
    }


def failed(verdicts: Iterable[Verdict]) -> str | None:
    """The first that was not met, as a sentence; None when all were."""
    for verdict in verdicts:
        if not verdict.met:
            return f"{verdict.wanted}: {verdict.seen}"
    return None
