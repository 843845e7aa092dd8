"""Every fault of a call, on every provider that can have it: our client survives, a wrong one is found.

In virtual time: two engines, no socket. Faults of the start are in test_start.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, make_dataclass
from random import Random
from typing import Any

import pytest

from tests.client.calls import LOKUTOR, LYZR, WORKBUDDY, Played, clip, play
from tests.spoiler import clients
from tests.spoiler.clients import Broke, Slope
from voxemu.events import (
    AgentAudioSent,
    Closed,
    FaultInjected,
    Interrupted,
    PlaybackUnderran,
    SessionStarted,
    SpeakingStarted,
    Transcribed,
)
from voxemu.fault import KINDS
from voxemu.provider import Provider, Role
from voxemu.spoiler import SpoiledCodec, supports
from voxemu.wire import PROVIDERS as ALL
from voxemu_client.caller import Caller

LIVEKIT = ALL["lyzr-livekit"]
# Of a room, the messages of its port; what goes wrong in live rooms is in tests/server/test_room_faults.
PROVIDERS = (LYZR, WORKBUDDY, LOKUTOR, LIVEKIT)

# As small as it shows; what is not here is as its kind has it by itself.
FAULTS: Mapping[str, dict[str, Any]] = {
    "delay": {"ms": 1500},
    "duplicate": {"after_frames": 3},
    "reorder": {"after_frames": 3},
    "drop": {"after_frames": 3, "times": 3},
    "truncate": {"after_frames": 3},
    "corrupt": {"after_frames": 3},
    "odd_length": {"after_frames": 3},
    "burst": {"ms": 1500},
    "late_audio": {"ms": 300},
    "unknown_message": {"on": "speaking_started"},
    "error": {"on": "speaking_started"},
    "close": {"on": "speaking_started", "code": 4242},
    "half_open": {"on": "speaking_started", "ms": 80_000},
    "agent_leaves": {"on": "speaking_started"},
    "token_expired": {"on": "speaking_started"},
    "slow_consumer": {"on": "turn_started", "ms": 200, "times": 10},
}
ENDS = ("close", "half_open", "agent_leaves", "token_expired")
IN_CALLS = [kind for kind, facts in KINDS.items() if facts.family != "start"]
CASES = [
    pytest.param(provider, kind, id=f"{provider.id}-{kind}")
    for provider in PROVIDERS
    for kind in IN_CALLS
    if supports(provider, kind)
]


def table(kind: str) -> dict[str, Any]:
    return {"kind": kind, **FAULTS.get(kind, {})}


def called(
    provider: Provider, *faults: Mapping[str, Any], client: type[Caller] = Caller, **how: Any
) -> Played:
    """A turn, an interruption of its answer, and a third turn."""
    clips = [clip(provider, seconds) for seconds in (1.0, 0.8, 0.6)]
    how = {"agent": "tone:440:2", "barge_in": 0.5, "limit": 90.0, **how}
    return play(provider, clips, faults=faults, client=client, **how)


def answered(call: Played) -> list[bool]:
    return [turn.reply is not None for turn in call.caller.account.turns]


@pytest.mark.parametrize(("provider", "kind"), CASES)
def test_our_client_survives(provider: Provider, kind: str) -> None:
    call = called(provider, table(kind))
    assert kind in {note.kind for note in call.service.all(FaultInjected)}
    assert call.end.caller is not None
    if kind not in ENDS:
        assert (call.end.caller.by, answered(call)[-1]) == ("caller", True)


@pytest.mark.parametrize("provider", PROVIDERS[:3], ids=lambda each: each.id)
def test_our_client_survives_an_error_that_ends_the_call(provider: Provider) -> None:
    call = called(provider, {"kind": "error", "on": "speaking_started", "fatal": True, "code": 1011})
    assert call.end.provider is not None
    assert (call.end.provider.code, call.end.provider.by) == (1011, "provider")
    assert call.end.caller is not None


def test_a_client_that_knows_no_such_close_is_found() -> None:
    fault = {"kind": "error", "on": "speaking_started", "fatal": True, "code": 1011}
    assert "breaks" in found(Wrong(clients.NamesCloses, "breaks"), fault)


@pytest.mark.parametrize("fault", [{"kind": "jitter"}, {"kind": "corrupt"}, {"kind": "drop", "chance": 0.2}])
def test_the_same_dice_give_the_same_call(fault: dict[str, Any]) -> None:
    first, second = (called(LOKUTOR, {**fault, "times": 0}) for _ in range(2))
    assert first.user.events == second.user.events


# --- and a wrong one is found --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wrong:
    client: type[Caller]
    found: str
    # How: it breaks, it hangs, it does not hear its answer, it plays what it should not, or it clicks.
    agent: Any = "tone:440:2"
    provider: Provider = LYZR


WRONG: Mapping[str, Wrong] = {
    "delay": Wrong(clients.HasNoTime, "unanswered"),
    "jitter": Wrong(clients.Unbuffered, "clicks"),
    "duplicate": Wrong(clients.Foresees, "breaks", Slope()),
    "reorder": Wrong(clients.Foresees, "breaks", Slope()),
    "drop": Wrong(clients.Foresees, "breaks", Slope()),
    "truncate": Wrong(clients.KnowsItsFrames, "breaks"),
    "corrupt": Wrong(clients.Louder, "breaks"),
    "odd_length": Wrong(clients.KnowsEveryType, "breaks"),
    "wrong_rate": Wrong(clients.KnowsItsFrames, "breaks"),
    "clipping": Wrong(clients.Louder, "breaks"),
    "burst": Wrong(clients.HasASmallBuffer, "breaks"),
    "late_audio": Wrong(clients.PlaysLateAudio, "plays"),
    "missing_interrupted": Wrong(clients.WaitsForInterrupted, "unanswered", provider=LOKUTOR),
    "doubled_interrupted": Wrong(clients.MutesInTurns, "unanswered", provider=LOKUTOR),
    "doubled_speaking": Wrong(clients.SpeaksOnce, "breaks", provider=LOKUTOR),
    "doubled_transcript": Wrong(clients.TakesLinesOnce, "breaks"),
    "endless_interim": Wrong(clients.WaitsForFinals, "unanswered"),
    "unknown_message": Wrong(clients.KnowsEveryType, "breaks"),
    "error": Wrong(clients.GivesUpOnErrors, "breaks"),
    "token_expired": Wrong(clients.NamesCloses, "breaks"),
    "close": Wrong(clients.NamesCloses, "breaks"),
    "half_open": Wrong(clients.HasAllTime, "hangs"),
    "agent_leaves": Wrong(clients.StaysOn, "breaks", provider=WORKBUDDY),
    "slow_consumer": Wrong(clients.HasNoTime, "unanswered"),
}


def found(wrong: Wrong, *faults: Mapping[str, Any]) -> set[str]:
    """What is wrong with this client's call."""
    try:
        call = called(wrong.provider, *faults, client=wrong.client, agent=wrong.agent)
    except Broke:
        return {"breaks"}
    problems = {
        "hangs": call.end.seconds > 60,
        "unanswered": not all(answered(call)) or len(answered(call)) < 3,
        "plays": heard_after_interruption(call) > 0,
        "clicks": bool(call.user.all(PlaybackUnderran)),
    }
    return {name for name, seen in problems.items() if seen}


