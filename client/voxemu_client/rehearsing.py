"""Rehearsing a scenario: the client's engine and the emulator's, with the real codecs, in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal
from urllib.parse import urlsplit

from voxemu.casting import cast_of, plays_a_script
from voxemu.dialogue.session import Session
from voxemu.drive.link import Link
from voxemu.drive.rehearsal import Rehearsed, rehearse
from voxemu.engine import Engine, Tap, Tapped
from voxemu.events import TokenPresented
from voxemu.fault import Fault
from voxemu.provider import Admission, CallPlan, Codec, Provider, Role, Target
from voxemu.record import CallFacts, Recorder
from voxemu.scenario.format import LinkTable
from voxemu.scenario.reading import Scenario
from voxemu.scenario.script_watch import ScriptWatch
from voxemu.scenario.verdicts import Verdict
from voxemu.spoiler import SpoiledCodec, Spoiler, Starts
from voxemu_client.caller import Caller
from voxemu_client.entering import KEY, URL, entered
from voxemu_client.judging import judged
from voxemu_client.staging import plan_of, script_of

BATCH = 4.0
# Seconds of the call between two writes of a recording.

End = Literal["caller", "provider"]


@dataclass(frozen=True, slots=True)
class Performance:
    """A scenario that was rehearsed."""

    scenario: Scenario
    provider: Provider
    caller: Caller
    end: Rehearsed
    verdicts: list[Verdict]
    agent: ScriptWatch
    # What a scripted agent did.
    spared: list[Fault]
    # Faults of kinds that never struck.

    @property
    def met(self) -> bool:
        return all(verdict.met for verdict in self.verdicts)


def perform(
    scenario: Scenario,
    provider: Provider,
    *,
    record: dict[End, Path] | None = None,
    wire_track: bool = True,
    link: LinkTable | None = None,
    seed: int | None = None,
    taps: Sequence[Tap] = (),
) -> Performance:
    """Runs the call to its end. The same scenario, seed and link: the same call, to the byte.

    ``record`` names an empty directory for each end that is to be recorded; ``taps`` watch the caller's end.
    Raises UsageError for a scenario that this provider cannot run, RecordingError.
    """
    stage = _Stage(
        scenario, provider, scenario.table.seed if seed is None else seed, wire_track, record or {}
    )
    link = link or scenario.table.link
    target, session = stage.enter()
    caller = Caller(provider, target, script_of(scenario, provider))
    end = rehearse(
        Tapped(caller, [*stage.caller_recorder(caller, target), *taps]),
        session,
        provider,
        rng=Random(f"{stage.seed}/codec"),
        settings=stage.wire,
        up=_link(link, stage.seed, "up"),
        down=_link(link, stage.seed, "down"),
        limit=scenario.table.limit,
        words=lambda codec: SpoiledCodec(codec, provider.media) if stage.is_spoiled else codec,
    )
    stage.close(end.seconds)
    return Performance(
        scenario,
        provider,
        caller,
        end,
        [*_whole(end, link, scenario), *judged(scenario, caller, stage.watched)],
        stage.watched,
        stage.spared(),
    )


class _Stage:
    """The provider's end, and the recorders of both."""

    def __init__(
        self, scenario: Scenario, provider: Provider, seed: int, wire_track: bool, record: dict[End, Path]
    ) -> None:
        self.seed = seed
        self.wire = scenario.wire(provider)
        self._scenario = scenario
        self._provider = provider
        self._record = record
        self._wire_track = wire_track
        self._dialogue = scenario.dialogue(provider)
        # Before anything is recorded: a file of its may not be there.
        self._cast = cast_of(scenario, provider, self._dialogue)
        self._plan = plan_of(scenario, provider, URL)
        if not self._plan.key:
            self._plan = CallPlan(URL, KEY, self._plan.agent, self._plan.settings, self._plan.rate)
        self._recorders: list[Recorder] = []
        self.watched = ScriptWatch(provider.format)
        # Nobody else can ask for a fault here.
        self.is_spoiled = plays_a_script(scenario) or bool(self._cast.faults)

    def enter(self) -> tuple[Target, Engine]:
        starts = Starts(Random(f"{self.seed}/starts"))
        for fault in self._faults:
            starts.add(fault)
        return entered(self._provider, self._plan, self.wire, self.seed, self._session, starts)

    @property
    def _faults(self) -> list[Fault]:
        """A rehearsed session has no label."""
        return [fault for fault in self._cast.faults if not fault.label]

    def spared(self) -> list[Fault]:
        struck = {note.kind for _, note in self.watched.faults}
        meant = [fault for fault in self._faults if fault.provider in ("", self._provider.id)]
        return [fault for fault in meant if not fault.strikes_a_start and fault.kind not in struck]

    def _session(self, admission: Admission, greeting: str, struck: tuple[Fault, ...]) -> Engine:
        dialogue, agent = self._dialogue, self._cast.agent
        if greeting:
            dialogue = replace(dialogue, greeting_text=greeting)
            agent = cast_of(self._scenario, self._provider, dialogue).agent
        made = Session(self._provider, dialogue, agent, session_id=admission.session_id)
        session: Engine = made
        taps: list[Tap] = []
        if self.is_spoiled:
            faults = [fault for fault in self._faults if not fault.strikes_a_start]
            session = Spoiler(made, self._provider, faults, Random(f"{self.seed}/faults"), struck)
            taps.append(self.watched)
        directory = self._record.get("provider")
        if directory is None:
            return Tapped(session, taps) if taps else session
        facts = CallFacts(
            agent=agent.name,
            session_id=admission.session_id,
            seed=self.seed,
            settings={"dialogue": asdict(dialogue), "wire": asdict(self.wire)},
            secrets=(KEY, self._plan.key),
            input_rate=self._dialogue.input_rate,
        )
        words = self._provider.codec(Role.PROVIDER, self.wire, Random(0))
        return Tapped(session, [*taps, self._recorder(directory, Role.PROVIDER, facts, words)])

    def caller_recorder(self, caller: Caller, target: Target) -> list[Recorder]:
        directory = self._record.get("caller")
        if directory is None:
            return []
        tokens = [event.token for event in target.opening if isinstance(event, TokenPresented)]
        secrets = (self._plan.key, target.url, urlsplit(target.url).query, *tokens)
        facts = CallFacts(
            agent=self._plan.agent,
            session_id=target.session_id,
            seed=self.seed,
            settings={"scenario": self._scenario.name, "title": self._scenario.table.title},
            secrets=tuple(secret for secret in secrets if secret),
            input_rate=caller.microphone.rate,
        )
        return [self._recorder(directory, Role.CALLER, facts)]

    def _recorder(
        self, directory: Path, role: Role, facts: CallFacts, words: Codec | None = None
    ) -> Recorder:
        recorder = Recorder(
            directory, self._provider, role, facts, words, wire_track=self._wire_track, batch=BATCH
        )
        self._recorders.append(recorder)
        return recorder

    def close(self, seconds: float) -> None:
        """Raises RecordingError for a recording that is not whole."""
        for recorder in self._recorders:
            recorder.close(seconds)
        for recorder in self._recorders:
            if recorder.failure is not None:
                raise recorder.failure


def _link(link: LinkTable, seed: int, way: str) -> Link:
    return Link(
        latency=link.latency_ms / 1000,
        jitter=link.jitter_ms / 1000,
        loss=link.loss,
        cut=link.cut,
        rng=Random(f"{seed}/{way}"),
    )


def _whole(end: Rehearsed, link: LinkTable, scenario: Scenario) -> list[Verdict]:
    if end.caller is None:
        return [
            Verdict(
                "failed",
                f"the call ends within {scenario.table.limit:g} s",
                "it was broken off there",
                scenario.place("limit"),
            )
        ]
    if end.caller.by == "line" and end.caller.code != 1000 and link.cut is None:
        return [Verdict("failed", "the line holds", f"closed {end.caller.code} {end.caller.reason}".rstrip())]
    return []
