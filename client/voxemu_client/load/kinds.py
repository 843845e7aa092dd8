"""Why sessions fail, in a few words that can be counted."""

from __future__ import annotations

from voxemu.errors import ConnectionLost, Refused, RemoteProtocolError, UsageError, VoxemuError
from voxemu_client.dial import Outcome
from voxemu_client.summary import DONE, FAILED, OFF_THE_PAGE

OFF = "off the page"
ASTRAY = "sent to an address that cannot be called"
CUT = "not let in by the end"
EARLY = "ended early"
LOST_PROCESS = "generator"
DROPPED = "did not end"
UNANSWERED = "never answered"


def kind_of(error: VoxemuError) -> str:
    """Of a call that could not be placed."""
    match error:
        case Refused(status=int(status)):
            return f"refused {status}"
        case Refused(why=why):
            return f"refused: {why}"
        case UsageError():
            return ASTRAY
        case RemoteProtocolError():
            return OFF
        case ConnectionLost() if isinstance(error.__cause__, TimeoutError):
            return "no answer in time"
        case ConnectionLost():
            return "not connected"
    return type(error).__name__


def kind_of_end(code: int, outcome: Outcome) -> str | None:
    """Of a call that was connected, told its exit code as of ``emu client``; None when nothing is wrong."""
    match code:
        case _ if code == DONE:
            return None
        case _ if code == FAILED:
            return "unmet"
        case _ if code == OFF_THE_PAGE:
            return OFF
    closed = outcome.closed.code
    if not outcome.caller.was_let_in:
        return f"not let in, closed {closed}"
    return f"lost {closed}" if outcome.lost else f"closed {closed}"


def waited(error: VoxemuError) -> bool:
    """Whether the call waited in vain, and was not turned away."""
    return isinstance(error, ConnectionLost) and isinstance(error.__cause__, TimeoutError)
