"""timeline.jsonl: every event of one end of a call, a line each.

The first line is a header. A line is
``{"t": 1240, "pos": 29760, "dir": "up", "type": "user_audio_sent", …}``: milliseconds since the connection
opened (the only place where time is rounded, and once), the same moment as a sample position on the
call's axis, the direction, and the event's fields. ``up`` and ``down`` are messages on this provider's
wire; what its wire has no word for is a ``note``. Audio is written as a count of samples and the offset
in its own stream.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from voxemu import __version__
from voxemu.audio import SAMPLE_BYTES
from voxemu.errors import RecordingError
from voxemu.events import AgentAudioSent, Downlink, Event, TokenPresented, Uplink, UserAudioSent, named
from voxemu.events import Line as LineEvent
from voxemu.provider import Codec, Provider, Role, spelled
from voxemu.record.masking import MASK, Mask
from voxemu.record.wav import private, told, untold

SCHEMA = "voxemu.timeline/1"

Direction = str
"""``up``, ``down``, ``line`` or ``note``."""

SESSION_IDS = re.compile(rb'"session_id":"(?:[^"\\]|\\.)*"')


class SoundLine(msgspec.Struct, gc=False, omit_defaults=True):
    """A line about a message of a call's audio: nearly all of a timeline is made of these."""

    t: int
    pos: int
    dir: Direction
    type: str
    samples: int
    offset: int
    rate: int | None = None
    # Of a UserAudioSent.
    generation: int | None = None
    # Of an AgentAudioSent.


_spell_lines = msgspec.json.Encoder().encode_lines


@dataclass(slots=True)
class _Kind:
    """What is written of every event of one class, worked out once."""

    dir: Direction
    type: str
    head: str
    # Both, as they are written.
    unsent: str
    # The same for one that did not go out.
    asks: bool
    # Whether it is on the wire depends on a setting: the codec is asked, event by event.
    fields: tuple[str, ...]
    sounds: bool
    # It carries audio.
    offset: int = 0
    # Samples of this kind so far.


class TimelineFile:
    """Writes a timeline: ``add`` collects, ``write`` appends what was collected. Raises RecordingError.

    ``words`` is a codec of this end's role with the session's settings: it tells, of what this end says,
    what really went out (a setting may mute a message). Without one every event of a class that the
    provider spells counts as sent.
    """

    def __init__(
        self, path: Path, provider: Provider, role: Role, mask: Mask, words: Codec | None = None
    ) -> None:
        self._path = path
        self._provider = provider
        self._words = words
        self._ours = Uplink if role is Role.CALLER else Downlink
        self._mask = mask
        self._kinds: dict[type[Event], _Kind] = {}
        self._lines: list[SoundLine | msgspec.Raw] = []
        self._digest = hashlib.sha256()
        self.size = 0
        # Bytes on the disk.
        with told(path, "create"):
            self._file = open(path, "xb", buffering=0, opener=private)  # noqa: SIM115
        header = {
            "schema": SCHEMA,
            "voxemu": __version__,
            "provider": provider.id,
            "role": role.value,
            "rate": provider.format.rate,
        }
        self._append((spell(header) + "\n").encode())

    def add(self, event: Event, t: int, pos: int) -> None:
        kind = self._kinds.get(type(event)) or self._meet(event)
        head = kind.unsent if kind.asks and not self._goes_out(event) else kind.head
        line = f'{{"t":{t},"pos":{pos},{head}{self._said(kind, event)}}}'
        self._lines.append(msgspec.Raw(line.encode()))

    def add_sounds(self, sounds: Iterable[tuple[UserAudioSent | AgentAudioSent, float, int]]) -> None:
        """The call's audio; the second of each is not rounded yet."""
        for sent, since, pos in sounds:
            kind = self._kinds.get(type(sent)) or self._meet(sent)
            samples, offset = len(sent.pcm) // SAMPLE_BYTES, kind.offset
            kind.offset = offset + samples
            line = SoundLine(round(since * 1000), pos, kind.dir, kind.type, samples, offset)
            if isinstance(sent, AgentAudioSent):
                line.generation = sent.generation
            else:
                line.rate = sent.rate
            self._lines.append(line)

    def _goes_out(self, event: Event) -> bool:
        return self._words is None or bool(self._words.encode(event))

    def write(self) -> None:
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        content = _spell_lines(lines)
        self._digest.update(normalised(content))
        self._append(content)

    @property
    def handle(self) -> int:
        """The open file's descriptor."""
        return self._file.fileno()

    def sha256(self) -> str:
        """Of the normalised lines, the header left out."""
        return self._digest.hexdigest()

    def close(self) -> None:
        with told(self._path, "write"):
            self._file.close()

    def _append(self, content: bytes) -> None:
        done = 0
        try:
            while done < len(content):
                done += self._file.write(memoryview(content)[done:] if done else content)
        except OSError as error:
            # A disk that fills up takes a part: what is left ends with a whole line.
            done = content.rfind(b"\n", 0, done) + 1
            with suppress(OSError):
                self._file.truncate(self.size + done)
            untold(self._path, "write", error)
        finally:
            self.size += done

    def _meet(self, event: Event) -> _Kind:
        names = event.__struct_fields__
        sounds = "pcm" in names
        where = direction(event, self._provider)
        called = named(type(event))
        head, unsent = (spell({"dir": way, "type": called})[1:-1] for way in (where, "note"))
        asks = where in ("up", "down") and isinstance(event, self._ours) and not sounds
        rest = tuple(name for name in names if name != "pcm")
        kind = _Kind(where, called, head, unsent, asks, rest, sounds)
        self._kinds[type(event)] = kind
        return kind

    def _said(self, kind: _Kind, event: Event) -> str:
        if isinstance(event, TokenPresented):
            # It may come back in an error or an excerpt.
            self._mask.learn([event.token])
            return f',"token":"{MASK}"'
        said = {name: self._mask.plain(getattr(event, name)) for name in kind.fields}
        if kind.sounds:
            said = self._measured(kind, event) | {n: value for n, value in said.items() if value is not None}
        return "," + spell(said)[1:-1] if said else ""

    def _measured(self, kind: _Kind, event: Any) -> dict[str, int]:
        """In the place of its audio: how many samples, and where they lie among those of its kind."""
        samples, offset = len(event.pcm) // SAMPLE_BYTES, kind.offset
        kind.offset = offset + samples
        return {"samples": samples, "offset": offset}


