"""Scripts with anchors: when each step of a scenario begins, and what becomes of one that cannot."""

from __future__ import annotations

import pytest

from tests.client.calls import LOKUTOR, LYZR, WORKBUDDY
from tests.client.scenarios import AGENT, SAY, run
from voxemu.errors import UsageError
from voxemu.provider import Provider
from voxemu.wire import PROVIDERS
from voxemu_client.agenda import Step
from voxemu_client.rehearsing import Performance
from voxemu_client.script import Script

providers = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))

FRAME = 0.02


def step(**said: object) -> str:
    """A step as a scenario has it."""
    spelled = {True: "true", False: "false"}
    lines = [
        f"{name} = {spelled[value] if isinstance(value, bool) else repr(value)}"
        for name, value in said.items()
    ]
    return "[[caller.step]]\n" + "\n".join(lines) + "\n"


def moment(done: Performance, name: str, nth: int = 0) -> float:
    found = sorted(each.at for each in done.caller.account.moments if each.name == name)
    return found[nth]


def began(done: Performance, number: int) -> float:
    return done.caller.account.steps[number - 1].at


@providers
def test_a_step_begins_at_its_time(provider: Provider) -> None:
    done = run(step(say="tone:300:0.5", at=1.5), provider)
    assert began(done, 1) == pytest.approx(1.5)
    assert moment(done, "turn_started") == pytest.approx(1.5, abs=FRAME)


@pytest.mark.parametrize("provider", [LYZR, LOKUTOR], ids=["lyzr-sip", "lokutor"])
@pytest.mark.parametrize("name", ["thinking", "agent_transcript", "transcript"])
def test_a_step_begins_so_long_after_what_the_provider_said(provider: Provider, name: str) -> None:
    done = run(SAY + step(say="tone:500:0.3", after=name, delay=0.1), provider)
    assert began(done, 2) == pytest.approx(moment(done, name) + 0.1)


@providers
@pytest.mark.parametrize("name", ["agent_audio_started", "turn_ended", "previous", "turn_over"])
def test_a_step_begins_so_long_after_what_the_user_knows(provider: Provider, name: str) -> None:
    done = run(SAY + step(say="tone:500:0.3", after=name, delay=0.4), provider)
    # The first step began at such a moment too: nobody spoke for as long as the lead lasts.
    nth = 1 if name == "turn_over" else 0
    assert began(done, 2) == pytest.approx(moment(done, name, nth) + 0.4)


@providers
def test_the_end_of_a_reply_is_where_its_last_sample_sounds(provider: Provider) -> None:
    done = run(SAY + step(say="tone:500:0.3", after="agent_audio_stopped", delay=0.5), provider)
    lasted = moment(done, "agent_audio_stopped") - moment(done, "agent_audio_started")
    assert lasted == pytest.approx(1.0, abs=FRAME)
    assert began(done, 2) == pytest.approx(moment(done, "agent_audio_stopped") + 0.5)


@providers
def test_each_step_waits_for_a_moment_after_the_step_before_it(provider: Provider) -> None:
    again = step(say="tone:300:0.5", after="agent_audio_started", delay=1.5)
    done = run(SAY + again + again, provider)
    starts = [moment(done, "agent_audio_started", nth) for nth in range(2)]
    assert [began(done, 2), began(done, 3)] == pytest.approx([start + 1.5 for start in starts])


@providers
def test_hanging_up_in_mid_reply_ends_the_call_there(provider: Provider) -> None:
    done = run(SAY + step(hangup=True, after="agent_audio_started", delay=0.3), provider)
    assert done.met
    assert moment(done, "closed") == pytest.approx(moment(done, "agent_audio_started") + 0.3)
    assert "agent_audio_stopped" not in {each.name for each in done.caller.account.moments}


@providers
def test_silence_that_is_said_is_no_turn_and_not_waited_on(provider: Provider) -> None:
    done = run(step(say="silence:1.5"), provider)
    assert done.caller.account.turns == []
    assert done.end.seconds < 3


@providers
def test_a_barge_in_is_spoken_over_the_agent(provider: Provider) -> None:
    over = step(say="tone:500:0.4", after="agent_audio_started", delay=0.3, barge_in=True)
    done = run(SAY + over, provider, "[[expect]]\nstops_within_ms = 250\n" + AGENT)
    assert done.met
    assert [taken.over_agent for taken in done.caller.account.steps] == [False, True]


@providers
def test_two_barge_ins_are_measured_each(provider: Provider) -> None:
    over = step(say="tone:500:0.4", after="agent_audio_started", delay=0.3, barge_in=True)
    done = run(SAY + over + over, provider, "[[expect]]\nevent = 'barge_in'\ncount = 2\n" + AGENT)
    assert done.met
    assert all(0 < barge.stop < 0.25 for barge in done.caller.account.barge_ins)


@providers
def test_a_barge_in_on_a_silent_agent_did_not_happen(provider: Provider) -> None:
    over = step(say="tone:500:0.4", after="agent_audio_started", delay=1.5, barge_in=True)
    done = run(SAY + over, provider)
    (verdict,) = done.verdicts
    assert verdict.outcome == "no_barge_in"
    assert verdict.seen.startswith("barge-in did not happen: the agent was silent at ")
    assert len(done.caller.account.turns) == 2


@providers
def test_a_step_whose_moment_does_not_come_never_began(provider: Provider) -> None:
    done = run(SAY + step(say="tone:500:0.4", after="error") + SAY, provider, caller="patience = 1.0")
    assert [verdict.outcome for verdict in done.verdicts] == ["never_began", "never_began"]
    assert "error did not come" in done.verdicts[0].seen
    assert done.verdicts[0].place == "here/scenario.toml:6"


def test_a_wire_without_words_for_it_has_no_such_moment() -> None:
    done = run(SAY + step(say="tone:500:0.4", after="transcript"), WORKBUDDY, caller="patience = 1.0")
    assert [verdict.outcome for verdict in done.verdicts] == ["never_began"]


def test_what_is_being_said_is_broken_off_by_the_next_step() -> None:
    done = run(step(say="tone:300:5", at=0.5) + step(say="tone:500:0.4", at=1.5), LYZR)
    first = done.caller.account.turns[0]
    assert first.end is not None
    assert LYZR.format.seconds(first.end - first.start) == pytest.approx(1.0, abs=2 * FRAME)


def test_the_times_of_steps_hold_before_the_lead_is_over() -> None:
    done = run(step(say="tone:300:0.4", at=0.1), LYZR, caller="lead = 2.0")
    assert moment(done, "turn_started") == pytest.approx(0.1, abs=FRAME)


def test_clips_and_steps_exclude_one_another() -> None:
    with pytest.raises(UsageError, match="a scenario says what the user does"):
        Script(steps=(Step(None),), barge_in=1.0)
