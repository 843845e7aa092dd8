"""Recordings that answer: the round trip on every websocket provider, and calls that go another way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.client.calls import LOKUTOR
from tests.client.scenarios import HEAD, SAY
from voxemu.errors import UsageError
from voxemu.provider import Provider
from voxemu.record import Recording
from voxemu.record.differences import told
from voxemu.record.golden import compare_exactly
from voxemu.scenario.reading import Scenario, read
from voxemu.wire import PROVIDERS
from voxemu_client.rehearsing import End, perform

providers = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))
GOLDENS = sorted((Path(__file__).resolve().parents[2] / "recordings").glob("*/*/scenario.toml"))

OVER = '[[caller.step]]\nsay = "tone:300:0.5"\nafter = "agent_audio_started"\ndelay = 0.3\nbarge_in = true\n'
GREETING = '[[agent.step]]\non = "start"\nsay = "tone:500:0.6"\ntext = "Hello"\n'
ANSWER = '[[agent.step]]\non = "turn"\nsay = "tone:440:1"\ntext = "A tone"\nuser_says = "Give me a tone"\n'
SLOW = ANSWER + "delay = 0.85\n"
MORE = '[[agent.step]]\ndelay = 0.35\nsay = "noise:0.4"\ntext = "and some noise"\n'
THINKS = "[[agent.step]]\nthink = 0.4\n"
NUDGE = '[[agent.step]]\non = "silence"\ndelay = 1.5\nsay = "tone:600:0.3"\ntext = "Are you there?"\n'
BYE = '[[agent.step]]\non = "silence"\ndelay = 1\nhang_up = "agent_left"\nreason = "done"\n'
TOOL = (
    '[[agent.step]]\non = "turn"\ntool_call = "weather"\nname = "w"\n'
    '[[agent.step]]\nsay = "tone:440:0.5"\ntext = "It is {w.result}."\n'
)
TALK = "[caller]\nquiet = 3\n" + SAY

CALLS = {
    "a plain turn": (ANSWER, SAY),
    "a greeting and a turn": (GREETING + ANSWER, "[caller]\nlead = 2\n" + SAY),
    "a greeting that is interrupted": (GREETING.replace("0.6", "3") + ANSWER, OVER),
    "two lines, thinking between them": (SLOW + THINKS + MORE, SAY),
    "a pause in a reply": (SLOW + MORE, SAY + SAY),
    "an interruption": (ANSWER + ANSWER, SAY + OVER),
    "a nudge": (ANSWER + NUDGE, TALK),
    "an agent that hangs up": (ANSWER + BYE, TALK),
}


def made(text: str, folder: Path = Path("here")) -> Scenario:
    return read(HEAD + text, folder / "scenario.toml")


def recorded(text: str, provider: Provider, folder: Path, end: End = "caller") -> Recording:
    folder.mkdir(parents=True)
    perform(made(text), provider, record={end: folder})
    return Recording.open(folder)


def replaying(folder: Path) -> str:
    return f'[agent]\nname = "replay:{folder}"\n'


def findings(caller: str, provider: Provider, folder: Path, served: Path) -> list[str]:
    """What the provider's end remarks when ``served`` answers this caller."""
    call = recorded(caller + replaying(served), provider, folder, "provider")
    lines = [line.fields for line in call.timeline.lines if line.type == "finding_made"]
    return [f"{line['code']}: {line['seen']}" for line in lines]


# --- the round trip -----------------------------------------------------------------------------------------


@providers
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("end", ["caller", "provider"])
def test_a_recorded_call_answers_as_it_was_answered(
    provider: Provider, call: str, end: End, tmp_path: Path
) -> None:
    agent, caller = CALLS[call]
    first = recorded(caller + agent, provider, tmp_path / "first")
    served = tmp_path / "served"
    recorded(caller + agent, provider, served, end)
    again = recorded(caller + replaying(served), provider, tmp_path / "again")
    assert list(told(compare_exactly(first, again))) == []
    assert findings(caller, provider, tmp_path / "seen", served) == []


def test_a_tool_is_called_again_and_the_answer_awaited(tmp_path: Path) -> None:
    caller = '[caller.tools]\nweather = "sunny"\n' + SAY
    first = recorded(caller + TOOL, LOKUTOR, tmp_path / "first")
    again = recorded(caller + replaying(tmp_path / "first"), LOKUTOR, tmp_path / "again")
    assert list(told(compare_exactly(first, again))) == []


