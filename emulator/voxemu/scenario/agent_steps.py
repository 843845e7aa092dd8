"""The agent's side of a scenario file: what may stand in an ``[[agent.step]]``; docs/test-bench.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from voxemu.agents.scripted import REFERENCE
from voxemu.scenario.table import Table
from voxemu.scenario.values import Count, FaultStep, Pattern, Seconds, SoundName


class AgentStepTable(Table):
    on: Literal["start", "turn", "silence", "text", "previous"] | None = None
    # What it waits for: that the agent may speak, a user's turn, that nobody spoke for `delay` seconds, a
    # text of the client's, or nothing but the step before it.
    at: Seconds | None = None
    # Seconds after the connection opened, in place of `on`.
    delay: Seconds | None = None
    # Seconds after what it waits for; after a turn in place of think_time.
    matches: Pattern | None = None
    # The text that is waited for; a regular expression.
    setting: str | None = None
    # Which setting is to say it: prompt, voice …; else any.
    user_says: str | None = None
    # The transcript of the turn that is waited for.
    name: Annotated[str, Field(pattern=r"^([A-Za-z_][\w-]*)?$")] = ""
    # Later texts and expectations call it so.
    optional: bool = False
    # It may be passed over when what the next step waits for comes first.

    @model_validator(mode="after")
    def _agrees(self) -> AgentStepTable:
        said = self.model_fields_set
        if self.at is not None and self.on is not None:
            raise ValueError("a step waits for `on` or comes `at` a time: give one of them")
        if self.at is not None and self.delay is not None:
            raise ValueError("a step that comes `at` a time has no `delay`")
        if self.on == "silence" and not self.delay:
            raise ValueError('on = "silence" needs a `delay`: so many seconds of it')
        if (self.matches is None) is (self.on == "text"):
            raise ValueError('on = "text" goes with `matches`, what the text is to say')
        if "setting" in said and self.on != "text":
            raise ValueError('`setting` goes with on = "text"')
        if self.user_says is not None and self.on != "turn":
            raise ValueError('`user_says` goes with on = "turn"')
        if self.optional and self.follows:
            raise ValueError("`optional` belongs to a step that waits for something of its own")
        return self

    @property
    def follows(self) -> bool:
        """It comes right after the step before it."""
        return self.at is None and self.on in (None, "previous")


class AgentSays(AgentStepTable):
    say: SoundName
    # As the caller's: a prompt, an audio file, tone:HZ:S, noise:S[:LEVEL], silence:S.
    text: str | None = None
    # Its transcript; "" for none.


class AgentThinks(AgentStepTable):
    think: Seconds


class AgentPauses(AgentStepTable):
    pause: Seconds


class AgentTranscribes(AgentStepTable):
    transcript: str
    speaker: Literal["user", "agent"] = "agent"
    final: bool = True
    segment: Count = 0
    # Interim lines and their final one have the same, where the wire numbers them; 0 is none.


class AgentCallsTool(AgentStepTable):
    tool_call: Annotated[str, Field(min_length=1)]
    arguments: dict[str, Any] | str = Field(default_factory=dict)
    # A string is sent as it is, also when it is no JSON.


class AgentShows(AgentStepTable):
    state: Literal["listening", "thinking", "speaking", "interrupted", "ready"]


class AgentHangsUp(AgentStepTable):
    hang_up: Literal["agent_left", "closed", "shutdown"]
    # Each provider has its own words and close code for these.
    reason: str = ""
    code: Annotated[int | None, Field(ge=1000, le=4999)] = None


class AgentFails(AgentStepTable):
    fault: FaultStep
    # As in a [[fault]] table; it strikes at once, or from the moment on that it names.


_ACTS: dict[str, type[AgentStepTable]] = {
    "say": AgentSays,
    "think": AgentThinks,
    "pause": AgentPauses,
    "transcript": AgentTranscribes,
    "tool_call": AgentCallsTool,
    "state": AgentShows,
    "hang_up": AgentHangsUp,
    "fault": AgentFails,
}


def _which_act(step: Any) -> str | None:
    keys = step if isinstance(step, dict) else step.model_fields_set
    return next((f"<{act}>" for act in _ACTS if act in keys), None)


AgentStep = Annotated[
    Annotated[AgentSays, Tag("<say>")]
    | Annotated[AgentThinks, Tag("<think>")]
    | Annotated[AgentPauses, Tag("<pause>")]
    | Annotated[AgentTranscribes, Tag("<transcript>")]
    | Annotated[AgentCallsTool, Tag("<tool_call>")]
    | Annotated[AgentShows, Tag("<state>")]
    | Annotated[AgentHangsUp, Tag("<hang_up>")]
    | Annotated[AgentFails, Tag("<fault>")],
    Discriminator(
        _which_act,
        custom_error_type="agent_step",
        custom_error_message="an agent's step has one of: " + ", ".join(_ACTS),
    ),
]


def wrong_steps(steps: Sequence[AgentStepTable]) -> Iterator[tuple[int, str, str]]:
    """What is wrong with steps taken together: which step, its key, and a sentence."""
    names: set[str] = set()
    if steps and steps[0].follows:
        yield 0, "on", 'the first step has none before it: say what it waits for, as in on = "turn"'
    for at, step in enumerate(steps):
        for key in ("text", "transcript", "arguments"):
            text = getattr(step, key, None)
            for found in REFERENCE.finditer(text if isinstance(text, str) else json.dumps(text)):
                if found["name"] not in names:
                    yield at, key, f"{found[0]}: no earlier step is named {found['name']!r}"
        if step.name in names:
            yield at, "name", f"another step is named {step.name!r} already"
        names |= {step.name, f"step{at + 1}"} - {""}
