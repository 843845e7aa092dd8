"""What a call came to: the exit code and the reason, from calls in virtual time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.client.calls import LOKUTOR, LYZR, WORKBUDDY, Mute, Played, clip, play
from voxemu.agent import Call, CallTool, Cue, HangUp, Say, Step, UserTurn
from voxemu.agents import sine
from voxemu.drive.link import Link
from voxemu.drive.rehearsal import Told
from voxemu.events import EndAsked, Unrecognised
from voxemu.provider import CallPlan
from voxemu_client.dial import Outcome
from voxemu_client.summary import summarise, verdict
from voxemu_client.telling import printable, summary_lines


def outcome(call: Played) -> Outcome:
    assert call.end.caller is not None
    return Outcome(call.caller, call.end.caller, None, None)


def judged(call: Played) -> tuple[int, str]:
    return verdict([outcome(call)], call.caller.script)


class Curt:
    """Says goodbye and hangs up."""

    name, passes_through = "curt", False

    def respond(self, cue: Cue, call: Call) -> Iterable[Step]:
        if isinstance(cue, UserTurn):
            yield Say("Bye", sine(call.format, 440, 0.5))
            yield HangUp("bye")


class Asking:
    """Calls a tool and says nothing without its answer."""

    name, passes_through = "asking", False

    def respond(self, cue: Cue, call: Call) -> Iterable[Step]:
        if isinstance(cue, UserTurn):
            yield CallTool("get_weather", "{}", "call-1")


def read_by_a_person(call: Played) -> list[str]:
    return summary_lines(summarise(LOKUTOR, CallPlan("http://h"), [outcome(call)], *judged(call)))


def test_a_call_that_went_well_is_done() -> None:
    assert judged(play(LYZR, [clip(LYZR, 0.5)])) == (0, "hung up (1000)")


def test_an_agent_that_never_answers_is_a_failure() -> None:
    call = play(LYZR, [clip(LYZR, 0.5)], agent=Mute())
    assert judged(call) == (1, "the agent never answered: hung up (1000)")


def test_a_barge_in_that_never_came_is_a_failure() -> None:
    call = play(LYZR, [clip(LYZR, 0.5)], agent="tone:440:0.3", barge_in=2.0, stop=clip(LYZR, 0.3))
    assert judged(call) == (1, "no reply lasted 2 s, so nobody was interrupted")


def test_an_agent_that_hangs_up_is_named() -> None:
    call = play(WORKBUDDY, [clip(WORKBUDDY, 0.5)], agent=Curt())
    assert judged(call) == (0, "the provider ended the session: agent_disconnected")


def test_a_provider_that_shuts_down_is_a_lost_line() -> None:
    told = [Told(1.0, "provider", EndAsked("shutdown"))]
    call = play(WORKBUDDY, [clip(WORKBUDDY, 5.0)], told=told)
    assert judged(call) == (3, "the provider ended the session: server_shutdown")


def test_a_line_that_broke_is_lost() -> None:
    call = play(LOKUTOR, [clip(LOKUTOR, 5.0)], up=Link(cut=1.0), down=Link(cut=1.0))
    assert judged(call)[0] == 3


def test_a_provider_that_lets_nothing_in_has_refused() -> None:
    call = play(WORKBUDDY, [clip(WORKBUDDY, 0.5)], down=Link(latency=30.0))
    code, reason = judged(call)
    assert code == 3
    assert "let no audio in" in reason


def test_a_peer_that_breaks_its_protocol_is_exit_code_4() -> None:
    told = [Told(1.0, "caller", Unrecognised("unknown_type", "unknown message type 'x'"))]
    call = play(LYZR, [clip(LYZR, 0.5)], told=told)
    assert judged(call) == (
        4,
        "the provider broke its protocol: 1 unreadable, the first: unknown message type 'x'",
    )


def test_the_summary_counts_the_audio_of_all_its_calls() -> None:
    calls = [play(LYZR, [clip(LYZR, 0.5)]) for _ in range(2)]
    summary = summarise(
        LYZR, CallPlan("http://h:1/x?api_key=k"), [outcome(call) for call in calls], 0, "done"
    )
    assert summary["url"] == "http://h:1/x"
    assert summary["reconnects"] == 1
    assert summary["audio"]["received"] == pytest.approx(2.0)
    assert len(summary["turns"]) == 2


def test_the_summary_of_no_call_is_its_reason() -> None:
    summary = summarise(LYZR, CallPlan("http://h"), [], 3, "no server")
    assert (summary["exit"], summary["reason"]) == (3, "no server")


def test_a_person_reads_turns_barge_in_and_losses() -> None:
    told: list[Any] = []
    clips = [clip(LOKUTOR, 0.5), clip(LOKUTOR, 0.5, "stop\x1b[2J")]
    call = play(LOKUTOR, clips, agent="tone:440:4", barge_in=0.5, told=told)
    summary = summarise(LOKUTOR, CallPlan("http://h"), [outcome(call)], 0, "hung up (1000)")
    text = "\n".join(summary_lines(summary))
    assert "barge-in   after" in text
    assert "dropped" in text
    assert "\x1b" not in text


def test_a_tool_that_nobody_answers_is_told_since_the_agent_waits_for_it() -> None:
    told = "  tool       get_weather was called and not answered; [caller.tools] of a scenario answers"
    assert told in read_by_a_person(play(LOKUTOR, [clip(LOKUTOR, 0.5)], agent=Asking()))


def test_a_tool_that_was_answered_is_not_told() -> None:
    call = play(LOKUTOR, [clip(LOKUTOR, 0.5)], agent=Asking(), tools={"get_weather": "sunny"})
    assert [line for line in read_by_a_person(call) if "tool" in line] == []


def test_what_strangers_sent_does_not_move_the_cursor() -> None:
    assert printable("a\x1b[2Jb\r") == "a\\x1b[2Jb\\r"
