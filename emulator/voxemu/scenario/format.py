"""The scenario file: what may stand in it. ``schema = "voxemu.scenario/1"``; docs/regression.md shows one.

Times are seconds, except where a name ends in ``_ms``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, create_model, model_validator

from voxemu.dialogue.settings import DialogueSettings
from voxemu.scenario.agent_steps import AgentStep
from voxemu.scenario.moments import AGENTS_OWN, TURN_OVER
from voxemu.scenario.table import Table, settings_table
from voxemu.scenario.values import (
    AgentName,
    Count,
    FaultTable,
    Milliseconds,
    MomentName,
    Nth,
    Pattern,
    ProviderName,
    Seconds,
    SoundName,
)
from voxemu.tables import table_name
from voxemu.wire import PROVIDERS

SCHEMA = "voxemu.scenario/1"

# --- the caller's side ----------------------------------------------------------------------------------


class StepTable(Table):
    at: Seconds | None = None
    # After the connection opened.
    after: MomentName | None = None
    # The first of its name since the step before began; else ``turn_over``.
    delay: Seconds = 0.0

    @model_validator(mode="after")
    def _one_anchor(self) -> StepTable:
        if self.at is not None and (self.after is not None or "delay" in self.model_fields_set):
            raise ValueError("a step begins `at` a time, or `after` a moment and a `delay`: give one of them")
        if self.after in AGENTS_OWN:
            raise ValueError(f"the caller cannot wait for {self.after}: only the agent's end knows of it")
        return self

    @property
    def moment(self) -> str:
        return self.after or TURN_OVER


class SayStep(StepTable):
    say: SoundName
    # A prompt, an audio file (relative to the scenario), tone:HZ:S, noise:S[:LEVEL], silence:S.
    barge_in: bool = False
    # Spoken over the agent: one that does not sound by then was not interrupted, and that is a verdict.


class HangUpStep(StepTable):
    hangup: Literal[True]


def _which_step(step: Any) -> str:
    return "<hangup>" if "hangup" in (step if isinstance(step, dict) else step.model_fields_set) else "<say>"


Step = Annotated[
    Annotated[SayStep, Tag("<say>")] | Annotated[HangUpStep, Tag("<hangup>")], Discriminator(_which_step)
]


class CallerTable(Table):
    key: str | None = None
    # Not for a real one: a scenario is committed. Give that in EMU_KEY.
    agent: str = ""
    # The id that is asked for, where it is not one of the emulator's own agents.
    settings: dict[str, Any] = Field(default_factory=dict)
    # Of the session, where the provider has words for them: prompt, voice, language …
    tools: dict[str, Any] = Field(default_factory=dict)
    # What the app's tools answer when the agent calls them, by name.
    rate: Annotated[int | None, Field(ge=8000, le=192_000)] = None
    silence: str = "continuous"
    half_duplex: bool = False
    jitter_buffer: Annotated[float, Field(ge=0, le=2)] = 0.06
    lead: Seconds = 0.5
    # From the open microphone to the first step, unless that has a moment of its own.
    quiet: Seconds = 1.0
    # After a reply has played out; then the turn is over.
    patience: Seconds = 10.0
    # For a reply to begin, or for the moment of a step.
    ready_patience: Seconds = 10.0
    step: list[Step] = Field(default_factory=list)


# --- what is expected -----------------------------------------------------------------------------------


class Anchored(Table):
    after: MomentName = "connected"
    nth: Nth = None
    # Which moment of that name, counted from 1; else every one.


class Within(Anchored):
    event: MomentName
    within_ms: Milliseconds


class NoReply(Anchored):
    no_reply: Seconds
    # No agent audio begins for so long.


class StopsWithin(Table):
    stops_within_ms: Milliseconds
    # The agent, from the first spoken sample of a barge-in on.
    nth: Nth = None


class Matches(Table):
    matches: Pattern
    # A regular expression that is found in the line.
    speaker: Literal["user", "agent", "any"] = "any"
    nth: Nth = None
    # Which of that speaker's final lines; else any of them.


class HeardOf(Table):
    heard_of: Annotated[str, Field(min_length=1)]
    # One of the agent's steps, by its name; or step3.
    at_least_ms: Milliseconds | None = None
    at_most_ms: Milliseconds | None = None
    # Of it was heard before the user interrupted; a step that was not interrupted was heard whole.
    interrupted: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> HeardOf:
        if self.at_least_ms is None and self.at_most_ms is None and self.interrupted is None:
            raise ValueError("say what is expected: `at_least_ms`, `at_most_ms` or `interrupted`")
        return self


class Counted(Table):
    event: MomentName
    count: Count | None = None
    at_least: Count | None = None
    at_most: Count | None = None

    @model_validator(mode="after")
    def _one_or_a_range(self) -> Counted:
        if self.count is None and self.at_least is None and self.at_most is None:
            raise ValueError("say how many: `count`, or `at_least` and `at_most`")
        return self


# The key that tells the kinds apart, and what is offered when none of them is there.
_KINDS = {
    "heard_of": "<heard_of>",
    "within_ms": "<within_ms>",
    "no_reply": "<no_reply>",
    "stops_within_ms": "<stops_within_ms>",
    "matches": "<matches>",
    **dict.fromkeys(("count", "at_least", "at_most"), "<count>"),
}


def _which_expectation(found: Any) -> str | None:
    keys = found if isinstance(found, dict) else found.model_fields_set
    return next((kind for key, kind in _KINDS.items() if key in keys), None)


Expectation = Within | NoReply | StopsWithin | Matches | HeardOf | Counted

Expected = Annotated[
    Annotated[Within, Tag("<within_ms>")]
    | Annotated[NoReply, Tag("<no_reply>")]
    | Annotated[StopsWithin, Tag("<stops_within_ms>")]
    | Annotated[Matches, Tag("<matches>")]
    | Annotated[HeardOf, Tag("<heard_of>")]
    | Annotated[Counted, Tag("<count>")],
    Discriminator(
        _which_expectation,
        custom_error_type="expectation",
        custom_error_message="an expectation has one of: " + ", ".join(_KINDS),
    ),
]

# --- the agent's side and the rest ----------------------------------------------------------------------


class AgentBasics(Table):
    name: AgentName = "echo"
    step: list[AgentStep] = Field(default_factory=list)
    # What it does, in place of a name.

    @model_validator(mode="after")
    def _one_of_them(self) -> AgentBasics:
        if self.step and "name" in self.model_fields_set:
            raise ValueError("an agent has a `name`, or steps of its own: give one of them")
        return self


def _settings(name: str, *kinds: type[Any]) -> tuple[Any, Any]:
    return settings_table(name, *kinds), Field(default_factory=dict)


# As in emu.toml: [dialogue] for all providers, and a table for each one's own settings.
_AGENT_TABLES: dict[str, Any] = {"dialogue": _settings("dialogue", DialogueSettings)} | {
    table_name(name): _settings(table_name(name), provider.settings_type, DialogueSettings)
    for name, provider in PROVIDERS.items()
}
AgentTable: Any = create_model("AgentTable", __base__=AgentBasics, **_AGENT_TABLES)


class LinkTable(Table):
    """The pretend network of a rehearsal, the same both ways."""

    latency_ms: Annotated[float, Field(ge=0, le=10_000)] = 0.0
    jitter_ms: Annotated[float, Field(ge=0, le=10_000)] = 0.0
    loss: Annotated[float, Field(ge=0, lt=1)] = 0.0
    cut: Annotated[float | None, Field(gt=0)] = None
    # The second at which the line is cut.


class ScenarioTable(Table):
    title: str = ""
    provider: ProviderName | None = None
    # Else whoever runs the scenario says which.
    seed: int = 0
    clock: Literal["real", "media", "virtual", "rehearsal"] | None = None
    # The one that the pytest fixtures run it on; `emu rehearse` and `emu client` have their own.
    limit: Annotated[float, Field(gt=0, le=3600)] = 120.0
    # Seconds of the call after which a rehearsal is broken off.
    caller: CallerTable = CallerTable()
    agent: AgentTable = Field(default_factory=AgentTable)
    link: LinkTable = LinkTable()
    fault: list[FaultTable] = Field(default_factory=list)
    # What goes wrong on purpose, as in emu.toml.
    expect: list[Expected] = Field(default_factory=list)
    schema_name: Literal["voxemu.scenario/1"] = Field(alias="schema")


def json_schema() -> dict[str, Any]:
    """For editors that check TOML as it is written."""
    found = _without_null_defaults(ScenarioTable.model_json_schema(by_alias=True))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA, **found}


def _without_null_defaults(found: Any) -> Any:
    """TOML has no null: what may be left out has no default to show."""
    if isinstance(found, list):
        return [_without_null_defaults(each) for each in found]
    if not isinstance(found, dict):
        return found
    return {
        name: _without_null_defaults(each)
        for name, each in found.items()
        if not (name == "default" and each is None)
    }
