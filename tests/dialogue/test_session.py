from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.calls import Talk, speech
from voxemu.agent import Call, CallTool, Cue, HangUp, Pause, Say, Step, ToolAnswered, UserTurn
from voxemu.agents import Greeter, make_agent, sine
from voxemu.audio import AudioFormat
from voxemu.events import (
    AgentAudioSent,
    AgentFailed,
    AgentReadied,
    BargedIn,
    Closed,
    EndAsked,
    ErrorReported,
    InputGapped,
    InputStarted,
    Interrupted,
    InterruptSent,
    LimitReached,
    ListeningStarted,
    PlaybackFlushed,
    PlaybackStarted,
    Ponged,
    RatesAnnounced,
    ReplyCancelled,
    ReplyEnded,
    SessionEnded,
    SettingConfirmed,
    SettingSent,
    SpeakingStarted,
    ThinkingSoundSent,
    ThinkingStarted,
    ThinkingStopped,
    ToolCalled,
    ToolResultSent,
    Transcribed,
    TurnDiscarded,
    TurnEnded,
    TurnStarted,
    Unrecognised,
    UserAudioSent,
    VisemesSent,
)
from voxemu.wire import PROVIDERS

WORKBUDDY = PROVIDERS["workbuddy"]
every_provider = pytest.mark.parametrize("provider", list(PROVIDERS))


@dataclass
class Scripted:
    """Answers each turn with the next list of steps; keeps the cues."""

    turns: list[list[Step]]
    name: str = "scripted"
    passes_through: bool = False

    def __post_init__(self) -> None:
        self.cues: list[Cue] = []
        self.calls: list[list[str]] = []

    def respond(self, cue: Cue, call: Call) -> Iterable[Step]:
        self.cues.append(cue)
        self.calls.append([line.text for line in call.history])
        if isinstance(cue, UserTurn):
            return self.turns.pop(0) if self.turns else []
        if isinstance(cue, ToolAnswered):
            return [say(f"got {cue.result}", 0.2)]
        return []


def say(text: str, seconds: float, format: AudioFormat = WORKBUDDY.format) -> Say:
    return Say(text, sine(format, 440.0, seconds))


# --- a plain turn ----------------------------------------


def test_a_turn_runs_from_listening_to_the_end_of_the_reply_in_order() -> None:
    talk = Talk()
    talk.quiet(0.5)
    talk.say(1.0)
    talk.quiet(3.0)
    assert talk.kinds() == [
        "SessionStarted",
        "RatesDeclared",
        "AgentReadied",
        "ListeningStarted",
        "InputStarted",
        "TurnStarted",
        "ListeningStarted",
        "TurnEnded",
        "Transcribed",
        "ThinkingStarted",
        "ThinkingStopped",
        "Transcribed",
        "SpeakingStarted",
        "PlaybackStarted",
        "ReplyEnded",
        "ListeningStarted",
    ]


def test_the_user_transcript_says_how_long_the_speech_was() -> None:
    talk = Talk()
    talk.say(1.24)
    talk.quiet(1.0)
    assert talk.all(Transcribed)[0] == Transcribed("user", "(1.24 s of speech)", segment=1)


def test_a_turn_carries_its_sample_positions() -> None:
    talk = Talk()
    talk.quiet(0.5)
    talk.say(1.0)
    talk.quiet(1.0)
    first = talk.only(InputStarted).position
    assert talk.only(TurnStarted).position == first + 8000
    assert talk.only(TurnEnded) == TurnEnded(
        1, first + 8000, first + 24000, first + 32000, seconds=1.0, why="silence"
    )


def test_an_echo_repeats_the_turn_with_its_pre_roll_and_without_the_hangover() -> None:
    talk = Talk()
    talk.quiet(1.0)
    talk.say(1.0)
    talk.quiet(3.0)
    assert talk.agent_audio == bytes(2 * 4800) + speech(talk.format, 1.0)


def test_the_reply_begins_a_hangover_and_the_think_time_after_the_last_spoken_sample() -> None:
    talk = Talk()
    talk.say(1.0)
    talk.quiet(2.0)
    assert talk.when(AgentAudioSent) == pytest.approx(1.0 + 0.5 + 0.3)