@pytest.mark.parametrize("file", GOLDENS, ids=lambda file: f"{file.parent.parent.name}-{file.parent.name}")
def test_every_golden_answers_as_it_was_answered(file: Path, tmp_path: Path) -> None:
    text, replaced = re.subn(r'(?m)^name = ".*"$', 'name = "replay:."', file.read_text("utf-8"), count=1)
    scenario = read(text, file)
    perform(scenario, scenario.provider(), record={"caller": tmp_path})
    assert replaced == 1
    assert list(told(compare_exactly(Recording.open(file.parent), Recording.open(tmp_path)))) == []


# --- another way --------------------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A call of two turns, neither of them an interruption."""
    recorded(SAY + SAY + ANSWER + ANSWER, LOKUTOR, tmp_path / "served")
    return tmp_path / "served"


def test_a_turn_too_many_is_found_with_both_positions(served: Path, tmp_path: Path) -> None:
    (found,) = findings("[caller]\npatience = 2\n" + SAY * 3, LOKUTOR, tmp_path / "live", served)
    assert re.fullmatch(
        r"F-REPLAY-EXTRA: the user's turn 3 at \d+\.\d\d s live; "
        r"in the recording the last one ended at \d+\.\d\d s \(served\)",
        found,
    )


def test_a_turn_too_early_is_found_with_both_positions(served: Path, tmp_path: Path) -> None:
    (found,) = findings(SAY + OVER, LOKUTOR, tmp_path / "live", served)
    assert re.fullmatch(
        r"F-REPLAY-EARLY: the user's turn 2 came at \d\.\d\d s live, before the agent was done; "
        r"in the recording at \d\.\d\d s \(served\)",
        found,
    )


def test_a_missing_turn_is_found_with_both_positions(served: Path, tmp_path: Path) -> None:
    (found,) = findings(SAY, LOKUTOR, tmp_path / "live", served)
    assert re.fullmatch(
        r"F-REPLAY-MISSING: the recorded turn 2 at \d\.\d\d s: "
        r"the live call was over at \d\.\d\d s \(served\)",
        found,
    )


def test_after_a_turn_too_early_the_recording_goes_on_answering(served: Path, tmp_path: Path) -> None:
    live = recorded(SAY + OVER + replaying(served), LOKUTOR, tmp_path / "live")
    said = [line.fields["text"] for line in live.timeline.lines if line.type == "transcribed"]
    assert said == ["Give me a tone", "A tone"] * 2


def test_a_later_caller_is_answered_as_much_later(served: Path, tmp_path: Path) -> None:
    late = recorded("[caller]\nlead = 1.7\n" + SAY + SAY + replaying(served), LOKUTOR, tmp_path / "live")
    (was, *_), (now, *_) = Recording.open(served).manifest["turns"], late.manifest["turns"]
    assert now["start"] - was["start"] == pytest.approx(1.2 * 44100, abs=900)
    assert now["reply"]["latency"] == pytest.approx(was["reply"]["latency"], abs=0.03)


def test_a_recording_that_was_interrupted_can_be_heard_further(tmp_path: Path) -> None:
    recorded(SAY + OVER + ANSWER + ANSWER, LOKUTOR, tmp_path / "served")
    (found,) = findings(SAY, LOKUTOR, tmp_path / "live", tmp_path / "served")
    assert found.startswith("F-REPLAY-MISSING")


def test_anchored_to_time_it_speaks_at_the_recorded_second_whatever_the_user_does(tmp_path: Path) -> None:
    recorded(SAY + ANSWER, LOKUTOR, tmp_path / "served")
    quiet = '[caller]\nlead = 4\n[[caller.step]]\nsay = "silence:0.5"\n'
    rest = replaying(tmp_path / "served") + '[agent.dialogue]\nreplay_anchor = "time"\n'
    live = recorded(quiet + rest, LOKUTOR, tmp_path / "live")

    def starts(call: Recording) -> list[int]:
        return [line.pos for line in call.timeline.lines if line.type == "playback_started"]

    assert starts(live) == starts(Recording.open(tmp_path / "served"))


# --- what cannot be -----------------------------------------------------------------------------------------


def test_a_recording_of_another_provider_cannot_answer(tmp_path: Path) -> None:
    recorded(SAY + ANSWER, LOKUTOR, tmp_path / "served")
    with pytest.raises(UsageError, match="this is a recording of lokutor; it cannot answer on workbuddy"):
        recorded(SAY + replaying(tmp_path / "served"), PROVIDERS["workbuddy"], tmp_path / "live")


def test_a_folder_without_a_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no recording: give the folder that holds manifest\.json"):
        recorded(SAY + replaying(tmp_path), LOKUTOR, tmp_path / "live")
