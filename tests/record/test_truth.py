"""What a recording says is true, whatever happens in the call, at either end of it."""

from __future__ import annotations

import tempfile
import wave
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.record.calls import RATE, Recorded, samples
from voxemu.audio import mix, sample_count
from voxemu.events import (
    AgentAudioSent,
    Closed,
    InputGapped,
    InputStarted,
    Note,
    PlaybackFlushed,
    PlaybackStarted,
    UserAudioSent,
)
from voxemu.provider import Role
from voxemu.record import Recording

COUNT = st.integers(1, 4000)
ACTIONS = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 5000)),
    st.tuples(st.just("user"), COUNT),
    st.tuples(st.just("notice gap"), st.just(0)),
    st.tuples(st.just("agent"), COUNT),
    st.tuples(st.just("agent again"), st.integers(0, 5000)),
    st.tuples(st.just("agent lost"), COUNT),
    st.tuples(st.just("flush"), st.integers(0, 100)),
    st.tuples(st.just("settle"), st.just(0)),
)
CALLS = st.lists(ACTIONS, max_size=40)


@dataclass
class Side:
    """One track as it must come out: each sample at its place."""

    lies: dict[int, int] = field(default_factory=dict)
    next: int | None = None
    sent: bytes = b""

    @property
    def end(self) -> int:
        return max(self.lies, default=-1) + 1

    def new(self, count: int) -> bytes:
        pcm = samples(sample_count(self.sent), count)
        self.sent += pcm
        return pcm

    def lay(self, pcm: bytes) -> None:
        assert self.next is not None
        self.lies.update(enumerate(array("h", pcm), self.next))
        self.next += sample_count(pcm)

    def until(self, length: int) -> bytes:
        return array("h", [self.lies.get(position, 0) for position in range(length)]).tobytes()


class Imagined:
    """An engine that does at random what engines may do, and keeps its own account of it."""

    def __init__(self, directory: Path, role: Role) -> None:
        self.call = Recorded(directory, role)
        self.role = role
        self.now = 0
        # In samples.
        self.user, self.agent = Side(), Side()
        self.gap: int | None = None
        self.gapped = 0

    def act(self, what: str, amount: int) -> None:
        getattr(self, what.replace(" ", "_"))(amount)

    def show(self, *events: object) -> None:
        self.call.at(self.now / RATE, *events)  # type: ignore[arg-type]

    def wait(self, count: int) -> None:
        self.now += count

    def settle(self, _: int) -> None:
        self.call.settle(self.now / RATE)

    def said(self, notes: list[Note], pcm: bytes) -> None:
        sent = UserAudioSent(pcm)
        self.show(*([sent, *notes] if self.role is Role.PROVIDER else [*notes, sent]))

    def user_audio(self, count: int) -> None:
        notes: list[Note] = []
        if self.user.next is None:
            self.user.next = self.now
            notes.append(InputStarted(self.now))
        elif self.gap is not None:
            length = max(0, self.now - self.gap)
            notes.append(InputGapped(self.gap, length, open=False))
            self.gapped += length
            self.user.next, self.gap = self.gap + length, None
        pcm = self.user.new(count)
        self.user.lay(pcm)
        self.said(notes, pcm)

    def notice_gap(self, _: int) -> None:
        if self.gap is None and self.user.next is not None and self.user.next < self.now:
            self.gap = self.user.next
            self.show(InputGapped(self.gap, self.now - self.gap, open=True))

    def agent_audio(self, count: int, place: int | None = None) -> None:
        notes: list[Note] = []
        if self.agent.next is None or place is not None:
            self.agent.next = max(self.now, self.agent.end) if place is None else place
            notes.append(PlaybackStarted(self.agent.next))
        pcm = self.agent.new(count)
        self.agent.lay(pcm)
        sent = AgentAudioSent(pcm)
        self.show(*([*notes, sent] if self.role is Role.PROVIDER else [sent, *notes]))

    def agent_again(self, ahead: int) -> None:
        self.agent_audio(1 + ahead % 999, max(self.now, self.agent.end) + ahead)

    def agent_lost(self, count: int) -> None:
        """Audio that is thrown away as it comes."""
        if self.role is Role.CALLER:
            at = self.agent.end if self.agent.next is None else self.agent.next
            self.show(AgentAudioSent(self.agent.new(count)), PlaybackFlushed(at, count))

    def flush(self, percent: int) -> None:
        at = self.agent.end * percent // 100
        gone = [position for position in self.agent.lies if position >= at]
        for position in gone:
            del self.agent.lies[position]
        self.agent.next = None
        self.show(PlaybackFlushed(at, len(gone)))


