"""One session as a test reads it: what happened, what the user heard, and waiting for more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from voxemu.drive.websocket import BROKEN
from voxemu.errors import UsageError
from voxemu.events import Event, Interrupted
from voxemu.provider import Provider, Role
from voxemu.record.folder import CALL
from voxemu.record.wav import channel, read_wav
from voxemu.scenario.moments import Moment
from voxemu.testing.claims import Claims
from voxemu.testing.events import BargeIn, End, Finding, SeenEvent, Transcript, Turn, known
from voxemu.testing.hand import Hand
from voxemu.testing.heard import Heard
from voxemu.testing.journal import Witnessed
from voxemu.testing.stage import Stage
from voxemu.wire import PROVIDERS

T = TypeVar("T")

TIMEOUT = 5.0


class EmuSession(Claims, Hand):
    """One session of one app. Times are in seconds since its connection opened."""

    def __init__(self, witnessed: Witnessed, stage: Stage) -> None:
        self._witnessed = witnessed
        self._record = witnessed.record
        self._stage = stage
        self._provider: Provider = PROVIDERS[witnessed.record.admission.provider]

    def __repr__(self) -> str:
        return f"<session {self._record.short_id} of {self.provider}: {self._state}>"

    # --- what it is -------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        return self._record.id

    @property
    def provider(self) -> str:
        return self._provider.id

    @property
    def vendor(self) -> Provider:
        return self._provider

    @property
    def flush_message(self) -> str:
        codec = self._provider.codec(Role.PROVIDER, self._record.effective.wire, Random(0))
        return " ".join(str(message) for message in codec.encode(Interrupted()))

    @property
    def label(self) -> str:
        """Of the request that started it (``X-Emu-Label``), else of its key."""
        return self._record.label

    def _tell(self, event: Event) -> None:
        __tracebackhide__ = True

        def act() -> bool:
            if self._record.tell is None:
                return False
            self._record.tell(event)
            return True

        if not self._stage.run(act):
            raise UsageError(f"the session {self._record.short_id} is over")

    @property
    def agent(self) -> str:
        return self._record.session.agent.name

    @property
    def settings(self) -> dict[str, Any]:
        """What the app set for its session: prompt, voice, language …"""
        self._stage.catch_up()
        return dict(self._record.session.call.settings)

    @property
    def live(self) -> bool:
        self._stage.catch_up()
        return not self._witnessed.over

    @property
    def closed(self) -> End | None:
        """None while it is live."""
        found = self.all("closed")
        if not found:
            return None
        code, by = found[-1]["code"], found[-1]["by"]
        # What arrives as a close frame was sent by the app.
        by = "caller" if by == "line" and code != BROKEN else by
        return End(code, found[-1]["reason"], by)

    @property
    def recording(self) -> Path:
        """The folder of its recording; complete when the session is over."""
        assert self._record.recording is not None, "the recording could not be made; emu.errors says why"
        return Path(self._record.recording)

    # --- what happened ----------------------------------------------------------------------------------

    @property
    def events(self) -> list[SeenEvent]:
        """Everything but audio, in order, as in the timeline of its recording."""
        self._stage.catch_up()
        return list(self._witnessed.seen)

    @property
    def moments(self) -> list[Moment]:
        """What happened, by the names that scenarios have for it."""
        self._stage.catch_up()
        return list(self._witnessed.moments)

    def all(self, kind: str) -> list[SeenEvent]:
        """The events of one type: ``turn_ended``, ``setting_sent`` … Raises UnknownName."""
        __tracebackhide__ = True
        known(kind)
        return [event for event in self.events if event.type == kind]

    @property
    def turns(self) -> list[Turn]:
        """What the user said, one for each utterance that has ended."""
        return [
            Turn(
                event["turn"],
                self._seconds(event["start"]),
                self._seconds(event["end"]),
                round(event["seconds"], 3),
                event["why"],
            )
            for event in self.all("turn_ended")
        ]

    @property
    def transcripts(self) -> list[Transcript]:
        """The lines that were said, each once and whole."""
        return [
            Transcript(event.at, event["speaker"], event["text"])
            for event in self.all("transcribed")
            if event["final"]
        ]

    @property
    def barge_ins(self) -> list[BargeIn]:
        """Where the user interrupted the agent."""
        return [
            BargeIn(
                self._seconds(event["onset"]),
                self._seconds(event["position"]),
                round(event["stop"] * 1000, 1),
                round(event["after"], 3),
                self._seconds(event["dropped"]),
            )
            for event in self.all("barged_in")
        ]

    @property
    def findings(self) -> list[Finding]:
        return [
            Finding(event.at, event["code"], event["rule"], event["page"], event["seen"])
            for event in self.all("finding_made")
        ]

    @property
    def missed_steps(self) -> list[str]:
        """The steps of a scripted agent that were never begun, with file and line; known when it is over."""
        return [
            f"{event['place']}: step {event['step']} {event['what']}: never began"
            for event in self.all("script_step_missed")
        ]

    @property
    def heard(self) -> Heard:
        """What the user heard of the agent: audio that was flushed before it sounded is not in it."""
        self._stage.catch_up()
        self._stage.settle(self._record)
        rate, channels, pcm = read_wav(self.recording / CALL)
        return Heard(channel(pcm, 1, channels), rate)

    @property
    def said(self) -> Heard:
        """What the app sent of the user, where it lay."""
        self._stage.catch_up()
        self._stage.settle(self._record)
        rate, channels, pcm = read_wav(self.recording / CALL)
        return Heard(channel(pcm, 0, channels), rate)

    @property
    def dropped(self) -> float:
        """Seconds of agent audio that were sent and never heard."""
        return self._seconds(sum(event["dropped"] for event in self.all("playback_flushed")))

    def _seconds(self, samples: int) -> float:
        return round(self._provider.format.seconds(samples), 4)

    # --- waiting ----------------------------------------------------------------------------------------

    def wait_for(self, kind: str, *, nth: int = 1, timeout: float = TIMEOUT) -> SeenEvent:
        """The ``nth`` event of this type, as soon as it is there."""
        __tracebackhide__ = True
        return self._waited(self._nth(known(kind), nth), timeout, f"{kind} number {nth}")

    async def wait_for_async(self, kind: str, *, nth: int = 1, timeout: float = TIMEOUT) -> SeenEvent:  # noqa: ASYNC109
        """As ``wait_for``; the test's loop goes on meanwhile."""
        __tracebackhide__ = True
        return await self._awaited(self._nth(known(kind), nth), timeout, f"{kind} number {nth}")

    def wait_until_over(self, *, timeout: float = TIMEOUT) -> End:
        """How it closed, as soon as it has and the recording is complete."""
        __tracebackhide__ = True
        self._waited(self._is_over, timeout, "its end")
        return self._end()

    async def wait_until_over_async(self, *, timeout: float = TIMEOUT) -> End:  # noqa: ASYNC109
        __tracebackhide__ = True
        await self._awaited(self._is_over, timeout, "its end")
        return self._end()

    def _nth(self, kind: str, nth: int) -> Callable[[], SeenEvent | None]:
        def found() -> SeenEvent | None:
            those = [event for event in self._witnessed.seen if event.type == kind]
            return those[nth - 1] if len(those) >= nth else None

        return found

    def _is_over(self) -> bool | None:
        return self._witnessed.over or None

    def _end(self) -> End:
        closed = self.closed
        assert closed is not None
        return closed

    def _given_up(self, condition: Callable[[], T | None]) -> Callable[[], tuple[T | None] | None]:
        """Waits no longer than the session lasts: what has not come by then will not come."""

        def found() -> tuple[T | None] | None:
            there = condition()
            return (there,) if there is not None or self._witnessed.over else None

        return found

    def _waited(self, condition: Callable[[], T | None], timeout: float, what: str) -> T:
        __tracebackhide__ = True
        return self._or_fail(self._stage.waited(self._given_up(condition), timeout), timeout, what)

    async def _awaited(self, condition: Callable[[], T | None], timeout: float, what: str) -> T:  # noqa: ASYNC109
        __tracebackhide__ = True
        return self._or_fail(await self._stage.awaited(self._given_up(condition), timeout), timeout, what)

    def _or_fail(self, found: tuple[T | None] | None, timeout: float, what: str) -> T:
        __tracebackhide__ = True
        if found is None:
            raise AssertionError(f"waited for {what}: it did not come in {timeout:g} s")
        if found[0] is None:
            raise AssertionError(f"waited for {what}: the session ended without it")
        return found[0]

    # --- for people -------------------------------------------------------------------------------------

    @property
    def story(self) -> str:
        """The session in lines, as ``emu serve`` would have printed them."""
        lines = [f"session {self._record.short_id} of {self.provider}, agent {self.agent}, {self._state}"]
        lines += [f"{event.at:8.2f} s  {event.line}" for event in self.events if event.line is not None]
        return "\n".join(lines)

    @property
    def _state(self) -> str:
        return "over" if self._witnessed.over else "live"

    @property
    def received(self) -> float:
        """Seconds of agent audio that were sent to the app."""
        self._stage.catch_up()
        return self._seconds(self._record.counters["agent_audio_sent_bytes"] // 2)
