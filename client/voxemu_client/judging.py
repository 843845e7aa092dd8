"""The verdicts on a call that was run by a scenario: its expectations, and its steps.

That every step begins, and that who was to be interrupted was speaking, is expected without being written.
"""

from __future__ import annotations

from collections.abc import Iterator

from voxemu.scenario.reading import Scenario
from voxemu.scenario.script_watch import ScriptWatch
from voxemu.scenario.verdicts import Verdict, judge
from voxemu_client.agenda import AT, Step
from voxemu_client.caller import Caller


def judged(scenario: Scenario, caller: Caller, agent: ScriptWatch | None = None) -> list[Verdict]:
    """What failed of the steps, then every expectation; ``agent`` saw what a script did at the other end."""
    moments = [*caller.account.moments, *(agent.moments if agent is not None else ())]
    return [
        *_steps(scenario, caller),
        *(agent.verdicts() if agent is not None else ()),
        *(
            judge(expected, moments, scenario.place("expect", at))
            for at, expected in enumerate(scenario.expectations)
        ),
    ]


def _steps(scenario: Scenario, caller: Caller) -> Iterator[Verdict]:
    for taken in caller.account.steps:
        if taken.step.barge_in and not taken.over_agent:
            seen = f"barge-in did not happen: the agent was silent at {taken.at:.2f} s"
            yield Verdict(
                "no_barge_in", f"{told(taken.step)} over the agent", seen, _place(scenario, taken.step)
            )
    for step in caller.undone:
        when = f"{step.delay:g} s" if step.after == AT else step.after
        seen = f"never began: the call was over ({_ending(caller)})"
        yield Verdict("never_began", f"{told(step)} at {when}", seen, _place(scenario, step))


def told(step: Step) -> str:
    return f"step {step.number} " + ("hangs up" if step.clip is None else f"says {step.clip.name}")


def _place(scenario: Scenario, step: Step) -> str:
    return scenario.place("caller", "step", step.number - 1)


def _ending(caller: Caller) -> str:
    closed = caller.account.closed
    if closed is None:
        return "it was broken off"
    why = closed.reason or str(closed.code)
    return f"{why}, by the {closed.by}"
