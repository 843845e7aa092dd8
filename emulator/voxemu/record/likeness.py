"""Whether two recordings are of the same conversation, with tolerances: for live calls.

Both channels are cut into what sounds in them, sounds are paired in order and aligned before they are
compared. A late start is told once, where it comes from: what follows later by as much is no difference, nor
is what lies where it lay.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from voxemu.record.differences import Difference, first_cause_first
from voxemu.record.golden import setup
from voxemu.record.recording import Recording
from voxemu.record.storyline import Happening, story_of
from voxemu.record.timeline import Line
from voxemu.record.waveforms import Sound, alike, sounds_in

NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Tolerances:
    onset: float = 0.04
    # Seconds by which something may start earlier or later, measured from what came before it.
    level_db: float = 1.0
    drop: float = 0.1
    # Seconds by which a barge-in may cut the agent earlier or later, and a sound may be shorter or longer.
    likeness: float = 0.9
    # The least normalised cross-correlation of the same sound.
    number: float = 0.05
    # By which a figure in a transcript may differ: seconds of speech.


@dataclass(frozen=True, slots=True)
class _Pair:
    name: str
    channel: int
    old: Sound
    new: Sound


def compare_closely(
    first: Recording, second: Recording, tolerances: Tolerances | None = None
) -> list[Difference]:
    """What differs in ``second`` beyond the tolerances, first cause first."""
    tolerances = tolerances or Tolerances()
    found = list(setup(first, second))
    if first.format == second.format:
        found += _sounds(first, second, tolerances)
        found += _messages(first, second, tolerances)
        found += _barge_ins(first, second, tolerances)
    return first_cause_first(found)


# --- what sounds ----------------------------------------------------------------------------------------


def _sounds(first: Recording, second: Recording, tolerances: Tolerances) -> Iterator[Difference]:
    pairs: list[_Pair] = []
    for channel, (name, was, now) in enumerate(_channels(first, second)):
        old, new = sounds_in(was, first.format), sounds_in(now, first.format)
        pairs += [
            _Pair(f"{name} {number}", channel, *both)
            for number, both in enumerate(zip(old, new, strict=False), start=1)
        ]
        yield from _unpaired(name, old, new, first.format.rate)
    yield from _compared(first, second, sorted(pairs, key=lambda pair: pair.old.start), tolerances)


def _channels(first: Recording, second: Recording) -> list[tuple[str, bytes, bytes]]:
    return [("the user's turn", first.left, second.left), ("reply", first.right, second.right)]


def _unpaired(name: str, old: list[Sound], new: list[Sound], rate: int) -> Iterator[Difference]:
    both = min(len(old), len(new))
    for number, sound in enumerate(old[both:], start=both + 1):
        at = sound.start / rate
        yield Difference("missing", f"{name} {number} is missing (was at {at:.2f} s)", at, f"{name} {number}")
    for number, sound in enumerate(new[both:], start=both + 1):
        at = sound.start / rate
        yield Difference("new", f"{name} {number} is new (at {at:.2f} s)", at, f"{name} {number}")


def _compared(
    first: Recording, second: Recording, pairs: Sequence[_Pair], tolerances: Tolerances
) -> Iterator[Difference]:
    axis = first.format
    channels = _channels(first, second)
    shift = 0.0
    # Seconds by which the last pair's second sound lies later.
    for pair in pairs:
        _, was, now = channels[pair.channel]
        found = alike(was, pair.old, now, pair.new, axis)
        at = axis.seconds(pair.old.start)
        here = axis.seconds(pair.new.start + found.shift - pair.old.start)
        if min(abs(here - shift), abs(here)) > tolerances.onset:
            yield Difference("moved", _moved(pair, here - shift, at, here), at, pair.name)
        shift = here
        grown = axis.seconds((pair.new.end - pair.new.start) - (pair.old.end - pair.old.start))
        if abs(grown) > tolerances.drop:
            text = f"{pair.name} is {abs(grown) * 1000:.0f} ms {'longer' if grown > 0 else 'shorter'}"
            yield Difference("length", text, axis.seconds(pair.old.end), pair.name)
        if found.likeness < tolerances.likeness:
            text = f"{pair.name} sounds different (likeness {found.likeness:.2f}), from {at:.2f} s on"
            yield Difference("audio", text, at, pair.name)
        elif abs(found.level_db) > tolerances.level_db:
            louder = "louder" if found.level_db > 0 else "quieter"
            text = f"{pair.name} is {abs(found.level_db):.1f} dB {louder}"
            yield Difference("level", text, at, pair.name)


def _moved(pair: _Pair, by: float, was: float, shift: float) -> str:
    later = "later" if by > 0 else "earlier"
    return f"{pair.name} starts {abs(by) * 1000:.0f} ms {later} ({was + shift:.2f} s, was {was:.2f} s)"


# --- what was said ---------------------------------------------------------------------------------------


def _messages(first: Recording, second: Recording, tolerances: Tolerances) -> Iterator[Difference]:
    """Each direction by itself: how messages of both lie between one another is the network's matter."""
    for way in ("up", "down"):
        was, now = (_said(recording, way) for recording in (first, second))
        before, after = ([each.key for each in story] for story in (was, now))
        for tag, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
            if tag == "equal":
                for old, new in zip(was[i:j], now[k:m], strict=True):
                    text, other = str(old.fields.get("text", "")), str(new.fields.get("text", ""))
                    if not _same_words(text, other, tolerances.number):
                        said = f"{new.label} says {other!r}, was {text!r}"
                        yield Difference("changed", said, old.pos / first.format.rate, new.label)
                continue
            for old in was[i:j]:
                at = old.pos / first.format.rate
                yield Difference("missing", f"{old.label} is missing (was at {at:.2f} s)", at, old.label)
            for new in now[k:m]:
                at = new.pos / first.format.rate
                yield Difference("new", f"{new.label} is new (at {at:.2f} s)", at, new.label)


def _said(recording: Recording, way: str) -> list[Happening]:
    return story_of([line for line in recording.timeline.lines if line.dir == way]).happenings


def _same_words(one: str, other: str, tolerance: float) -> bool:
    if NUMBER.sub("#", one) != NUMBER.sub("#", other):
        return False
    figures = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return all(abs(float(a) - float(b)) <= tolerance + 1e-9 for a, b in figures)


def _barge_ins(first: Recording, second: Recording, tolerances: Tolerances) -> Iterator[Difference]:
    was, now = (_barged(recording) for recording in (first, second))
    rate = first.format.rate
    for number in range(max(len(was), len(now))):
        name = f"barge-in {number + 1}"
        if number >= len(now):
            at = was[number].pos / rate
            yield Difference("missing", f"{name} did not happen (was at {at:.2f} s)", at, name)
        elif number >= len(was):
            at = now[number].pos / rate
            yield Difference("new", f"{name} is new (at {at:.2f} s)", at, name)
        else:
            by = now[number].fields["after"] - was[number].fields["after"]
            if abs(by) > tolerances.drop:
                later = "later" if by > 0 else "earlier"
                text = f"{name} stops the agent {abs(by) * 1000:.0f} ms {later} in its reply"
                yield Difference("moved", text, was[number].pos / rate, name)


def _barged(recording: Recording) -> list[Line]:
    return [line for line in recording.timeline.lines if line.type == "barged_in"]
