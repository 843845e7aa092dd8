"""A timeline as a story: what happened besides audio going back and forth, in words and numbered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from voxemu.record.timeline import Line

AUDIO = ("user_audio_sent", "agent_audio_sent", "thinking_sound_sent")
POSITIONS = ("position", "start", "end", "confirmed", "onset")
# Fields that move with the event.
OTHER_EVERY_TIME = ("session_id",)

_WORDS = {
    "playback_started": ("reply", "starts"),
    "turn_started": ("the user's turn", "starts"),
    "turn_ended": ("the user's turn", "ends"),
    "barged_in": ("barge-in", "stops the agent"),
    "playback_flushed": ("drop", "comes"),
    "playback_underran": ("underrun", "comes"),
    "opened": ("the opening", "comes"),
    "closed": ("the close", "comes"),
}
_ALONE = ("opened", "closed")
TELLING = ("playback_started", "turn_started", "barged_in", "closed")
# What people look for first.


@dataclass(frozen=True, slots=True)
class Happening:
    type: str
    label: str
    # ``reply 2``, ``transcript 3 (agent)``
    verb: str
    pos: int
    fields: dict[str, Any]

    @property
    def key(self) -> tuple[object, ...]:
        """What it is, however many came before it: stories are laid side by side by this."""
        return (self.type, self.fields.get("speaker"), self.fields.get("final"))


@dataclass(slots=True)
class Stretch:
    """Audio messages that belong together, and their samples."""

    messages: int = 0
    samples: int = 0


@dataclass(slots=True)
class Story:
    happenings: list[Happening] = field(default_factory=list)
    replies: list[Stretch] = field(default_factory=list)
    user: Stretch = field(default_factory=Stretch)

    @property
    def over(self) -> int:
        """The last position of the call."""
        return self.happenings[-1].pos if self.happenings else 0


def story_of(lines: Sequence[Line]) -> Story:
    story, counts = Story(), Counter[str]()
    dry = False
    # The loudspeaker waits for more of the same reply.
    heard: Line | None = None
    # The last agent audio. At the caller's end a reply's start is told right after its first message.
    for line in lines:
        if line.type == "user_audio_sent":
            _count(story.user, line)
        elif line.type == "agent_audio_sent":
            _count_reply(story, heard)
            heard = line
        if line.type in AUDIO:
            continue
        goes_on = dry and line.type == "playback_started"
        dry = line.type == "playback_underran"
        if goes_on:
            continue
        if line.type == "playback_started":
            if heard is not None and heard.t != line.t:
                _count_reply(story, heard)
                heard = None
            story.replies.append(Stretch())
        story.happenings.append(_happening(line, counts))
    _count_reply(story, heard)
    return story


def _count(stretch: Stretch, line: Line) -> None:
    stretch.messages += 1
    stretch.samples += int(line.fields.get("samples", 0))


def _count_reply(story: Story, line: Line | None) -> None:
    if line is not None:
        if not story.replies:
            story.replies.append(Stretch())
        _count(story.replies[-1], line)


def _happening(line: Line, counts: Counter[str]) -> Happening:
    fields = {name: value for name, value in line.fields.items() if name not in OTHER_EVERY_TIME}
    label, verb = _named(line, counts)
    pos = fields.get("position", line.pos) if line.dir == "note" else line.pos
    return Happening(line.type, label, verb, pos, fields)


def _named(line: Line, counts: Counter[str]) -> tuple[str, str]:
    kind = line.type
    if kind == "transcribed":
        name = "transcript" if line.fields.get("final") else "interim transcript"
        counts[name] += 1
        return f"{name} {counts[name]} ({line.fields.get('speaker')})", "comes"
    counts[kind] += 1
    noun, verb = _WORDS.get(kind, (f"“{kind.replace('_', ' ')}”", "comes"))
    return (noun if kind in _ALONE else f"{noun} {counts[kind]}"), verb
