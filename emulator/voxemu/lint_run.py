"""One run of ``emu lint``: the rules of the linter on recordings, what is printed, the exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from voxemu import events
from voxemu.audio import SAMPLE_BYTES, resample
from voxemu.errors import RecordingError, UnknownName
from voxemu.events import (
    AgentAudioSent,
    Event,
    FindingMade,
    Interrupted,
    PlaybackFlushed,
    SpeakingStarted,
    ThinkingStarted,
    UserAudioSent,
    named,
)
from voxemu.lint import NOT_ON_MEDIA, Linter, finding
from voxemu.record.recording import Recording
from voxemu.record.timeline import Line
from voxemu.wire import provider_named

CLEAN, FOUND = 0, 1
LATE = 0.5
# Seconds after an interruption in which what comes is the old reply's.
CLASSES: Mapping[str, type[Event]] = {
    named(kind): kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
}


def run(options: Mapping[str, Any]) -> int:
    """Raises RecordingError, UsageError."""
    found = {path: findings(Recording.open(Path(path))) for path in options["paths"]}
    if options["as_json"]:
        told = {path: [asdict(each) for each in made] for path, made in found.items()}
        sys.stdout.write(json.dumps({"findings": told}) + "\n")
    else:
        for path, made in found.items():
            sys.stdout.write("".join(lines(path, made)))
    return FOUND if options["fail_on"] == "finding" and any(found.values()) else CLEAN


def lines(path: str, found: Sequence[FindingMade]) -> Iterator[str]:
    if not found:
        yield f"{path}: nothing found\n"
    for each in found:
        yield f"{path}: {each.code}: {each.seen} ({each.rule} {each.page})\n"


def findings(recording: Recording) -> list[FindingMade]:
    """What the linter finds in this call, and what was found of it beside the linter when it was made."""
    try:
        provider = provider_named(recording.manifest["provider"]["id"])
    except (KeyError, TypeError, UnknownName) as error:
        raise RecordingError(f"{recording.path}: whose protocol is this? {error}") from error
    told = list(told_in(recording))
    without = NOT_ON_MEDIA if recording.manifest.get("clock") == "media" else ()
    linter = Linter(provider, _input_rate(recording), without)
    made = [note for now, event in told for note in linter.saw(event, now) if isinstance(note, FindingMade)]
    if recording.timeline.header.get("role") == "caller":
        made += _unflushed(told, provider.id)
    codes = {each.code for each in made}
    beside = [event for _, event in told if isinstance(event, FindingMade) and event.code not in codes]
    return [*made, *beside]


def told_in(recording: Recording) -> Iterator[tuple[float, Event]]:
    """The events of a timeline, each with its time in seconds; those of a newer vocabulary are left out."""
    audio = _UserAudio(recording)
    for line in recording.timeline.lines:
        kind = CLASSES.get(line.type)
        if kind is UserAudioSent:
            rate = line.fields.get("rate")
            yield line.t / 1000, UserAudioSent(audio.take(line.fields["samples"], rate), rate)
        elif kind is AgentAudioSent:
            yield line.t / 1000, AgentAudioSent(bytes(line.fields["samples"] * SAMPLE_BYTES))
        elif kind is not None and (event := _event(kind, line)) is not None:
            yield line.t / 1000, event


def _event(kind: type[Event], line: Line) -> Event | None:
    names = kind.__struct_fields__
    if "pcm" in names or not line.fields.keys() >= set(names):
        return None
    return kind(**{name: line.fields[name] for name in names})


class _UserAudio:
    """The user's samples as they were sent: the left channel without its gaps."""

    def __init__(self, recording: Recording) -> None:
        self._rate = recording.format.rate
        self._input = _input_rate(recording) or self._rate
        self._pcm = b"".join(_sent(recording.left, recording.timeline.lines))
        self._at = 0.0

    def take(self, samples: int, rate: int | None) -> bytes:
        """So many of the next ones, at the rate that they were sent at."""
        sent = rate or self._input
        start, self._at = round(self._at), self._at + samples * self._rate / sent
        pcm = self._pcm[start * SAMPLE_BYTES : round(self._at) * SAMPLE_BYTES]
        if sent != self._rate:
            pcm = resample(pcm, self._rate, sent)
        return pcm[: samples * SAMPLE_BYTES].ljust(samples * SAMPLE_BYTES, b"\0")


def _sent(left: bytes, told: Iterable[Line]) -> Iterator[bytes]:
    """Stretches of the left channel that are not gaps."""
    at = 0
    for line in told:
        if line.type == "input_started":
            at = max(at, line.fields["position"]) if at == 0 else at
        elif line.type == "input_gapped" and not line.fields["open"]:
            start = line.fields["position"]
            yield left[at * SAMPLE_BYTES : start * SAMPLE_BYTES]
            at = start + line.fields["samples"]
    yield left[at * SAMPLE_BYTES :]


def _input_rate(recording: Recording) -> int | None:
    rate = recording.manifest.get("input_rate")
    return rate if isinstance(rate, int) else None


def _unflushed(told: Iterable[tuple[float, Event]], provider: str) -> list[FindingMade]:
    """At the caller's end: agent audio that came after an interruption and sounded all the same."""
    cut: float | None = None
    waiting = sounded = 0
    for now, event in told:
        match event:
            case Interrupted():
                cut, waiting = now, 0
            case ThinkingStarted() | SpeakingStarted():
                cut = None
            case AgentAudioSent(pcm=pcm) if cut is not None and now - cut < LATE:
                waiting += len(pcm) // SAMPLE_BYTES
            case PlaybackFlushed() if cut is not None:
                waiting = 0
            case _ if waiting and (cut is None or now - cut >= LATE):
                sounded, waiting = sounded + waiting, 0
    if not sounded + waiting:
        return []
    seen = f"{sounded + waiting} samples of the old reply sounded after the interruption"
    return [finding("F-NOT-FLUSHED", seen, provider)]
