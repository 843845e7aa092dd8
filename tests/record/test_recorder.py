from __future__ import annotations

import hashlib
import resource
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.record.calls import FRAME, PROVIDER, RATE, T0, Recorded, samples, silence
from voxemu.errors import RecordingError
from voxemu.events import (
    AgentAudioSent,
    BargedIn,
    Closed,
    FindingMade,
    InputGapped,
    InputStarted,
    MicrophoneCaptured,
    MicrophoneDropped,
    Opened,
    PlaybackFlushed,
    PlaybackStarted,
    PlaybackUnderran,
    RatesAnnounced,
    RecordingFailed,
    SessionEnded,
    SessionStarted,
    SettingSent,
    TokenPresented,
    TurnDiscarded,
    TurnEnded,
    TurnStarted,
    UserAudioSent,
)
from voxemu.provider import Role
from voxemu.record import CallFacts, Recorder, Recording

HUNG_UP = Closed(1005, "", "caller")
BOTH = pytest.mark.parametrize("role", list(Role))


@pytest.fixture
def call(tmp_path: Path) -> Iterator[Recorded]:
    call = Recorded(tmp_path)
    yield call
    call.recorder.close(T0)


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[Recorded]:
    caller = Recorded(tmp_path, Role.CALLER)
    yield caller
    caller.recorder.close(T0)


# --- where sound lies ---------------------------------------------------------------------------------


def test_at_the_providers_end_a_place_told_in_answer_holds_for_the_audio_before_it(call: Recorded) -> None:
    call.at(1.0, UserAudioSent(samples(0, FRAME)), InputStarted(RATE))
    assert call.close(2.0).left == silence(RATE) + samples(0, FRAME) + silence(RATE - FRAME)


def test_at_the_callers_end_a_place_told_in_answer_holds_for_the_audio_before_it(caller: Recorded) -> None:
    caller.at(1.0, AgentAudioSent(samples(0, FRAME)), PlaybackStarted(RATE))
    assert caller.close(2.0).right == silence(RATE) + samples(0, FRAME) + silence(RATE - FRAME)


def test_at_the_providers_end_a_place_is_told_before_agent_audio(call: Recorded) -> None:
    call.at(0.5, PlaybackStarted(100), AgentAudioSent(samples(0, FRAME)), PlaybackStarted(5000))
    call.at(0.6, AgentAudioSent(samples(FRAME, FRAME)))
    right = call.close(0.6).right
    assert (right[200:840], right[10_000:10_640]) == (samples(0, FRAME), samples(FRAME, FRAME))


def test_a_place_told_later_is_for_the_audio_that_comes_next(caller: Recorded) -> None:
    caller.at(0.0, AgentAudioSent(samples(0, 10)), PlaybackStarted(0))
    caller.at(0.1, AgentAudioSent(samples(10, 10)))
    caller.at(0.2, PlaybackStarted(1000))
    caller.at(0.3, AgentAudioSent(samples(20, 10)))
    right = caller.close(0.3).right
    assert (right[:40], right[2000:2020]) == (samples(0, 20), samples(20, 10))


def test_two_frames_of_one_moment_each_have_their_own_answer(caller: Recorded) -> None:
    caller.at(0.0, AgentAudioSent(samples(0, 10)), PlaybackStarted(0), PlaybackUnderran(10, 90))
    caller.at(0.0, AgentAudioSent(samples(10, 10)), PlaybackStarted(100))
    right = caller.close(0.1).right
    assert (right[:20], right[200:220]) == (samples(0, 10), samples(10, 10))


def test_a_remark_between_audio_and_its_place_does_not_part_them(caller: Recorded) -> None:
    finding = FindingMade("F-PACE", "rule", "page", "seen")
    caller.at(
        0.0, AgentAudioSent(samples(0, 10)), finding, UserAudioSent(samples(0, 10)), PlaybackStarted(50)
    )
    assert caller.close(0.1).right[100:120] == samples(0, 10)


