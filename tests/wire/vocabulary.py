"""Events of every kind, to be spelled by every provider, and every setting that may change how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from voxemu import events
from voxemu.events import (
    AgentAudioSent,
    AgentReadied,
    Downlink,
    ErrorReported,
    Event,
    Interrupted,
    InterruptSent,
    ListeningStarted,
    RatesAnnounced,
    RatesDeclared,
    SessionEnded,
    SessionStarted,
    SettingConfirmed,
    SettingSent,
    SpeakingStarted,
    StopSent,
    ThinkingSoundSent,
    ThinkingStarted,
    ThinkingStopped,
    TokenPresented,
    ToolCalled,
    ToolResultSent,
    Transcribed,
    Uplink,
    UserAudioSent,
    Viseme,
    VisemesSent,
)
from voxemu.provider import Provider

words = st.text(max_size=60)
ids = st.text(min_size=1, max_size=20).filter(str.strip)
pcm = st.binary(min_size=1, max_size=64).map(lambda half: half + half)
rates = st.sampled_from([8000, 16_000, 24_000, 44_100, 48_000])
generations = st.integers(0, 10**6)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
settings_sent = st.one_of(
    st.builds(SettingSent, st.sampled_from(["prompt", "voice", "language"]), words),
    st.builds(SettingSent, st.just("visemes"), st.booleans()),
    st.builds(SettingSent, st.just("tools"), st.lists(st.dictionaries(words, json_values), max_size=3)),
    st.builds(SettingSent, st.just("max_context_messages"), json_values),
)
visemes = st.builds(Viseme, st.integers(0, 30), words, st.floats(0, 100))

STRATEGIES: dict[type[Event], st.SearchStrategy[Event]] = {
    UserAudioSent: st.builds(UserAudioSent, pcm, st.none() | rates),
    TokenPresented: st.builds(TokenPresented, ids),
    SettingSent: settings_sent,
    RatesAnnounced: st.builds(RatesAnnounced, st.none() | rates, st.none() | rates),
    ToolResultSent: st.builds(ToolResultSent, ids, json_values),
    InterruptSent: st.just(InterruptSent()),
    StopSent: st.just(StopSent()),
    SessionStarted: st.builds(SessionStarted, ids),
    AgentReadied: st.just(AgentReadied()),
    RatesDeclared: st.builds(RatesDeclared, rates, rates),
    SettingConfirmed: st.builds(SettingConfirmed, st.sampled_from(["prompt", "voice"])),
    ListeningStarted: st.builds(ListeningStarted, st.sampled_from(["speech", "waiting", ""])),
    ThinkingStarted: st.builds(ThinkingStarted, generations),
    ThinkingStopped: st.just(ThinkingStopped()),
    SpeakingStarted: st.builds(SpeakingStarted, generations),
    Interrupted: st.just(Interrupted()),
    Transcribed: st.builds(Transcribed, st.sampled_from(["user", "agent"]), words, st.booleans()),
    AgentAudioSent: st.builds(AgentAudioSent, pcm, generations),
    ThinkingSoundSent: st.builds(ThinkingSoundSent, pcm, rates),
    VisemesSent: st.builds(VisemesSent, st.lists(visemes, max_size=4).map(tuple), generations),
    ToolCalled: st.builds(ToolCalled, words, words, ids),
    ErrorReported: st.builds(ErrorReported, words, st.sampled_from(["", "INVALID_MESSAGE", "stt"])),
    SessionEnded: st.builds(SessionEnded, st.sampled_from(["agent_left", "closed", "shutdown"]), words),
}

EXAMPLES: dict[type[Event], list[Event]] = {
    UserAudioSent: [UserAudioSent(b"\1\0\2\0"), UserAudioSent(b"\1\0", 16_000)],
    TokenPresented: [TokenPresented("t")],
    SettingSent: [SettingSent("prompt", "Be brief."), SettingSent("max_context_messages", 4)],
    RatesAnnounced: [RatesAnnounced(44_100, 16_000)],
    ToolResultSent: [ToolResultSent("c", "blue")],
    InterruptSent: [InterruptSent()],
    StopSent: [StopSent()],
    SessionStarted: [SessionStarted("s")],
    AgentReadied: [AgentReadied()],
    RatesDeclared: [RatesDeclared(44_100, 16_000)],
    SettingConfirmed: [SettingConfirmed("prompt"), SettingConfirmed("voice")],
    ListeningStarted: [ListeningStarted("speech"), ListeningStarted("waiting")],
    ThinkingStarted: [ThinkingStarted(1)],
    ThinkingStopped: [ThinkingStopped()],
    SpeakingStarted: [SpeakingStarted(1)],
    Interrupted: [Interrupted()],
    Transcribed: [Transcribed("user", "Hello"), Transcribed("agent", "Hi.")],
    AgentAudioSent: [AgentAudioSent(b"\1\0\2\0", 1)],
    ThinkingSoundSent: [ThinkingSoundSent(b"\1\0", 24_000)],
    VisemesSent: [VisemesSent((Viseme(1, "a", 0.25),), 1)],
    ToolCalled: [ToolCalled("weather", "{}", "c")],
    ErrorReported: [ErrorReported("no"), ErrorReported("no", "INVALID_MESSAGE")],
    SessionEnded: [SessionEnded("agent_left"), SessionEnded("closed"), SessionEnded("shutdown")],
}


def kinds(family: type[Event]) -> set[type[Event]]:
    """Every class of Uplink or Downlink events."""
    found = (one for one in vars(events).values() if isinstance(one, type))
    return {one for one in found if issubclass(one, family) and one is not family}


def direction(kind: type[Event]) -> type[Event]:
    return Uplink if issubclass(kind, Uplink) else Downlink


def variants(provider: Provider) -> Iterable[Any]:
    """The provider's settings: the defaults, and each choice of each of them in turn."""
    kind = provider.settings_type
    hints = get_type_hints(kind)
    yield kind()
    for field in fields(kind):
        hint = hints[field.name]
        choices = get_args(hint) if get_origin(hint) is Literal else (False, True) if hint is bool else ()
        for choice in choices:
            if choice != field.default:
                yield kind(**{field.name: choice})
