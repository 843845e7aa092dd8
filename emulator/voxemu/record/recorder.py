"""The recorder: a tap that writes down what one end of a call sees, as it happens.

Where sound lies is the matter of ``placing``. Nothing settled is kept in memory: what lies in the past goes
into the files within 100 ms of call time and is patched there when a later note corrects it; only audio that
has yet to sound waits in memory, where a flush can still reach it. So a killed process loses at most the
last 100 ms. Without events nothing calls the recorder: a shell with a timer may call ``settle``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from voxemu.audio import sample_count
from voxemu.errors import RecordingError
from voxemu.events import (
    AgentAudioSent,
    Closed,
    Event,
    InputGapped,
    InputStarted,
    MicrophoneCaptured,
    Note,
    Opened,
    PlaybackFlushed,
    PlaybackStarted,
    Ponged,
    RatesAnnounced,
    RecordingFailed,
    SessionEnded,
    SessionStarted,
    SettingSent,
    TurnEnded,
    UserAudioSent,
)
from voxemu.provider import Codec, Provider, Role
from voxemu.record.figures import Figures
from voxemu.record.folder import CALL, MANIFEST, TIMELINE, WIRE, write_json
from voxemu.record.manifest import Account, CallFacts, counts, ending, opening
from voxemu.record.masking import Mask
from voxemu.record.placing import Placement, whole
from voxemu.record.timeline import TimelineFile
from voxemu.record.wav import DigestOnly, WavFile

BATCH = 0.075
# Seconds between two writes: with frames of 20 ms a write falls due every 80, so 100 are never lost.
BATCH_SAMPLES = 0.1
# Seconds of audio that are written without waiting for that.
LEFT, RIGHT = 0, 1


class Recorder:
    """Records one end of a call into ``directory``, which must exist and hold no recording.

    A disk that is full or read-only: the constructor raises RecordingError; later ``saw`` answers one
    ``RecordingFailed``, ``failure`` holds the error, what was written stays, and the call goes on. Only
    the constructor raises. ``words`` as for ``TimelineFile``. Without ``wire_track`` there is no
    agent-wire.wav, only its digest. ``batch`` is how many seconds may pass between two writes: a rehearsal,
    which nobody kills in the middle, may take longer; the files are the same in the end.
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
        self._figures = Figures(provider.format)
        self._placement = Placement(provider.format, role, self._figures, self._facts.input_rate)
        self._left, self._right = self._placement.left, self._placement.right
        self._account = Account()
        self._t0: float | None = None
        self._last_write = 0.0
        self._batch = batch
        self._batch_samples = provider.format.samples(batch / BATCH * BATCH_SAMPLES)
        self._arrived: list[bytes] = []
        # For agent-wire.wav, since the last write.
        self._failure_told = False
        self._acts = self._actions()
        with ExitStack() as files:
            self._call = files.enter_context(closing(WavFile(directory / CALL, rate, 2)))
            wire = WavFile(directory / WIRE, rate, 1) if wire_track else DigestOnly()
            self._wire = files.enter_context(closing(wire))
            timeline = TimelineFile(directory / TIMELINE, provider, role, self._mask, words)
            self._timeline = files.enter_context(closing(timeline))
            self._write_opening()
            self._files = files.pop_all()

    # --- the tap -------------------------------------------------------------------------------------------

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        if self.failure is None and not self.closed:
            try:
                self._saw(event, now)
            except Exception as error:
                self._stop(error)
        return self._told() if self.failure is not None else ()

    def settle(self, now: float) -> Iterable[Note]:
        """Writes what is due, for a shell whose timer runs while no event comes."""
        if self._runs:
            self._guarded(lambda: self._settle(now))
        return self._told()

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

    def _told(self) -> tuple[Note, ...]:
        if self.failure is None or self._failure_told:
            return ()
        self._failure_told = True
        return (RecordingFailed(self._mask.text(str(self.failure))),)

    def _saw(self, event: Event, now: float) -> None:
        if self._t0 is None and type(event) is Opened:
            self._t0 = self._last_write = now
        self._placement.before(event, now)
        since = self._since(now)
        here = round(since * self._rate)
        kind = type(event)
        if kind is not MicrophoneCaptured and kind is not Ponged:
            # The first is on its way only: it is seen again as UserAudioSent, or in MicrophoneDropped. The
            # second is the network's: the same call has none in a rehearsal.
            self._timeline.add(event, round(since * 1000), here)
        act = self._acts.get(kind)
        if act is not None:
            act(event, now, here)
        if isinstance(event, Note):
            self._figures.saw(event)
        if (
            now - self._last_write >= self._batch
            or self._left.unwritten >= self._batch_samples
            or self._right.unwritten >= self._batch_samples
            or kind is Closed
        ):
            self._write(now)

    # --- what an event does --------------------------------------------------------------------------------

    def _actions(self) -> dict[type[Event], Callable[[Any, float, int], None]]:
        return {
            UserAudioSent: self._user_audio,
            AgentAudioSent: self._agent_audio,
            InputStarted: self._input_started,
            InputGapped: self._input_gapped,
            PlaybackStarted: self._playback_started,
            PlaybackFlushed: self._playback_flushed,
            RatesAnnounced: self._rates_announced,
            SettingSent: self._setting_sent,
            SessionStarted: self._session_started,
            SessionEnded: self._session_ended,
            Closed: self._line_closed,
        }

    def _user_audio(self, sent: UserAudioSent, now: float, here: int) -> None:
        self._account.user_messages += 1
        self._account.user_samples += sample_count(sent.pcm)
        self._placement.audio(sent, now, here)

    def _agent_audio(self, sent: AgentAudioSent, now: float, here: int) -> None:
        pcm = whole(sent.pcm)
        self._account.agent_messages += 1
        self._account.agent_samples += sample_count(pcm)
        self._arrived.append(pcm)
        self._placement.audio(sent, now, here)

    def _input_started(self, started: InputStarted, now: float, here: int) -> None:
        self._placement.start_input(started.position)

    def _input_gapped(self, gap: InputGapped, now: float, here: int) -> None:
        self._placement.gap_input(gap)

    def _playback_started(self, started: PlaybackStarted, now: float, here: int) -> None:
        self._placement.start_playback(started.position)

    def _playback_flushed(self, flushed: PlaybackFlushed, now: float, here: int) -> None:
        self._placement.flush_playback(flushed.position, flushed.dropped)

    def _rates_announced(self, rates: RatesAnnounced, now: float, here: int) -> None:
        if rates.input is not None:
            self._placement.announce(rates.input)

    def _setting_sent(self, setting: SettingSent, now: float, here: int) -> None:
        self._account.sent_settings[setting.name] = setting.value

    def _session_started(self, started: SessionStarted, now: float, here: int) -> None:
        self._account.session_id = started.session_id

    def _session_ended(self, ended: SessionEnded, now: float, here: int) -> None:
        self._account.ended = ended

    def _line_closed(self, closed: Closed, now: float, here: int) -> None:
        if self._account.closed is None:
            self._account.closed = closed
            self._account.closed_at = (round(self._since(now) * 1000), here)

    # --- the files -----------------------------------------------------------------------------------------

    def _since(self, now: float) -> float:
        """Seconds since the connection opened; what is remarked before that stands at its beginning."""
        return now - self._t0 if self._t0 is not None else 0.0

    def _position(self, now: float) -> int:
        return round(self._since(now) * self._rate)

    def _reached(self, now: float) -> int:
        """Where the call is: it does not go on after its close."""
        return self._account.closed_at[1] if self._account.closed_at else self._position(now)

    def _settle(self, now: float) -> None:
        self._placement.pass_time(now)
        self._write(now)

    def _write(self, now: float) -> None:
        reached = self._reached(now)
        self._lay_out(until=reached)
        self._call.extend(max(reached, self._left.end))
        self._declare()
        self._last_write = now

    def _lay_out(self, until: int | None) -> None:
        if self._arrived:
            arrived, self._arrived = self._arrived, []
            self._wire.append(b"".join(arrived))
        for position, pcm in self._left.take():
            self._call.patch(LEFT, position, pcm)
        for position, pcm in self._right.take(until):
            self._call.patch(RIGHT, position, pcm)

    def _declare(self) -> None:
        self._call.declare()
        self._wire.declare()
        self._timeline.write()

    def _finish(self, now: float) -> None:
        self._placement.finish()
        reached = self._reached(now)
        self._end_gap(reached, now)
        self._end_turn(reached, now)
        self._lay_out(until=None)
        self._call.extend(max(reached, self._left.end, self._right.end))
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
        }
