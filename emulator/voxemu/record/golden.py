"""Whether a call is to the sample what its golden recording says, and if not, what came first.

Both timelines are told as stories and laid side by side, then both channels of ``call.wav`` are compared
sample for sample. ``likeness`` is the comparison with tolerances.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from voxemu.audio import mix
from voxemu.errors import RecordingError
from voxemu.provider import Role
from voxemu.record.differences import Difference, first_cause_first
from voxemu.record.folder import CALL, MANIFEST, TIMELINE, read_json
from voxemu.record.recording import Recording
from voxemu.record.storyline import POSITIONS, TELLING, Happening, Story, Stretch, story_of
from voxemu.record.waveforms import Parting, parting

SHOWN = 160
# Characters of a value.


def compare_exactly(golden: Recording, fresh: Recording) -> list[Difference]:
    """What differs in ``fresh``, first cause first; [] for two recordings of the same call."""
    found = [*disagreements(golden), *setup(golden, fresh)]
    if golden.format == fresh.format:
        events = list(_events(golden, fresh))
        if not events:
            events = list(_raw_lines(golden, fresh))
        found += [*events, *_audio(golden, fresh)]
    return first_cause_first(found)


def disagreements(recording: Recording) -> Iterator[Difference]:
    """Where the files are not those that the recording's own manifest was written for."""
    said = recording.manifest.get("digests", {})
    if not recording.complete and not recording.recovered:
        text = "the recording is not complete, by its own manifest; `emu recover` finishes it"
        yield Difference("manifest", text, None, "manifest.json")
        return
    samples = hashlib.sha256(mix(recording.left, recording.right)).hexdigest()
    for name, digest in ((CALL, samples), (TIMELINE, recording.timeline.sha256)):
        if said.get(name) != f"sha256:{digest}":
            text = f"{name} was changed: it does not agree with the digest in its own manifest"
            yield Difference("manifest", text, None, name)


def is_kept_by_a_test(folder: Path) -> bool:
    """Whether this golden is the provider's end of a call, as the fixture ``emu_golden`` keeps it.

    Nothing but that test can make the call again; the goldens of scenarios are the caller's end.
    """
    try:
        return read_json(folder / MANIFEST).get("role") == Role.PROVIDER.value
    except RecordingError:
        return False


def setup(golden: Recording, fresh: Recording) -> Iterator[Difference]:
    """Other calls than were meant to be compared."""
    for name in ("provider", "role", "rate"):
        was, now = golden.timeline.header.get(name), fresh.timeline.header.get(name)
        if was != now:
            yield Difference("setup", f"the {name} is {now}, was {was}", None, name)


# --- events ---------------------------------------------------------------------------------------------


def _events(golden: Recording, fresh: Recording) -> Iterator[Difference]:
    was, now = story_of(golden.timeline.lines), story_of(fresh.timeline.lines)
    rate = golden.format.rate
    moves = _Moves(rate)
    before, after = ([each.key for each in story.happenings] for story in (was, now))
    for tag, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            for old, new in zip(was.happenings[i:j], now.happenings[k:m], strict=True):
                moves.saw(old, new)
                yield from _changes(old, new, rate)
            continue
        yield from _gone(was.happenings[i:j], rate)
        yield from _come(now.happenings[k:m], rate)
    yield from moves.told()
    yield from _stretches(was, now, rate)


def _gone(happenings: list[Happening], rate: int) -> Iterator[Difference]:
    for each in happenings:
        text = f"{each.label} is missing{_content(each)} (was at {each.pos / rate:.2f} s)"
        yield Difference("missing", text, each.pos / rate, each.label)


def _come(happenings: list[Happening], rate: int) -> Iterator[Difference]:
    for each in happenings:
        text = f"{each.label} is new{_content(each)} (at {each.pos / rate:.2f} s)"
        yield Difference("new", text, each.pos / rate, each.label)


def _content(each: Happening) -> str:
    said = each.fields.get("text") or each.fields.get("message") or each.fields.get("reason")
    return f": {_shown(said)}" if said else ""


def _changes(old: Happening, new: Happening, rate: int) -> Iterator[Difference]:
    shift = new.pos - old.pos
    for name in dict.fromkeys([*old.fields, *new.fields]):
        was, now = old.fields.get(name), new.fields.get(name)
        if was == now or (name in POSITIONS and was is not None and now == was + shift):
            continue
        words = "says" if name == "text" else f"has {name}"
        text = f"{new.label} {words} {_shown(now)}, was {_shown(was)}"
        yield Difference("changed", text, old.pos / rate, new.label)


