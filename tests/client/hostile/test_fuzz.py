"""The user's end is given anything by its server, at any time: it answers, records, and never breaks."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.client.hostile.calls import KEY, brief
from tests.wire.vocabulary import STRATEGIES, kinds
from voxemu.engine import Tapped
from voxemu.events import AgentAudioSent, Closed, Downlink, Event, Opened, Unrecognised
from voxemu.lint import PeerLinter
from voxemu.provider import Message, Provider, Role, Target
from voxemu.record import CallFacts, Recorder, Recording
from voxemu.record.masking import Mask
from voxemu.wire import ON_SOCKETS
from voxemu_client.caller import Caller

providers = pytest.mark.parametrize("provider", ON_SOCKETS.values(), ids=list(ON_SOCKETS))

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
WORDS = ["audio", "status", "transcript", "error", "thinking", "clear", "session_started", "connected"]
WORDS += ["agent_ready", "session_ended", "visemes", "tool_call", "server_rates", "thinking_audio"]
FIELDS = ["data", "audio", "sampleRate", "role", "text", "reason", "code", "message", "generation", "status"]
half_known = st.fixed_dictionaries(
    {"type": st.sampled_from(WORDS) | values}, optional=dict.fromkeys(FIELDS, values)
).map(json.dumps)
strange = st.text(st.characters(exclude_categories=())) | st.binary(max_size=2000) | half_known
frames = st.integers(1, 3000).map(lambda count: AgentAudioSent(b"\x00\x20" * count))
honest = frames | st.sampled_from(sorted(kinds(Downlink), key=str)).flatmap(STRATEGIES.__getitem__)
steps = st.lists(st.tuples(st.floats(0, 3), honest | strange), max_size=30)


def decoded(provider: Provider, said: Event | Message) -> list[Event]:
    """What the client's codec makes of it; an event is spelled first as the provider would."""
    codec = provider.codec(Role.CALLER, provider.settings_type(), Random(1))
    if isinstance(said, str | bytes):
        return codec.decode(said)
    own = provider.codec(Role.PROVIDER, provider.settings_type(), Random(1))
    return [event for message in own.encode(said) for event in codec.decode(message)]


@providers
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps, barge_in=st.none() | st.floats(0, 1))
def test_whatever_a_server_says_and_when_the_call_is_held_and_recorded(
    provider: Provider, steps: list[tuple[float, Event | Message]], barge_in: float | None
) -> None:
    script = brief(provider, barge_in=barge_in, patience=1.0, ready_patience=0.5, longest=5.0)
    caller = Caller(provider, Target("ws://emulator"), script)
    mask = Mask([KEY])
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder), provider, Role.CALLER, CallFacts(secrets=(KEY,)))
        engine = Tapped(caller, [PeerLinter(provider, hides=mask.hides), recorder])
        now = 0.0
        engine.receive(Opened(), now)
        for wait, said in steps:
            until = now + wait
            while (due := engine.deadline) is not None and due <= until:
                now = max(now, due)
                engine.advance(now)
            now = until
            for event in decoded(provider, said):
                engine.receive(event, now)
        engine.receive(Closed(1006, "", "line"), now)
        recorder.close(now)
        assert recorder.failure is None
        recording = Recording.open(Path(folder))
        counted = recording.manifest["audio"]["agent"]
        assert counted["received"] == counted["heard"] + counted["dropped"]
        assert recording.manifest["complete"]


@providers
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(said=strange)
def test_what_is_read_can_be_written_down(provider: Provider, said: Message) -> None:
    for event in decoded(provider, said):
        if isinstance(event, Unrecognised):
            assert len(event.text) < 500
        json.dumps(Mask().plain(event), allow_nan=False).encode()


BOMBS = {
    "nested arrays": lambda size: "[" * size,
    "nested objects": lambda size: '{"type":' * size,
    "nested, and closed": lambda size: '{"type":"error","data":' + "[" * size + "]" * size + "}",
    "empty arrays": lambda size: '{"type":"visemes","data":[' + "[]," * size + "[]]}",
    "digits": lambda size: '{"type":"visemes","data":[{"t":' + "9" * size + "}]}",
    "digits behind a point": lambda size: (
        '{"type":"visemes","data":[{"v":1,"c":"a","t":0.' + "9" * size + "}]}"
    ),
    "an exponent": lambda size: '{"type":"visemes","data":[{"v":1,"c":"a","t":1e' + "9" * size + "}]}",
    "one key many times": lambda size: "{" + '"type":"error",' * size + '"data":"x"}',
    "escapes": lambda size: '{"type":"error","data":"' + "\\u0041" * size + '"}',
    "half surrogates": lambda size: '{"type":"error","data":"' + "\\ud83d" * size + '"}',
    "words like secrets": lambda size: '{"type":"error","data":"' + "token" * size + '"}',
    "blanks": lambda size: " " * size + "{}",
}


@providers
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_message_that_is_made_to_be_expensive_is_read_and_written_like_any_other(
    bomb: object, provider: Provider
) -> None:
    """Of a megabyte; the work is what such a message costs, and not its square."""
    assert callable(bomb)
    one = len(bomb(1000)) - len(bomb(0))
    for event in decoded(provider, bomb(1_000_000 * 1000 // one)):
        assert len(json.dumps(Mask([KEY]).plain(event))) < 2_000_000
