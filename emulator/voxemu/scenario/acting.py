"""The agent's side of a scenario as an agent: its steps, in blocks that each wait for something."""

from __future__ import annotations

import json
from itertools import pairwise

from voxemu.agent import Fail, HangUp, Pause, Tell, Think
from voxemu.agents.scripted import Act, AskTool, Block, Scripted, ScriptStep, Speak
from voxemu.audio import AudioFormat
from voxemu.errors import AudioError, SettingsError, UnknownName
from voxemu.events import (
    AgentReadied,
    Downlink,
    Interrupted,
    ListeningStarted,
    SettingSent,
    SpeakingStarted,
    ThinkingStarted,
    ToolCalled,
    Transcribed,
)
from voxemu.fault import fault_of
from voxemu.provider import Provider
from voxemu.scenario.agent_steps import (
    AgentCallsTool,
    AgentFails,
    AgentHangsUp,
    AgentPauses,
    AgentSays,
    AgentShows,
    AgentStepTable,
    AgentThinks,
    AgentTranscribes,
)
from voxemu.scenario.reading import Scenario
from voxemu.scenario.spoken import spoken
from voxemu.spoiler import supports

STATES: dict[str, Downlink] = {
    "listening": ListeningStarted("waiting"),
    "thinking": ThinkingStarted(),
    "speaking": SpeakingStarted(),
    "interrupted": Interrupted(),
    "ready": AgentReadied(),
}


def scripted(scenario: Scenario, provider: Provider, name: str = "") -> Scripted:
    """A new one for one call. Raises SettingsError with file and line for what this provider cannot do."""
    steps = scenario.table.agent.step
    if not steps:
        raise SettingsError(f"{scenario.path}: there is no [[agent.step]] in it, so it scripts no agent")
    starts = [at for at, step in enumerate(steps) if not step.follows]
    blocks = [
        _block(scenario, provider, range(first, last)) for first, last in pairwise([*starts, len(steps)])
    ]
    return Scripted(name or f"script:{scenario.path}", blocks)


def _block(scenario: Scenario, provider: Provider, which: range) -> Block:
    head: AgentStepTable = scenario.table.agent.step[which.start]
    if head.on == "text" and SettingSent not in provider.spells:
        raise SettingsError(_told(scenario, which.start, f"{provider.id}'s clients send no texts"))
    return Block(
        "time" if head.at is not None else head.on,  # type: ignore[arg-type]
        tuple(_step(scenario, provider, at) for at in which),
        delay=head.at if head.at is not None else head.delay,
        optional=head.optional,
        setting=head.setting,
        pattern=head.matches or "",
        user_says=head.user_says,
    )


def _step(scenario: Scenario, provider: Provider, at: int) -> ScriptStep:
    table = scenario.table.agent.step[at]
    what, act = _act(scenario, provider, at, table)
    place = scenario.place("agent", "step", at)
    return ScriptStep(at + 1, act, what, table.name, place, table.delay or 0.0)


def _act(scenario: Scenario, provider: Provider, at: int, table: AgentStepTable) -> tuple[str, Act]:
    match table:
        case AgentSays():
            return f"says {table.say}", _speech(scenario, provider, at, table)
        case AgentThinks(think=seconds):
            return f"thinks for {seconds:g} s", (Think(seconds),)
        case AgentPauses(pause=seconds):
            return f"pauses for {seconds:g} s", (Pause(seconds),)
        case AgentTranscribes(transcript=text):
            line = Transcribed(table.speaker, text, table.final, table.segment)
            kind = "final" if table.final else "interim"
            return f"tells the {table.speaker}'s {kind} line", (Tell(line),)
        case AgentCallsTool(tool_call=name, arguments=given):
            if ToolCalled not in provider.spells:
                raise SettingsError(_told(scenario, at, f"{provider.id} has no words for a tool call"))
            return f"calls {name}", AskTool(name, given if isinstance(given, str) else json.dumps(given))
        case AgentShows(state=state):
            return f"shows {state}", (Tell(STATES[state]),)
        case AgentHangsUp(hang_up=cause):
            return f"hangs up ({cause})", (HangUp(table.reason, cause, table.code),)
        case AgentFails(fault=said):
            fault = fault_of(said)
            if not supports(provider, fault.kind):
                text = f"{provider.id} has nothing that a {fault.kind} could strike"
                raise SettingsError(_told(scenario, at, text))
            return f"makes a {fault.kind}", (Fail(fault),)
    raise AssertionError(f"{type(table).__name__} is no step")


def _speech(scenario: Scenario, provider: Provider, at: int, table: AgentSays) -> Speak:
    def sound(axis: AudioFormat) -> bytes:
        return spoken(
            table.say,
            axis.rate,
            provider.scale,
            folder=scenario.path.parent,
            seed=scenario.table.seed + at,
        ).pcm

    try:
        # Now, and not in mid-call: a file that is not there is known before anybody calls.
        sound(provider.format)
    except (AudioError, UnknownName) as error:
        raise SettingsError(_told(scenario, at, f"say: {error}", "say")) from error
    return Speak(f"({table.say})" if table.text is None else table.text, sound)


def _told(scenario: Scenario, at: int, text: str, *key: str) -> str:
    return f"{scenario.place('agent', 'step', at, *key)}: agent.step.{at + 1}: {text}"
