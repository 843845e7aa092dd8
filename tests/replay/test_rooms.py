"""Scripts and recordings on the provider whose calls are in rooms: its session, without the media."""

from __future__ import annotations

from pathlib import Path
from random import Random

from voxemu.agent import Agent
from voxemu.agents import sine
from voxemu.audio import SAMPLE_BYTES
from voxemu.casting import cast
from voxemu.dialogue.session import Session
from voxemu.dialogue.settings import DialogueSettings
from voxemu.drive.crank import Crank
from voxemu.engine import Tapped
from voxemu.events import Closed, Opened, UserAudioSent
from voxemu.provider import Role
from voxemu.record import CallFacts, Recorder, Recording
from voxemu.wire import PROVIDERS

LIVEKIT = PROVIDERS["lyzr-livekit"]
SETTINGS = DialogueSettings(**LIVEKIT.dialogue_defaults)
FRAME = 0.02
SECONDS = 11.0
SCRIPT = """
schema = "voxemu.scenario/1"
[[agent.step]]
on = "start"
say = "tone:500:0.6"
text = "Hello you there"
[[agent.step]]
on = "turn"
say = "tone:440:2"
text = "A long tone of two seconds"
user_says = "Give me a tone"
[[agent.step]]
on = "turn"
say = "tone:540:1"
text = "And a shorter one"
[[agent.step]]
delay = 0.3
say = "tone:540:1"
text = "with more behind"
"""


def held(agent: Agent, folder: Path, *speaks: tuple[float, float]) -> Recording:
    """A call in which the user speaks at these seconds, for so long; the provider's end of it."""
    folder.mkdir()
    words = LIVEKIT.codec(Role.PROVIDER, LIVEKIT.settings_type(), Random(0))
    recorder = Recorder(folder, LIVEKIT, Role.PROVIDER, CallFacts(), words)
    crank = Crank(Tapped(Session(LIVEKIT, SETTINGS, agent, session_id="s"), [recorder]))
    axis = LIVEKIT.format
    track = bytearray(axis.silence(axis.samples(SECONDS)))
    for at, seconds in speaks:
        pcm, first = sine(axis, 300.0, seconds), axis.samples(at) * SAMPLE_BYTES
        track[first : first + len(pcm)] = pcm
    size = axis.samples(FRAME) * SAMPLE_BYTES
    crank.give(Opened(), 0.0)
    for number in range(round(SECONDS / FRAME)):
        now = round(number * FRAME, 9)
        crank.pass_time(now)
        crank.give(UserAudioSent(bytes(track[number * size : (number + 1) * size])), now)
    crank.give(Closed(1000, "", "line"), SECONDS)
    recorder.close(SECONDS)
    return Recording.open(folder)


def both(folder: Path, *speaks: tuple[float, float]) -> tuple[Recording, Recording]:
    """A scripted call, and the same one answered by its recording."""
    (folder / "script.toml").write_text(SCRIPT)
    first = held(cast(f"script:{folder / 'script.toml'}", LIVEKIT, SETTINGS).agent, folder / "first", *speaks)
    again = held(cast(f"replay:{folder / 'first'}", LIVEKIT, SETTINGS).agent, folder / "again", *speaks)
    return first, again


def messages(recording: Recording) -> list[tuple[int, str, dict[str, object]]]:
    return [(line.t, line.type, line.fields) for line in recording.timeline.lines if line.dir == "down"]


def finals(recording: Recording) -> list[str]:
    lines = [line.fields for line in recording.timeline.lines if line.type == "transcribed"]
    return [line["text"] for line in lines if line["final"]]


def test_a_script_speaks_in_a_room_word_by_word(tmp_path: Path) -> None:
    first, _ = both(tmp_path, (1.5, 0.6), (6.0, 0.4))
    assert finals(first)[:3] == ["Hello you there", "Give me a tone", "A long tone of two seconds"]
    growing = [line.fields["text"] for line in first.timeline.lines if line.type == "transcribed"][:3]
    assert growing == ["Hello", "Hello you", "Hello you there"]


def test_a_recording_answers_in_a_room_to_the_message(tmp_path: Path) -> None:
    first, again = both(tmp_path, (1.5, 0.6), (6.0, 0.4))
    assert messages(again) == messages(first)
    assert (again.left, again.right) == (first.left, first.right)


def test_an_interruption_in_a_room_comes_at_the_same_sample(tmp_path: Path) -> None:
    first, again = both(tmp_path, (1.5, 0.6), (3.8, 0.5))
    assert (again.left, again.right) == (first.left, first.right)
    assert again.manifest["barge_ins"] == first.manifest["barge_ins"]
    assert finals(again) == finals(first)
