"""The same call on three clocks: a minute of a user who interrupts the agent twice, rehearsed, on the virtual
clock and on the media clock, each recorded by the provider's end. Also run by benchmarks/clocks.py.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import random
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from tests.calls import speech
from tests.server.phone import Phone, dial
from voxemu.audio import SAMPLE_BYTES
from voxemu.casting import cast
from voxemu.dialogue.doorkeeper import Doorkeeper
from voxemu.dialogue.session import Session
from voxemu.drive.rehearsal import rehearse
from voxemu.engine import Engine, Tapped
from voxemu.events import AgentAudioSent, Closed, Event, Opened, SessionEnded, TokenPresented, UserAudioSent
from voxemu.lint import Linter
from voxemu.provider import CallPlan, Key, Provider, Response, Role
from voxemu.record import CallFacts, Recorder
from voxemu.server.config import Config, checked
from voxemu.server.ladder import given
from voxemu.server.news import News
from voxemu.server.run import running
from voxemu.spoiler import SpoiledCodec, Spoiler
from voxemu.testing.virtual import run_virtual, virtual_emulator
from voxemu.wire import PROVIDERS

FRAME = 0.02
TALK = ((1.0, 3.0), (6.0, 0.8), (12.0, 2.5), (20.0, 4.0), (26.2, 0.6), (33.0, 0.05), (35.0, 6.0), (50.0, 2.0))
# Seconds: when the user begins, and how long the user speaks. The second and the fifth are over the echo of
# the one before.
STARTED = {
    "token": "t",
    "ws_url": "ws://emulator/s",
    "wsUrl": "ws://emulator/s",
    "sessionId": "s",
    "audioConfig": {"sampleRate": 24_000},
}
# What any of the providers answers to the start of a session.
HISS = 3
# Amplitude of the room, as every real microphone has one.


@dataclass(frozen=True, slots=True)
class Plan:
    """The call that is placed on every clock."""

    provider: Provider
    pcm: bytes
    settings: Mapping[str, Any] = field(default_factory=dict)
    # Of the emulator.
    announced: tuple[Event, ...] = ()
    # Said by the client before its audio, behind what its page wants.
    rate: int | None = None
    # Of the audio; None is the provider's own.

    @property
    def frames(self) -> list[UserAudioSent]:
        size = round((self.rate or self.provider.format.rate) * FRAME) * SAMPLE_BYTES
        return [self._sent(self.pcm[at : at + size]) for at in range(0, len(self.pcm), size)]

    def chunks(self, dice: random.Random) -> list[UserAudioSent]:
        """The audio in messages of any length, from one sample to a second."""
        found, at = [], 0
        while at < len(self.pcm):
            size = SAMPLE_BYTES * int(self.provider.format.rate ** dice.random())
            found.append(self._sent(self.pcm[at : at + size]))
            at += size
        return found

    def _sent(self, pcm: bytes) -> UserAudioSent:
        rate = self.rate or self.provider.format.rate
        return UserAudioSent(pcm, rate if self.provider.declares_rate else None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: at the provider's end as it was recorded, at the client's as it was received."""

    timeline: list[str]
    digests: dict[str, str]
    received: list[str]
    # The kinds of messages, in order.
    audio: str
    # Digest of the agent audio received.
    figures: dict[str, Any]


@dataclass
class Received:
    """What a client heard."""

    bytes: int = 0
    ended: bool = False
    kinds: list[str] = field(default_factory=list)
    audio: Any = field(default_factory=hashlib.sha256)

    def saw(self, event: Event) -> None:
        self.kinds.append(type(event).__name__)
        if isinstance(event, AgentAudioSent):
            self.audio.update(event.pcm)
            self.bytes += len(event.pcm)
        self.ended = self.ended or isinstance(event, SessionEnded)


