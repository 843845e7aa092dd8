"""Laying what was said onto the two tracks, as the engine's notes have it (docs/architecture.md: Agreements).

A tap is shown an event before the engine acts on it, so the note that says where *incoming* audio lies
(PlaybackStarted at the caller's end, InputStarted or InputGapped at the provider's) comes after the audio.
Incoming audio is therefore held until the answer to it is over: until the next incoming event, or any
event at a later ``now``. Outgoing audio comes after its note and is laid at once. Audio that has no place by
then: the user's lies where it arrived (it was sent, so it is on the left); the agent's waits for a
place, and never sounded when none comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from voxemu.audio import SAMPLE_BYTES, AudioFormat
from voxemu.events import AgentAudioSent, Downlink, Event, InputGapped, Line, Uplink, UserAudioSent
from voxemu.provider import Role
from voxemu.record.figures import Figures
from voxemu.record.intake import Intake
from voxemu.record.tracks import Track

PATIENCE = 60.0
# Seconds of agent audio that may wait for a place.

Sound = tuple[UserAudioSent | AgentAudioSent, float, int]
"""A message of audio, and when it was seen: in seconds since the opening, and as a position."""


class Placement:
    """Both tracks of one end of a call. Positions are samples on the call's axis."""

    def __init__(self, axis: AudioFormat, role: Role, figures: Figures, input_rate: int | None) -> None:
        self.left, self.right = (Track(axis.samples(PATIENCE)) for _ in range(2))
        self._figures = figures
        self._intake = Intake(axis.rate, input_rate)
        self._hears_agent = role is Role.CALLER
        # Whose audio comes in: the agent's, or the user's.
        self._incoming = AgentAudioSent if self._hears_agent else UserAudioSent
        self._ends_answer = (Downlink if self._hears_agent else Uplink, Line)
        # Nothing of these can be part of the engine's answer to held audio.
        self._held: Sound | None = None
        self._reply_starts = False
        # The next agent sample is the first since a place was told.

    def before(self, event: Event, now: float) -> None:
        """To be told of every event that is no audio, before what it does."""
        if self._held is not None and (now > self._held[1] or isinstance(event, self._ends_answer)):
            self._release()

    def pass_time(self, now: float) -> None:
        if self._held is not None and now > self._held[1]:
            self._release()

    def finish(self) -> None:
        """The call is over: what is held is laid, what still waits for a place never sounded."""
        self._release()
        self.left.lay(self._intake.flush())
        self.right.drop_waiting()

    def announce(self, input_rate: int) -> None:
        self._intake.announce(input_rate)

    def sounds(self, run: Iterable[Sound]) -> None:
        """Audio of both sides as it was seen, one message after the other with nothing between."""
        came: list[Sound] = []
        went: list[Sound] = []
        held = self._held
        for sound in run:
            if type(sound[0]) is self._incoming:
                if held is not None:
                    came.append(held)
                held = sound
                continue
            if held is not None and sound[1] > held[1]:
                came.append(held)
                held = None
            went.append(sound)
        self._held = held
        self._lay(came)
        self._lay(went)

    def start_input(self, position: int) -> None:
        if self.left.cursor is not None:
            # Else all that came is still in the resampling filter, and is what starts here.
            self.left.lay(self._intake.flush())
        self.left.place(position)

    def gap_input(self, gap: InputGapped) -> None:
        self.left.lay(self._intake.flush())
        if not gap.open:
            self.left.place(gap.position + gap.samples)

    def start_playback(self, position: int) -> None:
        waited = self.right.waits > 0
        self.right.place(position)
        self._reply_starts = not waited
        if waited:
            self._figures.sounded(position)

    def flush_playback(self, position: int, dropped: int) -> None:
        # At the caller's end agent audio may be held. Either it is what was thrown away, or it cut off what
        # sounded before it and has its place told next; how much never sounded says which.
        if self._hears_agent and not 0 < dropped <= self.right.beyond(position):
            self._release()
        self.right.flush(position)
        self._figures.flushed(position)

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._lay([held])

    def _lay(self, sounds: Sequence[Sound]) -> None:
        """Messages of one side."""
        if not sounds:
            return
        if type(sounds[0][0]) is UserAudioSent:
            self._lay_user(sounds)
        else:
            self._lay_agent([whole(sent.pcm) for sent, _, _ in sounds])

    def _lay_user(self, sounds: Sequence[Sound]) -> None:
        pieces = []
        for sent, _, here in sounds:
            assert isinstance(sent, UserAudioSent)
            pcm = self._intake.push(whole(sent.pcm), sent.rate)
            if pcm and self.left.cursor is None:
                self.left.place(here)
            pieces.append(pcm)
        self.left.lay(b"".join(pieces))

    def _lay_agent(self, pieces: Sequence[bytes]) -> None:
        place = self.right.cursor
        if place is None:
            # Message by message: of those that wait too long the oldest are dropped.
            for pcm in pieces:
                self.right.lay(pcm)
            return
        self.right.lay(b"".join(pieces))
        if self._reply_starts:
            self._reply_starts = False
            self._figures.sounded(place)


def whole(pcm: bytes) -> bytes:
    """Without the half sample that a broken stream may end in."""
    return pcm if len(pcm) % SAMPLE_BYTES == 0 else pcm[:-1]