def test_frames_go_out_at_start_plus_n_times_ptime() -> None:
    talk = Talk(agent="tone:440:1")
    talk.say(0.5)
    talk.quiet(3.0)
    start = talk.when(AgentAudioSent)
    times = [at - talk.opened for at, event in talk.said if isinstance(event, AgentAudioSent)]
    assert times == pytest.approx([start + n * 0.02 for n in range(50)], abs=1e-9)


def test_the_last_frame_of_a_reply_is_padded_with_zeros_where_the_size_is_fixed() -> None:
    talk = Talk(agent="tone:440:0.99")
    talk.say(0.5)
    talk.quiet(3.0)
    sizes = {len(event.pcm) for event in talk.all(AgentAudioSent)}
    assert sizes == {640}
    assert talk.agent_audio[-320:] == bytes(320)


def test_nothing_is_sent_between_replies() -> None:
    talk = Talk(agent="tone:440:0.5")
    talk.say(0.5)
    talk.quiet(2.0)
    before = len(talk.all(AgentAudioSent))
    talk.quiet(5.0)
    assert len(talk.all(AgentAudioSent)) == before == 25


def test_a_burst_sends_the_whole_reply_at_once_and_is_speaking_until_it_has_sounded() -> None:
    talk = Talk(agent="tone:440:2", burst=True)
    talk.say(0.5)
    talk.quiet(4.0)
    times = {at for at, event in talk.said if isinstance(event, AgentAudioSent)}
    assert len(times) == 1
    assert talk.when(ReplyEnded) - talk.when(AgentAudioSent) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("place", "order"),
    [
        ("before_audio", ["Transcribed", "SpeakingStarted", "AgentAudioSent"]),
        ("after_speaking", ["SpeakingStarted", "Transcribed", "AgentAudioSent"]),
        ("after_audio", ["SpeakingStarted", "AgentAudioSent", "Transcribed"]),
    ],
)
def test_the_agent_transcript_stands_where_the_setting_says(place: str, order: list[str]) -> None:
    talk = Talk(agent="tone:440:0.02", transcript_place=place)
    talk.say(0.5)
    talk.quiet(2.0)
    said = talk.kinds(without=(PlaybackStarted, ReplyEnded))
    after_thinking = said[said.index("ThinkingStopped") + 1 :]
    assert after_thinking[:3] == order


def test_a_sound_shorter_than_the_minimum_is_no_turn() -> None:
    talk = Talk()
    talk.say(0.08)
    talk.quiet(2.0)
    assert talk.only(TurnDiscarded).seconds == pytest.approx(0.08)
    assert talk.all(TurnEnded) == []
    assert talk.all(ListeningStarted)[-1] == ListeningStarted("waiting")


def test_an_utterance_at_its_longest_is_ended_with_an_event_whatever_the_chunks() -> None:
    for frame in (0.02, 0.17, 2.0):
        talk = Talk(frame=frame, max_utterance=1.0, think_time=60.0)
        talk.say(1.9)
        ended = talk.all(TurnEnded)[0]
        assert (ended.seconds, ended.why) == (1.0, "limit")
        assert talk.all(LimitReached)[0] == LimitReached("utterance", 1.0)


def test_zeros_are_silence_and_start_nothing() -> None:
    talk = Talk()
    talk.quiet(10.0)
    assert talk.all(TurnStarted) == []


def test_a_sound_too_short_for_a_turn_is_none_at_hang_up_either() -> None:
    talk = Talk(min_utterance=0.2)
    talk.say(0.15)
    assert talk.only(TurnStarted).turn == 1
    talk.hang_up()
    assert talk.only(TurnDiscarded).seconds == pytest.approx(0.15, abs=0.02)
    assert talk.all(TurnEnded) == []


def test_a_turn_still_open_at_hang_up_is_finished() -> None:
    talk = Talk()
    talk.say(1.0)
    talk.hang_up()
    assert talk.only(TurnEnded).why == "hang_up"
    assert talk.all(ThinkingStarted) == []


def test_speech_while_the_agent_thinks_takes_the_turn_back() -> None:
    talk = Talk(think_time=2.0)
    talk.say(0.5)
    talk.quiet(1.0)
    talk.say(0.5)
    talk.quiet(4.0)
    assert talk.only(ReplyCancelled).generation == 1
    assert [event.generation for event in talk.all(SpeakingStarted)] == [2]


# --- missing audio ----------------------------------------


