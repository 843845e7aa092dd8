"""Laying what was said onto the two tracks, as the engine's notes have it (docs/architecture.md: Agreements).

A tap is shown an event before the engine acts on it, so the note that says where *incoming* audio lies
(PlaybackStarted at the caller's end, InputStarted or InputGapped at the provider's) comes after the audio.
Incoming audio is therefore held until the answer to it is over: until the next incoming event, or any
event at a later ``now``. Outgoing audio comes after its note and is laid at once. Audio that has no place by
then: the user's lies where it arrived (it was sent, so it is on the left); the agent's waits for a
place, and never sounded when none comes.
"""

from __future__ import annotations

from voxemu.audio import SAMPLE_BYTES, AudioFormat
from voxemu.events import AgentAudioSent, Downlink, Event, InputGapped, Line, Uplink, UserAudioSent
from voxemu.provider import Role
from voxemu.record.figures import Figures
from voxemu.record.intake import Intake
from voxemu.record.tracks import Track

PATIENCE = 60.0
# Seconds of agent audio that may wait for a place.


class Placement:
    """Both tracks of one end of a call. Positions are samples on the call's axis."""

    def __init__(self, axis: AudioFormat, role: Role, figures: Figures, input_rate: int | None) -> None:
        self.left, self.right = (Track(axis.samples(PATIENCE)) for _ in range(2))
        self._figures = figures
        self._intake = Intake(axis.rate, input_rate)
        self._incoming = AgentAudioSent if role is Role.CALLER else UserAudioSent
        self._ends_answer = (Downlink if role is Role.CALLER else Uplink, Line)
        # Nothing of these can be part of the engine's answer to held audio.
        self._held: list[UserAudioSent | AgentAudioSent] = []
        self._held_at = 0.0
        self._held_here = 0
        self._reply_starts = False
        # The next agent sample is the first since a place was told.

    def before(self, event: Event, now: float) -> None:
        """To be told of every event before what it does."""
        if self._held and (now > self._held_at or isinstance(event, self._ends_answer)):
            self._release()

    def pass_time(self, now: float) -> None:
        if self._held and now > self._held_at:
            self._release()

    def finish(self) -> None:
        """The call is over: what is held is laid, what still waits for a place never sounded."""
        self._release()
        self.left.lay(self._intake.flush())
        self.right.drop_waiting()

    def announce(self, input_rate: int) -> None:
        self._intake.announce(input_rate)

    def audio(self, sent: UserAudioSent | AgentAudioSent, now: float, here: int) -> None:
        """Audio seen at ``now``, which is the position ``here``."""
        if isinstance(sent, self._incoming):
            self._held.append(sent)
            self._held_at, self._held_here = now, here
        else:
            self._lay(sent, here)

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
        if self._incoming is AgentAudioSent and not 0 < dropped <= self.right.beyond(position):
            self._release()
        self.right.flush(position)
        self._figures.flushed(position)

    def _release(self) -> None:
        held, self._held = self._held, []
        for sent in held:
            self._lay(sent, self._held_here)

    def _lay(self, sent: UserAudioSent | AgentAudioSent, here: int) -> None:
        if isinstance(sent, UserAudioSent):
            self._lay_user(sent, here)
        else:
            self._lay_agent(sent)

    def _lay_user(self, sent: UserAudioSent, here: int) -> None:
        pcm = self._intake.push(whole(sent.pcm), sent.rate)
        if pcm and self.left.cursor is None:
            self.left.place(here)
        self.left.lay(pcm)

    def _lay_agent(self, sent: AgentAudioSent) -> None:
        place = self.right.cursor
        self.right.lay(whole(sent.pcm))
        if self._reply_starts and place is not None:
            self._reply_starts = False
            self._figures.sounded(place)


def whole(pcm: bytes) -> bytes:
    """Without the half sample that a broken stream may end in."""
    return pcm if len(pcm) % SAMPLE_BYTES == 0 else pcm[:-1]
