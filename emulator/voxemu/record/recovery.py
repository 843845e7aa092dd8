"""Finishing the recording of a process that was killed: what can be read stays, and the manifest says so.

Nothing is made up. Headers are made to count what the files hold, half a sample and half a line at the end
are cut off, and the figures are reckoned from the timeline as the recorder would have done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from voxemu import events as vocabulary
from voxemu.audio import SAMPLE_BYTES, AudioFormat
from voxemu.errors import AudioError, RecordingError
from voxemu.events import Event, SessionEnded, named
from voxemu.provider import Role
from voxemu.record.allowance import GIB
from voxemu.record.claiming import is_claimed
from voxemu.record.folder import CALL, MANIFEST, TIMELINE, WIRE, read_json, write_json
from voxemu.record.manifest import SCHEMA, counts, ending
from voxemu.record.masking import Mask
from voxemu.record.parts import parts_of
from voxemu.record.reckoning import Reckoning
from voxemu.record.timeline import Line, ReadTimeline, read_timeline
from voxemu.record.wav import HEADER_BYTES, private, told, wav_header

KINDS: Mapping[str, type[Event]] = {
    named(kind): kind
    for kind in vars(vocabulary).values()
    if isinstance(kind, type) and issubclass(kind, Event)
}
CALL_CHANNELS = 2


def recordings_below(path: Path) -> list[Path]:
    """The recordings at ``path`` and below it. Raises RecordingError where there are none."""
    if not path.is_dir():
        raise RecordingError(f"{path} is no directory; give a recording, or a directory of some")
    found = {each.parent for each in path.rglob(TIMELINE)} | (
        {path} if (path / MANIFEST).is_file() else set()
    )
    if not found:
        raise RecordingError(f"{path} holds no recording: there is no {TIMELINE} in it or below it")
    return sorted(found)


def recover(path: Path) -> list[str]:
    """What was done to this recording, a sentence each; [] for one that is finished already.

    Raises RecordingError for what is no recording, is still being made, or is broken in the middle; then
    nothing was changed.
    """
    manifest = _manifest(path)
    if manifest.get("complete") is True or "recovered" in manifest:
        return []
    if is_claimed(path / TIMELINE):
        raise RecordingError(f"{path} is still being recorded; hang up first")
    axis, role = _axis(path, manifest), _role(path, manifest)
    timeline = read_timeline(path / TIMELINE)
    reckoning = _reckoned(path, timeline, axis, role, _input_rate(manifest))
    done = [*_cut_torn(path, timeline), *_mend_track(path / CALL, axis.rate, CALL_CHANNELS)]
    wire = manifest.get("wire_track", True)
    done += _mend_track(path / WIRE, axis.rate, 1) if wire else []
    for beside in sorted(set(path.glob("*.wav")) - {*parts_of(path / CALL), *parts_of(path / WIRE)}):
        done += _mend(beside, axis.rate, 1)
    frames = _frames(path / CALL, CALL_CHANNELS)
    missing = _give_up(reckoning, frames)
    done += [f"{count} samples of the {who} were lost with the recorder" for who, count in missing.items()]
    mask = Mask()
    digests = {CALL: _digest(path / CALL), TIMELINE: f"sha256:{timeline.sha256}"}
    last = timeline.lines[-1].t if timeline.lines else 0
    write_json(
        path / MANIFEST,
        {
            **manifest,
            "session_id": manifest.get("session_id") or mask.text(reckoning.account.session_id),
            "recovered": {"lines": len(timeline.lines), "last_line": last, "missing": missing, "done": done},
            **ending(reckoning.account, reckoning.figures, mask),
            "length": {"samples": frames, "seconds": round(axis.seconds(frames), 4)},
            "audio": counts(
                reckoning.account,
                reckoning.figures,
                reckoning.placement.left,
                reckoning.placement.right,
            ),
            "digests": {**digests, WIRE: _digest(path / WIRE)} if wire else digests,
        },
    )
    return [*done, f"finished at {axis.seconds(frames):.2f} s, {len(timeline.lines)} lines"]


# --- the manifest ----------------------------------------------------------------------------------------


def _manifest(path: Path) -> dict[str, Any]:
    if not (path / MANIFEST).is_file():
        raise RecordingError(f"{path} is no recording that can be finished: {MANIFEST} is missing")
    manifest = read_json(path / MANIFEST)
    if manifest.get("schema") != SCHEMA:
        schema = manifest.get("schema")
        raise RecordingError(
            f"{path / MANIFEST}: schema {schema!r} is not {SCHEMA!r}, the one this voxemu reads"
        )
    return manifest


def _axis(path: Path, manifest: Mapping[str, Any]) -> AudioFormat:
    rate = manifest.get("rate")
    try:
        if not isinstance(rate, int):
            raise AudioError("no number")
        return AudioFormat(rate)
    except AudioError as error:
        raise RecordingError(f"{path / MANIFEST}: the rate {rate!r} cannot be ({error})") from error


def _role(path: Path, manifest: Mapping[str, Any]) -> Role:
    try:
        return Role(manifest.get("role"))
    except ValueError as error:
        raise RecordingError(f"{path / MANIFEST}: the role {manifest.get('role')!r} is none") from error


def _input_rate(manifest: Mapping[str, Any]) -> int | None:
    """Of user audio that declares no rate, as either end writes it among the settings."""
    match manifest.get("settings"):
        case {"rate": int(rate)} | {"dialogue": {"input_rate": int(rate)}}:
            return rate
    return None


# --- the timeline ----------------------------------------------------------------------------------------


def _reckoned(
    path: Path, timeline: ReadTimeline, axis: AudioFormat, role: Role, input_rate: int | None
) -> Reckoning:
    reckoning = Reckoning(axis, role, input_rate)
    for number, line in enumerate(timeline.lines, start=2):
        try:
            event = _event(line)
            if event is not None:
                reckoning.saw(event, line.t / 1000, line.pos)
        except (TypeError, ValueError, AudioError) as error:
            text = f"{path / TIMELINE}:{number}: a {line.type} that cannot be read: {error}"
            raise RecordingError(text) from error
        for track in (reckoning.placement.left, reckoning.placement.right):
            # Only the places matter: the samples are in the file, or nowhere.
            track.take(line.pos)
    reckoning.placement.finish()
    return reckoning


def _event(line: Line) -> Event | None:
    """The event that the line tells; its samples are zeros. None for a word of another version."""
    kind = KINDS.get(line.type)
    if kind is None:
        return None
    known = kind.__struct_fields__
    said = {name: value for name, value in line.fields.items() if name in known}
    if "pcm" in known:
        samples = line.fields.get("samples")
        if not isinstance(samples, int) or not 0 <= samples <= GIB:
            raise ValueError(f"{samples!r} samples")
        said["pcm"] = bytes(samples * SAMPLE_BYTES)
    for name, value in said.items():
        if name in ("position", "samples", "start", "end", "dropped") and not isinstance(value, int):
            raise ValueError(f"{name} is {value!r}")
    event = kind(**said)
    if isinstance(event, SessionEnded) and not isinstance(event.reason, str):
        raise ValueError(f"reason is {event.reason!r}")
    return event


def _give_up(reckoning: Reckoning, frames: int) -> dict[str, int]:
    """What lies beyond the file's end is in no file: how many samples of whom, where there are any."""
    left, right = reckoning.placement.left, reckoning.placement.right
    missing = {"user": left.beyond(frames), "agent": right.beyond(frames)}
    left.flush(frames)
    right.flush(frames)
    return {who: count for who, count in missing.items() if count}


