"""The caller's barge-ins: when one is due, and how soon the agent fell silent."""

from __future__ import annotations

from dataclasses import dataclass

from voxemu.audio import AudioFormat
from voxemu.events import BargedIn

SETTLED = 0.2
# Seconds that the loudspeaker must be dry before an agent that is not flushed counts as silent.
SILENT_START = 1.0
# Seconds of silence that still belong to a reply's beginning.


@dataclass(slots=True)
class HeardReply:
    """Agent audio from one beginning to the next, as the loudspeaker has it."""

    generation: int
    first: int
    # Position of its first sample.
    received: int = 0
    dropped: int = 0
    audible: bool = False
    # Something of it was more than silence.

    @property
    def heard(self) -> int:
        return self.received - self.dropped

    def sounds_from(self, position: int, axis: AudioFormat) -> int:
        """Where it began to sound, told the place of its first audible chunk.

        Its first samples may be silence; a stream of nothing but silence has not begun to sound.
        """
        return self.first if position - self.first < axis.samples(SILENT_START) else position


class BargeIn:
    """Interrupts the first reply that lasts long enough, ``after`` seconds into it; None never does."""

    def __init__(self, axis: AudioFormat, after: float | None) -> None:
        self._axis = axis
        self._after = after
        self.reply: HeardReply | None = None
        # The one to be interrupted, or that was.
        self._from = 0
        # The position that it sounds from.
        self._spoken = False
        self._missed: HeardReply | None = None

    @property
    def pending(self) -> bool:
        return self._after is not None and not self._spoken

    def due(self, opened: float) -> float | None:
        """When the user begins to speak over the agent."""
        if self._after is None or self._spoken or self.reply is None:
            return None
        return opened + self._axis.seconds(self._from) + self._after

    def sounded(self, reply: HeardReply, position: int) -> None:
        """``reply`` is audible from this position on."""
        if self.pending and self.reply is None and reply is not self._missed:
            self.reply, self._from = reply, position

    def missed(self) -> None:
        """The reply was over too soon; the next one may do."""
        self._missed, self.reply = self.reply, None

    def spoken(self) -> None:
        self._spoken = True


class Interruption:
    """How soon the agent fell silent when ``turn`` was spoken over ``reply``.

    The stop time runs from the first spoken sample of the barge-in, where it lies on the left of the
    recording, to the sample at which the agent fell silent on its right: where playback was flushed, or, on
    a wire that has no word for that, the end of the last audio that came.
    """

    def __init__(self, axis: AudioFormat, reply: HeardReply, turn: int) -> None:
        self._axis = axis
        self.reply = reply
        self.turn = turn
        self._onset: int | None = None
        self._over = False

    @property
    def measuring(self) -> bool:
        return self._onset is not None and not self._over

    def began(self, turn: int, position: int) -> None:
        """The first spoken sample of a turn is on its way."""
        if turn == self.turn:
            self._onset = position

    def stopped(self, position: int) -> BargedIn:
        """The agent fell silent at ``position``."""
        assert self._onset is not None
        self._over = True
        stop = max(0, position - self._onset)
        return BargedIn(
            self.reply.generation,
            self._onset,
            position,
            self.reply.heard,
            self.reply.dropped,
            after=self._axis.seconds(self.reply.heard),
            stop=self._axis.seconds(stop),
        )
