"""A recording of a call that things went wrong with is as exact as any: each sample was heard, or dropped."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.client.calls import LOKUTOR, clip
from tests.spoiler.test_matrix import CASES, table
from voxemu.agents import make_agent
from voxemu.dialogue.session import Session
from voxemu.dialogue.settings import DialogueSettings
from voxemu.drive.rehearsal import rehearse
from voxemu.engine import Tapped
from voxemu.fault import fault_of
from voxemu.provider import Provider, Role, Target
from voxemu.record import CallFacts, Recorder, Recording
from voxemu.spoiler import SpoiledCodec, Spoiler
from voxemu_client.caller import Caller
from voxemu_client.script import Script


def recorded(provider: Provider, fault: dict[str, Any], folder: Path) -> Recording:
    """By the provider's end."""
    settings = DialogueSettings(**{**provider.dialogue_defaults, "echo_guard": False})
    session = Session(provider, settings, make_agent("tone:440:1"), session_id="s")
    spoiler = Spoiler(session, provider, [fault_of(fault)], Random(1))
    words = provider.codec(Role.PROVIDER, provider.settings_type(), Random(0))
    recorder = Recorder(folder, provider, Role.PROVIDER, CallFacts(), words)
    clips = tuple(clip(provider, seconds) for seconds in (0.6, 0.5))
    script = Script(clips, clip(provider, 0.4, "stop"), barge_in=0.5)
    caller = Caller(provider, Target("ws://emulator"), script)
    end = rehearse(
        caller, Tapped(spoiler, [recorder]), provider, rng=Random(1), words=SpoiledCodec, limit=90.0
    )
    recorder.close(end.seconds)
    assert recorder.failure is None
    return Recording.open(folder)


@pytest.mark.parametrize(("provider", "kind"), CASES)
def test_every_sample_was_heard_or_dropped(provider: Provider, kind: str, tmp_path: Path) -> None:
    recording = recorded(provider, table(kind), tmp_path)
    audio = recording.manifest["audio"]["agent"]
    assert audio["received"] == audio["heard"] + audio["dropped"]
    assert audio["displaced"] == 0
    assert "fault_injected" in [line.type for line in recording.timeline.lines]


def test_what_was_dropped_on_the_way_is_a_hole(tmp_path: Path) -> None:
    recording = recorded(LOKUTOR, {"kind": "drop", "after_frames": 3}, tmp_path)
    starts = [line.fields["position"] for line in recording.timeline.lines if line.type == "playback_started"]
    hole = starts[0] + 3 * LOKUTOR.frame_samples
    assert starts[1] == hole + LOKUTOR.frame_samples
    assert not any(recording.right[2 * hole : 2 * starts[1]])
