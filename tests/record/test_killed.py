"""A process killed in mid-call, for real: what it recorded can be played and read."""

from __future__ import annotations

import subprocess
import sys
import wave
from array import array
from pathlib import Path

import pytest

from tests.record.calls import FRAME, RATE, samples
from voxemu.record import Recording

CHILD = """
import sys
from pathlib import Path
from tests.record.calls import FRAME, Recorded, samples
from voxemu.events import AgentAudioSent, InputStarted, PlaybackStarted, UserAudioSent
from voxemu.provider import Role

call = Recorded(Path(sys.argv[1]), Role(sys.argv[2]))
call.at(0.0, InputStarted(0), PlaybackStarted(0))
number = 0
while True:
    pcm = samples(number * FRAME, FRAME)
    call.at(number * 0.02, UserAudioSent(pcm), AgentAudioSent(pcm))
    number += 1
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""

TENTH = RATE // 10


def killed(directory: Path, role: str, after: int) -> int:
    """Kills a recording process that was about to show frame ``after``; how many it had shown."""
    command = [sys.executable, "-c", CHILD, str(directory), role]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={"PYTHONPATH": ":".join(sys.path)}) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(after)]
        child.kill()
        lines += child.stdout.readlines()
    return int([line for line in lines if line.endswith(b"\n")][-1])


@pytest.mark.parametrize("role", ["caller", "provider"])
@pytest.mark.parametrize("after", [1, 4, 203])
def test_a_killed_process_loses_at_most_a_tenth_of_a_second(tmp_path: Path, role: str, after: int) -> None:
    shown = killed(tmp_path, role, after)
    recording = Recording.open(tmp_path)
    at_least = 2 * max(0, shown * FRAME - TENTH)
    whole = samples(0, (shown + 10) * FRAME)
    assert recording.agent_wire is not None
    assert min(len(recording.left), len(recording.right), len(recording.agent_wire)) >= at_least
    assert whole.startswith(recording.agent_wire)
    assert recording.left[:at_least] == recording.right[:at_least] == whole[:at_least]
    assert recording.timeline.lines[-1].t >= shown * 20 - 100 if shown > 5 else True
    assert not recording.complete


def test_a_killed_recording_is_played_by_a_standard_reader(tmp_path: Path) -> None:
    killed(tmp_path, "caller", 50)
    with wave.open(str(tmp_path / "call.wav")) as file:
        frames = file.readframes(file.getnframes())
        assert len(frames) == 4 * file.getnframes()
    left = array("h", frames)[0::2].tobytes()
    assert samples(0, len(left) // 2).startswith(left.rstrip(b"\0"))
