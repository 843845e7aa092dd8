"""Scripted agents, rehearsed: what they do, when, and what becomes of what they did not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.client.calls import LOKUTOR, WORKBUDDY
from tests.client.scenarios import HEAD, SAY
from voxemu.errors import SettingsError
from voxemu.provider import Provider
from voxemu.record import Line, Recording
from voxemu.scenario.reading import Scenario, read
from voxemu.wire import PROVIDERS
from voxemu_client.rehearsing import Performance, perform

providers = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))

ANSWER = '[[agent.step]]\non = "turn"\nsay = "tone:440:1"\ntext = "a tone of one second"\nname = "answer"\n'
OVER = '[[caller.step]]\nsay = "tone:300:0.5"\nafter = "agent_audio_started"\ndelay = 0.3\nbarge_in = true\n'


def scenario(agent: str, caller: str = SAY, rest: str = "") -> Scenario:
    return read(f"{HEAD}{rest}{caller}{agent}", Path("here/scenario.toml"))


def played(agent: str, caller: str = SAY, provider: Provider = LOKUTOR, rest: str = "") -> Performance:
    return perform(scenario(agent, caller, rest), provider)


def told(tmp_path: Path, agent: str, caller: str = SAY, provider: Provider = LOKUTOR) -> list[Line]:
    """The timeline of the provider's end."""
    perform(scenario(agent, caller), provider, record={"provider": tmp_path})
    return Recording.open(tmp_path).timeline.lines


def of(lines: list[Line], *kinds: str) -> list[Line]:
    return [line for line in lines if line.type in kinds]


def unmet(done: Performance) -> list[str]:
    return [f"{verdict.wanted}: {verdict.seen}" for verdict in done.verdicts if not verdict.met]


# --- what it does -------------------------------------------------------------------------------------------


@providers
def test_a_say_answers_a_turn_on_every_provider(provider: Provider) -> None:
    done = played(ANSWER, provider=provider)
    assert unmet(done) == []
    assert done.caller.account.answered