def direction(event: Event, provider: Provider) -> Direction:
    if isinstance(event, LineEvent):
        return "line"
    if not spelled(event, provider):
        return "note"
    return "up" if isinstance(event, Uplink) else "down"


def spell(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # A lone surrogate, which JSON can smuggle in, has no UTF-8.
    return text if text.isascii() or _encodes(text) else json.dumps(value, separators=(",", ":"))


def normalised(lines: bytes) -> bytes:
    """Lines without what differs between two runs of the same call in virtual time: the session's id."""
    # Hardly any line has one, and looking for it is cheaper than replacing it.
    return SESSION_IDS.sub(b'"session_id":"*"', lines) if b'"session_id"' in lines else lines


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


# --- reading -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One event of a timeline."""

    t: int
    pos: int
    dir: Direction
    type: str
    fields: dict[str, Any] = field(default_factory=dict)


class ReadTimeline(NamedTuple):
    header: dict[str, Any]
    lines: list[Line]
    torn: str | None
    # The last line's text, when a killed recorder left it unfinished.
    sha256: str
    # Of the normalised lines, to be compared with the manifest's.


def read_timeline(path: Path) -> ReadTimeline:
    """A timeline from its file. Raises RecordingError, naming file and line."""
    with told(path, "read"):
        content = path.read_bytes()
    *whole, rest = content.split(b"\n")
    if not whole:
        raise RecordingError(f"{path}:1: no timeline: its first line, the header, is missing")
    header = _object(path, 1, whole[0])
    if header.get("schema") != SCHEMA:
        raise RecordingError(
            f"{path}:1: schema {header.get('schema')!r} is not {SCHEMA!r}, the one this voxemu reads"
        )
    lines = [_line(path, number, text) for number, text in enumerate(whole[1:], start=2)]
    body = b"".join(text + b"\n" for text in whole[1:])
    digest = hashlib.sha256(normalised(body)).hexdigest()
    return ReadTimeline(header, lines, rest.decode("utf-8", "replace") or None, digest)


def _line(path: Path, number: int, text: bytes) -> Line:
    said = _object(path, number, text)
    match said:
        case {"t": int(t), "pos": int(pos), "dir": str(way), "type": str(kind), **rest}:
            return Line(t, pos, way, kind, rest)
    raise RecordingError(f"{path}:{number}: a line needs t, pos, dir and type: {_shown(text)}")


def _object(path: Path, number: int, text: bytes) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError as error:
        raise RecordingError(f"{path}:{number}: no JSON ({error}): {_shown(text)}") from error
    if not isinstance(said, dict):
        raise RecordingError(f"{path}:{number}: no JSON object: {_shown(text)}")
    return said


def _shown(text: bytes) -> str:
    return repr(text[:80].decode("utf-8", "replace"))