def test_a_frame_sent_straight_back_lies_on_both_sides(call: Recorded) -> None:
    frame = samples(0, FRAME)
    call.at(1.0, UserAudioSent(frame), PlaybackStarted(RATE), AgentAudioSent(frame), InputStarted(RATE))
    recording = call.close(1.02)
    assert recording.left == recording.right == silence(RATE) + frame


def test_a_gap_told_in_answer_comes_before_the_audio_that_ended_it(call: Recorded) -> None:
    call.at(0.0, UserAudioSent(samples(0, FRAME)), InputStarted(0))
    gap = [InputGapped(FRAME, 9680, open=True), InputGapped(FRAME, RATE - FRAME, open=False)]
    call.at(1.0, UserAudioSent(samples(FRAME, FRAME)), *gap)
    recording = call.close(1.02)
    assert recording.left == samples(0, FRAME) + silence(RATE - FRAME) + samples(FRAME, FRAME)
    assert recording.manifest["audio"]["user"]["gap_samples"] == RATE - FRAME


def test_user_audio_that_nobody_places_lies_where_it_arrived(call: Recorded) -> None:
    call.at(0.5, UserAudioSent(samples(0, 10)))
    assert call.close(1.0).left[RATE : RATE + 20] == samples(0, 10)


def test_agent_audio_that_nobody_places_was_never_heard(caller: Recorded) -> None:
    caller.at(0.5, AgentAudioSent(samples(0, 10)))
    recording = caller.close(1.0)
    assert recording.right == silence(RATE)
    assert recording.agent_wire == samples(0, 10)
    agent = recording.manifest["audio"]["agent"]
    assert (agent["received"], agent["heard"], agent["dropped"]) == (10, 0, 10)


def test_a_burst_that_is_flushed_was_heard_up_to_the_flush(caller: Recorded) -> None:
    caller.at(1.0, AgentAudioSent(samples(0, 3 * RATE)), PlaybackStarted(RATE))
    caller.at(1.5, PlaybackFlushed(RATE + 8000, 40_000))
    recording = caller.close(2.0)
    assert recording.right == silence(RATE) + samples(0, 8000) + silence(8000)
    agent = recording.manifest["audio"]["agent"]
    assert (agent["received"], agent["heard"], agent["dropped"]) == (48_000, 8000, 40_000)


def test_a_flush_takes_back_the_audio_that_came_with_it(caller: Recorded) -> None:
    caller.at(0.0, AgentAudioSent(samples(0, FRAME)), PlaybackStarted(0))
    caller.at(0.01, AgentAudioSent(samples(FRAME, FRAME)), PlaybackFlushed(160, 480))
    assert caller.close(0.1).right[:640] == samples(0, 160) + silence(160)


def test_audio_thrown_away_as_it_came_was_never_heard(caller: Recorded) -> None:
    caller.at(0.0, AgentAudioSent(samples(0, FRAME)), PlaybackStarted(0))
    caller.at(0.5, AgentAudioSent(samples(FRAME, FRAME)), PlaybackFlushed(FRAME, FRAME))
    assert caller.close(0.5).right == samples(0, FRAME) + silence(8000 - FRAME)


def test_a_flush_into_the_past_corrects_the_file(call: Recorded) -> None:
    call.at(0.0, PlaybackStarted(0), AgentAudioSent(samples(0, RATE)))
    call.settle(1.0)
    call.at(1.0, PlaybackFlushed(100, RATE - 100))
    assert call.close(1.0).right == samples(0, 100) + silence(RATE - 100)


def test_a_frame_sent_late_lies_where_it_was_due(call: Recorded) -> None:
    call.at(0.0, PlaybackStarted(0), AgentAudioSent(samples(0, FRAME)))
    call.at(0.5, AgentAudioSent(samples(FRAME, FRAME)))
    assert call.close(0.5).right == samples(0, 2 * FRAME) + silence(8000 - 2 * FRAME)


