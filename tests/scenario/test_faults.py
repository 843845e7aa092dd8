"""``[[fault]]`` in a scenario: what is wrong with one, and how editors are told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from voxemu.errors import SettingsError
from voxemu.fault import KINDS
from voxemu.fault_table import fault_schema
from voxemu.scenario.format import json_schema
from voxemu.scenario.reading import read
from voxemu.wire import PROVIDERS

HEAD = 'schema = "voxemu.scenario/1"\n[[caller.step]]\nsay = "hello"\n'
PLACE = Path("calls/rough.toml")


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ('kind = "dorp"\n', ":4: fault.1: there is no fault 'dorp'; did you mean 'drop'?"),
        ("ms = 4\n", ":4: fault.1: a fault needs a kind"),
        ('kind = "drop"\nmss = 3\n', ":4: fault.1: a fault of kind drop has no 'mss'"),
        ('kind = "close"\n', ":4: fault.1: a fault of kind close needs a moment"),
        ('kind = "delay"\nms = -1\n', ":4: fault.1: fault of kind delay: ms must be a number of 0 to"),
        ('kind = "drop"\non = "tea_time"\n', ":4: fault.1: there is no event 'tea_time'"),
        ('kind = "drop"\nprovider = "lokutr"\n', ":4: fault.1: there is no provider 'lokutr'"),
        (
            'kind = "endless_interim"\nprovider = "lokutor"\n',
            ":4: fault.1: lokutor cannot have the fault endless_interim",
        ),
        ('kind = "drop"\n[[fault]]\nkind = "dorp"\n', ":6: fault.2: there is no fault 'dorp'"),
    ],
)
def test_what_is_wrong_with_a_fault_is_told_with_file_and_line(fault: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(f"{HEAD}[[fault]]\n{fault}", PLACE)
    assert f"calls/rough.toml{sentence}" in str(refused.value)


def test_a_script_step_waits_for_events_that_there_are() -> None:
    step = '[[agent.step]]\non = "turn"\nfault = { kind = "drop", on = "tea_time" }\n'
    with pytest.raises(SettingsError, match=r":6: agent\.step\.1\.fault: there is no event 'tea_time'"):
        read(HEAD + step, PLACE)


def test_a_fault_that_this_provider_cannot_have_is_told_when_it_is_run() -> None:
    scenario = read(HEAD + '[[fault]]\nkind = "endless_interim"\n', PLACE)
    assert [fault.kind for fault in scenario.faults(PROVIDERS["lyzr-sip"])] == ["endless_interim"]
    with pytest.raises(SettingsError, match=r"rough\.toml:4: fault\.1: lokutor has nothing that"):
        scenario.faults(PROVIDERS["lokutor"])


def test_a_fault_of_another_provider_is_none_of_this_ones() -> None:
    scenario = read(HEAD + '[[fault]]\nkind = "drop"\nprovider = "lokutor"\n', PLACE)
    assert [len(scenario.faults(PROVIDERS[name])) for name in ("lokutor", "workbuddy")] == [1, 0]


def test_editors_are_told_of_every_kind_and_its_fields() -> None:
    kinds: list[dict[str, Any]] = json_schema()["properties"]["fault"]["items"]["oneOf"]
    assert [kind["properties"]["kind"]["const"] for kind in kinds] == [*KINDS]
    late = next(kind for kind in kinds if kind["properties"]["kind"]["const"] == "late_audio")
    assert late["additionalProperties"] is False
    assert late["properties"]["ms"] == {
        "type": "number",
        "minimum": 0,
        "maximum": 3_600_000,
        "default": 500.0,
    }
    assert "interrupted" in late["properties"]["on"]["enum"]


def test_a_step_of_a_script_takes_no_fault_of_a_start() -> None:
    kinds = {kind["properties"]["kind"]["const"] for kind in fault_schema(starts=False)["oneOf"]}
    assert kinds == {name for name, kind in KINDS.items() if kind.family != "start"}
    step = json_schema()["$defs"]["AgentFails"]["properties"]["fault"]
    assert len(step["oneOf"]) == len(kinds)