@cache
def track(provider: Provider, seconds: float = 60.0, talk: tuple[tuple[float, float], ...] = TALK) -> bytes:
    """What the user's microphone gives."""
    axis = provider.format
    dice = random.Random(7)
    hiss = [dice.randrange(-HISS, HISS + 1).to_bytes(2, "little", signed=True) for _ in range(axis.rate)]
    pcm = bytearray((b"".join(hiss) * (int(seconds) + 1))[: axis.samples(seconds) * SAMPLE_BYTES])
    for number, (start, length) in enumerate(talk):
        voice = speech(axis, length, 150.0 + 20 * number)
        at = axis.samples(start) * SAMPLE_BYTES
        if at < len(pcm):
            pcm[at : at + len(voice)] = voice[: len(pcm) - at]
    return bytes(pcm)


def settings(folder: Path, clock: str = "real", **more: Any) -> dict[str, Any]:
    return {"record": folder, "seed": 1, "port": 0, "clock": clock, **more}


# --- rehearsed ----------------------------------------------------------------------------------------------


class Player:
    """A caller's engine that plays its frames on a grid of 20 ms, from the ready message on, and hangs up."""

    def __init__(self, provider: Provider, sounds: list[UserAudioSent], opening: tuple[Event, ...]) -> None:
        self._provider = provider
        self._frames = sounds
        self._opening = opening
        self._start: float | None = None
        self._sent = 0
        self._over = False
        self.received = Received()

    @property
    def deadline(self) -> float | None:
        return None if self._start is None or self._over else self._start + self._sent * FRAME

    def receive(self, event: Event, now: float) -> list[Event]:
        if not isinstance(event, Opened | Closed):
            self.received.saw(event)
        if type(event) is (self._provider.ready or Opened):
            self._start = now
        was_over, self._over = self._over, self._over or isinstance(event, Closed | SessionEnded)
        if isinstance(event, Opened):
            return list(self._opening)
        return [Closed(1000, "", "caller")] if isinstance(event, SessionEnded) and not was_over else []

    def advance(self, now: float) -> list[Event]:
        said: list[Event] = []
        while (due := self.deadline) is not None and due <= now:
            if self._sent == len(self._frames):
                self._over = True
                said += [*self._provider.closing(), Closed(1000, "", "caller")]
            else:
                said.append(self._frames[self._sent])
                self._sent += 1
        return said


def rehearsed(plan: Plan, folder: Path) -> Outcome:
    provider = plan.provider
    config = checked(given(settings(folder, **plan.settings), "test"))
    effective = config.effective(provider.id, "", Key())
    played = cast(config.agent_behind(config.default_agent), provider, effective.dialogue)
    session = Session(provider, effective.dialogue, played.agent, session_id="rehearsed")
    place = folder / provider.id / "rehearsed"
    place.mkdir(parents=True)
    facts = CallFacts(clock="rehearsal", settings={"dialogue": asdict(effective.dialogue)})
    words = provider.codec(Role.PROVIDER, effective.wire, random.Random(0))
    recorder = Recorder(place, provider, Role.PROVIDER, facts, words)
    faults = [*played.faults, *(fault for fault, _ in config.faults())]
    spoiler = Spoiler(session, provider, faults, random.Random(0))
    end: Engine = Tapped(spoiler, [Linter(provider, effective.dialogue.input_rate), recorder])
    opening = provider.reach(CallPlan("ws://emulator", "k"), Response(200, STARTED)).opening
    if TokenPresented in provider.spells:
        inner = end
        end = Doorkeeper(provider, 10.0, lambda token, now: inner)
    player = Player(provider, plan.frames, (*opening, *plan.announced))
    how = rehearse(player, end, provider, rng=random.Random(1), settings=effective.wire, words=SpoiledCodec)
    recorder.close(how.seconds)
    assert recorder.failure is None
    return outcome(place, player.received)


# --- with sockets -------------------------------------------------------------------------------------------


Pace = Callable[[int], Any]
"""Waits until frame ``n`` is to be sent."""


