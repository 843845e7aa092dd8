"""One run of ``emu rehearse``: from the options of the command line to the verdicts and the exit code."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voxemu.errors import ConnectionLost, Refused
from voxemu.record import fresh_directory
from voxemu.scenario.format import LinkTable
from voxemu.scenario.reading import load
from voxemu_client.rehearsing import End, Performance, perform
from voxemu_client.reporting import agent_lines, report, spared_lines, step_lines, verdict_lines
from voxemu_client.staging import named
from voxemu_client.telling import printable

MET, NOT_MET = 0, 1


def run(options: Mapping[str, Any]) -> int:
    """Raises UsageError."""
    scenario = load(named(options["scenario"]))
    provider = scenario.provider(options["provider"])
    record: dict[End, Path] = {}
    if options["record"] is not None:
        root = Path(options["record"])
        for end in ("caller", "provider") if options["end"] == "both" else (options["end"],):
            record[end] = fresh_directory(root, provider.id, f"{scenario.name}-{end}")
    begun = time.perf_counter()
    try:
        done = perform(
            scenario, provider, record=record, link=_link(scenario.table.link, options), seed=options["seed"]
        )
    except (Refused, ConnectionLost) as error:
        # On purpose, by a fault of the start.
        sys.stdout.write(_not_let_in(scenario.name, provider.id, str(error), as_json=options["as_json"]))
        return NOT_MET
    took = time.perf_counter() - begun
    if options["as_json"]:
        sys.stdout.write(json.dumps(_summary(done, took, record)) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(done, took, record)) + "\n")
    return MET if done.met else NOT_MET


def _not_let_in(scenario: str, provider: str, why: str, *, as_json: bool) -> str:
    if as_json:
        said = {"scenario": scenario, "provider": provider, "exit": NOT_MET, "refused": why}
        return json.dumps(said) + "\n"
    return f"{scenario}  {provider}  was not let in: {printable(why)}\n"


def _link(link: LinkTable, options: Mapping[str, Any]) -> LinkTable:
    """The scenario's, with what the command line says of it."""
    flags = {"latency": "latency_ms", "jitter": "jitter_ms", "loss": "loss", "cut": "cut"}
    said = {name: options[flag] for flag, name in flags.items() if options[flag] is not None}
    return LinkTable.model_validate({**link.model_dump(), **said})


def _lines(done: Performance, took: float, record: Mapping[End, Path]) -> list[str]:
    seconds = done.end.seconds
    head = f"{done.scenario.name}  {done.provider.id}  {seconds:.2f} s of call in {took * 1000:.0f} ms"
    recorded = [f"  recording    {path}  ({end}'s end)" for end, path in record.items()]
    steps = sorted([*step_lines(done.caller), *agent_lines(done.agent)])
    return [head, *steps, *spared_lines(done.spared), *verdict_lines(done.verdicts), *recorded]


def _summary(done: Performance, took: float, record: Mapping[End, Path]) -> dict[str, Any]:
    return {
        "scenario": done.scenario.name,
        "provider": done.provider.id,
        "exit": MET if done.met else NOT_MET,
        "took": round(took, 4),
        **done.caller.account.report(),
        "seconds": round(done.end.seconds, 3),
        **report(done.caller, done.verdicts),
        "spared": [str(fault) for fault in done.spared],
        "recordings": {end: str(path) for end, path in record.items()},
    }