@every_provider
def test_a_client_that_stops_sending_has_ended_its_turn(provider: str) -> None:
    talk = Talk(provider)
    talk.say(1.0)
    talk.wait(3.0)
    assert talk.only(TurnEnded).why == "input_gap"
    assert talk.when(TurnEnded) == pytest.approx(1.02 + 0.7)
    assert talk.when(AgentAudioSent) == pytest.approx(1.02 + 0.7 + 0.3)


def test_a_gap_is_said_when_noticed_and_again_with_its_length() -> None:
    talk = Talk()
    talk.say(1.0)
    talk.wait(4.0)
    talk.quiet(0.02)
    first = talk.only(InputStarted).position
    noticed, final = talk.all(InputGapped)
    assert (noticed.position, noticed.open) == (first + 16000, True)
    assert final == InputGapped(first + 16000, talk.format.samples(4.0), open=False)


def test_pre_roll_never_joins_across_a_gap() -> None:
    talk = Talk()
    talk.say(0.4)
    talk.wait(6.0)
    talk.say(0.4)
    talk.wait(6.0)
    second = list(talk.all(TurnEnded))[1]
    assert second.seconds == pytest.approx(0.4)
    # The echo of a turn that had nothing in front of it holds nothing but the turn.
    assert len(talk.agent_audio) // 2 == 2 * talk.format.samples(0.4)


def test_jitter_below_the_patience_changes_nothing() -> None:
    def turns(jitter: list[float]) -> list[TurnEnded]:
        talk = Talk()
        pcm = speech(talk.format, 0.6) + bytes(2 * 16000)
        for n, at in enumerate(range(0, len(pcm), 640)):
            talk.wait(jitter[n % len(jitter)] if n else 0.02)
            talk.take(UserAudioSent(pcm[at : at + 640]))
        return talk.all(TurnEnded)

    assert turns([0.02]) == turns([0.0, 0.0, 0.0, 0.0, 0.1]) == turns([0.04, 0.0, 0.03, 0.01])


def test_a_gap_open_at_hang_up_gets_its_length() -> None:
    talk = Talk()
    talk.quiet(0.5)
    talk.wait(3.0)
    talk.hang_up()
    assert talk.all(InputGapped)[-1] == InputGapped(
        talk.all(InputGapped)[0].position, 48000 - 320, open=False
    )


# --- barge-in ----------------------------------------


def interrupted(**settings: Any) -> Talk:
    """The user interrupts a 3 s tone 0.8 s after it began."""
    talk = Talk(agent="tone:440:3", **settings)
    talk.say(0.5)
    talk.quiet(0.8 + 0.8)
    talk.say(0.5)
    talk.quiet(6.0)
    return talk


@every_provider
def test_barge_in_stops_the_agent_within_a_quarter_second_of_the_first_spoken_sample(provider: str) -> None:
    for guard in (False, True):
        talk = interrupted(provider=provider, echo_guard=guard)
        assert talk.only(BargedIn).stop <= 0.25
        assert talk.when(BargedIn) - 2.12 <= 0.25