def acted(imagined: Imagined, actions: list[tuple[str, int]]) -> None:
    names = {"user": "user audio", "agent": "agent audio"}
    for what, amount in actions:
        imagined.act(names.get(what, what), amount)


@pytest.mark.parametrize("role", list(Role))
@settings(deadline=None)
@given(actions=CALLS)
def test_each_sample_lies_where_it_sounded(role: Role, actions: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        imagined = Imagined(Path(directory), role)
        acted(imagined, actions)
        imagined.show(Closed(1000, "", "caller"))
        recording = imagined.call.close(imagined.now / RATE + 1)
        user, agent = imagined.user, imagined.agent
        length = max(imagined.now, user.end, agent.end)
        assert (recording.left, recording.right) == (user.until(length), agent.until(length))


@pytest.mark.parametrize("role", list(Role))
@settings(deadline=None)
@given(actions=CALLS)
def test_received_is_heard_and_dropped_and_sent_is_on_the_left(
    role: Role, actions: list[tuple[str, int]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        imagined = Imagined(Path(directory), role)
        acted(imagined, actions)
        imagined.show(Closed(1000, "", "caller"))
        recording = imagined.call.close(imagined.now / RATE)
        counted = recording.manifest["audio"]
        # Counted in the files: no sample sent is nought, so whatever is not silence was sent.
        heard, left = (
            sum(1 for sample in array("h", pcm) if sample) for pcm in (recording.right, recording.left)
        )
        assert counted["agent"]["received"] == heard + counted["agent"]["dropped"]
        assert counted["agent"]["heard"] == heard
        assert counted["user"]["samples"] == counted["user"]["laid"] == left
        open_gap = 0 if imagined.gap is None else max(0, imagined.now - imagined.gap)
        assert counted["user"]["gap_samples"] == imagined.gapped + open_gap


@pytest.mark.parametrize("role", list(Role))
@settings(deadline=None)
@given(actions=CALLS)
def test_every_reader_reads_the_same_samples(role: Role, actions: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        imagined = Imagined(Path(directory), role)
        acted(imagined, actions)
        recording = imagined.call.close(imagined.now / RATE)
        with wave.open(f"{directory}/call.wav") as file:
            assert file.readframes(file.getnframes()) == mix(recording.left, recording.right)
        with wave.open(f"{directory}/agent-wire.wav") as file:
            assert file.readframes(file.getnframes()) == recording.agent_wire == imagined.agent.sent


@pytest.mark.parametrize("role", list(Role))
@settings(deadline=None)
@given(actions=CALLS)
def test_a_recording_broken_off_is_true_up_to_then(role: Role, actions: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        imagined = Imagined(Path(directory), role)
        acted(imagined, actions)
        imagined.now += 1
        imagined.settle(0)
        recording = Recording.open(Path(directory))
        length = max(imagined.now, imagined.user.end)
        assert recording.left == imagined.user.until(length)
        right = imagined.agent.until(imagined.now)
        assert recording.right[: len(right)] == right
        assert not any(recording.right[len(right) :])
        imagined.call.close(imagined.now / RATE)


@pytest.mark.parametrize("role", list(Role))
@settings(deadline=None)
@given(actions=CALLS)
def test_the_timeline_adds_up_to_the_manifest(role: Role, actions: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        imagined = Imagined(Path(directory), role)
        acted(imagined, actions)
        recording = imagined.call.close(imagined.now / RATE)
        for kind, count in (("user_audio_sent", "samples"), ("agent_audio_sent", "received")):
            lines = [line for line in recording.timeline.lines if line.type == kind]
            total = recording.manifest["audio"][kind.split("_")[0]][count]
            assert sum(line.fields["samples"] for line in lines) == total
        assert f"sha256:{recording.timeline.sha256}" == recording.manifest["digests"]["timeline.jsonl"]