def _cut_torn(path: Path, timeline: ReadTimeline) -> Iterator[str]:
    if timeline.torn is not None:
        file = path / TIMELINE
        with told(file, "mend"), file.open("r+b") as stream:
            content = stream.read()
            whole = content.rfind(b"\n") + 1
            stream.truncate(whole)
        yield f"the last line of {TIMELINE} was torn: {len(content) - whole} bytes cut off"


# --- sound -----------------------------------------------------------------------------------------------


def _mend_track(track: Path, rate: int, channels: int) -> list[str]:
    return [text for path in parts_of(track) for text in _mend(path, rate, channels)]


def _mend(path: Path, rate: int, channels: int) -> Iterator[str]:
    """Has the header of a WAV file count what the file holds."""
    block = channels * SAMPLE_BYTES
    with told(path, "mend"), open(path, "r+b", opener=private) as file:
        was = file.read(HEADER_BYTES)
        size = max(0, file.seek(0, 2) - HEADER_BYTES)
        header = wav_header(size // block, rate, channels)
        if size % block:
            file.truncate(HEADER_BYTES + size - size % block)
            yield f"{path.name} ended in a part of a sample: {size % block} bytes cut off"
        if was != header:
            file.seek(0)
            file.write(header)
            told_of = int.from_bytes(was[-4:], "little") // block if len(was) == HEADER_BYTES else 0
            yield f"the header of {path.name} counted {told_of} samples, the file holds {size // block}"


def _frames(track: Path, channels: int) -> int:
    return sum((path.stat().st_size - HEADER_BYTES) // (channels * SAMPLE_BYTES) for path in parts_of(track))


def _digest(track: Path) -> str:
    digest = hashlib.sha256()
    for path in parts_of(track):
        with told(path, "read"), path.open("rb") as file:
            file.seek(HEADER_BYTES)
            while some := file.read(1 << 20):
                digest.update(some)
    return f"sha256:{digest.hexdigest()}"
