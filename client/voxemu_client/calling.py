"""One run of ``emu client``: from the options of the command line to the summary and the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from voxemu.audio import AudioFormat
from voxemu.engine import Tap
from voxemu.errors import (
    ConnectionLost,
    RecordingError,
    Refused,
    RemoteProtocolError,
    UsageError,
    VoxemuError,
)
from voxemu.events import Event, MicrophoneCaptured, SettingSent
from voxemu.provider import CallPlan, Provider
from voxemu.scenario.reading import Scenario, load
from voxemu.scenario.verdicts import Verdict
from voxemu.wire import provider_named
from voxemu_client.clips import load_clip
from voxemu_client.dial import Outcome, Telephone
from voxemu_client.judging import judged
from voxemu_client.reporting import failed, report, verdict_lines
from voxemu_client.script import Script
from voxemu_client.silence import Silence
from voxemu_client.staging import named, plan_of, script_of
from voxemu_client.summary import (
    DONE,
    INTERRUPTED,
    OFF_THE_PAGE,
    UNREACHABLE,
    USAGE,
    ending,
    summarise,
    verdict,
)
from voxemu_client.telling import JsonLines, ProgressLine, summary_lines

PROVIDER = "lokutor"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
LOCAL_KEY = "local"
# What the emulator takes on this machine, where any key that is not empty passes by default.


def call(options: Mapping[str, Any], key: str | None) -> int:
    """Places the call; the exit code. Raises UsageError before anything is dialled."""
    if options["scenario"] is not None:
        return _call_by_scenario(options, _key(options, key))
    provider = provider_named(options["provider"] or PROVIDER)
    plan = _plan(provider, options, _key(options, key))
    script = _script(provider, options)
    return asyncio.run(_Run(provider, plan, script, options).run())


def _call_by_scenario(options: Mapping[str, Any], key: str) -> int:
    scenario = load(named(options["scenario"]))
    provider = scenario.provider(options["provider"])
    if key in ("", LOCAL_KEY):
        key = scenario.table.caller.key or key
    plan = plan_of(scenario, provider, options["url"].strip(), key=key, agent=options["agent"])
    script = script_of(scenario, provider)
    return asyncio.run(_Run(provider, plan, script, options, scenario).run())


def _key(options: Mapping[str, Any], key: str | None) -> str:
    if key is not None:
        return key
    return LOCAL_KEY if urlsplit(options["url"]).hostname in LOOPBACK else ""


def _plan(provider: Provider, options: Mapping[str, Any], key: str) -> CallPlan:
    wanted = {
        "prompt": options["prompt"],
        "voice": options["voice"],
        "language": options["language"],
        "max_context_messages": options["max_context"],
    }
    settings = {name: value for name, value in wanted.items() if value is not None}
    if settings and SettingSent not in provider.spells:
        flags = ", ".join("--max-context" if name.startswith("max") else f"--{name}" for name in settings)
        raise UsageError(f"{provider.id} has no words for session settings; leave {flags} out")
    return CallPlan(options["url"].strip(), key, options["agent"], settings, options["rate"])


def _script(provider: Provider, options: Mapping[str, Any]) -> Script:
    rate = Script(rate=options["rate"]).sending_rate(provider)
    names = options["say"] or (() if options["mic"] else ("hello",))
    barge_in = options["barge_in"]
    return Script(
        clips=tuple(load_clip(name, rate, provider.scale) for name in names),
        stop=None if barge_in is None else load_clip("stop", rate, provider.scale),
        rate=options["rate"],
        silence=Silence.parse(options["silence"]),
        barge_in=barge_in,
        half_duplex=options["half_duplex"],
        live=options["mic"],
    )


class _Run:
    def __init__(
        self,
        provider: Provider,
        plan: CallPlan,
        script: Script,
        options: Mapping[str, Any],
        scenario: Scenario | None = None,
    ) -> None:
        self._scenario = scenario
        self._provider = provider
        self._plan = plan
        self._script = script
        self._options = options
        self._interrupted = False
        self._lines = JsonLines(sys.stdout, provider, [plan.key]) if options["as_json"] else None
        self._progress: ProgressLine | None = None
        self._task: asyncio.Task[list[Outcome]] | None = None

    async def run(self) -> int:
        watchers: list[Tap] = []
        if self._lines is not None:
            watchers.append(self._lines)
        elif sys.stderr.isatty():
            self._progress = ProgressLine(sys.stderr, self._provider)
            watchers.append(self._progress)
        record = self._options["record"]
        with self._devices(watchers) as sounds:
            telephone = Telephone(
                self._provider,
                self._plan,
                recordings=None if record is None else Path(record),
                watchers=watchers,
                sounds=sounds,
            )
            return await self._dial(telephone)

    async def _dial(self, telephone: Telephone) -> int:
        outcomes: list[Outcome] = []
        error: VoxemuError | None = None
        self._task = asyncio.create_task(telephone.call(self._script, reconnect=self._options["reconnect"]))
        self._on_signals(telephone)
        try:
            outcomes = await self._task
        except asyncio.CancelledError:
            if not self._interrupted:
                raise
        except (ConnectionLost, Refused, RemoteProtocolError, RecordingError) as problem:
            error = problem
        return self._tell(outcomes, error)

    def _on_signals(self, telephone: Telephone) -> None:
        loop = asyncio.get_running_loop()

        def asked() -> None:
            again, self._interrupted = self._interrupted, True
            if again or not telephone.hang_up("interrupted"):
                assert self._task is not None
                self._task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            # Windows' loop has no signal handlers; there Ctrl-C is a KeyboardInterrupt.
            with contextlib.suppress(NotImplementedError, RuntimeError):
                loop.add_signal_handler(number, asked)

    # --- devices ------------------------------------------------------------

    @contextlib.contextmanager
    def _devices(self, watchers: list[Tap]) -> Iterator[Any]:
        """Opens what was asked for before anything is dialled. Raises UsageError."""
        if not (self._options["mic"] or self._options["play"]):
            yield None
            return
        from voxemu_client import devices

        if self._options["mic"] and self._options["play"] and not self._script.half_duplex:
            sys.stderr.write(f"{devices.HEADPHONES}\n")
        rate = self._script.sending_rate(self._provider)
        loop, ears = asyncio.get_running_loop(), _Ears()
        parts: list[Any] = []
        if self._options["mic"]:

            def captured(pcm: bytes) -> None:
                loop.call_soon_threadsafe(ears.heard, pcm)

            parts.append(devices.MicrophoneDevice(rate, captured))
        if self._options["play"]:
            speaker = devices.LoudspeakerDevice(
                AudioFormat(self._provider.format.rate), self._script.jitter_buffer
            )
            watchers.append(speaker)
            parts.append(speaker)

        @contextlib.contextmanager
        def sounding(tell: Callable[[Event], None]) -> Iterator[None]:
            ears.tell = tell
            try:
                for part in parts:
                    part.start()
                yield
            finally:
                ears.tell = None

        try:
            yield sounding
        finally:
            for part in parts:
                part.stop()

    # --- the end ------------------------------------------------------------

    def _tell(self, outcomes: list[Outcome], error: VoxemuError | None) -> int:
        verdicts = self._judged(outcomes)
        code, reason = self._verdict(outcomes, error, verdicts)
        summary = summarise(self._provider, self._plan, outcomes, code, reason)
        if self._scenario is not None and outcomes:
            judgement = report(outcomes[-1].caller, verdicts)
            summary |= {"scenario": self._scenario.name, "ending": ending(outcomes[-1]), **judgement}
        if self._progress is not None:
            self._progress.erase()
        if self._lines is not None:
            self._lines.write(summary)
        elif outcomes:
            sys.stdout.write("\n".join([*summary_lines(summary), *verdict_lines(verdicts)]) + "\n")
        if code not in (DONE, INTERRUPTED) and self._lines is None:
            sys.stderr.write(f"emu client: {reason}\n")
        return code

    def _judged(self, outcomes: list[Outcome]) -> list[Verdict]:
        if self._scenario is None or not outcomes:
            return []
        return judged(self._scenario, outcomes[-1].caller)

    def _verdict(
        self, outcomes: list[Outcome], error: VoxemuError | None, verdicts: list[Verdict]
    ) -> tuple[int, str]:
        if self._interrupted:
            return INTERRUPTED, "interrupted"
        if error is not None:
            code = {RemoteProtocolError: OFF_THE_PAGE, RecordingError: USAGE}.get(type(error), UNREACHABLE)
            if isinstance(error, Refused) and not self._plan.key:
                return code, f"{error}; no key was given (--key, --key-file or EMU_KEY)"
            return code, str(error)
        if self._scenario is not None:
            return verdict(outcomes, self._script, failed(verdicts), has_verdicts=True)
        return verdict(outcomes, self._script)


class _Ears:
    """Where captured audio goes: to the engine while a call is on, else nowhere."""

    def __init__(self) -> None:
        self.tell: Callable[[Event], None] | None = None

    def heard(self, pcm: bytes) -> None:
        if self.tell is not None:
            self.tell(MicrophoneCaptured(pcm))
