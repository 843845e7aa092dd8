"""Whole calls in virtual time: the caller's engine against the provider's, on every provider."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from tests.calls import speech
from tests.client.calls import LOKUTOR, LYZR, PROMPT, WORKBUDDY, Mute, Played, at, clip, play, samples, silent
from voxemu.agent import Call, Cue, HangUp, Say, Step, UserTurn
from voxemu.agents import Greeter, make_agent, sine
from voxemu.drive.link import Link
from voxemu.drive.rehearsal import Told
from voxemu.engine import Tapped
from voxemu.events import (
    AgentAudioSent,
    BargedIn,
    Cleared,
    Closed,
    Congested,
    EndAsked,
    ErrorReported,
    InputGapped,
    InputStarted,
    MicrophoneCaptured,
    MicrophoneDropped,
    Opened,
    PlaybackFlushed,
    PlaybackStarted,
    PlaybackUnderran,
    RatesAnnounced,
    StopSent,
    TurnEnded,
    TurnStarted,
    UserAudioSent,
)
from voxemu.provider import Provider, Role, Target
from voxemu.record import CallFacts, Recorder, Recording
from voxemu.wire import PROVIDERS
from voxemu_client.caller import Caller
from voxemu_client.script import Script
from voxemu_client.silence import Silence
from voxemu_client.speech import Clip

providers = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))

FRAME = 0.02
HUNG_UP = Closed(1000, "", "caller")


# --- turns ----------------------------------------------------------------------


@providers
def test_a_turn_is_spoken_answered_and_followed_by_hanging_up(provider: Provider) -> None:
    call = play(provider, [clip(provider, 1.0)])
    (turn,) = call.caller.account.turns
    assert turn.reply is not None
    assert call.user.events[-1][1] == HUNG_UP


@providers
def test_the_provider_hears_the_turn_that_was_spoken(provider: Provider) -> None:
    call = play(provider, [clip(provider, 1.0)])
    assert call.service.only(TurnEnded).seconds == pytest.approx(1.0, abs=0.03)


@providers
def test_the_first_clip_begins_half_a_second_after_the_microphone_opened(provider: Provider) -> None:
    call = play(provider, [clip(provider, 1.0)])
    opened = call.user.only(InputStarted).position
    # 100 ms of the clip are silence.
    assert call.seconds(call.user.only(TurnStarted).position - opened) == pytest.approx(0.6, abs=0.001)


@providers
def test_the_next_clip_waits_for_a_second_of_quiet_after_the_reply(provider: Provider) -> None:
    call = play(provider, [clip(provider, 1.0), clip(provider, 0.5)])
    _, second = call.user.all(TurnStarted)
    begun = call.user.all(PlaybackStarted)[0].position
    gap = call.seconds(second.position - begun) - 1.0
    # The reply lasts 1 s; then 1 s of quiet, the next slot of the grid, and 100 ms of silence in the clip.
    assert gap == pytest.approx(1.1 + FRAME / 2, abs=FRAME)


@providers
def test_time_to_first_audio_runs_from_the_last_spoken_sample_to_the_first_agent_sample(
    provider: Provider,
) -> None:
    call = play(provider, [clip(provider, 1.0)], session={"hangover": 0.4, "think_time": 0.2})
    # 400 ms of hangover, 200 ms of thought, 60 ms of jitter buffer.
    assert call.caller.account.report()["turns"][0]["first_audio"] == pytest.approx(0.66, abs=0.03)


@providers
def test_a_turn_without_a_reply_is_given_up_after_ten_seconds(provider: Provider) -> None:
    call = play(provider, [clip(provider, 1.0)], agent=Mute())
    turn = call.user.only(TurnEnded)
    waited = call.user.when(Closed)[0] - call.seconds(turn.end) - 0.1
    # The wait begins with the clip's last frame, or with the provider's word that it thinks.
    assert 9.9 <= waited <= 11.0


@providers
def test_a_call_without_clips_hangs_up(provider: Provider) -> None:
    assert play(provider, []).user.events[-1][1] == HUNG_UP


@providers
def test_a_greeting_is_heard_out_before_the_user_speaks(provider: Provider) -> None:
    agent = Greeter(make_agent("tone:440:1"), "Hello", lambda axis: sine(axis, 500, 2.0))
    call = play(provider, [clip(provider, 1.0)], agent=agent, session={"ready_delay": 0.1})
    greeted = call.user.all(PlaybackStarted)[0].position
    assert call.seconds(call.user.only(TurnStarted).position - greeted) == pytest.approx(3.11, abs=FRAME)
    assert call.user.all(BargedIn) == []


def test_an_agent_whose_stream_never_pauses_is_quiet_when_nothing_is_to_be_heard() -> None:
    call = play(LYZR, [clip(LYZR, 1.0)], agent="loopback")
    assert call.user.events[-1][1] == HUNG_UP
    assert call.end.seconds < 5


def test_the_goodbye_of_the_page_comes_before_the_close() -> None:
    call = play(LYZR, [clip(LYZR, 0.5)])
    assert [type(event) for _, event in call.user.events[-2:]] == [StopSent, Closed]


def test_opening_messages_go_out_before_any_audio() -> None:
    call = play(LOKUTOR, [clip(LOKUTOR, 0.5)], opening=PROMPT)
    first = [
        type(event)
        for _, event in call.service.events
        if isinstance(event, (*map(type, PROMPT), UserAudioSent))
    ]
    assert first[:2] == [type(PROMPT[0]), UserAudioSent]


def test_no_audio_is_sent_before_the_provider_lets_it_in() -> None:
    call = play(WORKBUDDY, [clip(WORKBUDDY, 0.5)], down=Link(latency=0.3))
    assert call.sent[0][0] == pytest.approx(0.3)


def test_a_provider_that_lets_no_audio_in_is_given_up() -> None:
    call = play(WORKBUDDY, [clip(WORKBUDDY, 0.5)], down=Link(latency=30.0))
    assert call.user.only(Closed).reason == "the provider let no audio in within 10 s"
    assert not call.caller.was_let_in


# --- the sending grid ----------------------------------------------------------------------


@providers
def test_frames_of_20_ms_are_sent_on_the_grid_from_the_opening_to_the_end(provider: Provider) -> None:
    call = play(provider, [clip(provider, 1.0)])
    start = call.sent[0][0]
    expected = [start + n * FRAME for n in range(len(call.sent))]
    assert [at for at, _ in call.sent] == pytest.approx(expected, abs=1e-9)
    assert {len(pcm) for _, pcm in call.sent} == {2 * provider.format.samples(FRAME)}


@providers
def test_the_last_frame_of_a_clip_is_padded_with_zeros(provider: Provider) -> None:
    tone = speech(provider.format, 0.5013)
    call = play(provider, [Clip("tone", tone)])
    stream = b"".join(pcm for _, pcm in call.sent)
    start = stream.index(tone)
    frame = 2 * provider.format.samples(FRAME)
    assert start % frame == 0
    assert silent(stream[start + len(tone) :])


def test_suppressed_silence_is_not_sent_and_noted_as_a_gap() -> None:
    call = play(WORKBUDDY, [clip(WORKBUDDY, 1.0), clip(WORKBUDDY, 1.0)], silence=Silence("suppress"))
    assert samples(pcm for _, pcm in call.sent) == 2 * WORKBUDDY.format.samples(1.2)
    gaps = [(gap.position, gap.samples) for gap in call.user.all(InputGapped) if not gap.open]
    first, second = call.user.all(TurnStarted)
    # The first spoken sample of a clip is its 1601st, or the one after that.
    assert gaps[0][0] == pytest.approx(first.position + WORKBUDDY.format.samples(1.1), abs=1)
    assert sum(gaps[0]) == pytest.approx(second.position - WORKBUDDY.format.samples(0.1), abs=1)


@providers
def test_a_turn_that_ends_by_not_sending_is_answered(provider: Provider) -> None:
    call = play(provider, [clip(provider, 1.0)], silence=Silence("suppress"))
    assert call.service.only(TurnEnded).why == "input_gap"
    assert call.caller.account.answered


def test_keepalive_sends_one_frame_of_zeros_at_a_time() -> None:
    call = play(WORKBUDDY, [clip(WORKBUDDY, 0.5)], agent=Mute(), silence=Silence("keepalive", 2.0))
    pauses = [at for at, pcm in call.sent if silent(pcm)]
    after = [at for at in pauses if at > 1.5]
    assert [round(b - a, 6) for a, b in pairwise(after)] == [2.0] * (len(after) - 1)
    assert len(after) >= 4


def test_another_rate_is_sent_in_frames_of_its_own_and_heard_right() -> None:
    said = clip(LOKUTOR, 1.0, rate=16_000)
    call = play(LOKUTOR, [said], rate=16_000, opening=(RatesAnnounced(44_100, 16_000),))
    assert {len(pcm) for _, pcm in call.sent} == {640}
    assert call.service.only(TurnEnded).seconds == pytest.approx(1.0, abs=0.03)
    assert call.caller.account.turns[0].latency(LOKUTOR.format) == pytest.approx(0.86, abs=0.05)


def test_lyzr_declares_the_rate_of_every_message() -> None:
    call = play(LYZR, [clip(LYZR, 1.0, rate=48_000)], rate=48_000)
    assert {event.rate for event in call.service.all(UserAudioSent)} == {48_000}


# --- barge-in -------------------------------------------------------------------------------------


def interrupted(provider: Provider, **how: object) -> Played:
    clips = [clip(provider, 1.0), clip(provider, 0.8, "stop")]
    return play(provider, clips, agent="tone:440:5", barge_in=0.8, **how)  # type: ignore[arg-type]


@providers
def test_the_next_clip_is_spoken_over_the_agent_so_long_after_it_began_to_sound(provider: Provider) -> None:
    call = interrupted(provider)
    sounded = call.user.all(PlaybackStarted)[0].position
    onset = call.user.all(TurnStarted)[1].position
    # Its leading silence is trimmed; it begins in the next slot of the grid.
    assert 0.8 <= call.seconds(onset - sounded) <= 0.8 + FRAME + 0.001


@providers
def test_the_agent_falls_silent_soon_after_the_barge_in(provider: Provider) -> None:
    call = interrupted(provider)
    barge = call.user.only(BargedIn)
    assert 0 < barge.stop < 0.25
    assert call.service.only(BargedIn).stop < 0.25


@providers
def test_the_interruption_is_answered_as_a_turn(provider: Provider) -> None:
    call = interrupted(provider)
    assert [turn.reply is not None for turn in call.caller.account.turns] == [True, True]


@providers
def test_a_barge_in_happens_once(provider: Provider) -> None:
    clips = [clip(provider, 1.0) for _ in range(3)]
    call = play(provider, clips, agent="tone:440:3", barge_in=0.5)
    assert len(call.user.all(BargedIn)) == 1
    assert len(call.user.all(TurnStarted)) == 3


@providers
def test_without_another_clip_the_prompt_stop_is_said(provider: Provider) -> None:
    call = play(
        provider, [clip(provider, 1.0)], agent="tone:440:3", barge_in=0.5, stop=clip(provider, 0.5, "stop")
    )
    assert [turn.clip for turn in call.caller.account.turns] == ["speech", "stop"]


@pytest.mark.parametrize("provider", [LYZR, LOKUTOR], ids=["lyzr-sip", "lokutor"])
def test_what_was_not_played_at_a_barge_in_is_dropped(provider: Provider) -> None:
    call = interrupted(provider, session={"burst": True})
    flushed = call.user.only(PlaybackFlushed)
    assert flushed.dropped > provider.format.samples(3.0)
    assert call.user.only(BargedIn).dropped == flushed.dropped


@providers
def test_a_reply_too_short_to_be_interrupted_is_not(provider: Provider) -> None:
    call = play(provider, [clip(provider, 1.0)], agent="tone:440:0.5", barge_in=0.8, stop=clip(provider, 0.5))
    assert call.caller.account.barge_in is None
    assert len(call.user.all(TurnStarted)) == 1


def test_a_clip_that_is_being_said_is_broken_off_by_the_barge_in() -> None:
    class Impatient:
        """Answers before the user has finished."""

        name, passes_through = "impatient", False

        def respond(self, cue: Cue, call: Call) -> Iterable[Step]:
            if isinstance(cue, UserTurn):
                yield Say("", sine(call.format, 440, 3.0))

    halves = clip(LYZR, 0.5).pcm + LYZR.format.silence(LYZR.format.samples(2.5)) + clip(LYZR, 2.0).pcm
    said = type(clip(LYZR, 1))("halves", halves)
    call = play(LYZR, [said], agent=Impatient(), barge_in=0.3, stop=clip(LYZR, 0.5, "stop"))
    first, second = call.user.all(TurnEnded)
    assert first.end <= second.start
    assert first.seconds < 2


# --- half duplex ----------------------------------------------------------------------


@providers
def test_half_duplex_sends_zeros_while_the_agent_sounds_and_the_clip_waits(provider: Provider) -> None:
    agent = Greeter(make_agent("tone:440:1"), "Hello", lambda axis: sine(axis, 500, 2.0))
    said = clip(provider, 1.0)
    call = play(
        provider,
        [said],
        agent=agent,
        half_duplex=True,
        lead=0.1,
        session={"ready_delay": 0.3, "barge_in": "off"},
    )
    sounded = call.user.all(PlaybackStarted)[0].position
    start, end = call.seconds(sounded), call.seconds(sounded) + 2.0
    assert all(silent(pcm) for at, pcm in call.sent if start <= at < end)
    loud = b"".join(pcm for _, pcm in call.sent if not silent(pcm))
    frame = 2 * provider.format.samples(FRAME)
    assert abs(len(loud) - len(said.pcm) + 4 * provider.format.samples(0.1)) <= 2 * frame


# --- a real microphone ----------------------------------------------------------------------


def test_a_microphone_becomes_frames_and_the_call_ends_when_asked() -> None:
    spoken = clip(WORKBUDDY, 1.0).pcm
    blocks = [spoken[n : n + 512] for n in range(0, len(spoken), 512)]
    told = [Told(0.5 + n * 0.016, "caller", MicrophoneCaptured(pcm)) for n, pcm in enumerate(blocks)]
    told += [Told(4.0, "caller", EndAsked("closed", "enough"))]
    call = play(WORKBUDDY, [], live=True, told=told)
    stream = b"".join(pcm for _, pcm in call.sent)
    assert stream == spoken[: len(stream)]
    assert len(spoken) - len(stream) < 640
    assert call.user.only(Closed) == Closed(1000, "enough", "caller")


def test_a_microphone_that_stalls_leaves_a_gap() -> None:
    block = MicrophoneCaptured(clip(WORKBUDDY, 1.0).pcm[:640])
    told = [Told(when, "caller", block) for when in (0.1, 0.12, 2.0, 2.02)]
    told += [Told(3.0, "caller", EndAsked("closed"))]
    call = play(WORKBUDDY, [], live=True, told=told)
    gaps = [gap for gap in call.user.all(InputGapped) if not gap.open]
    assert [round(WORKBUDDY.format.seconds(gap.samples), 2) for gap in gaps] == [1.86, 0.96]


# --- trouble ----------------------------------------------------------------------


@providers
def test_an_agent_that_hangs_up_ends_the_call_in_order(provider: Provider) -> None:
    class Curt:
        name, passes_through = "curt", False

        def respond(self, cue: Cue, call: Call) -> Iterable[Step]:
            if isinstance(cue, UserTurn):
                yield Say("Bye", sine(call.format, 440, 0.5))
                yield HangUp("bye")

    call = play(provider, [clip(provider, 1.0), clip(provider, 1.0)], agent=Curt())
    assert call.end.caller is not None
    assert call.end.caller.code == 1000
    assert call.caller.deadline is None
    assert [one.name for one in call.caller.unsaid] == ["speech", "speech"]


@providers
def test_a_line_that_is_cut_ends_the_call_and_the_turn_that_was_open(provider: Provider) -> None:
    call = play(provider, [clip(provider, 5.0)], up=Link(cut=2.0), down=Link(cut=2.0))
    assert call.user.only(TurnEnded).why == "hang_up"
    assert call.end.caller == Closed(1006, "the line was cut", "line")


@providers
def test_a_congested_line_holds_a_second_and_drops_the_oldest(provider: Provider) -> None:
    told = [Told(0.6, "caller", Congested()), Told(3.1, "caller", Cleared())]
    call = play(provider, [clip(provider, 4.0)], told=told)
    lost = call.user.only(MicrophoneDropped).samples
    assert provider.format.seconds(lost) == pytest.approx(1.5, abs=0.05)
    (gap,) = [gap for gap in call.user.all(InputGapped) if not gap.open]
    assert gap.samples == lost
    assert not [when for when, _ in call.sent if 0.61 < when < 3.09]


@providers
def test_short_congestion_loses_nothing(provider: Provider) -> None:
    told = [Told(0.6, "caller", Congested()), Told(1.5, "caller", Cleared())]
    call = play(provider, [clip(provider, 2.0)], told=told)
    assert call.user.all(MicrophoneDropped) == []
    assert call.user.all(InputGapped) == []
    assert call.service.only(TurnEnded).seconds == pytest.approx(2.0, abs=0.03)


@providers
def test_jitter_within_the_buffer_is_not_heard(provider: Provider) -> None:
    down = Link(latency=0.05, jitter=0.05, rng=Random(3))
    call = play(provider, [clip(provider, 1.0)], agent="tone:440:3", down=down)
    assert call.user.all(PlaybackUnderran) == []


@providers
def test_without_a_jitter_buffer_late_frames_are_underruns(provider: Provider) -> None:
    down = Link(latency=0.05, jitter=0.05, rng=Random(3))
    call = play(provider, [clip(provider, 1.0)], agent="tone:440:3", down=down, jitter_buffer=0.0)
    assert call.caller.playback.underruns == len(call.user.all(PlaybackUnderran)) > 0


def test_an_error_is_noted_and_the_call_goes_on() -> None:
    class Broken:
        name, passes_through = "broken", False

        def respond(self, cue: Cue, call: Call) -> Iterable[Step]:
            if isinstance(cue, UserTurn):
                raise RuntimeError("out of words")
            return ()

    call = play(LOKUTOR, [clip(LOKUTOR, 0.5)], agent=Broken())
    assert len(call.user.all(ErrorReported)) == len(call.caller.account.errors) == 1
    assert call.user.events[-1][1] == HUNG_UP


# --- the recording ----------------------------------------------------------------------


@providers
@pytest.mark.parametrize("silence", ["continuous", "suppress", "keepalive:0.7"])
def test_a_recording_of_the_call_is_true(provider: Provider, silence: str, tmp_path: Path) -> None:
    call = play(
        provider,
        [clip(provider, 1.0), clip(provider, 0.6), clip(provider, 0.4)],
        agent="tone:440:2",
        barge_in=0.5,
        silence=Silence.parse(silence),
        record=tmp_path,
        up=Link(latency=0.02, jitter=0.03, rng=Random(1)),
        down=Link(latency=0.02, jitter=0.03, rng=Random(2)),
    )
    assert call.recording is not None
    audio = call.recording.manifest["audio"]
    assert audio["agent"]["received"] == samples(event.pcm for event in call.user.all(AgentAudioSent))
    assert (audio["agent"]["heard"], audio["agent"]["dropped"]) == (
        call.caller.playback.heard,
        call.caller.playback.dropped,
    )
    assert audio["user"]["laid"] == audio["user"]["samples"] == samples(pcm for _, pcm in call.sent)
    assert (audio["user"]["displaced"], audio["agent"]["displaced"]) == (0, 0)
    for when, pcm in call.sent:
        first = provider.format.samples(when)
        assert at(call.recording.left, first, first + len(pcm) // 2) == pcm


@providers
def test_what_was_heard_is_what_was_sent_without_a_hole(provider: Provider, tmp_path: Path) -> None:
    call = play(provider, [clip(provider, 1.0)], agent="tone:440:2", record=tmp_path)
    assert call.recording is not None
    heard = call.user.all(PlaybackStarted)[0].position
    tone = sine(provider.format, 440.0, 2.0)
    assert at(call.recording.right, heard, heard + len(tone) // 2) == tone


@providers
def test_the_figures_of_the_recording_are_those_of_the_summary(provider: Provider, tmp_path: Path) -> None:
    call = interrupted(provider, record=tmp_path)
    assert call.recording is not None
    report = call.caller.account.report()
    found = [turn["reply"]["latency"] for turn in call.recording.manifest["turns"]]
    assert found == pytest.approx([turn["first_audio"] for turn in report["turns"]], abs=0.001)
    (barge,) = call.recording.manifest["barge_ins"]
    assert barge["stop"] == pytest.approx(report["barge_in"]["stop"], abs=0.001)


def heard_of(tmp_path: Path, *replies: tuple[float, int, bytes]) -> tuple[Caller, Recording]:
    """A caller that is sent this agent audio (seconds, generation, PCM16), recorded."""
    caller = Caller(LOKUTOR, Target("ws://x"), Script(live=True, jitter_buffer=0.0))
    recorder = Recorder(tmp_path, LOKUTOR, Role.CALLER, CallFacts())
    engine = Tapped(caller, [recorder])
    engine.receive(Opened(), 0.0)
    for when, generation, pcm in replies:
        engine.receive(AgentAudioSent(pcm, generation), when)
    engine.receive(Closed(1000), 10.0)
    recorder.close(10.0)
    assert recorder.failure is None
    return caller, Recording.open(tmp_path)


def test_a_new_generation_that_begins_with_audio_cuts_off_the_old_one(tmp_path: Path) -> None:
    old, new = sine(LOKUTOR.format, 440, 2.0), sine(LOKUTOR.format, 660, 1.0)
    caller, recording = heard_of(tmp_path, (1.0, 1, old), (2.0, 2, new))
    assert at(recording.right, 2 * 44_100, 3 * 44_100) == new
    assert (caller.playback.heard, caller.playback.dropped) == (2 * 44_100, 44_100)
    assert recording.manifest["audio"]["agent"]["dropped"] == 44_100


def test_late_audio_of_an_old_generation_is_not_in_the_recording(tmp_path: Path) -> None:
    old, new = sine(LOKUTOR.format, 440, 2.0), sine(LOKUTOR.format, 660, 1.0)
    halves = new[:44_100], new[44_100:]
    caller, recording = heard_of(tmp_path, (1.0, 2, halves[0]), (1.1, 1, old), (1.2, 2, halves[1]))
    assert at(recording.right, 44_100, 2 * 44_100) == new
    assert caller.playback.late == recording.manifest["audio"]["agent"]["dropped"] == 2 * 44_100


@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
@pytest.mark.parametrize("silence", ["continuous", "suppress"])
def test_a_recording_of_another_rate_keeps_its_places(rate: int, silence: str, tmp_path: Path) -> None:
    call = play(
        LOKUTOR,
        [clip(LOKUTOR, 0.5, rate=rate), clip(LOKUTOR, 0.5, rate=rate)],
        rate=rate,
        opening=(RatesAnnounced(44_100, rate),),
        silence=Silence.parse(silence),
        record=tmp_path,
    )
    assert call.recording is not None
    user = call.recording.manifest["audio"]["user"]
    assert user["laid"] == pytest.approx(user["samples"] * 44_100 / rate, abs=3)
    assert user["displaced"] <= 3