@every_provider
def test_what_was_sent_of_an_interrupted_reply_is_heard_or_dropped(provider: str) -> None:
    for burst in (False, True):
        talk = interrupted(provider=provider, burst=burst)
        barged = talk.only(BargedIn)
        sent = sum(len(event.pcm) // 2 for event in talk.all(AgentAudioSent) if event.generation == 1)
        assert barged.heard + barged.dropped == sent
        # Without a flush what was sent is heard; a paced agent is never more than a frame ahead.
        second = PROVIDERS[provider].format.rate
        assert (barged.dropped > second) == (burst and PROVIDERS[provider].flushes)
        assert barged.dropped > second or barged.dropped < PROVIDERS[provider].frame_samples


def test_barge_in_says_listening_then_interrupted_and_sends_nothing_more() -> None:
    talk = interrupted()
    at = next(n for n, (_, event) in enumerate(talk.said) if isinstance(event, Interrupted))
    assert talk.said[at - 1][1] == ListeningStarted("speech")
    until_next_reply = [type(event) for _, event in talk.said[at:]]
    assert AgentAudioSent not in until_next_reply[: until_next_reply.index(SpeakingStarted)]


def test_what_was_heard_is_known_to_the_sample() -> None:
    talk = interrupted()
    barged = talk.only(BargedIn)
    started = talk.all(PlaybackStarted)[0].position
    sent = sum(
        len(event.pcm) // 2
        for _, event in talk.said
        if isinstance(event, AgentAudioSent) and event.generation == 1
    )
    assert barged.heard + barged.dropped == sent
    # WorkBuddy has no word for "flush": what was sent is heard.
    assert barged.dropped == 0
    assert barged.after == pytest.approx((barged.position - started) / 16000, abs=0.02)


def test_a_bursting_agent_can_still_be_interrupted_while_its_audio_sounds() -> None:
    talk = interrupted(burst=True)
    assert talk.only(BargedIn).after == pytest.approx(3.0)


def test_speech_after_the_reply_has_sounded_interrupts_nothing() -> None:
    talk = Talk(agent="tone:440:1")
    talk.say(0.5)
    talk.quiet(0.8 + 1.0 + 0.1)
    talk.say(0.5)
    talk.quiet(2.0)
    assert talk.all(BargedIn) == []


def test_an_agent_that_cannot_be_interrupted_answers_afterwards() -> None:
    talk = interrupted(barge_in="off")
    assert talk.all(BargedIn) == []
    assert [event.heard for event in talk.all(ReplyEnded)] == [48000, 48000]


def test_turns_spoken_over_a_deaf_agent_are_all_answered() -> None:
    talk = Talk(agent="tone:440:6", barge_in="off")
    talk.say(0.5)
    talk.quiet(1.0)
    for _ in range(2):
        talk.say(0.5)
        talk.quiet(1.0)
    talk.quiet(20.0)
    assert len(talk.all(ReplyEnded)) == 3


def test_a_longer_confirmation_lets_a_short_sound_pass() -> None:
    talk = Talk(agent="tone:440:3", barge_in_confirm=0.4)
    talk.say(0.5)
    talk.quiet(1.6)
    talk.say(0.3)
    talk.quiet(0.6)
    assert talk.all(BargedIn) == []
    talk.say(0.5)
    assert talk.only(BargedIn).stop == pytest.approx(0.4, abs=0.021)


def test_a_client_may_ask_for_the_interruption_itself() -> None:
    talk = Talk(agent="tone:440:3")
    talk.say(0.5)
    talk.quiet(1.6)
    talk.take(InterruptSent())
    assert talk.only(BargedIn).stop == 0
    assert talk.session.state.value == "listening"
    talk.say(0.5)
    talk.quiet(6.0)
    assert len(talk.all(ReplyEnded)) == 2


def test_an_interrupt_asked_for_in_silence_is_nothing() -> None:
    talk = Talk()
    talk.take(InterruptSent())
    assert talk.all(Interrupted) == []


# --- the agent ----------------------------------------


def test_an_exception_in_an_agent_is_the_providers_error_and_the_session_goes_on() -> None:
    class Broken:
        name = "broken"
        passes_through = False

        def respond(self, cue: Cue, call: Call) -> Iterable[Step]:
            if isinstance(cue, UserTurn):
                raise ZeroDivisionError("no reason at all")
            return ()

    talk = Talk(agent=Broken())
    talk.say(0.5)
    talk.quiet(2.0)
    assert talk.only(AgentFailed).error == "ZeroDivisionError: no reason at all"
    assert talk.only(ErrorReported).code == "AGENT_FAILED"
    talk.say(0.5)
    talk.quiet(2.0)
    assert len(talk.all(TurnEnded)) == 2


def test_a_greeting_is_spoken_first() -> None:
    agent = Greeter(make_agent("echo"), "Hello there", lambda format: sine(format, 660.0, 0.4))
    talk = Talk(agent=agent)
    talk.quiet(2.0)
    assert talk.only(Transcribed) == Transcribed("agent", "Hello there", segment=1)
    assert talk.when(AgentAudioSent) == 0
    assert talk.only(ReplyEnded).heard == 6400


def test_an_agent_that_is_not_ready_hears_and_answers_later() -> None:
    talk = Talk(ready_delay=3.0)
    talk.say(0.5)
    talk.quiet(4.0)
    assert talk.when(AgentReadied) == pytest.approx(3.0)
    assert talk.when(TurnEnded) < 1.1
    assert talk.when(AgentAudioSent) == pytest.approx(3.0)


def test_loopback_sends_every_frame_straight_back() -> None:
    talk = Talk(agent="loopback")
    talk.say(1.0)
    assert talk.agent_audio == speech(talk.format, 1.0)
    assert talk.all(TurnStarted) == []
    assert len(talk.all(PlaybackStarted)) == 1


def test_steps_are_taken_one_after_the_other() -> None:
    agent = Scripted([[say("one", 0.2), Pause(0.5), say("two", 0.2)]])
    talk = Talk(agent=agent)
    talk.say(0.5)
    talk.quiet(3.0)
    first, second = (talk.when(Transcribed, n) for n in (1, 2))
    assert second - first == pytest.approx(0.7)
    assert len(talk.all(SpeakingStarted)) == 1
    assert talk.only(ReplyEnded).heard == 2 * 3200


def test_two_utterances_of_one_reply_sound_without_a_hole() -> None:
    talk = Talk(agent=Scripted([[say("one", 0.2), say("two", 0.2)]]))
    talk.say(0.5)
    talk.quiet(3.0)
    assert len(talk.all(PlaybackStarted)) == 1
    assert len(talk.agent_audio) == 2 * 6400


def test_a_tool_call_waits_for_its_result() -> None:
    talk = Talk(agent=Scripted([[CallTool("clock", "{}", "c1"), say("after", 0.2)]]))
    talk.say(0.5)
    talk.quiet(5.0)
    assert talk.only(ToolCalled) == ToolCalled("clock", "{}", "c1")
    assert talk.all(SpeakingStarted) == []
    talk.take(ToolResultSent("c1", "noon"))
    talk.quiet(2.0)
    assert [event.text for event in talk.all(Transcribed)][1:] == ["got noon", "after"]


def test_a_tool_result_nobody_waits_for_is_an_error() -> None:
    talk = Talk()
    talk.take(ToolResultSent("c9", "noon"))
    assert "c9" in talk.only(ErrorReported).message


def test_the_agent_may_hang_up_after_its_last_word() -> None:
    talk = Talk(agent=Scripted([[say("bye", 0.4), HangUp("done")]]))
    talk.say(0.5)
    talk.quiet(3.0)
    assert talk.only(SessionEnded).cause == "agent_left"
    assert talk.only(Closed) == Closed(1000, "done", "provider")
    assert talk.only(ReplyEnded).dropped == 0
    assert talk.when(Closed) - talk.when(AgentAudioSent) == pytest.approx(0.4)


def test_history_is_given_to_the_agent_and_bounded() -> None:
    agent = Scripted([[say(f"reply {n}", 0.1)] for n in range(4)])
    talk = Talk(agent=agent, max_context=3)
    for _ in range(4):
        talk.say(0.3)
        talk.quiet(1.5)
    turns = [call for cue, call in zip(agent.cues, agent.calls, strict=True) if isinstance(cue, UserTurn)]
    assert turns[3] == ["(0.30 s of speech)", "reply 2", "(0.30 s of speech)"]


def test_history_says_what_was_heard_of_an_interrupted_reply() -> None:
    talk = interrupted()
    line = talk.session.call.history[1]
    assert line.speaker == "agent"
    assert line.heard == talk.only(BargedIn).after


# --- settings sent by the client ----------------------------------------


def test_a_setting_is_kept_and_confirmed() -> None:
    talk = Talk()
    talk.take(SettingSent("prompt", "Be brief."))
    assert talk.session.call.settings == {"prompt": "Be brief."}
    assert talk.only(SettingConfirmed).name == "prompt"


@pytest.mark.parametrize("value", [0, -1, "ten", 2.5, True, None])
def test_a_context_that_is_no_positive_number_is_an_error_and_the_old_one_stays(value: object) -> None:
    talk = Talk(max_context=4)
    talk.take(SettingSent("max_context_messages", value))
    assert talk.only(ErrorReported).code == "INVALID_SETTING"
    assert "it stays 4" in talk.only(ErrorReported).message
    assert talk.session.call.settings == {}


def test_audio_at_an_announced_rate_is_brought_to_the_calls_rate() -> None:
    talk = Talk()
    talk.take(RatesAnnounced(None, 8000))
    narrow = AudioFormat(8000)
    pcm = speech(narrow, 1.0) + bytes(16000)
    for at in range(0, len(pcm), 320):
        talk.wait(0.02)
        talk.take(UserAudioSent(pcm[at : at + 320]))
    talk.wait(2.0)
    assert talk.only(TurnEnded).seconds == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("rate", [7999, 0, -16000, 10**9])
def test_an_impossible_rate_is_an_error_and_the_old_one_stays(rate: int) -> None:
    talk = Talk()
    talk.take(RatesAnnounced(None, rate))
    assert talk.only(ErrorReported).code == "INVALID_SETTING"
    talk.say(0.5)
    talk.quiet(1.0)
    assert talk.only(TurnEnded).seconds == 0.5


def test_visemes_come_only_when_they_were_asked_for() -> None:
    for asked, count in ((False, 0), (True, 1)):
        talk = Talk(agent="tone:440:1")
        talk.take(SettingSent("visemes", asked))
        talk.say(0.5)
        talk.quiet(3.0)
        assert len(talk.all(VisemesSent)) == count


# --- limits and ends ----------------------------------------


def test_a_message_that_cannot_be_read_is_an_error_and_the_session_goes_on() -> None:
    talk = Talk()
    talk.take(Unrecognised("not_json", "not JSON: nonsense"))
    talk.say(0.5)
    talk.quiet(1.0)
    assert talk.only(ErrorReported) == ErrorReported("not JSON: nonsense", "INVALID_MESSAGE")
    assert len(talk.all(TurnEnded)) == 1


def test_twenty_unreadable_messages_end_the_session() -> None:
    talk = Talk()
    for _ in range(20):
        talk.take(Unrecognised("not_json", "no"))
    assert talk.only(Closed).code == 1008
    assert talk.only(LimitReached) == LimitReached("bad_messages", 20)


def test_an_idle_session_ends() -> None:
    talk = Talk(idle_limit=5.0)
    talk.wait(20.0)
    assert talk.only(LimitReached) == LimitReached("idle", 5.0)
    assert talk.only(SessionEnded).cause == "closed"
    assert talk.when(Closed) == pytest.approx(5.0)


def test_a_pong_is_life_unless_only_audio_counts() -> None:
    for counts, ends in (("any", []), ("audio", [5.0])):
        talk = Talk(idle_limit=5.0, idle_counts=counts)
        for _ in range(5):
            talk.wait(2.0)
            talk.take(Ponged())
        closed = [at - talk.opened for at, event in talk.said if isinstance(event, Closed)]
        assert closed == pytest.approx(ends)


def test_agent_audio_counts_as_life() -> None:
    talk = Talk(agent="tone:440:10", idle_limit=3.0)
    talk.say(0.5)
    talk.wait(11.0)
    assert talk.all(Closed) == []
    talk.wait(5.0)
    assert talk.when(Closed) == pytest.approx(talk.when(ReplyEnded) + 3.0)


def test_the_longest_session_ends() -> None:
    talk = Talk(session_limit=10.0)
    talk.quiet(11.0)
    assert talk.only(LimitReached).limit == "session"


def test_a_shutdown_is_told_in_the_providers_way_and_accounts_for_the_reply() -> None:
    talk = Talk(agent="tone:440:3", burst=True)
    talk.say(0.5)
    talk.quiet(1.8)
    talk.take(EndAsked("shutdown", "bye"))
    assert talk.only(SessionEnded).cause == "shutdown"
    assert talk.only(Closed).by == "provider"
    ended, flushed = talk.only(ReplyEnded), talk.only(PlaybackFlushed)
    assert ended.heard + ended.dropped == 48000
    assert flushed.dropped == ended.dropped > 0


def test_a_typing_sound_is_sent_only_when_asked_for() -> None:
    for asked, count in ((False, 0), (True, 1)):
        talk = Talk(thinking_audio=asked, think_time=0.5)
        talk.say(0.5)
        talk.quiet(3.0)
        sounds = talk.all(ThinkingSoundSent)
        assert len(sounds) == count
        assert all(sound.rate == 16000 and len(sound.pcm) == 16000 for sound in sounds)


def test_thinking_is_stopped_once_before_the_agent_speaks() -> None:
    talk = Talk()
    talk.say(0.5)
    talk.quiet(3.0)
    assert len(talk.all(ThinkingStarted)) == len(talk.all(ThinkingStopped)) == 1


def test_an_agent_that_cannot_say_what_it_heard_fails_and_answers_all_the_same() -> None:
    class Deaf(Scripted):
        def hears(self, turn: UserTurn, call: Call) -> str | None:
            raise ValueError("no ears")

    talk = Talk(agent=Deaf([[say("yes", 0.2)]]))
    talk.say(0.5)
    talk.quiet(2.0)
    assert talk.only(AgentFailed).error == "ValueError: no ears"
    talk.only(SpeakingStarted)