def test_audio_at_another_rate_lies_on_the_left_at_the_recordings(call: Recorded) -> None:
    call.at(0.0, InputStarted(0), UserAudioSent(samples(0, 4000), rate=8000))
    call.at(0.5, UserAudioSent(samples(4000, 4000), rate=8000))
    user = call.close(1.0).manifest["audio"]["user"]
    assert (user["samples"], user["laid"]) == (8000, RATE)


def test_what_a_resampling_filter_held_back_begins_at_the_place_told(call: Recorded) -> None:
    loud = array("h", [20_000] * 80).tobytes()
    call.at(0.01, UserAudioSent(loud, rate=8000))
    call.at(0.02, UserAudioSent(loud, rate=8000), InputStarted(320))
    call.at(0.03, *[UserAudioSent(loud, rate=8000)] * 20)
    recording = call.close(0.5)
    left = array("h", recording.left)
    assert recording.manifest["audio"]["user"]["displaced"] == 0
    assert [max(map(abs, left[:320])) == 0, min(left[320 + 200 : 320 + 3000]) > 19_000] == [True, True]


def test_an_announced_rate_holds_for_audio_that_declares_none(call: Recorded) -> None:
    call.at(0.0, RatesAnnounced(None, 8000), UserAudioSent(samples(0, 8000)), InputStarted(0))
    assert call.close(1.0).manifest["audio"]["user"]["laid"] == RATE


def test_no_sample_at_another_rate_is_lost_before_a_gap(call: Recorded) -> None:
    call.at(0.0, UserAudioSent(samples(0, 800), rate=8000), InputStarted(0))
    call.at(1.0, InputGapped(1600, 14_400, open=True))
    call.at(1.5, UserAudioSent(samples(0, 800), rate=8000), InputGapped(1600, 22_400, open=False))
    user = call.close(2.0).manifest["audio"]["user"]
    assert (user["laid"], user["displaced"]) == (3200, 0)


def test_an_odd_byte_is_no_sample(call: Recorded) -> None:
    call.at(0.0, UserAudioSent(samples(0, 4) + b"x"), InputStarted(0))
    assert call.close(0.0).left == samples(0, 4)


# --- how long -----------------------------------------------------------------------------------------


@BOTH
def test_a_call_lasts_to_its_close(tmp_path: Path, role: Role) -> None:
    call = Recorded(tmp_path, role)
    call.at(2.5, HUNG_UP)
    recording = call.close(9.0)
    assert recording.manifest["length"] == {"samples": 40_000, "seconds": 2.5}
    assert len(recording.left) == len(recording.right) == 80_000


def test_what_still_sounds_after_the_close_belongs_to_the_call(caller: Recorded) -> None:
    caller.at(0.0, AgentAudioSent(samples(0, 2 * RATE)), PlaybackStarted(0))
    caller.at(1.0, HUNG_UP)
    assert caller.close(1.0).right == samples(0, 2 * RATE)


def test_what_was_sent_faster_than_it_sounds_belongs_to_the_call(call: Recorded) -> None:
    call.at(0.0, UserAudioSent(samples(0, 2 * RATE)), InputStarted(0))
    assert call.close(0.1).left == samples(0, 2 * RATE)


def test_a_long_silence_is_in_the_file(call: Recorded) -> None:
    call.at(300.0, HUNG_UP)
    assert call.close(300.0).manifest["length"]["seconds"] == 300.0


# --- while it goes on ---------------------------------------------------------------------------------


