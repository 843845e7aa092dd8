"""A hand on a running session: what the control API does, as methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Literal

from voxemu.errors import UsageError
from voxemu.events import (
    EndAsked,
    Event,
    FaultAsked,
    InterruptAsked,
    SayAsked,
    Speaker,
    TellAsked,
    Transcribed,
)
from voxemu.fault import KINDS, fault_of
from voxemu.provider import Provider
from voxemu.scenario.spoken import spoken
from voxemu.spoiler import supports


class Hand(ABC):
    """Each returns when the session has taken it; what comes of it is waited for as anything else is."""

    @property
    @abstractmethod
    def vendor(self) -> Provider: ...

    @abstractmethod
    def _tell(self, event: Event) -> None:
        """Raises UsageError for a session that is over."""

    def say(self, text: str = "", audio: str | Path | bytes = "tone:440:1") -> None:
        """The agent says this as soon as nobody speaks. ``audio`` is a sound's name, a file, or PCM16 at the
        call's rate."""
        __tracebackhide__ = True
        if not isinstance(audio, bytes):
            audio = spoken(str(audio), self.vendor.format.rate, self.vendor.scale).pcm
        self._tell(SayAsked(text, audio))

    def interrupt(self) -> None:
        """The agent is interrupted, as if by the user."""
        __tracebackhide__ = True
        self._tell(InterruptAsked())

    def fault(self, kind: str, **more: Any) -> None:
        """Something goes wrong, now or where ``more`` says: ``fault("late_audio", ms=300)``."""
        __tracebackhide__ = True
        fault = fault_of({"kind": kind, **more})
        if KINDS[kind].family == "start":
            raise UsageError(f"{kind} strikes a start, and this session has begun: emu.fault({kind!r})")
        if not supports(self.vendor, kind):
            raise UsageError(f"{self.vendor.id} cannot have the fault {kind}")
        self._tell(FaultAsked(fault))

    def tell(self, text: str, speaker: Speaker = "agent", *, final: bool = True) -> None:
        """The client is sent this transcript."""
        __tracebackhide__ = True
        self._tell(TellAsked(Transcribed(speaker, text, final)))

    def end(self, cause: Literal["closed", "agent_left", "shutdown"] = "closed", reason: str = "") -> None:
        """The session ends in its provider's own way."""
        __tracebackhide__ = True
        self._tell(EndAsked(cause, reason))

    def drop(self) -> None:
        """The connection breaks without a goodbye."""
        __tracebackhide__ = True
        self._tell(FaultAsked(fault_of({"kind": "close", "code": 1006})))
