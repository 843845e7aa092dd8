"""Scenario files: what they say, and the sentence for everything that is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxemu.errors import SettingsError, UsageError
from voxemu.scenario.format import HangUpStep, SayStep, json_schema
from voxemu.scenario.moments import MOMENTS, TURN_OVER
from voxemu.scenario.reading import Scenario, load, read
from voxemu.wire import PROVIDERS

HEAD = 'schema = "voxemu.scenario/1"\n'
STEP = '[[caller.step]]\nsay = "hello"\n'
PLACE = Path("calls/greet.toml")


def scenario(text: str = "") -> Scenario:
    """A scenario with one step before ``text``."""
    return read(HEAD + STEP + text, PLACE)


def complaint(text: str) -> str:
    with pytest.raises(SettingsError) as refused:
        read(text, PLACE)
    return str(refused.value)


def test_a_scenario_of_one_step_needs_nothing_else() -> None:
    (step,) = scenario().steps
    assert isinstance(step, SayStep)
    assert (step.say, step.moment, step.delay, step.barge_in) == ("hello", TURN_OVER, 0.0, False)


def test_a_step_can_hang_up() -> None:
    step = scenario('[[caller.step]]\nhangup = true\nafter = "agent_audio_started"\ndelay = 0.3\n').steps[1]
    assert isinstance(step, HangUpStep)
    assert (step.moment, step.delay) == ("agent_audio_started", 0.3)


def test_a_scenario_is_named_after_its_file_or_its_golden_folder() -> None:
    assert scenario().name == "greet"
    assert read(HEAD + STEP, Path("recordings/lokutor/turn-echo/scenario.toml")).name == "turn-echo"


def test_the_agents_side_is_laid_over_the_providers_defaults() -> None:
    found = scenario(
        "[agent.dialogue]\nthink_time = 0.5\nhangover = 0.4\n[agent.workbuddy]\nhangover = 0.6\n"
    )
    workbuddy = found.dialogue(PROVIDERS["workbuddy"])
    assert (workbuddy.think_time, workbuddy.hangover, workbuddy.ready_delay) == (0.5, 0.6, 0.2)
    assert found.dialogue(PROVIDERS["lyzr-sip"]).hangover == 0.4


def test_the_settings_of_a_providers_messages_are_its_own() -> None:
    found = scenario('[agent.lokutor]\naudio_form = "json"\n')
    assert found.wire(PROVIDERS["lokutor"]).audio_form == "json"


def test_a_greeting_lies_beside_the_scenario() -> None:
    found = scenario('[agent.dialogue]\ngreeting = "hi.wav"\n')
    assert found.dialogue(PROVIDERS["lokutor"]).greeting == "calls/hi.wav"


def test_a_scenario_without_a_provider_is_run_with_the_one_that_is_asked_for() -> None:
    assert scenario().provider("workbuddy").id == "workbuddy"
    with pytest.raises(UsageError, match=r"greet\.toml names no provider; give --provider"):
        scenario().provider()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            HEAD + '[caller]\nsilense = "x"\n' + STEP,
            ":3: caller.silense: there is no such key; did you mean 'silence'?",
        ),
        (
            HEAD + STEP + 'aftr = "ready"\n',
            ":4: caller.step.1.aftr: there is no such key; did you mean 'after'?",
        ),
        (
            HEAD + STEP + 'after = "agent_started"\n',
            "there is no moment 'agent_started'; did you mean 'agent_audio_started'?",
        ),
        (
            HEAD + STEP + 'at = 1\nafter = "ready"\n',
            ":2: caller.step.1: a step begins `at` a time, or `after`",
        ),
        (HEAD + STEP + "at = 1\ndelay = 2\n", ":2: caller.step.1: a step begins `at` a time, or `after`"),
        (HEAD + STEP + "at = -1\n", ":4: caller.step.1.at: must be greater than or equal to 0, not -1"),
        (HEAD + '[[caller.step]]\nsay = "tone:5:1"\n', ":3: caller.step.1.say: 'tone:5:1' is no sound"),
        (HEAD + "title = 3\n" + STEP, ":2: title: must be a string, not 3"),
        (
            HEAD + STEP + '[agent]\nname = "ecko"\n',
            ":5: agent.name: there is no agent 'ecko'; did you mean 'echo'?",
        ),
        (
            HEAD + STEP + "[agent.dialogue]\nthink_tim = 1\n",
            ":5: agent.dialogue.think_tim: there is no such key; did you mean 'think_time'?",
        ),
        (
            HEAD + STEP + "[agent.dialogue]\nthink_time = 99\n",
            ":5: agent.dialogue.think_time: think_time must be 0 to 60 seconds",
        ),
        (
            HEAD + STEP + '[agent.lokutor]\naudio_form = "mp3"\n',
            ":5: agent.lokutor.audio_form: must be 'binary' or 'json', not 'mp3'",
        ),
        (
            HEAD + STEP + '[[expect]]\nevent = "error"\n',
            ":4: expect.1: an expectation has one of: heard_of, within_ms, no_reply",
        ),
        (HEAD + STEP + "[[expect]]\nwithin_ms = 3\n", ":4: expect.1.event is missing"),
        (HEAD + STEP + '[[expect]]\nmatches = "(("\n', ":5: expect.1.matches: is no regular expression"),
        (
            HEAD + STEP + "[[expect]]\nno_reply = 1\nnht = 2\n",
            ":6: expect.1.nht: there is no such key; did you mean 'nth'?",
        ),
        (
            HEAD + 'provider = "lokutr"\n' + STEP,
            ":2: provider: there is no provider 'lokutr'; did you mean 'lokutor'?",
        ),
        (HEAD + "[caller]\n", ":1: nobody does anything; write [[caller.step]], [[agent.step]] or both"),
        (HEAD + "caller = 3\n", ":2: caller: must be a table"),
        (HEAD + "[caller.step]\nsay = 'x'\n", "caller.step must be a list of tables: [[caller.step]]"),
        (HEAD + "x = \n", ":2: no valid TOML: Invalid value"),
        (HEAD + "x = '", ":2: no valid TOML: "),
        (STEP, ':1: no scenario: the line schema = "voxemu.scenario/1" is missing'),
        (
            '\nschema = "voxemu.scenario/2"\n' + STEP,
            ":2: schema 'voxemu.scenario/2' is not 'voxemu.scenario/1'",
        ),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(text: str, sentence: str) -> None:
    told = complaint(text)
    assert told.startswith("calls/greet.toml:")
    assert sentence in told


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_file() -> None:
    told = complaint(HEAD + STEP + 'x = 1\n[agent]\nname = "y"\nz = 2\n').splitlines()
    assert [line.split(":")[1] for line in told] == ["4", "6", "7"]


def test_all_that_is_wrong_in_a_table_of_settings_is_told_with_the_rest() -> None:
    told = complaint(HEAD + STEP + "x = 1\n[agent.lokutor]\nbursts = 1\nthink_time = 99\naudio_form = 1\n")
    assert [line.split(": ")[1] for line in told.splitlines()] == [
        "caller.step.1.x",
        "agent.lokutor.bursts",
        "agent.lokutor.think_time",
        "agent.lokutor.audio_form",
    ]


def test_a_limit_is_taken_away_in_a_scenario_too() -> None:
    found = scenario('[agent.dialogue]\nsession_limit = "off"\n')
    assert found.dialogue(PROVIDERS["lokutor"]).session_limit is None


def test_a_table_of_settings_that_is_none_is_told() -> None:
    assert "agent.lokutor: must be a table" in complaint(HEAD + STEP + "[agent]\nlokutor = 3\n")


def test_the_schema_has_the_settings_of_every_provider() -> None:
    tables = json_schema()["$defs"]["AgentTable"]["properties"]
    assert tables["lokutor"]["properties"]["audio_form"]["enum"] == ["binary", "json"]
    assert tables["dialogue"]["additionalProperties"] is False


def test_a_key_is_not_shown_in_an_error() -> None:
    assert "1234567" not in complaint(HEAD + "[caller]\nkey = 1234567\n" + STEP)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        load(tmp_path / "latin.toml")


def test_the_schema_knows_every_moment_and_refuses_unknown_keys() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Within"]["properties"]["event"]["enum"] == list(MOMENTS)
