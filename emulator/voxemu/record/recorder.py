"""The recorder: a tap that writes down what one end of a call sees, as it happens.

Where sound lies is the matter of ``placing``. Nothing settled is kept in memory: what lies in the past goes
into the files within 100 ms of call time and is patched there when a later note corrects it; only audio that
has yet to sound waits in memory, where a flush can still reach it. So a killed process loses at most the
last 100 ms. Without events nothing calls the recorder: a shell with a timer calls ``keep_up``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from voxemu.audio import SAMPLE_BYTES
from voxemu.errors import RecordingError
from voxemu.events import (
    AgentAudioSent,
    Closed,
    Event,
    InputGapped,
    LimitReached,
    MicrophoneCaptured,
    Note,
    Opened,
    Ponged,
    RecordingFailed,
    TurnEnded,
    UserAudioSent,
)
from voxemu.provider import Codec, Provider, Role
from voxemu.record.allowance import FILE, RecordingLimits
from voxemu.record.beside import TrackBeside
from voxemu.record.claiming import claim
from voxemu.record.folder import CALL, MANIFEST, TIMELINE, WIRE, write_json
from voxemu.record.manifest import CallFacts, counts, ending, opening
from voxemu.record.masking import Mask
from voxemu.record.parts import WavParts
from voxemu.record.placing import Sound, whole
from voxemu.record.reckoning import Reckoning
from voxemu.record.timeline import TimelineFile
from voxemu.record.wav import DigestOnly

BATCH = 0.075
# Seconds between two writes: with frames of 20 ms a write falls due every 80, so 100 are never lost.
AHEAD = 60.0
# Seconds of agent audio that wait in memory to sound. What a provider sends beyond that, faster than it could
# be heard, lies in the file already; a flush takes it back there.
BATCH_SAMPLES = 0.1
# Seconds of audio that are written without waiting for that.
UNTOLD = (MicrophoneCaptured, Ponged)
# The first is on its way only: it is seen again as UserAudioSent, or in MicrophoneDropped. The second is the
# network's: the same call has none in a rehearsal.
LEFT, RIGHT = 0, 1
SILENCE = bytes(SAMPLE_BYTES)
UNLIMITED = RecordingLimits()


class Recorder:
    """Records one end of a call into ``directory``, which must exist and hold no recording.

    A disk that is full or read-only: the constructor raises RecordingError; later ``saw`` answers one
    ``RecordingFailed``, ``failure`` holds the error, what was written stays, and the call goes on. Only
    the constructor raises. ``limits`` bound what it may write. ``words`` as for ``TimelineFile``. Without
    ``wire_track`` there is no agent-wire.wav, only its digest. ``batch`` is how many seconds may pass between
    two writes: a rehearsal, which nobody kills in the middle, may take longer; the files are the same in the
    end.
    """

    def __init__(
        self,
        directory: Path,
        provider: Provider,
        role: Role,
        facts: CallFacts | None = None,
        words: Codec | None = None,
        *,
        wire_track: bool = True,
        batch: float = BATCH,
        limits: RecordingLimits = UNLIMITED,
    ) -> None:
        self.directory = directory
        self.failure: RecordingError | None = None
        self.closed = False
        self._wire_track = wire_track
        self._provider = provider
        self._role = role
        self._facts = facts or CallFacts()
        self._mask = Mask(self._facts.secrets)
        rate = provider.format.rate
        self._rate = rate
        self._reckoning = Reckoning(provider.format, role, self._facts.input_rate)
        self._figures, self._account = self._reckoning.figures, self._reckoning.account
        self._placement = self._reckoning.placement
        self._left, self._right = self._placement.left, self._placement.right
        self._t0: float | None = None
        self._last_write = 0.0
        self._writes = self._writes_seen = 0
        self._batch = batch
        self._ahead = provider.format.samples(AHEAD)
        self._parts = 2
        # Files of sound: one for each track, as long as none is full.
        self._batch_samples = provider.format.samples(batch / BATCH * BATCH_SAMPLES)
        self._heard: list[tuple[UserAudioSent | AgentAudioSent, float]] = []
        # Audio that is still to be reckoned with, and when it was seen: a batch costs hardly more than one.
        self._user_bytes = self._agent_bytes = 0
        # Of it, and of what is not written yet.
        self._most_bytes = self._batch_samples * SAMPLE_BYTES
        self._arrived: list[bytes] = []
        # For agent-wire.wav, since the last write.
        self._beside: dict[str, TrackBeside] = {}
        self._notes: list[Note] = []
        # What is still to be said to whoever watches.
        self._limits = limits
        self._charged = 0
        # Bytes that the directory's allowance was asked for.
        with ExitStack() as files:
            self._call = files.enter_context(closing(WavParts(directory / CALL, rate, 2, limits.file)))
            wire = WavParts(directory / WIRE, rate, 1, limits.file) if wire_track else DigestOnly()
            self._wire = files.enter_context(closing(wire))
            timeline = TimelineFile(directory / TIMELINE, provider, role, self._mask, words)
            self._timeline = files.enter_context(closing(timeline))
            claim(self._timeline.handle)
            self._write_opening()
            self._files = files.pop_all()

    # --- the tap -------------------------------------------------------------------------------------------

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        if self.failure is None and not self.closed:
            try:
                self._saw(event, now)
            except Exception as error:
                self._stop(error)
        return self._told() if self._notes else ()

    def settle(self, now: float) -> Iterable[Note]:
        """Writes all that is known by now, while no event comes."""
        if self._runs:
            self._guarded(lambda: self._settle(now))
        return self._told()

    def keep_up(self, now: float) -> Iterable[Note]:
        """``settle``, if nothing was written for two calls: for a timer that rings every 50 ms.

        Whatever the call's clock does, nothing waits for more than 100 ms of the timer's.
        """
        if self._writes != self._writes_seen:
            self._writes_seen = self._writes
            return ()
        notes = self.settle(now)
        self._writes_seen = -1
        return notes

    def overhear(self, name: str, pcm: bytes, now: float) -> None:
        """Sound that is no side of the call, PCM16 mono at its rate: it has ``<name>.wav`` of its own."""
        if self._runs and self._t0 is not None and self._account.closed is None:
            self._guarded(lambda: self._overheard(name, pcm, now))

    def learn(self, **known: Any) -> None:
        """Facts that were not known at the start (see CallFacts): who was let in, which agent answers."""
        self._facts = replace(self._facts, **known)
        self._mask.learn(self._facts.secrets)
        if self._runs:
            self._guarded(self._write_opening)

    def close(self, now: float) -> None:
        """Finishes what is open, lays out the last samples and writes the manifest; again: nothing."""
        if self.closed:
            return
        if self._runs:
            self._guarded(lambda: self._finish(now))
        self.closed = True
        if self.failure is not None:
            # What could be written stays, and says that it is not the whole call.
            self._guarded(self._declare_sound)
            self._guarded(self._write_opening)
        self._guarded(self._files.close)

    @property
    def _runs(self) -> bool:
        return self.failure is None and not self.closed

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            self._stop(error)

    def _stop(self, error: Exception) -> None:
        """Also for a bug of ours: whoever records must not break the call. It is told, not hidden."""
        if self.failure is None:
            text = str(error) if isinstance(error, RecordingError) else f"{type(error).__name__}: {error}"
            self.failure = RecordingError(f"the recording in {self.directory} stopped: {text}")
            self.failure.__cause__ = error
            self._notes.append(RecordingFailed(self._mask.text(str(self.failure))))

    def _told(self) -> tuple[Note, ...]:
        told, self._notes = tuple(self._notes), []
        return told

    def _saw(self, event: Event, now: float) -> None:
        kind, most = type(event), self._most_bytes
        if type(event) is UserAudioSent or type(event) is AgentAudioSent:
            self._heard.append((event, now))
            if kind is UserAudioSent:
                self._user_bytes += len(event.pcm)
            else:
                self._agent_bytes += len(event.pcm)
            if now - self._last_write < self._batch and self._user_bytes < most > self._agent_bytes:
                return
            self._take_in()
        else:
            self._take_in()
            self._look_at(event, now)
        if (
            now - self._last_write >= self._batch
            or self._left.unwritten >= self._batch_samples
            or self._right.unwritten >= self._batch_samples
            or kind is Closed
        ):
            self._write(now)

    def _look_at(self, event: Event, now: float) -> None:
        if self._t0 is None and isinstance(event, Opened):
            self._t0 = self._last_write = now
        since = self._since(now)
        here = round(since * self._rate)
        if type(event) not in UNTOLD:
            self._timeline.add(event, round(since * 1000), here)
        self._reckoning.saw(event, since, here)

    def _take_in(self) -> None:
        """Reckons with the audio that came since the last time."""
        if not self._heard:
            return
        heard, self._heard = self._heard, []
        opened, rate = self._t0, self._rate
        sounds: list[Sound] = []
        for sent, now in heard:
            since = 0.0 if opened is None else now - opened
            sounds.append((sent, since, round(since * rate)))
        self._timeline.add_sounds(sounds)
        self._arrived += [whole(sent.pcm) for sent, _ in heard if type(sent) is AgentAudioSent]
        self._reckoning.heard(sounds)
        self._user_bytes = self._left.unwritten * SAMPLE_BYTES
        self._agent_bytes = self._right.unwritten * SAMPLE_BYTES

    # --- the files -----------------------------------------------------------------------------------------

    def _since(self, now: float) -> float:
        """Seconds since the connection opened; what is remarked before that stands at its beginning."""
        return now - self._t0 if self._t0 is not None else 0.0

    def _position(self, now: float) -> int:
        return round(self._since(now) * self._rate)

    def _reached(self, now: float) -> int:
        """Where the call is: it does not go on after its close."""
        return self._account.closed_at[1] if self._account.closed_at else self._position(now)

    def _overheard(self, name: str, pcm: bytes, now: float) -> None:
        if name not in self._beside:
            track = TrackBeside(self.directory, name, self._rate, self._limits.file)
            self._beside[name] = self._files.enter_context(closing(track))
        self._beside[name].heard(pcm, self._position(now))

    def _settle(self, now: float) -> None:
        self._take_in()
        self._placement.pass_time(self._since(now))
        self._write(now)

    def _write(self, now: float) -> None:
        reached = self._reached(now)
        self._lay_out(until=reached)
        self._call.extend(max(reached, self._left.end))
        self._declare()
        self._last_write = now
        self._user_bytes = self._agent_bytes = 0
        self._writes += 1
        self._charge(now)

    def _lay_out(self, until: int | None) -> None:
        if self._arrived:
            arrived, self._arrived = self._arrived, []
            self._wire.append(b"".join(arrived))
        if until is not None:
            until = max(until, self._right.end - self._ahead)
        pieces = [(LEFT, position, pcm) for position, pcm in self._left.take()]
        pieces += [(RIGHT, position, pcm) for position, pcm in self._right.take(until)]
        if pieces and until is not None and 0 < until - self._left.end < self._batch_samples:
            # A little silence up to here is part of the same write.
            pieces.append((LEFT, until - 1, SILENCE))
        self._call.patch(pieces)

    def _declare(self) -> None:
        self._declare_sound()
        self._timeline.write()

    def _declare_sound(self) -> None:
        self._call.declare()
        self._wire.declare()
        for track in self._beside.values():
            track.declare()

    def _charge(self, now: float) -> None:
        """Asks for what was written. Raises RecordingError where there is no more to be had."""
        parts = self._call.count + self._wire.count
        if parts > self._parts:
            self._parts = parts
            self._reach("recording", self._limits.file, now)
        if self._timeline.size > FILE:
            # Days of conversation, or minutes of somebody who sends texts by the megabyte: nobody reads it.
            self._reach("timeline", FILE, now)
            self._timeline.write()
            raise RecordingError(f"{TIMELINE} has reached {FILE} bytes")
        size = self._call.size + self._wire.size + self._timeline.size
        if self._beside:
            size += sum(track.size for track in self._beside.values())
        asked, self._charged = size - self._charged, size
        allowance = self._limits.directory
        if allowance is not None and not allowance.takes(asked):
            self._reach("recordings", allowance.most, now)
            self._timeline.write()
            raise RecordingError(allowance.refusal)

    def _reach(self, limit: str, value: int, now: float) -> None:
        note = LimitReached(limit, value)
        self._remark(note, now)
        self._notes.append(note)

    def _finish(self, now: float) -> None:
        self._take_in()
        self._placement.finish()
        reached = self._reached(now)
        self._end_gap(reached, now)
        self._end_turn(reached, now)
        self._lay_out(until=None)
        length = max(reached, self._left.end, self._right.end)
        self._call.extend(length)
        # What had not sounded yet may have been written, and been taken back.
        self._call.shorten(length)
        self._declare()
        write_json(self.directory / MANIFEST, self._manifest())

    def _end_gap(self, reached: int, now: float) -> None:
        gap = self._figures.open_gap
        if gap is not None:
            self._remark(InputGapped(gap, max(0, reached - gap), open=False), now)

    def _end_turn(self, reached: int, now: float) -> None:
        turn = self._figures.open_turn
        if turn is not None:
            end = max(turn.position, min(self._left.end, reached))
            seconds = self._provider.format.seconds(end - turn.position)
            self._remark(TurnEnded(turn.turn, turn.position, end, reached, seconds, "hang_up"), now)

    def _remark(self, note: Note, now: float) -> None:
        since = self._since(now)
        self._timeline.add(note, round(since * 1000), round(since * self._rate))
        self._figures.saw(note)

    def _opening(self) -> dict[str, Any]:
        facts = self._facts
        if not facts.session_id:
            facts = replace(facts, session_id=self._account.session_id)
        failure = None if self.failure is None else self._mask.text(str(self.failure))
        said = opening(self._provider, self._role, facts, self._mask, wire_track=self._wire_track)
        return {**said, "failure": failure}

    def _write_opening(self) -> None:
        write_json(self.directory / MANIFEST, self._opening())

    def _manifest(self) -> dict[str, Any]:
        frames = self._call.frames
        beside = {name: track.in_manifest() for name, track in self._beside.items()}
        return {
            **self._opening(),
            "complete": True,
            **ending(self._account, self._figures, self._mask),
            "length": {"samples": frames, "seconds": round(frames / self._rate, 4)},
            "audio": counts(self._account, self._figures, self._left, self._right),
            "digests": {
                CALL: f"sha256:{self._call.sha256()}",
                WIRE: f"sha256:{self._wire.sha256()}",
                TIMELINE: f"sha256:{self._timeline.sha256()}",
            },
            **({"beside": beside} if beside else {}),
        }