def _shown(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


class _Moves:
    """What comes at another time; what follows by as much is told with it."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._groups: list[tuple[int, Happening, Happening, list[Happening]]] = []
        self._shift = 0

    def saw(self, old: Happening, new: Happening) -> None:
        shift = new.pos - old.pos
        if shift and shift == self._shift:
            self._groups[-1][3].append(new)
        elif shift:
            self._groups.append((shift, old, new, []))
        self._shift = shift

    def told(self) -> Iterator[Difference]:
        for shift, old, new, rest in self._groups:
            later = "later" if shift > 0 else "earlier"
            place = f"{new.pos / self._rate:.2f} s, was {old.pos / self._rate:.2f} s"
            text = f"{new.label} {new.verb} {_milliseconds(abs(shift) / self._rate)} {later} ({place})"
            yield Difference("moved", text + _followers(rest), old.pos / self._rate, new.label)


def _followers(rest: list[Happening]) -> str:
    if not rest:
        return ""
    telling = [each.label for each in rest if each.type in TELLING][:3]
    more = len(rest) - len(telling)
    also = ", ".join(telling)
    if more:
        also += (" and " if also else "") + f"{more} {'more' if telling else 'that follow'}"
    return f"; so {'does' if len(rest) == 1 else 'do'} {also}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 else f"{seconds * 1000:.3f} ms"


def _stretches(was: Story, now: Story, rate: int) -> Iterator[Difference]:
    """Audio messages, reply by reply."""
    starts = [each.pos / rate for each in was.happenings if each.type == "playback_started"]
    names = [f"reply {number}" for number in range(1, 1 + max(len(was.replies), len(now.replies)))]
    for at, (name, old, new) in enumerate(zip_longest(names, was.replies, now.replies, fillvalue=None)):
        if old is not None and new is not None and old != new:
            yield _stretch(str(name), old, new, starts[at] if at < len(starts) else 0.0, rate)
    if was.user != now.user:
        # Mostly how long the call lasted, so it stands at its end.
        yield _stretch("the user's audio", was.user, now.user, was.over / rate, rate)


def _stretch(name: str, old: Stretch, new: Stretch, at: float, rate: int) -> Difference:
    gained = (new.samples - old.samples) / rate
    counts = f"{new.messages} audio messages, were {old.messages}"
    if not gained:
        return Difference("changed", f"{name} comes in {counts}", at, name)
    longer = "longer" if gained > 0 else "shorter"
    return Difference("length", f"{name} is {_milliseconds(abs(gained))} {longer}: {counts}", at, name)


def _raw_lines(golden: Recording, fresh: Recording) -> Iterator[Difference]:
    """The first line that differs, where the stories do not."""
    if golden.timeline.sha256 == fresh.timeline.sha256:
        return
    for number, (was, now) in enumerate(
        zip_longest(golden.timeline.lines, fresh.timeline.lines, fillvalue=None), start=2
    ):
        if was != now:
            at = (was or now).pos / golden.format.rate if (was or now) else None  # type: ignore[union-attr]
            text = f"{TIMELINE} line {number} is {_shown(now)}, was {_shown(was)}"
            yield Difference("changed", text, at, f"line {number}")
            return
    yield Difference("changed", f"{TIMELINE} is spelled differently", None, TIMELINE)


# --- audio ----------------------------------------------------------------------------------------------


def _audio(golden: Recording, fresh: Recording) -> Iterator[Difference]:
    for name, was, now in (
        ("user audio", golden.left, fresh.left),
        ("agent audio", golden.right, fresh.right),
    ):
        found = parting(was, now)
        if found is not None:
            yield _parted(name, found, golden.format.rate)


def _parted(name: str, found: Parting, rate: int) -> Difference:
    at = found.first / rate
    if found.count == 0:
        longer = "longer" if found.gained > 0 else "shorter"
        text = f"{name} is {_milliseconds(abs(found.gained) / rate)} {longer}, from {at:.2f} s on"
    elif found.count == 1 and not found.gained:
        text = f"{name} differs at {at:.4f} s, in one sample ({found.now}, was {found.was})"
    else:
        text = f"{name} differs from {at:.2f} s on ({found.count} samples, by up to {found.most} of 32768)"
    return Difference("audio", text, at, name)
