"""Kinds of values in a scenario file, each with the sentence for what it may not be."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

from voxemu.agents import file_behind, make_agent
from voxemu.errors import UsageError, meant
from voxemu.fault_table import as_step, as_table, fault_schema
from voxemu.scenario.moments import MOMENTS
from voxemu.scenario.spoken import made
from voxemu.wire import PROVIDERS


def moment(value: str) -> str:
    if value not in MOMENTS:
        raise ValueError(f"there is no moment {value!r}; {meant(value, MOMENTS)}")
    return value


def sound(value: str) -> str:
    try:
        made(value)
    except UsageError as error:
        raise ValueError(str(error)) from None
    if not value.strip():
        raise ValueError("must be a prompt, an audio file, or a sound like tone:440:1")
    return value


def agent(value: str) -> str:
    if file_behind(value) is not None:
        # Read when it is cast, relative to the scenario.
        return value
    try:
        return make_agent(value).name
    except UsageError as error:
        raise ValueError(str(error)) from None


def provider(value: str) -> str:
    if value not in PROVIDERS:
        raise ValueError(f"there is no provider {value!r}; {meant(value, PROVIDERS)}")
    return value


def pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return value


MomentName = Annotated[str, AfterValidator(moment), Field(json_schema_extra={"enum": list(MOMENTS)})]
Seconds = Annotated[float, Field(ge=0, le=3600)]
Milliseconds = Annotated[float, Field(ge=0, le=3_600_000)]
Count = Annotated[int, Field(ge=0, le=100_000)]
Nth = Annotated[int | None, Field(ge=1, le=1000)]
SoundName = Annotated[str, AfterValidator(sound)]
AgentName = Annotated[str, AfterValidator(agent)]
ProviderName = Annotated[str, AfterValidator(provider)]
Pattern = Annotated[str, AfterValidator(pattern)]
FaultTable = Annotated[dict[str, Any], AfterValidator(as_table), WithJsonSchema(fault_schema())]
FaultStep = Annotated[dict[str, Any], AfterValidator(as_step), WithJsonSchema(fault_schema(starts=False))]
