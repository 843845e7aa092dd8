"""What a session of a load says when no scenario does: by the clock, whether it is answered or not.

Every 14 s: a turn, a second one 5 s later, and 3 s after that a barge-in into its answer. That goes by the
second at which the step stands, so all servers get the same load, and a slow one gets no fewer turns to
answer. An agent that repeats what it is told speaks by then, if it has begun within 1.4 s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from voxemu.provider import CallPlan, Provider
from voxemu.scenario.reading import Scenario, load
from voxemu_client.agenda import AT, Step
from voxemu_client.clips import load_clip
from voxemu_client.load.order import Order
from voxemu_client.script import Script
from voxemu_client.speech import spoken
from voxemu_client.staging import named, plan_of, script_of

ROUND = 14.0
LEAD = 0.5
STEPS = (("hello", 0.0, False), ("hello", 5.0, False), ("stop", 8.0, True))
# What, at which second of the round, whether over the agent.


@dataclass(frozen=True, slots=True)
class Part:
    """What every session of a load does."""

    provider: Provider
    plan: CallPlan
    script: Script
    ends: tuple[float, ...] = ()
    # Seconds into the call at which its turns are to end, where that is known beforehand.
    scenario: Scenario | None = None


def part_of(order: Order) -> Part:
    """Raises UsageError for a scenario that is wrong."""
    provider, url = order.spoken_to, order.url.strip()
    if not order.scenario:
        script, ends = _patter(provider, order.over)
        return Part(provider, CallPlan(url, order.key, order.agent), script, ends)
    scenario = load(named(order.scenario))
    spoken_to = scenario.provider(order.provider)
    plan = plan_of(scenario, spoken_to, url, key=order.key, agent=order.agent)
    return Part(spoken_to, plan, script_of(scenario, spoken_to), scenario=scenario)


def _patter(provider: Provider, seconds: float) -> tuple[Script, tuple[float, ...]]:
    rate = provider.format.rate
    clips = {name: load_clip(name, rate, provider.scale).trimmed() for name, *_ in STEPS}
    # Trimmed here, so that no call has to.
    steps: list[Step] = []
    ends: list[float] = []
    for begun in range(math.ceil(seconds / ROUND) + 1):
        for name, at, barge_in in STEPS:
            when = LEAD + begun * ROUND + at
            clip = clips[name]
            steps.append(Step(clip, AT, when, barge_in, len(steps) + 1))
            ends.append(when + spoken(clip.pcm)[1] / rate)
    # The last round is never reached: it keeps the call up until it is hung up.
    return Script(steps=tuple(steps)), tuple(ends)
