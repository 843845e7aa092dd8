"""One call is one call on every clock: same events in the same order, same audio to the last sample."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.clocks import TALK, Outcome, Plan, on_media, on_virtual, rehearsed, track
from voxemu.audio import resample
from voxemu.events import RatesAnnounced
from voxemu.wire import ON_SOCKETS, PROVIDERS

pytestmark = pytest.mark.sockets

# Rooms keep real time alone: see test_media and test_virtual.
every_provider = pytest.mark.parametrize("provider", list(ON_SOCKETS))

SHORT = 12.0
# Seconds: a turn, its reply, and the first barge-in.


def short(provider: str = "workbuddy", **settings: Any) -> Plan:
    return Plan(PROVIDERS[provider], track(PROVIDERS[provider], SHORT, TALK[:3]), settings)


def each(plan: Plan, folder: Path) -> list[Outcome]:
    """Rehearsed, on the virtual clock, and twice on the media clock: in frames, and in chunks of any size."""
    return [
        rehearsed(plan, folder / "rehearsed"),
        on_virtual(plan, folder / "virtual"),
        on_media(plan, folder / "media"),
        on_media(plan, folder / "chunked", random.Random(5)),
    ]


def assert_one(outcomes: list[Outcome]) -> None:
    first = outcomes[0]
    for other in outcomes[1:]:
        # By parts, so that a failure names the first line that differs.
        assert other.timeline == first.timeline
        assert other.received == first.received
        assert other == first


@every_provider
def test_a_minute_with_two_barge_ins_is_the_same_on_three_clocks(provider: str, tmp_path: Path) -> None:
    outcomes = each(Plan(PROVIDERS[provider], track(PROVIDERS[provider])), tmp_path)
    assert_one(outcomes)
    figures = outcomes[0].figures
    assert len(figures["barge_ins"]) == 2
    assert figures["length"]["seconds"] == 60.0
    assert figures["findings"] == {}


def test_twenty_runs_are_one(tmp_path: Path) -> None:
    plan = short()
    ways = (rehearsed, on_virtual, on_media)
    assert_one([way(plan, tmp_path / f"{run} {way.__name__}") for run in range(20) for way in ways])


@contextmanager
def full_load() -> Iterator[None]:
    """Every processor busy."""
    busy = [sys.executable, "-c", "while True: pass"]
    hogs = [subprocess.Popen(busy) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def test_a_busy_machine_changes_nothing(tmp_path: Path) -> None:
    calm = each(short(), tmp_path / "calm")
    with full_load():
        assert_one([*calm, *each(short(), tmp_path / "busy")])


def test_another_process_with_another_hash_seed_changes_nothing(top: Path, tmp_path: Path) -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-m", "tests.clocks", "workbuddy", str(SHORT), str(tmp_path / seed)],
            cwd=top,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1]
    assert [json.loads(line) for line in printed[0].splitlines()] == [
        asdict(found) for found in each(short(), tmp_path / "here")[:3]
    ]


@pytest.mark.parametrize(
    ("provider", "settings"),
    [
        ("lokutor", {"agent": "tone:440:3", "dialogue": {"think_time": 0.3055}}),
        ("workbuddy", {"agent": "tone:440:3", "dialogue": {"think_time": 0.0, "ready_delay": 0.0}}),
        ("lyzr-sip", {"dialogue": {"greeting": "tone:660:1.5", "greeting_text": "Good day"}}),
        ("lokutor", {"dialogue": {"burst": True}}),
        ("lyzr-sip", {"dialogue": {"barge_in": "off", "transcript_place": "with_audio"}}),
        ("lyzr-sip", {"dialogue": {"hangover": 0.31, "window": 0.013, "start_confirm": 0.05}}),
        ("workbuddy", {"agent": "loopback"}),
        ("lokutor", {"agent": "tone:440:8", "dialogue": {"session_limit": 7.0}}),
        ("workbuddy", {"agent": "tone:440:8", "dialogue": {"session_limit": 7.0}}),
        ("lyzr-sip", {"agent": "tone:440:8", "dialogue": {"session_limit": 7.003}}),
    ],
    ids=str,
)
def test_no_setting_tells_the_clocks_apart(provider: str, settings: dict[str, Any], tmp_path: Path) -> None:
    assert_one(each(short(provider, **settings), tmp_path))


SCRIPT = """
schema = "voxemu.scenario/1"
[[agent.step]]
on = "start"
say = "tone:500:0.4"
text = "Good day"
[[agent.step]]
on = "turn"
say = "tone:440:4"
text = "A long answer"
name = "answer"
[[agent.step]]
on = "turn"
delay = 0.33
say = "noise:0.7"
text = "You heard {answer.heard_ms} ms of it"
[[agent.step]]
think = 0.4
[[agent.step]]
transcript = "and so on"
final = false
[[agent.step]]
on = "silence"
delay = 0.8
say = "yes"
text = "Are you there?"
[[agent.step]]
hang_up = "agent_left"
[[fault]]
kind = "delay"
in_reply = 2
after_frames = 7
ms = 123
"""


@every_provider
def test_a_script_and_its_faults_are_the_same_on_every_clock(provider: str, tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    outcomes = each(short(provider, agent=f"script:{script}"), tmp_path)
    began = [line for line in outcomes[0].timeline if '"script_step_began"' in line]
    assert len(began) == 7
    assert '"fault_injected"' in "".join(outcomes[0].timeline)
    assert outcomes[0].figures["closed"]["by"] == "provider"
    assert_one(outcomes)


@every_provider
def test_a_recording_answers_the_same_on_every_clock(provider: str, tmp_path: Path) -> None:
    recorded = tmp_path / "recorded"
    rehearsed(short(provider, agent="tone:440:3"), recorded)
    (folder,) = (recorded / provider).iterdir()
    assert_one(each(short(provider, agent=f"replay:{folder}"), tmp_path / "again"))


@pytest.mark.parametrize(
    ("provider", "fault"),
    [
        ("lokutor", {"kind": "late_audio", "ms": 300.0}),
        ("lyzr-sip", {"kind": "drop", "after_frames": 5, "times": 7}),
        ("workbuddy", {"kind": "delay", "in_reply": 1, "after_frames": 3, "ms": 333.0}),
        ("workbuddy", {"kind": "burst", "ms": 700.0}),
        ("lyzr-sip", {"kind": "reorder", "at_sample": 9600}),
        ("lokutor", {"kind": "wrong_rate", "rate": 22_050}),
        ("lokutor", {"kind": "extra_fields"}),
        ("lyzr-sip", {"kind": "endless_interim"}),
        ("lokutor", {"kind": "close", "code": 4242, "at": 5.0155}),
        ("workbuddy", {"kind": "token_expired", "on": "turn_ended", "nth": 2}),
        ("lyzr-sip", {"kind": "error", "on": "turn_ended", "nth": 2, "fatal": True}),
    ],
    ids=str,
)
def test_no_fault_tells_the_clocks_apart(provider: str, fault: dict[str, Any], tmp_path: Path) -> None:
    outcomes = each(short(provider, fault=[fault]), tmp_path)
    assert '"type":"fault_injected"' in "".join(outcomes[0].timeline)
    assert_one(outcomes)


@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
def test_audio_of_an_announced_rate_moves_the_clock_by_that_rate(rate: int, tmp_path: Path) -> None:
    provider = PROVIDERS["lokutor"]
    pcm = resample(track(provider, SHORT, TALK[:3]), provider.format.rate, rate)
    plan = Plan(provider, pcm, announced=(RatesAnnounced(provider.format.rate, rate),), rate=rate)
    outcomes = each(plan, tmp_path)
    assert_one(outcomes)
    assert outcomes[0].figures["length"]["seconds"] == pytest.approx(SHORT, abs=0.05)