@providers
def test_the_same_script_is_the_same_call_to_the_byte(provider: Provider, tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        perform(scenario(ANSWER, SAY + OVER), provider, record={"provider": tmp_path / name})
        digests.append(Recording.open(tmp_path / name).manifest["digests"])
    assert digests[0] == digests[1]


def test_a_greeting_is_a_step_that_waits_for_the_start(tmp_path: Path) -> None:
    lines = told(tmp_path, '[[agent.step]]\non = "start"\nsay = "tone:500:0.4"\ntext = "Hello"\n' + ANSWER)
    first = of(lines, "transcribed")[0]
    assert (first.t, first.fields["text"]) == (0, "Hello")


def test_a_delay_after_a_turn_is_in_place_of_the_think_time(tmp_path: Path) -> None:
    lines = told(tmp_path, ANSWER + "delay = 1.25\n")
    (ended,), (spoke,) = of(lines, "turn_ended"), of(lines, "speaking_started")
    assert spoke.t - ended.t == 1250


def test_steps_follow_one_another_with_their_delays(tmp_path: Path) -> None:
    second = '[[agent.step]]\nsay = "tone:500:0.5"\ndelay = 0.5\n'
    first, then = of(told(tmp_path, ANSWER + second), "script_step_began")
    assert then.t - first.t == 1500


def test_thinking_in_mid_reply_is_shown_and_ends_with_the_next_line(tmp_path: Path) -> None:
    more = '[[agent.step]]\nthink = 0.7\n[[agent.step]]\nsay = "tone:500:0.5"\n'
    lines = of(told(tmp_path, ANSWER + more), "thinking_started", "speaking_started")
    assert [line.type for line in lines] == ["thinking_started", "speaking_started"] * 2
    assert lines[3].t - lines[2].t == 700


def test_a_pause_is_silence(tmp_path: Path) -> None:
    more = '[[agent.step]]\npause = 0.4\n[[agent.step]]\nsay = "tone:500:0.5"\n'
    lines = told(tmp_path, ANSWER + more)
    first, _, third = of(lines, "script_step_began")
    assert third.t - first.t == 1400
    assert len(of(lines, "thinking_started")) == 1


def test_a_transcript_is_said_as_it_is_written(tmp_path: Path) -> None:
    step = (
        '[[agent.step]]\non = "turn"\ntranscript = "I would"\nspeaker = "user"\nfinal = false\nsegment = 7\n'
    )
    (_, interim) = of(told(tmp_path, step), "transcribed")
    assert interim.fields == {"speaker": "user", "text": "I would", "final": False, "segment": 7}


def test_the_users_turn_has_the_transcript_that_the_script_gives_it() -> None:
    done = played(ANSWER + 'user_says = "Book a table"\n')
    assert ("user", "Book a table") in done.caller.account.transcripts


def test_a_state_is_shown_whatever_the_session_is_doing() -> None:
    done = played(ANSWER + '[[agent.step]]\nstate = "speaking"\n')
    assert [moment.name for moment in done.caller.account.moments].count("speaking") == 2


@pytest.mark.parametrize(
    ("cause", "reason"), [("agent_left", "agent_disconnected"), ("shutdown", "server_shutdown")]
)
def test_a_hang_up_is_said_in_the_providers_words(cause: str, reason: str) -> None:
    done = played(ANSWER + f'[[agent.step]]\nhang_up = "{cause}"\n', provider=WORKBUDDY)
    assert done.caller.account.ended is not None
    assert (done.caller.account.ended.reason, unmet(done)) == (reason, [])


def test_a_hang_up_can_have_a_close_code_of_its_own() -> None:
    done = played(ANSWER + '[[agent.step]]\nhang_up = "closed"\ncode = 4321\nreason = "enough"\n')
    assert done.caller.account.closed is not None
    assert (done.caller.account.closed.code, done.caller.account.closed.reason) == (4321, "enough")


# --- what it waits for --------------------------------------------------------------------------------------


def test_a_step_comes_at_its_time_also_while_the_user_speaks(tmp_path: Path) -> None:
    lines = told(tmp_path, '[[agent.step]]\nat = 0.7\nhang_up = "closed"\n')
    assert [(line.type, line.t) for line in of(lines, "session_ended")] == [("session_ended", 700)]


def test_one_that_speaks_at_its_time_waits_until_nobody_does(tmp_path: Path) -> None:
    lines = told(tmp_path, '[[agent.step]]\nat = 0.7\nsay = "tone:500:0.5"\n')
    assert of(lines, "script_step_began")[0].t >= of(lines, "turn_ended")[0].t


def test_a_nudge_comes_when_nobody_has_spoken_for_so_long(tmp_path: Path) -> None:
    nudge = '[[agent.step]]\non = "silence"\ndelay = 2\nsay = "tone:500:0.5"\ntext = "Are you there?"\n'
    lines = told(tmp_path, ANSWER + nudge, "[caller]\nquiet = 4\n" + SAY)
    over = of(lines, "reply_ended")[0]
    assert of(lines, "script_step_began")[1].t - over.t == 2000


def test_a_nudge_does_not_come_while_the_user_speaks_again(tmp_path: Path) -> None:
    nudge = '[[agent.step]]\non = "silence"\ndelay = 2\noptional = true\nsay = "tone:500:0.5"\n'
    lines = told(tmp_path, ANSWER + nudge + ANSWER.replace('"answer"', '"again"'), SAY + SAY)
    assert [line.fields["step"] for line in of(lines, "script_step_began")] == [1, 3]
    assert of(lines, "script_step_missed") == []


def test_a_step_waits_for_a_text_of_the_clients() -> None:
    step = '[[agent.step]]\non = "text"\nmatches = "pirate"\nsay = "tone:500:0.5"\ntext = "Ahoy"\n'
    for prompt, met in (("You are a pirate.", True), ("You are a nurse.", False)):
        done = played(step, f'[caller.settings]\nprompt = "{prompt}"\n' + SAY)
        assert (("agent", "Ahoy") in done.caller.account.transcripts) is met
        assert done.met is met


TOOL = (
    '[[agent.step]]\non = "turn"\ntool_call = "weather"\nname = "weather"\narguments = { city = "Rome" }\n'
    '[[agent.step]]\nsay = "tone:440:0.5"\ntext = "It is {weather.result}."\n'
)


def test_a_tool_call_waits_for_its_result_and_later_texts_have_it() -> None:
    done = played(TOOL, '[caller.tools]\nweather = "sunny"\n' + SAY)
    assert ("agent", "It is sunny.") in done.caller.account.transcripts
    assert done.met


def test_without_a_result_the_script_goes_no_further() -> None:
    assert unmet(played(TOOL)) == ["the agent's step 2 says tone:440:0.5: never began: the call was over"]


def test_a_tools_arguments_go_out_as_they_are_written(tmp_path: Path) -> None:
    (called,) = of(told(tmp_path, TOOL), "tool_called")
    assert json.loads(called.fields["arguments"]) == {"city": "Rome"}


def test_a_provider_without_tools_says_so_before_anybody_calls() -> None:
    with pytest.raises(
        SettingsError, match=r"scenario\.toml:4: agent\.step\.1: workbuddy has no words for a tool"
    ):
        played(TOOL, provider=WORKBUDDY)


# --- being interrupted --------------------------------------------------------------------------------------


@providers
def test_an_interrupted_step_knows_what_was_heard(provider: Provider, tmp_path: Path) -> None:
    agent = (
        ANSWER
        + '[[agent.step]]\non = "turn"\nsay = "tone:500:0.5"\n'
        + 'text = "{answer.heard_text}|{answer.heard_ms}"\n'
    )
    lines = told(tmp_path, agent, SAY + OVER, provider)
    (cut,) = of(lines, "script_step_interrupted")
    assert cut.fields["step"] == 1
    assert 250 < cut.fields["heard"] < 600
    assert cut.fields["share"] == pytest.approx(cut.fields["heard"] / 1000, abs=0.001)
    said = [line.fields["text"] for line in of(lines, "transcribed") if line.fields["speaker"] == "agent"]
    assert said[-1] == f"{cut.fields['text']}|{round(cut.fields['heard'])}"
    assert "a tone of one second".startswith(cut.fields["text"])


@pytest.mark.parametrize(
    ("expected", "met"),
    [
        ("at_most_ms = 600", True),
        ("at_most_ms = 100", False),
        ("at_least_ms = 200", True),
        ("interrupted = true", True),
        ("interrupted = false", False),
    ],
)
def test_what_was_heard_can_be_expected(expected: str, met: bool) -> None:
    agent = ANSWER + '[[agent.step]]\non = "turn"\nsay = "tone:500:0.5"\n'
    assert played(agent + f'[[expect]]\nheard_of = "answer"\n{expected}\n', SAY + OVER).met is met


def test_what_follows_an_interrupted_step_in_its_reply_is_never_begun() -> None:
    agent = (
        ANSWER + '[[agent.step]]\nsay = "tone:500:0.5"\n[[agent.step]]\non = "turn"\nsay = "tone:600:0.5"\n'
    )
    assert unmet(played(agent, SAY + OVER)) == [
        "the agent's step 2 says tone:500:0.5: never began: the call was over"
    ]


def test_a_reply_that_the_user_talks_into_before_it_sounds_answers_the_next_turn() -> None:
    again = '[[caller.step]]\nsay = "tone:300:0.5"\nafter = "thinking"\ndelay = 0.2\n'
    done = played(ANSWER + "delay = 1\n", SAY + again)
    assert unmet(done) == []
    assert done.caller.account.answered


def test_a_turn_that_no_step_waits_for_is_not_answered() -> None:
    done = played(ANSWER, "[caller]\npatience = 2\n" + SAY + SAY)
    assert [turn.reply is None for turn in done.caller.account.turns] == [False, True]


# --- going wrong --------------------------------------------------------------------------------------------


@providers
def test_a_fault_is_a_step(provider: Provider, tmp_path: Path) -> None:
    leaves = '[[agent.step]]\nfault = { kind = "agent_leaves" }\n'
    lines = told(tmp_path, ANSWER + leaves, SAY, provider)
    assert [line.fields["kind"] for line in of(lines, "fault_injected")] == ["agent_leaves"]
    assert [line.fields["cause"] for line in of(lines, "session_ended")] == ["agent_left"]


def test_a_close_may_have_any_code(tmp_path: Path) -> None:
    lines = told(tmp_path, ANSWER + '[[agent.step]]\nfault = { kind = "close", code = 4242 }\n')
    assert of(lines, "closed")[0].fields["code"] == 4242


def test_a_fault_may_wait_for_its_own_moment(tmp_path: Path) -> None:
    fault = '[[agent.step]]\non = "start"\nfault = { kind = "unknown_message", on = "speaking_started" }\n'
    lines = of(told(tmp_path, fault + ANSWER), "fault_injected", "speaking_started", "thinking_started")
    assert [line.type for line in lines] == ["thinking_started", "speaking_started", "fault_injected"]


# --- what is wrong with a script ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        ('say = "hello"', ":4: agent.step.1: the first step has none before it: say what it waits for"),
        ('on = "turn"', ":4: agent.step.1: an agent's step has one of: say, think"),
        ('on = "turn"\nat = 3\npause = 1', "a step waits for `on` or comes `at` a time: give one of them"),
        ('on = "silence"\npause = 1', 'on = "silence" needs a `delay`'),
        ('on = "text"\npause = 1', 'on = "text" goes with `matches`'),
        ('on = "turn"\nsay = "hello"\ntext = "{nobody.result}"', "no earlier step is named 'nobody'"),
        ('on = "turn"\nhang_up = "boredom"', "agent.step.1.hang_up: must be 'agent_left'"),
        ('on = "turn"\nsya = "hello"', "an agent's step has one of"),
        ('on = "turn"\nfault = { kind = "clos" }', "there is no fault 'clos'; did you mean 'close'?"),
        ('on = "turn"\nfault = { kind = "http_status" }', "http_status strikes a start"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(step: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        scenario(f"[[agent.step]]\n{step}\n")
    assert sentence in str(refused.value)


def test_the_caller_cannot_wait_for_what_no_wire_says() -> None:
    with pytest.raises(SettingsError, match="the caller cannot wait for step_began"):
        scenario(ANSWER, SAY + 'after = "step_began"\n')


def test_a_sound_that_is_not_there_is_known_before_anybody_calls() -> None:
    with pytest.raises(
        SettingsError, match=r"scenario\.toml:6: agent\.step\.1: say: here/gone\.wav is not there"
    ):
        played('[[agent.step]]\non = "turn"\nsay = "gone.wav"\n')


def test_an_agent_has_a_name_or_steps() -> None:
    with pytest.raises(SettingsError, match="an agent has a `name`, or steps of its own"):
        scenario('[agent]\nname = "echo"\n' + ANSWER)


def test_a_file_without_a_caller_cannot_be_rehearsed() -> None:
    with pytest.raises(SettingsError, match=r"nobody calls: there is no \[\[caller\.step\]\]"):
        played(ANSWER, caller="")


def test_the_agents_steps_are_told_beside_the_callers(tmp_path: Path) -> None:
    done = played(ANSWER)
    assert [(round(at, 2), begun.what) for at, begun in done.agent.begun] == [(1.78, "says tone:440:1")]
