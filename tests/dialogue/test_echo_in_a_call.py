"""A call through loudspeakers: what the agent says comes back through the microphone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pytest

from tests.calls import Talk
from tests.dialogue.echoes import Sound, fan, pcm, spoken
from voxemu.agent import Call, Cue, Say, Step, UserTurn
from voxemu.events import AgentAudioSent, BargedIn, ReplyEnded, TurnStarted, UserAudioSent

RATE = 44_100
SLOT = RATE // 50


@dataclass
class Speaker:
    """Says a clip after the first turn, and nothing after the next."""

    clip: Sound
    name: str = "speaker"
    passes_through: bool = False
    spoken: bool = False

    def respond(self, cue: Cue, call: Call) -> Iterable[Step]:
        if isinstance(cue, UserTurn) and not self.spoken:
            self.spoken = True
            return [Say("a story", pcm(self.clip))]
        return []


class Room:
    """A lokutor client without echo cancellation: its microphone hears a fan and its own loudspeaker too."""

    def __init__(self, clip: Sound, *, delay: float, gain: float, guard: bool = True) -> None:
        self.talk = Talk("lokutor", Speaker(clip), echo_guard=guard)
        self.air = np.zeros(RATE * 40)
        self.noise = fan(40.0, RATE, 0.004, np.random.default_rng(5))
        self.delay, self.gain = round(delay * RATE), gain
        self.at = 0
        # Samples of microphone so far.
        self.seen = 0
        self.sounds_until = 0

    def listen(self, seconds: float, user: Sound | None = None) -> None:
        for slot in range(round(seconds * 50)):
            self._play()
            mic = self.gain * self.air[self.at : self.at + SLOT] + self.noise[self.at : self.at + SLOT]
            if user is not None:
                word = user[slot * SLOT : (slot + 1) * SLOT]
                mic[: len(word)] += word
            self.talk.wait(0.02)
            self.talk.take(UserAudioSent(pcm(mic)))
            self.at += SLOT

    def _play(self) -> None:
        """What has come from the agent goes out of the loudspeaker, one sample after the other."""
        for _, event in self.talk.said[self.seen :]:
            if isinstance(event, AgentAudioSent):
                sound = np.frombuffer(event.pcm, "<i2") / 32768
                start = max(self.sounds_until, self.at + self.delay)
                self.air[start : start + len(sound)] += sound
                self.sounds_until = start + len(sound)
        self.seen = len(self.talk.said)


def answered(room: Room) -> Talk:
    """The user asks, and the reply has just begun to sound."""
    ask = spoken("hello", RATE)
    room.listen(len(ask) / RATE + 1.0, ask)
    return room.talk


@pytest.mark.parametrize("delay", [0.03, 0.15, 0.35])
@pytest.mark.parametrize("clip", ["story", "numbers"])
def test_the_agents_own_voice_does_not_interrupt_it(clip: str, delay: float) -> None:
    room = Room(spoken(clip, RATE), delay=delay, gain=0.5)
    talk = answered(room)
    room.listen(9.0)
    assert talk.all(BargedIn) == []
    assert len(talk.all(TurnStarted)) == 1
    assert not talk.only(ReplyEnded).interrupted


def test_without_the_guard_it_does() -> None:
    room = Room(spoken("story", RATE), delay=0.15, gain=0.5, guard=False)
    talk = answered(room)
    room.listen(3.0)
    assert talk.only(BargedIn).stop < 0.25


@pytest.mark.parametrize("delay", [0.03, 0.35])
@pytest.mark.parametrize("word", ["stop", "question"])
def test_a_speaker_over_the_echo_interrupts_within_a_quarter_second(word: str, delay: float) -> None:
    room = Room(spoken("story", RATE), delay=delay, gain=0.5)
    talk = answered(room)
    room.listen(1.2)
    begun = talk.now
    room.listen(1.0, spoken(word, RATE))
    at = talk.when(BargedIn) + talk.opened
    assert 0 <= at - begun <= 0.25


def test_the_very_clip_that_is_being_said_interrupts_when_it_is_late() -> None:
    clip = spoken("story", RATE)
    room = Room(clip, delay=0.1, gain=0.4)
    talk = answered(room)
    begins = talk.when(AgentAudioSent) + talk.opened
    room.listen(begins + 0.8 - talk.now + 0.02)
    begun = talk.now
    room.listen(1.5, clip)
    assert talk.when(BargedIn) + talk.opened - begun <= 0.25
