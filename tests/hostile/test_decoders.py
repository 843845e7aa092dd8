"""Every reader of what strangers send, with whatever hypothesis thinks of; ``make fuzz`` does it for long."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.hostile.decoders import READERS, Reader
from tests.wire.vocabulary import json_values

WORDS = ["type", "audio", "data", "token", "agentId", "sampleRate", "rates", "prompt", "interrupt", "stop"]
half_known = st.dictionaries(st.sampled_from(WORDS), json_values | st.sampled_from(WORDS), max_size=6)
spelled = half_known.map(lambda said: json.dumps(said).encode("utf-8", "surrogatepass"))
anything = st.binary(max_size=400) | spelled | json_values.map(lambda value: json.dumps(value).encode())


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(kind=st.binary(min_size=1, max_size=1), messages=st.lists(anything, max_size=3))
@example(kind=b"\0", messages=[b"[" * 5000])
@example(kind=b"\0", messages=[b'{"type":' + b"9" * 5000 + b"}"])
@example(kind=b"\0", messages=[b'{"agentId":"\\ud800","type":"\\ud800","token":"\\ud800"}'])
def test_whatever_comes_is_read_or_refused(read: Reader, kind: bytes, messages: list[bytes]) -> None:
    read(kind + b"\n\n".join(messages))
    read(b"".join(messages))
