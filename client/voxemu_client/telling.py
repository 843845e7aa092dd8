"""What a person or a program is told of a call: events as they come, and the summary at the end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from voxemu.events import (
    AgentAudioSent,
    BargedIn,
    Closed,
    Event,
    MicrophoneCaptured,
    Note,
    Opened,
    PlaybackStarted,
    RecordingFailed,
    ThinkingStarted,
    TokenPresented,
    TurnEnded,
    TurnStarted,
    UserAudioSent,
    named,
)
from voxemu.provider import Provider
from voxemu.record.masking import Mask
from voxemu.record.timeline import direction

SOUNDS = (UserAudioSent, AgentAudioSent, MicrophoneCaptured)
SESSION = 80
# Characters of a session's id.
REDRAW = 0.1
# Seconds between two drawings of the progress line.


class JsonLines:
    """A tap that writes every event as a line of JSON; audio is left to the recording."""

    def __init__(self, out: TextIO, provider: Provider, mask: Mask) -> None:
        self._out = out
        self._provider = provider
        self._mask = mask
        self._opened = 0.0

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        if isinstance(event, Opened):
            self._opened = now
        if isinstance(event, TokenPresented):
            self._mask.learn([event.token])
        if not isinstance(event, SOUNDS):
            said = {name: self._mask.plain(getattr(event, name)) for name in event.__struct_fields__}
            if isinstance(event, TokenPresented):
                said["token"] = "***"
            way = direction(event, self._provider)
            head = {"type": named(type(event)), "t": round((now - self._opened) * 1000), "dir": way}
            self.write(head | said)
        return ()

    def write(self, said: Mapping[str, Any]) -> None:
        self._out.write(json.dumps(said, separators=(",", ":")) + "\n")
        self._out.flush()


class ProgressLine:
    """A tap that keeps one line of a terminal up to date."""

    def __init__(self, out: TextIO, provider: Provider) -> None:
        self._out = out
        self._rate = provider.format.rate
        self._name = provider.id
        self._opened = 0.0
        self._drawn = float("-inf")
        self._doing = "connecting"
        self._received = 0

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        doing = self._doing
        match event:
            case Opened():
                self._opened, doing = now, "connected"
            case TurnStarted(turn=turn):
                doing = f"turn {turn}: speaking"
            case TurnEnded(turn=turn):
                doing = f"turn {turn}: waiting for the agent"
            case ThinkingStarted():
                doing = "the agent is thinking"
            case PlaybackStarted():
                doing = "the agent is speaking"
            case BargedIn(stop=stop):
                doing = f"interrupted: the agent was silent after {stop * 1000:.0f} ms"
            case AgentAudioSent(pcm=pcm):
                self._received += len(pcm) // 2
            case Closed():
                doing = "closed"
            case RecordingFailed(text=text):
                self.erase()
                self._out.write(f"RECORDING FAILED, the call goes on: {printable(text)}\n")
        changed, self._doing = doing != self._doing, doing
        if changed or now - self._drawn >= REDRAW:
            self._drawn = now
            self._draw(now)
        return ()

    def _draw(self, now: float) -> None:
        heard = self._received / self._rate
        text = f"{self._name}  {now - self._opened:5.1f} s  received {heard:5.1f} s  {self._doing}"
        self._out.write(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}")
        self._out.flush()

    def erase(self) -> None:
        self._out.write("\r\x1b[K")
        self._out.flush()


def summary_lines(summary: Mapping[str, Any]) -> list[str]:
    """The summary as a person reads it."""
    lines = [
        f"{summary['provider']}  {summary['url']}"
        + _told("  session ", printable(summary.get("session_id") or "")[:SESSION])
    ]
    if summary.get("turns"):
        lines.append(f"  {'turn':>4}  {'said':<16} {'speech':>9}  {'first agent audio':>17}")
        lines += [_turn_line(turn) for turn in summary["turns"]]
    if (barge := summary.get("barge_in")) is not None:
        lines.append(
            f"  barge-in   after {_ms(barge['after'])} of the reply; silent {_ms(barge['stop'])} "
            f"after the user's first sound"
        )
    if (audio := summary.get("audio")) is not None:
        lines.append(
            f"  audio      sent {audio['sent']:.2f} s, received {audio['received']:.2f} s, "
            f"heard {audio['heard']:.2f} s, dropped {audio['dropped']:.2f} s, underruns {audio['underruns']}"
        )
        if audio["microphone_dropped"]:
            lines.append(f"  congested  {audio['microphone_dropped']:.2f} s of the user's audio never sent")
    if "background_audio" in summary:
        lines.append(f"  background {summary['background_audio']:.2f} s, on a track of its own")
    for said in summary.get("transcripts", ()):
        lines.append(f"  {said['speaker']:<10} {printable(said['text'])}")
    lines += [
        f"  tool       {printable(name)} was called and not answered; [caller.tools] of a scenario answers"
        for name in summary.get("tools_unanswered", ())
    ]
    lines += [f"  error      {printable(text)}" for text in summary.get("errors", ())]
    lines += [
        f"  finding    {each['code']}: {printable(each['seen'])} (`emu explain {each['code']}`)"
        for each in summary.get("findings", ())
    ]
    if summary.get("reconnects"):
        lines.append(f"  reconnects {summary['reconnects']}")
    lines.append(f"  ended      {printable(summary.get('ending', summary['reason']))}")
    lines += [f"  recording  {path}" for path in summary.get("recordings", ())]
    lines += [f"  RECORDING FAILED  {printable(text)}" for text in summary.get("recording_failures", ())]
    return lines


def _turn_line(turn: Mapping[str, Any]) -> str:
    first = "none" if turn["first_audio"] is None else _ms(turn["first_audio"])
    return f"  {turn['turn']:>4}  {printable(turn['clip'])[:16]:<16} {turn['seconds']:7.2f} s  {first:>17}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _told(before: str, text: str | None) -> str:
    return before + text if text else ""


def printable(text: str) -> str:
    """What a stranger sent must not move the cursor."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