def heard_after_interruption(call: Played) -> int:
    """Agent samples that sounded although they came within half a second of the interruption."""
    times = call.user.when(Interrupted)
    if not times:
        return 0
    audio = [(t, len(e.pcm) // 2) for t, e in call.user.events if isinstance(e, AgentAudioSent)]
    late = sum(samples for t, samples in audio if times[0] < t < times[0] + 0.5)
    return late - call.caller.playback.late


def test_there_is_a_wrong_client_for_every_fault_of_a_call() -> None:
    assert set(IN_CALLS) - {"extra_fields"} == set(WRONG)


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_client_is_found(kind: str) -> None:
    assert WRONG[kind].found in found(WRONG[kind], table(kind))


@pytest.mark.parametrize("kind", [kind for kind in WRONG if kind not in ("agent_leaves", "half_open")])
def test_the_wrong_client_does_well_as_long_as_nothing_goes_wrong(kind: str) -> None:
    assert WRONG[kind].found not in found(WRONG[kind])


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda each: each.id)
def test_fields_that_no_page_names_break_a_reader_of_exact_messages(provider: Provider) -> None:
    plain_codec = provider.codec(Role.PROVIDER, provider.settings_type(), Random(0))
    codec = SpoiledCodec(plain_codec, provider.media)
    said = SpeakingStarted() if provider.media == "room" else SessionStarted("s")
    plain = codec.encode(said)
    codec.encode(FaultInjected("extra_fields"))
    spoiled = codec.encode(said)
    reader = provider.codec(Role.CALLER, provider.settings_type(), Random(0))
    assert [reader.decode(each) for each in plain] == [reader.decode(each) for each in spoiled]
    message = make_dataclass("Message", json.loads(plain[0]))
    message(**json.loads(plain[0]))
    with pytest.raises(TypeError, match="unexpected keyword argument 'emu_extra'"):
        message(**json.loads(spoiled[0]))


# --- what goes on the wire ------------------------------------------------------------------------------


def test_late_audio_comes_after_the_interruption_and_is_the_old_replys() -> None:
    call = called(LOKUTOR, {"kind": "late_audio", "ms": 300, "after_ms": 40})
    (at,) = call.user.when(Interrupted)
    late = [t for t in call.user.when(AgentAudioSent) if at < t < at + 0.3]
    assert late
    assert min(late) == pytest.approx(at + 0.04)


def test_an_interruption_that_is_not_told_is_in_no_message() -> None:
    assert called(LYZR, {"kind": "missing_interrupted"}).user.all(Interrupted) == []


def test_a_doubled_interruption_is_told_twice() -> None:
    assert len(called(LYZR, {"kind": "doubled_interrupted"}).user.all(Interrupted)) == 2


def test_a_reply_that_begins_twice_says_so_twice() -> None:
    call = called(LOKUTOR, {"kind": "doubled_speaking"})
    assert len(call.user.all(SpeakingStarted)) == 4


def test_transcripts_that_never_end_stay_interim() -> None:
    call = called(LYZR, {"kind": "endless_interim"})
    assert {line.final for line in call.user.all(Transcribed)} == {False}


@pytest.mark.parametrize(("code", "seen"), [(1011, 1011), (4242, 4242), (1005, 1005), (1006, 1006)])
def test_a_close_has_any_code(code: int, seen: int) -> None:
    call = called(LYZR, {"kind": "close", "code": code, "at": 2.0})
    assert call.user.only(Closed).code == seen
    assert call.user.when(Closed) == [pytest.approx(2.0)]


def test_a_burst_is_held_back_and_comes_at_once() -> None:
    call = called(LYZR, {"kind": "burst", "ms": 400})
    at = call.user.when(AgentAudioSent)
    together = [t for t in at if t == at[0]]
    assert len(together) >= 20


def test_a_fault_may_strike_in_the_second_reply_alone() -> None:
    call = called(LYZR, {"kind": "drop", "in_reply": 2, "after_frames": 1, "times": 2})
    (one, two) = call.service.when(FaultInjected)
    begins = call.service.when(SpeakingStarted)
    assert begins[1] < one < two < begins[2]


def test_a_fault_may_strike_at_a_sample() -> None:
    call = called(LYZR, {"kind": "drop", "at_sample": 4800})
    (at,) = call.service.when(FaultInjected)
    assert at == pytest.approx(call.service.when(SpeakingStarted)[0] + 0.2)


def test_a_fault_may_wait_for_the_second_event_of_a_name() -> None:
    call = called(LYZR, {"kind": "error", "on": "turn_ended", "nth": 2})
    assert call.user.all(Transcribed)
    assert len(call.caller.account.errors) == 1


def test_dice_spare_some() -> None:
    call = called(LYZR, {"kind": "drop", "times": 0, "chance": 0.3})
    dropped = len(call.service.all(FaultInjected))
    assert 0 < dropped < len(call.service.all(AgentAudioSent))


def test_a_fault_that_a_provider_cannot_have_says_so_and_does_nothing() -> None:
    call = called(WORKBUDDY, {"kind": "missing_interrupted"})
    assert [n.detail for n in call.service.all(FaultInjected)] == [
        "workbuddy cannot have it; nothing was done"
    ]
