"""How long the users waited, with coordinated omission counted.

Who measures only what was answered measures a stalled server at its best: while a call waits, the turns that
it was to say are not said, and nothing slow is seen. So here

- a call counts from the moment at which it was to be placed, however late it was;
- a turn that was to be said while its call had yet to be let in counts, from where it was to end until then;
- a turn that got no answer waits for the next one that the same call gets, to whatever turn;
- where none comes, it waits to the end of the call. That is less than the answer would have taken, so it
  counts where it is longer than half of the answered turns were, and where it is shorter it says nothing;
- a barge-in that the agent did not heed waits in the same way, until the next thing the user says.

Default calls speak by the clock, whether they are answered or not, so a slow agent does not make them rarer.
In a scenario the user waits as its steps say; what one call waits, and no more, counts there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from voxemu.audio import AudioFormat
from voxemu.events import BargedIn
from voxemu_client.account import SpokenTurn
from voxemu_client.agenda import Taken
from voxemu_client.load.spread import Spread


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: float
    answered: bool = True


def turn_waits(
    turns: Sequence[SpokenTurn],
    first: int,
    axis: AudioFormat,
    until: float | None = None,
    *,
    buffer: float = 0.0,
) -> tuple[list[Wait], int]:
    """Of the turns from ``first`` on, and the first one whose wait is not over.

    ``until`` is where the call's axis ended, in seconds; None while it goes on. A reply came ``buffer``
    seconds before it sounded: that is the caller's, not the server's.
    """
    waits: list[Wait] = []
    for at in range(first, len(turns)):
        end = turns[at].end
        if end is None:
            if until is None and at == len(turns) - 1:
                # It is being said.
                return waits, at
            continue
        reply = next((turn.reply for turn in turns[at:] if turn.reply is not None), None)
        if reply is not None:
            waits.append(Wait(max(0.0, axis.seconds(reply - end) - buffer)))
        elif until is not None:
            waits.append(Wait(max(0.0, until - axis.seconds(end)), answered=False))
        else:
            return waits, at
    return waits, len(turns)


def unheeded(
    steps: Sequence[Taken], barge_ins: Iterable[BargedIn], axis: AudioFormat, until: float
) -> Iterator[float]:
    """Seconds that barge-ins waited which never saw the agent fall silent; ``until`` as above."""
    onsets = [axis.seconds(barge.onset) for barge in barge_ins]
    for at, step in enumerate(steps):
        if not (step.step.barge_in and step.over_agent):
            continue
        end = steps[at + 1].at if at + 1 < len(steps) else until
        # A step is taken on its frame's edge, its sound begins with it.
        if not any(step.at - 0.02 <= onset < end for onset in onsets):
            yield max(0.0, end - step.at)


def unsaid(ends: Iterable[float], waited: float) -> Iterator[float]:
    """Of turns that were to end so many seconds into a call that was let in only after ``waited``."""
    return (waited - end for end in ends if end < waited)


def with_open(answered: Spread, left: Spread) -> Spread:
    """All of ``answered``, and of what was never answered what is longer than half of those."""
    whole = Spread()
    whole.merge(answered)
    half = answered.percentile(50)
    whole.merge(left if half is None else left.above(half))
    return whole
