"""The tap that finds what the provider does wrong, at the user's end of a call.

Real services have bad days, and servers that only look like them exist: what they do out of order stands in
the recording of the user's end. It changes nothing in the call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from voxemu.audio import SAMPLE_BYTES
from voxemu.events import (
    AgentAudioSent,
    Closed,
    Downlink,
    ErrorReported,
    Event,
    Interrupted,
    Line,
    Note,
    Opened,
    RatesDeclared,
    SessionEnded,
    SessionStarted,
    SettingConfirmed,
    SpeakingStarted,
    ThinkingStarted,
    ToolCalled,
    Transcribed,
    Unrecognised,
)
from voxemu.lint.linter import Linted
from voxemu.lint.payload import container
from voxemu.lint.tally import Tally

AHEAD = 60.0
# Seconds of audio that may wait to sound. Services send a reply faster than it is heard, but replies are
# shorter.


class PeerLinter:
    """Remarks on each broken rule once.

    ``elsewhere`` is the host that the provider sent the call to, where that is not the one it was placed to;
    ``hides`` says whether a text holds a secret of ours.
    """

    def __init__(
        self, provider: Linted, *, elsewhere: str = "", hides: Callable[[str], bool] = lambda text: False
    ) -> None:
        self._tally = Tally(provider.id)
        self._rate = provider.format.rate
        self._ready = provider.ready
        self._is_ready = provider.ready is None
        self._elsewhere = elsewhere
        self._hides = hides
        self._sounds_to = 0.0
        # When the agent's audio that has come will have sounded.
        self._replies = False
        # A reply is under way, as far as the provider has said.
        self._speaking = False
        self._started = False

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        if type(event) is AgentAudioSent:
            self._heard(event, now)
        elif isinstance(event, Downlink | Line):
            self._told(event, now)
            if any(self._hides(text) for text in texts_of(event)):
                self._tally.suspect("F-SERVER-SECRET")
                self._tally.find("F-SERVER-SECRET", f"a secret of this call came back in {_named(event)}")
        return self._tally.take()

    def _heard(self, sent: AgentAudioSent, now: float) -> None:
        self._replies = True
        if not self._is_ready:
            self._out_of_order("agent audio came before the session was there")
        if kind := container(sent.pcm):
            self._tally.suspect("F-SERVER-AUDIO")
            self._tally.find(
                "F-SERVER-AUDIO",
                f"a {kind} file's beginning in an audio message of {len(sent.pcm)} bytes",
            )
        self._sounds_to = max(self._sounds_to, now) + len(sent.pcm) / SAMPLE_BYTES / self._rate
        if self._sounds_to - now > AHEAD:
            self._tally.suspect("F-SERVER-PACE")
            self._tally.find(
                "F-SERVER-PACE", f"{self._sounds_to - now:.0f} s of agent audio wait to be heard"
            )

    def _told(self, event: Event, now: float) -> None:
        match event:
            case Opened() if self._elsewhere:
                self._tally.find("F-SERVER-HOST", f"the call was sent to {self._elsewhere}")
            case Unrecognised(text=text):
                self._tally.suspect("F-SERVER-UNREADABLE")
                self._tally.find("F-SERVER-UNREADABLE", text)
            case RatesDeclared(playback=playback):
                if playback != self._rate:
                    self._tally.suspect("F-SERVER-RATE")
                    seen = f"{playback} Hz is declared for agent audio; the page has {self._rate} Hz"
                    self._tally.find("F-SERVER-RATE", seen)
            case SessionStarted():
                if self._started:
                    self._out_of_order("the session was started twice")
                self._started = True
            case SpeakingStarted():
                if self._speaking:
                    self._out_of_order("the agent began to speak while it was speaking")
                self._speaking = self._replies = True
            case ThinkingStarted():
                self._replies, self._speaking = True, False
            case Interrupted():
                if not self._replies:
                    self._out_of_order("a reply was interrupted that had not begun")
                self._replies = self._speaking = False
                self._sounds_to = now
            case SettingConfirmed() | Transcribed() | ErrorReported():
                pass
            case _:
                # Listening, above all.
                self._speaking = False
        if self._ready is not None and isinstance(event, self._ready):
            self._is_ready = True

    def _out_of_order(self, seen: str) -> None:
        self._tally.suspect("F-SERVER-ORDER")
        self._tally.find("F-SERVER-ORDER", seen)


def texts_of(event: Event) -> Iterator[str]:
    """What a provider may have put a secret into."""
    match event:
        case Transcribed(text=text):
            yield text
        case ErrorReported(message=text, code=code):
            yield from (text, code)
        case SessionStarted(session_id=text) | SessionEnded(reason=text) | Closed(reason=text):
            yield text
        case Unrecognised(text=text, excerpt=excerpt):
            yield from (text, excerpt)
        case ToolCalled(name=name, arguments=arguments, call_id=call_id):
            yield from (name, arguments, call_id)


def _named(event: Event) -> str:
    return {
        Transcribed: "a transcript",
        ErrorReported: "an error",
        SessionStarted: "the session's id",
        SessionEnded: "the session's end",
        Closed: "the close",
        ToolCalled: "a tool call",
    }.get(type(event), "a message")