def test_the_files_can_be_read_while_the_call_goes_on(call: Recorded) -> None:
    for number in range(50):
        sent = UserAudioSent(samples(number * FRAME, FRAME))
        call.at(number * 0.02, sent, *([InputStarted(0)] if number == 0 else []))
    recording = Recording.open(call.directory)
    assert not recording.complete
    assert len(recording.left) >= 2 * (49 * FRAME - RATE // 10)
    assert samples(0, RATE).startswith(recording.left)
    call.close(1.0)


def test_what_has_not_sounded_is_not_in_the_file_yet(caller: Recorded) -> None:
    caller.at(0.0, AgentAudioSent(samples(0, RATE)), PlaybackStarted(0))
    caller.settle(0.25)
    assert Recording.open(caller.directory).right == samples(0, 4000)
    caller.close(0.25)


def test_closing_twice_changes_nothing(call: Recorded) -> None:
    call.at(1.0, HUNG_UP)
    before = call.close(1.0)
    call.at(2.0, UserAudioSent(samples(0, FRAME)))
    assert call.close(5.0) == before


# --- the manifest -------------------------------------------------------------------------------------


def test_the_manifest_says_what_the_recording_is_of(tmp_path: Path) -> None:
    facts = CallFacts("echo", "s-1", "2026-01-02T03:04:05Z", 7, "media", {"voice": "F1"}, {"python": "3.12"})
    call = Recorded(tmp_path, facts=facts)
    call.at(1.0, SettingSent("prompt", "be kind"), SessionEnded("closed"), Closed(1000, "bye", "provider"))
    manifest = call.close(1.0).manifest
    assert manifest["provider"]["verified"] == "documented, not verified live"
    assert {
        name: manifest[name]
        for name in ("agent", "session_id", "started", "seed", "clock", "settings", "role")
    } == {
        "agent": "echo",
        "session_id": "s-1",
        "started": "2026-01-02T03:04:05Z",
        "seed": 7,
        "clock": "media",
        "settings": {"voice": "F1"},
        "role": "provider",
    }
    assert manifest["sent_settings"] == {"prompt": "be kind"}
    assert manifest["closed"] == {"code": 1000, "reason": "bye", "by": "provider", "t": 1000, "pos": RATE}
    assert manifest["session_ended"] == {"cause": "closed", "reason": ""}


def test_what_is_learnt_in_the_call_stands_in_the_manifest(call: Recorded) -> None:
    call.recorder.learn(agent="tone:440", secrets=("opensesame",), settings={"note": "opensesame"})
    call.at(0.0, SessionStarted("s-9"))
    manifest = call.close(1.0).manifest
    assert (manifest["agent"], manifest["settings"], manifest["session_id"]) == (
        "tone:440", {"note": "***"}, "s-9",
    )  # fmt: skip


def test_the_digests_are_those_of_the_files(call: Recorded) -> None:
    call.at(0.0, UserAudioSent(samples(0, 99)), InputStarted(0), PlaybackStarted(5))
    call.at(0.0, AgentAudioSent(samples(7, 9)), SessionStarted("s-3"))
    recording = call.close(1.0)
    stereo = (call.directory / "call.wav").read_bytes()[44:]
    assert recording.manifest["digests"] == {
        "call.wav": f"sha256:{hashlib.sha256(stereo).hexdigest()}",
        "agent-wire.wav": f"sha256:{hashlib.sha256(samples(7, 9)).hexdigest()}",
        "timeline.jsonl": f"sha256:{recording.timeline.sha256}",
    }


def test_a_turn_has_the_time_its_answer_took(call: Recorded) -> None:
    call.at(0.0, TurnStarted(1, 1000, 1960))
    call.at(1.5, TurnEnded(1, 1000, 17_000, 25_000, 1.0, "silence"))
    call.at(1.8, PlaybackStarted(29_000), AgentAudioSent(samples(0, FRAME)))
    call.at(2.2, PlaybackStarted(35_000), AgentAudioSent(samples(0, FRAME)))
    assert call.close(2.5).manifest["turns"] == [
        {
            "turn": 1,
            "start": 1000,
            "end": 17_000,
            "seconds": 1.0,
            "why": "silence",
            "reply": {"position": 29_000, "latency": 0.75},
        }
    ]


def test_at_the_callers_end_too_a_turn_has_the_time_its_answer_took(caller: Recorded) -> None:
    caller.at(1.0, TurnStarted(1, 0, 0), TurnEnded(1, 0, 16_000, 16_000, 1.0, "silence"))
    caller.at(1.5, AgentAudioSent(samples(0, FRAME)), PlaybackStarted(24_000))
    assert caller.close(2.0).manifest["turns"][0]["reply"] == {"position": 24_000, "latency": 0.5}


def test_an_answer_that_never_sounded_is_none(call: Recorded) -> None:
    call.at(1.0, TurnEnded(1, 0, 8000, 16_000, 0.5, "silence"))
    call.at(1.0, PlaybackStarted(17_000), AgentAudioSent(samples(0, FRAME)), PlaybackFlushed(17_000, FRAME))
    assert call.close(2.0).manifest["turns"][0]["reply"] is None


def test_a_barge_in_has_its_figures(call: Recorded) -> None:
    call.at(1.0, BargedIn(2, 10_000, 13_000, 4000, 320, 0.25, 0.1875))
    assert call.close(1.0).manifest["barge_ins"] == [
        {
            "generation": 2,
            "onset": 10_000,
            "position": 13_000,
            "stop": 0.1875,
            "after": 0.25,
            "heard": 4000,
            "dropped": 320,
        }
    ]


def test_findings_and_losses_are_counted(call: Recorded) -> None:
    findings = [FindingMade(code, "rule", "page", "seen") for code in ("F-B", "F-A", "F-B")]
    call.at(0.5, *findings, MicrophoneDropped(10), MicrophoneDropped(5), PlaybackUnderran(3, 7))
    manifest = call.close(1.0).manifest
    assert manifest["findings"] == {"F-A": 1, "F-B": 2}
    assert manifest["audio"]["user"]["microphone_dropped"] == 15
    assert manifest["audio"]["agent"]["underrun_samples"] == 7


def test_a_gap_open_at_the_close_is_finished(call: Recorded) -> None:
    call.at(0.0, UserAudioSent(samples(0, FRAME)), InputStarted(0))
    call.at(1.0, InputGapped(FRAME, RATE - FRAME, open=True))
    call.at(2.0, HUNG_UP)
    recording = call.close(3.0)
    gapped = [line.fields for line in recording.timeline.lines if line.type == "input_gapped"]
    assert gapped[-1] == {"position": FRAME, "samples": 2 * RATE - FRAME, "open": False}
    assert recording.manifest["audio"]["user"]["gap_samples"] == 2 * RATE - FRAME


def test_a_gap_that_ends_with_a_new_start_has_its_length(call: Recorded) -> None:
    call.at(1.0, InputGapped(0, RATE, open=True))
    call.at(2.0, UserAudioSent(samples(0, FRAME)), InputStarted(2 * RATE))
    assert call.close(2.1).manifest["audio"]["user"]["gap_samples"] == 2 * RATE


def test_a_turn_open_at_the_close_is_finished(call: Recorded) -> None:
    call.at(0.0, UserAudioSent(samples(0, RATE)), InputStarted(0), TurnStarted(1, 4000, 4960))
    call.at(1.5, HUNG_UP)
    recording = call.close(1.5)
    assert recording.timeline.lines[-1].type == "turn_ended"
    turn = recording.manifest["turns"][0]
    assert (turn["start"], turn["end"], turn["why"]) == (4000, RATE, "hang_up")


def test_a_turn_that_was_none_is_not_finished(call: Recorded) -> None:
    call.at(0.5, TurnStarted(1, 0, 960), TurnDiscarded(0, 1000, 0.06))
    assert call.close(1.0).manifest["turns"] == []


# --- the timeline -------------------------------------------------------------------------------------


def test_a_moment_stands_in_milliseconds_and_as_a_position(call: Recorded) -> None:
    call.at(1.2346, SessionStarted("s"))
    line = call.close(2.0).timeline.lines[-1]
    assert (line.t, line.pos) == (1235, 19_754)


def test_what_is_remarked_before_the_opening_stands_at_the_beginning(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, PROVIDER, Role.PROVIDER)
    for event, now in ((FindingMade("F-A", "", "", ""), T0 - 3), (Opened(), T0), (HUNG_UP, T0 + 1)):
        recorder.saw(event, now)
    recorder.close(T0 + 1)
    assert [line.t for line in Recording.open(tmp_path).timeline.lines] == [0, 0, 1000]


def test_a_microphone_is_seen_only_as_what_is_sent(caller: Recorded) -> None:
    caller.at(0.5, MicrophoneCaptured(samples(0, FRAME)))
    assert [line.type for line in caller.close(1.0).timeline.lines] == ["opened"]


def test_no_secret_stands_in_any_file(tmp_path: Path) -> None:
    facts = CallFacts(settings={"url": "ws://x/?t=ticket-1234"}, secrets=("ticket-1234",))
    call = Recorded(tmp_path, facts=facts)
    call.at(0.0, TokenPresented("token-5678"), SettingSent("prompt", "say token-5678 and ticket-1234"))
    call.at(1.0, Closed(1008, "ticket-1234 was used", "provider"))
    call.close(1.0)
    text = call.text()
    assert ("ticket-1234" in text, "token-5678" in text) == (False, False)


# --- what cannot be written ---------------------------------------------------------------------------


def filled_up(act: Callable[[], object], size: int) -> object:
    """What ``act`` answers while no file may grow past ``size`` bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        return act()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_remarked_once_and_the_call_goes_on(call: Recorded) -> None:
    def talk() -> list[object]:
        return [
            note for number in range(100) for note in call.at(number * 0.02, UserAudioSent(samples(0, FRAME)))
        ]

    notes = filled_up(talk, 20_000)
    assert notes == [RecordingFailed(str(call.recorder.failure))]
    assert "call.wav: File too large" in str(call.recorder.failure)


def test_a_full_disk_leaves_files_that_can_be_read(call: Recorded) -> None:
    def talk() -> None:
        for number in range(100):
            call.at(number * 0.02, UserAudioSent(samples(number * FRAME, FRAME)))

    filled_up(talk, 20_000)
    call.recorder.close(T0 + 2.0)
    recording = Recording.open(call.directory)
    assert "File too large" in recording.manifest["failure"]
    assert not recording.complete
    assert len(recording.left) > 0


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"cannot create .*nowhere/call\.wav: No such file"):
        Recorder(tmp_path / "nowhere", PROVIDER, Role.PROVIDER)


def test_a_recording_is_not_written_over(call: Recorded) -> None:
    with pytest.raises(RecordingError, match=r"cannot create .*call\.wav: File exists"):
        Recorder(call.directory, PROVIDER, Role.PROVIDER)
    call.close(0.0)


def test_a_failure_after_the_last_event_is_kept(call: Recorded) -> None:
    filled_up(lambda: call.recorder.close(T0 + 1.0), 100)
    assert "stopped: cannot write" in str(call.recorder.failure)


# --- reading back -------------------------------------------------------------------------------------


def test_a_directory_without_a_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"give the directory that holds manifest\.json"):
        Recording.open(tmp_path)


def test_a_file_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(RecordingError, match=r"x is no recording"):
        Recording.open(tmp_path / "x")


@pytest.mark.parametrize(
    ("text", "says"), [("{", "is no JSON"), ("[]", "holds no JSON object"), ("{}", "schema None is not")]
)
def test_a_broken_manifest_is_named(call: Recorded, text: str, says: str) -> None:
    call.close(0.0)
    (call.directory / "manifest.json").write_text(text)
    with pytest.raises(RecordingError, match=rf"manifest\.json:? {says}"):
        Recording.open(call.directory)


def test_a_call_file_of_one_channel_is_refused(call: Recorded) -> None:
    call.close(0.0)
    (call.directory / "agent-wire.wav").replace(call.directory / "call.wav")
    with pytest.raises(RecordingError, match=r"call\.wav has 1 channels where a recording has 2"):
        Recording.open(call.directory)
