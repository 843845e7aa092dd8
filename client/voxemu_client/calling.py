"""One run of ``emu client``: from the options of the command line to the summary and the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from voxemu.audio import AudioFormat
from voxemu.drive.stopping import stopped_by_signals
from voxemu.engine import Tap
from voxemu.errors import (
    ConnectionLost,
    RecordingError,
    Refused,
    RemoteProtocolError,
    UsageError,
    VoxemuError,
)
from voxemu.events import Event, MicrophoneCaptured
from voxemu.provider import CallPlan, Provider, unspoken
from voxemu.record import usable_root
from voxemu.record.masking import Mask
from voxemu.scenario.reading import Scenario, load
from voxemu.scenario.script_watch import ScriptWatch
from voxemu.scenario.verdicts import Verdict
from voxemu.wire import provider_named
from voxemu_client.agents_side import scripts_watch
from voxemu_client.clips import load_clip
from voxemu_client.dial import Outcome, Telephone
from voxemu_client.judging import judged
from voxemu_client.manners import Manners
from voxemu_client.own_child import hold_in_a_child
from voxemu_client.reporting import failed, report, verdict_lines
from voxemu_client.script import Script
from voxemu_client.silence import Silence
from voxemu_client.staging import named, plan_of, script_of
from voxemu_client.summary import (
    DONE,
    FAILED,
    INTERRUPTED,
    OFF_THE_PAGE,
    UNREACHABLE,
    UNRECORDED,
    USAGE,
    ending,
    summarise,
    verdict,
)
from voxemu_client.telling import JsonLines, ProgressLine, printable, summary_lines
from voxemu_client.web import LOOPBACK

PROVIDER = "lokutor"
LONGEST = Script().longest
LOCAL_KEY = "local"
# What the emulator takes on this machine, where any key that is not empty passes by default.
FLAGS = {
    "max_context_messages": "--max-context",
    "user_identity": "--user-identity",
    "agent_config": "--agent-config",
}
# Of settings that are not named as their flags are.


def call(options: Mapping[str, Any], key: str | None, *, own_process: bool = False) -> int:
    """Places the call; the exit code. Raises UsageError before anything is dialled.

    ``own_process``: nobody else is in this process, so it may be left to a child.
    """
    for stream in (sys.stdout, sys.stderr):
        # A provider may say what a terminal has no letters for.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if options["scenario"] is not None:
        return _placed(_by_scenario(options, _key(options, key)), own_process=own_process)
    provider = provider_named(options["provider"] or PROVIDER)
    _refuse_to_choose_files(options["agent"])
    plan = _plan(provider, options, _key(options, key))
    script = _script(provider, options)
    return _placed(_Run(provider, plan, script, options), own_process=own_process)


def _by_scenario(options: Mapping[str, Any], key: str) -> _Run:
    scenario = load(named(options["scenario"]))
    provider = scenario.provider(options["provider"])
    if key in ("", LOCAL_KEY):
        key = scenario.table.caller.key or key
    plan = plan_of(scenario, provider, options["url"].strip(), key=key, agent=options["agent"])
    script = script_of(scenario, provider)
    if options["limit"] is not None:
        script = replace(script, longest=options["limit"])
    return _Run(provider, plan, script, options, scenario)


def _placed(run: _Run, *, own_process: bool) -> int:
    def hold() -> int:
        return asyncio.run(run.run())

    if own_process and run.provider.media == "room":
        return hold_in_a_child(hold, run.provider.id, run.options["record"], as_json=run.options["as_json"])
    return hold()


def _key(options: Mapping[str, Any], key: str | None) -> str:
    if key is not None:
        return key
    return LOCAL_KEY if urlsplit(options["url"]).hostname in LOOPBACK else ""


def _about_the_key(error: VoxemuError, key: str) -> str:
    """Where a refusal may be for want of one."""
    if not isinstance(error, Refused):
        return ""
    is_for_it = not key or (key == LOCAL_KEY and error.status in (401, 403))
    return " (no key was given: --key, --key-file or EMU_KEY)" if is_for_it else ""


def _refuse_to_choose_files(agent: str) -> None:
    """Raises UsageError for an agent that no client can ask for: there it is an id like any other."""
    if agent.startswith(("script:", "replay:")):
        raise UsageError(
            f"--agent {agent}: a client cannot choose what is read on the server's machine; "
            f"start it with `emu serve --agent {agent}`, or ask for the name of an [[agent]] there"
        )


def _plan(provider: Provider, options: Mapping[str, Any], key: str) -> CallPlan:
    wanted = {
        "prompt": options["prompt"],
        "voice": options["voice"],
        "language": options["language"],
        "max_context_messages": options["max_context"],
        "user_identity": options["user_identity"],
        "agent_config": _agent_config(options["agent_config"]),
    }
    settings = {name: value for name, value in wanted.items() if value is not None}
    if lost := unspoken(provider, settings):
        flags = ", ".join(FLAGS.get(name, f"--{name}") for name in lost)
        raise UsageError(f"{provider.id} has no words for these session settings; leave {flags} out")
    return CallPlan(options["url"].strip(), key, options["agent"], settings, options["rate"])


def _agent_config(path: str | None) -> dict[str, Any] | None:
    """The object in a JSON file. Raises UsageError."""
    if path is None:
        return None
    try:
        config = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or f"no valid JSON: {error}"
        raise UsageError(f"--agent-config {path} cannot be read: {reason}") from error
    if not isinstance(config, dict):
        raise UsageError(f"--agent-config {path} must hold a JSON object")
    return config


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
        longest=LONGEST if options["limit"] is None else options["limit"],
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
        self.provider = provider
        self._plan = plan
        self._script = script
        self.options = options
        self._interrupted = False
        self._mask = Mask([plan.key])
        self._lines = JsonLines(sys.stdout, provider, self._mask) if options["as_json"] else None
        self._progress: ProgressLine | None = None
        self._task: asyncio.Task[list[Outcome]] | None = None
        self._manners = Manners(provider, script.sending_rate(provider))
        steps = scenario is not None and scenario.table.agent.step
        self._label = f"scenario-{secrets.token_hex(6)}" if steps else ""
        # By which an emulator finds the call again, to say what its script did.
        self._agent: ScriptWatch | None = None

    async def run(self) -> int:
        watchers: list[Tap] = [self._manners] if self.options["fail_on"] == "finding" else []
        if self._lines is not None:
            watchers.append(self._lines)
        elif sys.stderr.isatty():
            self._progress = ProgressLine(sys.stderr, self.provider)
            watchers.append(self._progress)
        record = self.options["record"]
        recordings = None if record is None else Path(record)
        if recordings is not None:
            # What cannot hold a recording is found before anybody is called.
            usable_root(recordings, [self.provider.id])
        with self._devices(watchers) as sounds:
            telephone = Telephone(
                self.provider,
                self._plan,
                recordings=recordings,
                watchers=watchers,
                sounds=sounds,
                label=self._label,
                mask=self._mask,
                insecure=self.options["insecure"],
            )
            return await self._dial(telephone)

    async def _dial(self, telephone: Telephone) -> int:
        outcomes: list[Outcome] = []
        error: VoxemuError | None = None
        self._task = asyncio.create_task(telephone.call(self._script, reconnect=self.options["reconnect"]))
        with stopped_by_signals(
            lambda: self._stop(telephone), lambda: self._break_off(telephone), code=INTERRUPTED
        ):
            try:
                outcomes = await self._task
            except asyncio.CancelledError:
                if not self._interrupted:
                    raise
            except (ConnectionLost, Refused, RemoteProtocolError, RecordingError) as problem:
                error = problem
            if self._label and outcomes:
                self._agent = await scripts_watch(self._plan.url, self._plan.key, self._label, self.provider)
            return self._tell(outcomes, error)

    def _stop(self, telephone: Telephone) -> None:
        """Asked once: the call ends in order; one that is not connected is given up."""
        self._interrupted = True
        if not telephone.hang_up("interrupted"):
            self._give_up()

    def _break_off(self, telephone: Telephone) -> None:
        """Asked twice: no goodbye."""
        telephone.drop()
        self._give_up()

    def _give_up(self) -> None:
        assert self._task is not None
        self._task.cancel()

    # --- devices ------------------------------------------------------------

    @contextlib.contextmanager
    def _devices(self, watchers: list[Tap]) -> Iterator[Any]:
        """Opens what was asked for before anything is dialled. Raises UsageError."""
        if not (self.options["mic"] or self.options["play"]):
            yield None
            return
        from voxemu_client import devices

        if self.options["mic"] and self.options["play"] and not self._script.half_duplex:
            sys.stderr.write(f"{devices.HEADPHONES}\n")
        rate = self._script.sending_rate(self.provider)
        loop, ears = asyncio.get_running_loop(), _Ears()
        parts: list[Any] = []
        if self.options["mic"]:

            def captured(pcm: bytes) -> None:
                loop.call_soon_threadsafe(ears.heard, pcm)

            parts.append(devices.MicrophoneDevice(rate, captured))
        if self.options["play"]:
            speaker = devices.LoudspeakerDevice(
                AudioFormat(self.provider.format.rate), self._script.jitter_buffer
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
        if code == DONE and self._manners.found:
            code, reason = FAILED, f"against the page: {self._manners.sentence}"
        reason = self._mask.text(reason)
        summary = self._masked(summarise(self.provider, self._plan, outcomes, code, reason))
        if code == UNRECORDED:
            # The reason is the recording's; how the call ended is something else.
            summary |= self._masked({"ending": ending(outcomes[-1])})
        if self._scenario is not None and outcomes:
            judgement = report(outcomes[-1].caller, verdicts)
            summary |= {
                "scenario": self._scenario.name,
                **self._masked({"ending": ending(outcomes[-1]), **judgement}),
            }
        if self._progress is not None:
            self._progress.erase()
        if self._lines is not None:
            self._lines.write(summary)
        elif outcomes:
            told = map(self._mask.text, verdict_lines(verdicts))
            sys.stdout.write("\n".join([*summary_lines(summary), *told]) + "\n")
        if code not in (DONE, INTERRUPTED) and self._lines is None:
            sys.stderr.write(f"emu client: {printable(reason)}\n")
        return code

    def _masked(self, said: dict[str, Any]) -> dict[str, Any]:
        """What a provider said may hold what was given to it in confidence; our own paths do not."""
        masked = {name: self._mask.plain(value) for name, value in said.items()}
        return masked | {name: said[name] for name in ("recordings",) if name in said}

    def _judged(self, outcomes: list[Outcome]) -> list[Verdict]:
        if self._scenario is None or not outcomes:
            return []
        return judged(self._scenario, outcomes[-1].caller, self._agent)

    def _verdict(
        self, outcomes: list[Outcome], error: VoxemuError | None, verdicts: list[Verdict]
    ) -> tuple[int, str]:
        if self._interrupted:
            return INTERRUPTED, "interrupted"
        if error is not None:
            code = {RemoteProtocolError: OFF_THE_PAGE, RecordingError: USAGE}.get(type(error), UNREACHABLE)
            notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
            return code, f"{error}{notes}{_about_the_key(error, self._plan.key)}"
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
