"""Calls as a linter sees them: sound, and when which message of it came."""

from __future__ import annotations

import wave
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxemu.audio import AudioFormat, floats, pcm16, resample
from voxemu.events import (
    AgentReadied,
    Closed,
    Event,
    FindingMade,
    Opened,
    RatesAnnounced,
    SessionStarted,
    UserAudioSent,
)
from voxemu.lint import Linter

Floats = NDArray[np.float64]
Timed = tuple[float, Event]

PROMPTS = Path(__file__).resolve().parents[2] / "emulator" / "voxemu" / "prompts"


@dataclass(frozen=True)
class Vendor:
    """As much of a provider as the linter reads."""

    id: str
    format: AudioFormat
    frame: int
    # Samples of an ordinary message.
    ready: type[Event] | None = None


LYZR = Vendor("lyzr-sip", AudioFormat(24_000), 480)
WORKBUDDY = Vendor("workbuddy", AudioFormat(16_000), 320, SessionStarted)
LOKUTOR = Vendor("lokutor", AudioFormat(44_100), 882)
LIVEKIT = Vendor("lyzr-livekit", AudioFormat(48_000), 480)
FIFTH = Vendor("fifth", AudioFormat(8000), 160)
SOCKETS = (LYZR, WORKBUDDY, LOKUTOR)
VENDORS = (*SOCKETS, LIVEKIT, FIFTH)


# --- sound --------------------------------------------------------------------------------------------------


def tone(rate: int, seconds: float, hz: float = 440.0, level: float = 0.5) -> Floats:
    return level * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)


@cache
def speech(rate: int, seconds: float, peak: float = 0.5) -> Floats:
    """Voiced syllables with breath between them: harmonics of a gliding pitch under three formants."""
    time = np.arange(round(rate * seconds)) / rate
    pitch = 2 * np.pi * np.cumsum(120 + 25 * np.sin(2 * np.pi * 0.7 * time)) / rate
    voiced = np.zeros_like(time)
    for harmonic in range(1, 30):
        hz = 120 * harmonic
        weight = sum(level * np.exp(-(((hz - formant) / width) ** 2)) for formant, width, level in FORMANTS)
        if hz < rate / 2.2:
            voiced += (weight + 0.01) * np.sin(harmonic * pitch + 0.7 * harmonic)
    syllables = np.clip(np.sin(2 * np.pi * 2.3 * time), 0, None) ** 0.7
    breath = np.random.default_rng(7).normal(0, 0.01, time.size)
    sound = voiced * syllables + breath * np.max(np.abs(voiced))
    return normal(sound, peak)


FORMANTS = ((500, 150, 1.0), (1500, 250, 0.3), (2500, 350, 0.1))
# Hz, width, and the tilt of a voice: what lies higher is weaker.


def normal(sound: Floats, peak: float = 0.999) -> Floats:
    return np.asarray(peak * sound / np.max(np.abs(sound)), np.float64)


@cache
def prompt(name: str, rate: int) -> Floats:
    """A spoken prompt as the client ships it."""
    with wave.open(str(PROMPTS / f"{name}.wav")) as file:
        pcm = file.readframes(file.getnframes())
        return floats(resample(pcm, file.getframerate(), rate)).astype(np.float64)


def prompts() -> list[str]:
    return sorted(path.stem for path in PROMPTS.glob("*.wav"))


def integers(sound: Floats) -> bytes:
    return pcm16(sound.astype(np.float32))


# --- sending ------------------------------------------------------------------------------------------------


def cut(pcm: bytes, samples: int) -> list[bytes]:
    return [pcm[at : at + 2 * samples] for at in range(0, len(pcm), 2 * samples)]


def in_real_time(
    pcm: bytes,
    rate: int,
    samples: int,
    *,
    start: float = 1.0,
    speed: float = 1.0,
    declares: int | None = None,
) -> Iterator[Timed]:
    """Messages of so many samples, each when the last sample in it was captured."""
    sent = 0
    for part in cut(pcm, samples):
        sent += len(part) // 2
        yield start + sent / rate / speed, UserAudioSent(part, declares)


def in_callbacks(
    pcm: bytes, rate: int, samples: int, *, callback: int = 4096, start: float = 1.0
) -> Iterator[Timed]:
    """As workbuddy's page does it: each callback sends the whole frames that it completes."""
    due, captured, sent = start, 0, 0
    while captured < len(pcm) // 2:
        captured, due = captured + callback, due + callback / rate
        while sent + samples <= min(captured, len(pcm) // 2):
            yield due, UserAudioSent(pcm[2 * sent : 2 * (sent + samples)])
            sent += samples


def at_once(pcm: bytes, samples: int, *, start: float = 1.0) -> Iterator[Timed]:
    return ((start + n * 0.0002, UserAudioSent(part)) for n, part in enumerate(cut(pcm, samples)))


def delayed(stream: Iterable[Timed], delays: Iterable[float]) -> Iterator[Timed]:
    """Each message held back by the line for a while; none overtakes another."""
    arrival = 0.0
    for (due, event), delay in zip(stream, delays, strict=False):
        arrival = max(arrival, due + delay)
        yield arrival, event


# --- what the linter says -----------------------------------------------------------------------------------


def call(
    vendor: Vendor, stream: Iterable[Timed], *, input_rate: int | None = None, announces: int | None = None
) -> tuple[list[FindingMade], Linter]:
    """A whole call around this audio; ``announces`` is a rate that the client announces first."""
    linter = Linter(vendor, input_rate)
    opening: list[Event] = [Opened(), SessionStarted("s"), AgentReadied()]
    if announces:
        opening.append(RatesAnnounced(vendor.format.rate, announces))
    events: list[Timed] = [(0.0, event) for event in opening] + list(stream)
    events.append((events[-1][0] + 0.1, Closed(1000, by="caller")))
    found: list[FindingMade] = []
    for now, event in events:
        for note in linter.saw(event, now):
            assert isinstance(note, FindingMade)
            found.append(note)
    return found, linter


def codes(vendor: Vendor, stream: Iterable[Timed], **options: int) -> Counter[str]:
    return Counter(found.code for found in call(vendor, stream, **options)[0])


def only(code: str) -> Counter[str]:
    return Counter({code: 1})


NOTHING: Counter[str] = Counter()
