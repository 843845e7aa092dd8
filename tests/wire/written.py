"""Sample messages, and events written as JSON.

``samples/<provider>/*.json`` are lists of samples, each with ``name``, ``direction`` (uplink, downlink) and
``source`` (page, client, choice: where the form comes from); the message as ``json``, ``text`` or ``binary``
(base64); and either the ``events`` it reads to or the ``problem`` that makes it unrecognised. Optional:
``settings`` of the provider, messages that came ``after`` which it comes, ``canonical: false`` where we would
write it differently, and a ``note``.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from voxemu import events
from voxemu.events import Event, Viseme
from voxemu.provider import Codec, Message, Provider, Role
from voxemu.wire import PROVIDERS

SAMPLES = Path(__file__).parent / "samples"
ROLES = {"uplink": (Role.CALLER, Role.PROVIDER), "downlink": (Role.PROVIDER, Role.CALLER)}
# Who writes and who reads.


@dataclass(frozen=True)
class Sample:
    provider: Provider
    spec: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.provider.id} {self.spec['direction']}: {self.spec['name']}"

    @property
    def message(self) -> Message:
        return written_message(self.spec)

    @property
    def events(self) -> list[Event]:
        return [written_event(event) for event in self.spec["events"]]

    def writer(self) -> Codec:
        return self._codec(ROLES[self.spec["direction"]][0])

    def reader(self) -> Codec:
        """The codec that is to read it, having read what came before."""
        codec = self._codec(ROLES[self.spec["direction"]][1])
        for earlier in self.spec.get("after", []):
            codec.decode(written_message(earlier))
        return codec

    def _codec(self, role: Role) -> Codec:
        settings = self.provider.settings_type(**self.spec.get("settings", {}))
        return self.provider.codec(role, settings, Random(7))


def written_message(spec: dict[str, Any]) -> Message:
    if "json" in spec:
        return json.dumps(spec["json"], separators=(",", ":"))
    return base64.b64decode(spec["binary"]) if "binary" in spec else str(spec["text"])


def written_event(spec: dict[str, Any]) -> Event:
    kind: type[Event] = getattr(events, spec["event"])
    given = {name: spec[name] for name in kind.__struct_fields__ if name in spec}
    assert len(given) == len(spec) - 1, f"{spec} has fields that {kind.__name__} lacks"
    if "pcm" in given:
        given["pcm"] = base64.b64decode(given["pcm"])
    if "visemes" in given:
        given["visemes"] = tuple(Viseme(*viseme) for viseme in given["visemes"])
    return kind(**given)


def samples_of(provider: Provider, folder: Path = SAMPLES) -> list[Sample]:
    """Raises FileNotFoundError for a provider without samples: a new protocol comes with a folder of them."""
    files = sorted((folder / provider.id).glob("*.json"))
    if not files:
        raise FileNotFoundError(f"no sample messages in {folder / provider.id}")
    return [Sample(provider, spec) for file in files for spec in json.loads(file.read_text("utf-8"))]


ALL = [sample for provider in PROVIDERS.values() for sample in samples_of(provider)]
READABLE = [sample for sample in ALL if "events" in sample.spec]
MALFORMED = [sample for sample in ALL if "problem" in sample.spec]
CANONICAL = [sample for sample in READABLE if sample.spec.get("canonical", True)]
