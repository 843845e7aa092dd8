"""What every provider's codec does, whichever protocol it speaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.wire.vocabulary import EXAMPLES, STRATEGIES, direction, json_values, kinds, variants, words
from tests.wire.written import ALL, CANONICAL, MALFORMED, READABLE, Sample, samples_of
from voxemu.dialogue.settings import DialogueSettings
from voxemu.errors import LocalProtocolError
from voxemu.events import (
    AgentAudioSent,
    Closed,
    Congested,
    Downlink,
    Event,
    InputStarted,
    Opened,
    ThinkingSoundSent,
    Unrecognised,
    Uplink,
    UserAudioSent,
)
from voxemu.provider import Codec, Message, Provider, Role
from voxemu.wire import PROVIDERS

every_provider = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS.keys())
every_role = pytest.mark.parametrize("role", Role, ids=lambda role: role.value)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SENDER: dict[type[Event], Role] = {Uplink: Role.CALLER, Downlink: Role.PROVIDER}
OTHER = {Role.CALLER: Role.PROVIDER, Role.PROVIDER: Role.CALLER}
PROBLEMS = {
    "not_json",
    "not_object",
    "unknown_type",
    "bad_field",
    "not_base64",
    "odd_bytes",
    "empty_audio",
    "binary_frame",
    "text_frame",
    "wrong_rate",
}


def codec(provider: Provider, role: Role, chosen: Any = None) -> Codec:
    return provider.codec(role, provider.settings_type() if chosen is None else chosen, Random(7))


def spelling(provider: Provider, event: Event) -> Iterator[tuple[Any, list[Message]]]:
    """How each variant of the settings spells this event."""
    for chosen in variants(provider):
        yield chosen, codec(provider, SENDER[direction(type(event))], chosen).encode(event)


# --- sample messages -----------------------------------------------------------------------------------


@every_provider
def test_a_provider_brings_sample_messages(provider: Provider) -> None:
    assert samples_of(provider)


def test_a_provider_without_sample_messages_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="lokutor"):
        samples_of(PROVIDERS["lokutor"], tmp_path)


@every_provider
def test_every_word_of_a_protocol_has_a_sample(provider: Provider) -> None:
    sampled = {type(event) for one in READABLE if one.provider is provider for event in one.events}
    assert provider.spells == sampled


@pytest.mark.parametrize("sample", ALL, ids=str)
def test_a_sample_says_what_it_expects_and_where_it_is_from(sample: Sample) -> None:
    assert ("events" in sample.spec) != ("problem" in sample.spec)
    assert sample.spec["source"] in ("page", "client", "choice")


@pytest.mark.parametrize("sample", READABLE, ids=str)
def test_a_sample_reads_as_stated(sample: Sample) -> None:
    assert sample.events == sample.reader().decode(sample.message)


@pytest.mark.parametrize("sample", CANONICAL, ids=str)
def test_a_canonical_sample_is_written_back_as_it_came(sample: Sample) -> None:
    writer = sample.writer()
    assert [sample.message] == [message for event in sample.events for message in writer.encode(event)]


@pytest.mark.parametrize("sample", MALFORMED, ids=str)
def test_a_malformed_sample_is_unrecognised_for_its_own_reason(sample: Sample) -> None:
    (event,) = sample.reader().decode(sample.message)
    assert isinstance(event, Unrecognised)
    assert sample.spec["problem"] == event.problem
    assert event.text


# --- spelling ------------------------------------------------------------------------------------------


def test_the_vocabulary_of_these_tests_is_whole() -> None:
    assert kinds(Uplink) | kinds(Downlink) == STRATEGIES.keys() == EXAMPLES.keys()


@every_provider
def test_spells_is_what_the_codec_has_words_for(provider: Provider) -> None:
    spelled = {
        kind
        for kind, examples in EXAMPLES.items()
        if any(messages for event in examples for _, messages in spelling(provider, event))
    }
    assert provider.spells == spelled


@every_provider
@quick
@given(event=st.one_of(*STRATEGIES.values()))
def test_what_is_written_reads_as_the_same_kind_and_is_written_again_the_same(
    provider: Provider, event: Event
) -> None:
    role = SENDER[direction(type(event))]
    for chosen, messages in spelling(provider, event):
        reader = codec(provider, OTHER[role], chosen)
        if isinstance(event, UserAudioSent) and getattr(chosen, "wrong_rate", "") == "refuse":
            continue  # Written to be refused.
        read = [found for message in messages for found in reader.decode(message)]
        assert [type(event)] * len(messages) == [type(found) for found in read]
        writer = codec(provider, role, chosen)
        assert messages == [message for found in read for message in writer.encode(found)]


@every_provider
@pytest.mark.parametrize("kind", [UserAudioSent, AgentAudioSent])
@quick
@given(pcm=st.binary(min_size=1, max_size=400).map(lambda half: half + half))
def test_audio_arrives_to_the_bit(provider: Provider, kind: Any, pcm: bytes) -> None:
    for chosen, messages in spelling(provider, kind(pcm)):
        reader = codec(provider, OTHER[SENDER[direction(kind)]], chosen)
        assert [pcm] == [found.pcm for m in messages for found in reader.decode(m)]  # type: ignore[attr-defined]


@every_provider
def test_whoever_writes_what_the_other_end_should_is_told_so(provider: Provider) -> None:
    for kind, examples in EXAMPLES.items():
        wrong_end = codec(provider, OTHER[SENDER[direction(kind)]])
        with pytest.raises(LocalProtocolError, match=kind.__name__):
            wrong_end.encode(examples[0])


@every_provider
@every_role
def test_what_is_no_message_is_not_sent(provider: Provider, role: Role) -> None:
    quiet = [Opened(), Closed(1000), Congested(), InputStarted(0), Unrecognised("not_json", "no")]
    assert [[]] * len(quiet) == [codec(provider, role).encode(event) for event in quiet]


@every_provider
@pytest.mark.parametrize("pcm", [b"", b"abc"], ids=["empty", "odd"])
def test_audio_that_is_no_whole_samples_is_not_sent(provider: Provider, pcm: bytes) -> None:
    for event in (UserAudioSent(b"\0\0"), AgentAudioSent(b"\0\0"), ThinkingSoundSent(b"\0\0", 24_000)):
        for chosen, messages in spelling(provider, event):
            writer = codec(provider, SENDER[direction(type(event))], chosen)
            if messages:
                with pytest.raises(LocalProtocolError, match="bytes of audio"):
                    writer.encode(replace(event, pcm=pcm))


# --- reading what strangers send -----------------------------------------------------------------------

TYPES = [str(one.spec.get("json", {}).get("type")) for one in ALL]
FIELDS = sorted({name for one in ALL for name in one.spec.get("json", {})} - {"type"})
half_known = st.fixed_dictionaries(
    {"type": json_values | st.sampled_from(TYPES)}, optional=dict.fromkeys(FIELDS, json_values)
)
anything = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=())),
    st.binary(max_size=200),
    json_values.map(json.dumps),
    half_known.map(json.dumps),
)


def assert_sound(provider: Provider, role: Role, events: list[Event]) -> None:
    """Everything read is from the other end, or unrecognised for a reason; it can all be written down."""
    theirs = Uplink if role is Role.PROVIDER else Downlink
    for event in events:
        if isinstance(event, Unrecognised):
            assert event.problem in PROBLEMS
            json.dumps([event.text, event.excerpt], ensure_ascii=False).encode()
            assert event.excerpt.isprintable()
            assert len(event.excerpt) <= 800
        else:
            assert isinstance(event, theirs)
            assert type(event) in provider.spells
            codec(provider, OTHER[role]).encode(event)


@every_provider
@every_role
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(message=anything)
def test_no_message_makes_a_codec_raise(provider: Provider, role: Role, message: Message) -> None:
    for chosen in variants(provider):
        assert_sound(provider, role, codec(provider, role, chosen).decode(message))


@every_provider
@quick
@given(which=st.integers(0, 10_000), name=words, value=json_values)
def test_a_sample_with_one_field_changed_never_makes_a_codec_raise(
    provider: Provider, which: int, name: str, value: Any
) -> None:
    ours = [one for one in READABLE if one.provider is provider and "json" in one.spec]
    sample = ours[which % len(ours)]
    role = Role.PROVIDER if sample.spec["direction"] == "uplink" else Role.CALLER
    for field in [*sample.spec["json"], name]:
        changed = json.dumps(sample.spec["json"] | {field: value})
        assert_sound(provider, role, sample.reader().decode(changed))


HOSTILE = {
    "nested beyond the parser": "[" * 200_000,
    "nested beyond the parser, in an object": '{"type":' * 100_000,
    "long digits": '{"type":' + "9" * 10_000 + "}",
    "digits that are just not too many": '{"type":"audio","sampleRate":' + "9" * 4300 + "}",
    "a raw lone surrogate": '{"type":"\ud800"}',
    "an escaped lone surrogate in a key": '{"type":"prompt","data":"x","\\udfff":1}',
    "control characters": '{"type":"\x00\x1b[2J"}',
    "a byte order mark": '\ufeff{"type":"stop"}',
    "a type that is an object": '{"type":{}}',
    "a type that is an array": '{"type":[]}',
    "a megabyte of one word": '{"type":"' + "a" * 1_000_000 + '"}',
    "a wide array": '{"type":"tools","data":[' + "[]," * 50_000 + "[]]}",
    "keys by the thousand": json.dumps({str(n): {} for n in range(5000)}),
}


@every_provider
@every_role
@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_json_is_unrecognised(provider: Provider, role: Role, message: str) -> None:
    events = codec(provider, role).decode(message)
    assert [Unrecognised] == [type(event) for event in events]
    assert_sound(provider, role, events)


@every_provider
@every_role
def test_no_depth_of_nesting_makes_a_codec_raise(provider: Provider, role: Role) -> None:
    for depth in [*range(1, 80), *range(900, 1100, 3)]:
        for name in ("data", "type", "token", "audio"):
            nested = "[" * depth + "]" * depth
            given = f'{{"{name}":{nested}}}' if name == "type" else f'{{"type":"tools","{name}":{nested}}}'
            assert_sound(provider, role, codec(provider, role).decode(given))


@every_provider
@every_role
def test_a_message_of_a_later_version_is_unrecognised_by_its_type(provider: Provider, role: Role) -> None:
    reader = codec(provider, role)
    (event,) = reader.decode('{"type":"telepathy","data":1}')
    assert isinstance(event, Unrecognised)
    if not (provider.id == "workbuddy" and role is Role.PROVIDER):  # Text there is a token or nothing.
        assert (event.problem, event.text) == ("unknown_type", "unknown message type 'telepathy'")


# --- the provider's figures ----------------------------------------------------------------------------

DIALOGUE_CLOSES = {"agent_left", "closed", "shutdown", "limit", "bad_messages"}


@every_provider
def test_every_end_of_a_session_has_a_close_code(provider: Provider) -> None:
    assert provider.close_codes.keys() >= DIALOGUE_CLOSES


@every_provider
def test_the_dialogue_takes_the_providers_defaults(provider: Provider) -> None:
    DialogueSettings(**provider.dialogue_defaults)


@every_provider
def test_a_provider_says_that_it_was_never_seen_live(provider: Provider) -> None:
    assert provider.unverified == "documented, not verified live"