async def place_call(
    client: ClientSession, url: str, plan: Plan, chunks: list[UserAudioSent], pace: Pace
) -> Received:
    """A client of the provider's page: it streams, listens meanwhile, and hangs up."""
    phone = await dial(client, plan.provider.id, url)
    received, ready = Received(), asyncio.Event()
    listening = asyncio.create_task(_listen(phone, received, ready))
    if plan.provider.ready is not None:
        await ready.wait()
    await phone.say(*plan.announced)
    for number, chunk in enumerate(chunks):
        await pace(number)
        if received.ended:
            break
        await phone.say(chunk)
    else:
        await pace(len(chunks))
        await until_heard(client, url, len(plan.pcm), received)
        if not received.ended:
            await phone.say(*plan.provider.closing())
    await phone.ws.close()
    await listening
    return received


async def until_heard(client: ClientSession, url: str, sent: int, received: Received) -> None:
    """Waits for the emulator to have heard all, and for what it said: a closing client throws that away."""
    while not received.ended:
        async with client.get(url + "/__emu/sessions") as answered:
            (session,) = (await answered.json())["sessions"]
        async with client.get(f"{url}/__emu/sessions/{session['id']}") as answered:
            counters = (await answered.json())["counters"]
        heard, said = (counters.get(f"{who}_audio_sent_bytes", 0) for who in ("user", "agent"))
        if (heard, said) == (sent, received.bytes):
            return
        await asyncio.sleep(0)


async def _listen(phone: Phone, received: Received, ready: asyncio.Event) -> None:
    async for message in phone.ws:
        for event in phone.codec.decode(message.data):
            received.saw(event)
            if isinstance(event, phone.provider.ready or ()):
                ready.set()
    received.ended = True


def on_virtual(plan: Plan, folder: Path) -> Outcome:
    async def call() -> Received:
        loop = asyncio.get_running_loop()
        async with virtual_emulator(**settings(folder, **plan.settings)) as emu, ClientSession() as client:
            start = loop.time()

            async def pace(number: int) -> None:
                await asyncio.sleep(start + number * FRAME - loop.time())

            return await place_call(client, emu.url, plan, plan.frames, pace)

    received = run_virtual(call())
    return outcome(_only(folder, plan.provider), received)


@asynccontextmanager
async def served(folder: Path, **more: Any) -> AsyncIterator[str]:
    """An emulator on the media clock, on a real socket of this loop; its URL."""
    config: Config = checked(given(settings(folder, clock="media", **more), "test"))
    async with running(config, News(io.StringIO(), as_json=False)) as (_, report):
        yield report["url"]


def on_media(plan: Plan, folder: Path, chunking: random.Random | None = None) -> Outcome:
    async def call() -> Received:
        async with served(folder, **plan.settings) as url, ClientSession() as client:
            chunks = plan.frames if chunking is None else plan.chunks(chunking)

            async def pace(number: int) -> None:
                pass

            return await place_call(client, url, plan, chunks, pace)

    received = asyncio.run(call())
    return outcome(_only(folder, plan.provider), received)


# --- what came of it ----------------------------------------------------------------------------------------


def _only(folder: Path, provider: Provider) -> Path:
    (found,) = (folder / provider.id).iterdir()
    return found


def outcome(place: Path, received: Received) -> Outcome:
    manifest = json.loads((place / "manifest.json").read_text())
    assert manifest["complete"]
    return Outcome(
        (place / "timeline.jsonl").read_text().replace(manifest["session_id"] or "-", "*").splitlines(),
        manifest["digests"],
        received.kinds,
        received.audio.hexdigest(),
        {name: manifest[name] for name in ("turns", "barge_ins", "findings", "audio", "length", "closed")},
    )


if __name__ == "__main__":
    # python -m tests.clocks PROVIDER SECONDS FOLDER: a line for each clock.
    name, length, where = sys.argv[1:]
    asked = Plan(PROVIDERS[name], track(PROVIDERS[name], float(length), TALK[:3]))
    for way in (rehearsed, on_virtual, on_media):
        sys.stdout.write(json.dumps(asdict(way(asked, Path(where, way.__name__)))) + "\n")
