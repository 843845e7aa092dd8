"""Every code of the register: a client that breaks its rule, and is found; one that does not, and is not.

Whoever adds a rule adds a case here. Codes that a wire shows are found in whole calls to an emulator, on the
virtual clock; what needs a room is in tests/server/test_room_findings, and is named here all the same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.client.scenarios import SAY
from tests.client.test_replay import ANSWER, OVER, findings, recorded
from tests.lint.calls import Floats, integers, normal
from tests.lint.clients import (
    JSON,
    KEY,
    App,
    Client,
    codes,
    ints,
    paced,
    saying,
    sending,
    speaks,
    talks,
)
from tests.lint.test_payload import as_wav
from voxemu.events import FindingMade, Opened
from voxemu.lint import all_codes
from voxemu.lint.linter import Linter
from voxemu.lint.peer import PeerLinter
from voxemu.provider import Message, Role
from voxemu.wire import PROVIDERS

Look = Callable[[Path], set[str]]
"""Makes a call, and answers the codes that were found."""


@dataclass(frozen=True, slots=True)
class Case:
    bad: Look
    good: Look


def case(provider: str, bad: Client, good: Client = speaks, **settings: Any) -> Case:
    return Case(
        lambda folder: codes(provider, bad, **settings), lambda folder: codes(provider, good, **settings)
    )


# --- clients that say the wrong thing at the wrong time -------------------------------------------------


async def after_the_end(app: App) -> None:
    """The agent hangs up, and the microphone stays on."""
    line = await app.call()
    await line.send(talks(app, 0.5))
    await line.heard("session_ended")
    await line.send(talks(app, 0.68))


async def until_the_end(app: App) -> None:
    line = await app.call()
    await line.send(talks(app, 0.5))
    await line.heard("session_ended")
    await line.hang_up()


async def after_hanging_up(app: App) -> None:
    line = await app.call()
    await line.send(talks(app, 0.5))
    await line.say('{"type":"stop"}')
    await line.send(talks(app, 0.2))
    await line.ws.close()


def listens_back(seconds: float) -> Client:
    """Interrupts the agent; then its microphone hears what still comes, for so long."""

    async def client(app: App) -> None:
        line = await app.call()
        await line.send(talks(app, 0.6) + bytes(app.rate * 2))
        await line.send(talks(app, 0.8))
        await line.heard("clear")
        loudspeaker = line.agent[: 2 * app.provider.format.samples(seconds)]
        await line.send(loudspeaker or bytes(960))
        await line.hang_up()

    return client


async def holds_its_microphone_to_the_loudspeaker(app: App) -> None:
    """What the agent says comes back 80 ms later, half as loud."""
    line = await app.call()
    await line.send(talks(app, 3.0))
    frame, late = 2 * app.provider.frame_samples, round(0.08 * app.rate) * 2
    back = 0
    for _ in range(250):
        echo = bytes(frame)
        if len(line.agent) >= back + frame + late:
            echo = (np.frombuffer(line.agent[back : back + frame], "<i2") // 2).tobytes()
            back += frame
        await line.send(echo)
    await line.hang_up()


def waits(seconds: float, keeps_alive: bool = False, silence: bool = False) -> Client:
    async def client(app: App) -> None:
        line = await app.call()
        if silence:
            await line.send(bytes(2 * round(app.rate * seconds)))
        for _ in range(0 if silence else round(seconds)):
            await asyncio.sleep(1.0)
            if keeps_alive:
                await line.send(talks(app, 0.1))
        await line.hang_up()

    return client


def piles_up(drops: bool) -> Client:
    """The line is slow for 12 s, and the microphone goes on; ``drops``: what the line does not take."""

    async def client(app: App) -> None:
        line = await app.call()
        await line.send(talks(app, 1.0))
        if drops:
            await line.send(talks(app, 1.0))
            await asyncio.sleep(13.0)
        else:
            await line.send(talks(app, 14.0), waits=False)
        await line.send(talks(app, 2.0))
        await line.hang_up()

    return client


def reads(nothing: bool) -> Client:
    """A voice that comes straight back, and a client that does not take it."""

    async def client(app: App) -> None:
        line = await app.call()
        if nothing:
            line._reading.cancel()
        await line.send(talks(app, 30.0), speed=8.0)
        await asyncio.sleep(5)
        await line.ws.close()

    return client


async def sends_silence_while_it_waits(app: App) -> None:
    line = await app.call()
    await line.send(talks(app, 0.4) + bytes(app.rate * 4))
    await line.hang_up()


async def stops_sending_while_it_waits(app: App) -> None:
    line = await app.call()
    await line.send(talks(app, 0.4))
    await asyncio.sleep(60)
    await line.hang_up()


# --- clients that ask for a session in the wrong way ----------------------------------------------------


def asks(body: Any = None, query: str = "", **headers: str) -> Client:
    """Starts a session so, and connects where there is one."""

    async def client(app: App) -> None:
        said = await app.start(body, query, **headers)
        if isinstance(said, dict) and "wsUrl" in said:
            line = await app.open(said["wsUrl"])
            await line.hang_up()

    return client


def upgrades(query: str, **headers: str) -> Client:
    async def client(app: App) -> None:
        ws = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        ws["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
        async with app.http.get(f"{app.emu.url}/ws/agent{query}", headers={**ws, **headers}) as answered:
            answered.close()

    return client


def connects(after: float = 0.0, change: Callable[[str], str] = str) -> Client:
    """So late, and at this URL."""

    async def client(app: App) -> None:
        said = await app.start()
        await asyncio.sleep(after)
        line = await app.open(change(said.get("wsUrl") or said["ws_url"]))
        if "token" in said:
            await line.say(json.dumps({"token": said["token"]}))
        await asyncio.sleep(0.1)
        await line.hang_up()

    return client


def shows(first: Mapping[str, str] | None) -> Client:
    """As the first message; None for what was issued."""

    async def client(app: App) -> None:
        said = await app.start()
        line = await app.open(said["ws_url"])
        await line.say(json.dumps(first or {"token": said["token"]}))
        await asyncio.sleep(0.1)
        await line.hang_up()

    return client


def comes_back(again: bool) -> Client:
    """``again``: with the URL and the token of its first call."""

    async def client(app: App) -> None:
        said = await app.start()
        for _ in range(2):
            line = await app.open(said.get("wsUrl") or said["ws_url"])
            if "token" in said:
                await line.say(json.dumps({"token": said["token"]}))
            await asyncio.sleep(0.5)
            await line.hang_up()
            await app.over()
            said = said if again else await app.start()
        if not again:
            await (await app.open(said.get("wsUrl") or said["ws_url"])).hang_up()

    return client


def calls_in_a_row(count: int) -> Client:
    """Each for one turn."""

    async def client(app: App) -> None:
        for _ in range(count):
            line = await app.call()
            await line.send(talks(app, 0.6))
            await asyncio.sleep(1.0)
            await line.hang_up()
            await app.over()

    return client


def starts(connects: bool) -> Client:
    async def client(app: App) -> None:
        if connects:
            await speaks(app)
        else:
            await app.start()
        await asyncio.sleep(600)

    return client


# --- the other ways to look -----------------------------------------------------------------------------


def replays(caller: str) -> Look:
    """A recording of two turns answers this caller."""
    lokutor = PROVIDERS["lokutor"]

    def look(folder: Path) -> set[str]:
        served = folder / "served"
        recorded(SAY + SAY + ANSWER + ANSWER, lokutor, served)
        return {line.partition(":")[0] for line in findings(caller, lokutor, folder / "live", served)}

    return look


def provider_says(*messages: Message, provider: str = "lokutor", **how: Any) -> Look:
    """What is remarked at the user's end of a provider that says this."""
    vendor = PROVIDERS[provider]

    def look(folder: Path) -> set[str]:
        linter = PeerLinter(vendor, **how)
        codec = vendor.codec(Role.CALLER, vendor.settings_type(), np.random.default_rng(1))  # type: ignore[arg-type]
        events = [Opened(), *(event for message in messages for event in codec.decode(message))]
        notes = [note for event in events for note in linter.saw(event, 1.0)]
        return {note.code for note in notes if isinstance(note, FindingMade)}

    return look


def recorded_client(*messages: Message) -> Look:
    """What `emu lint` says of a workbuddy call in which these passed; ``<`` is from the provider."""
    vendor = PROVIDERS["workbuddy"]

    def look(folder: Path) -> set[str]:
        linter = Linter(vendor)
        settings = vendor.settings_type()
        ears = {
            role: vendor.codec(role, settings, np.random.default_rng(1))  # type: ignore[arg-type]
            for role in Role
        }
        found = set()
        for message in (*messages, bytes(640)):
            role = Role.CALLER if isinstance(message, str) else Role.PROVIDER
            for event in ears[role].decode(message):
                found |= {note.code for note in linter.saw(event, 1.0) if isinstance(note, FindingMade)}
        return found

    return look


def status(word: str) -> str:
    return json.dumps({"type": "status", "data": word})


FINE = (status("listening"), status("thinking"), status("speaking"), b"\1\0" * 882, status("listening"))


def overflowing(sound: Floats) -> bytes:
    return ((1.5 * normal(sound) * 32767).astype(np.int64) & 0xFFFF).astype("<u2").tobytes()


SLOW = [{"kind": "slow_consumer", "ms": 12_000, "times": 2, "at": 1.0}]
ENDS = [{"kind": "agent_leaves", "at": 1.0}]
ROOMS = "tests/server/test_room_findings.py"

CASES: Mapping[str, Case | str] = {
    "F-FRAME-SIZE": case("lyzr-sip", sending(integers, size=8192)),
    "F-PACE-BURST": case("lyzr-sip", sending(integers, speed=1000.0)),
    "F-PACE-FAST": case("workbuddy", paced(speed=1.3), paced()),
    "F-PACE-SLOW": case("workbuddy", paced(speed=0.6), paced()),
    "F-RATE-APPARENT": case("workbuddy", paced(speed=3.0), paced()),
    "F-RATE-DECLARED": case("lyzr-sip", sending(integers, declares=16_000)),
    "F-RATE-PLAYBACK": case(
        "lokutor",
        saying('{"type":"rates","playback":24000,"input":44100}'),
        saying('{"type":"rates","playback":44100,"input":44100}'),
    ),
    "F-CONTAINER": case("workbuddy", sending(lambda sound: as_wav(integers(sound), 16_000))),
    "F-FLOAT32": case("lokutor", sending(lambda sound: sound.astype("<f4").tobytes())),
    "F-BYTE-ORDER": case("workbuddy", sending(lambda sound: ints(sound).astype(">i2").tobytes())),
    "F-STEREO": case("workbuddy", sending(lambda sound: np.repeat(ints(sound), 2).tobytes())),
    "F-ODD-BYTES": case("workbuddy", saying(bytes(641)), saying(bytes(640))),
    "F-EMPTY-AUDIO": case("lokutor", saying(b""), saying(bytes(2))),
    "F-CLIPPED": case("workbuddy", sending(lambda sound: integers(4 * normal(sound)))),
    "F-WRAPPED": case("workbuddy", sending(overflowing)),
    "F-DC-OFFSET": case("lokutor", sending(lambda sound: integers(0.5 * sound + 0.2), seconds=8.0)),
    "F-SILENCE-FLOOD": case("lokutor", waits(12, silence=True), waits(9, silence=True)),
    "F-BEFORE-READY": Case(recorded_client(), recorded_client('{"type":"connected"}')),
    "F-AFTER-END": case("workbuddy", after_the_end, until_the_end, fault=ENDS),
    "F-AFTER-HANGUP": case("lyzr-sip", after_hanging_up),
    "F-NOT-FLUSHED": case(
        "lyzr-sip", listens_back(0.5), listens_back(0.0), agent="tone:440:5", flush_check=True
    ),
    "F-NO-AUDIO": case("workbuddy", waits(16)),
    "F-ONLY-SILENCE": case("workbuddy", waits(16, silence=True)),
    "F-ECHO": case("workbuddy", holds_its_microphone_to_the_loudspeaker, dialogue={"echo_guard": True}),
    "F-TRACK-UNHEARD": ROOMS,
    "F-IDLE": case(
        "lyzr-sip",
        waits(65),
        waits(65, keeps_alive=True),
        dialogue={"idle_limit": 20, "idle_counts": "audio"},
    ),
    "F-NO-BACKPRESSURE": case("workbuddy", piles_up(drops=False), piles_up(drops=True), fault=SLOW),
    "F-BAD-SETTING": case(
        "lokutor",
        saying('{"type":"max_context_messages","data":0}'),
        saying('{"type":"max_context_messages","data":5}'),
    ),
    "F-BAD-JSON": case("lyzr-sip", saying("{no json")),
    "F-BAD-FIELD": case(
        "lokutor", saying('{"type":"prompt","data":5}'), saying('{"type":"prompt","data":"x"}')
    ),
    "F-UNKNOWN-TYPE": case("lokutor", saying('{"type":"promt","data":"x"}')),
    "F-FRAME-KIND": case("lyzr-sip", saying(bytes(960))),
    "F-NOT-BASE64": case("lyzr-sip", saying('{"type":"audio","audio":"%%%%","sampleRate":24000}')),
    "F-TIME-STOPPED": case(
        "lokutor", stops_sending_while_it_waits, sends_silence_while_it_waits, clock="media"
    ),
    "F-MESSAGE-SIZE": case("lokutor", saying(bytes(9000)), limits={"message": 8192}),
    "F-NOT-READING": case(
        "workbuddy", reads(nothing=True), reads(nothing=False), agent="loopback", limits={"stall": 1.0}
    ),
    "F-BAD-START": case("lyzr-sip", asks({"agent": "a"}, **JSON), asks()),
    "F-CONTENT-TYPE": case("lyzr-sip", asks({"agentId": "a"}, **{"Content-Type": "text/plain"}), asks()),
    "F-UNKNOWN-AGENT": case(
        "lyzr-sip", asks({"agentId": "nobody"}), asks({"agentId": "shop"}), agents={"known": ["shop"]}
    ),
    "F-URL-CHANGED": case("lyzr-sip", connects(change=lambda url: url.partition("?")[0]), connects()),
    "F-URL-EXPIRED": case("lyzr-sip", connects(5), connects(), lyzr_sip={"url_life": 2}),
    "F-TOKEN-EXPIRED": case("workbuddy", connects(5), connects(), workbuddy={"token_life": 2}),
    "F-TOKEN-UNKNOWN": case("workbuddy", shows({"token": "made up"}), shows(None)),
    "F-NO-TOKEN": case("workbuddy", shows({"type": "hello"}), shows(None)),
    "F-RECONNECTS": case("lokutor", calls_in_a_row(3), calls_in_a_row(2)),
    "F-URL-REUSED": case("lyzr-sip", comes_back(again=True), comes_back(again=False)),
    "F-TOKEN-REUSED": case("workbuddy", comes_back(again=True), connects()),
    "F-NEVER-CONNECTED": case("workbuddy", starts(connects=False), starts(connects=True)),
    "F-KEY-MISPLACED": case("workbuddy", asks(query="?api_key=k", **JSON), asks(**KEY)),
    "F-NO-END-CALL": ROOMS,
    "F-REPLAY-EXTRA": Case(replays("[caller]\npatience = 2\n" + SAY * 3), replays(SAY * 2)),
    "F-REPLAY-EARLY": Case(replays(SAY + OVER), replays(SAY * 2)),
    "F-REPLAY-MISSING": Case(replays(SAY), replays(SAY * 2)),
    "F-SERVER-HOST": Case(provider_says(*FINE, elsewhere="evil.example"), provider_says(*FINE)),
    "F-SERVER-ORDER": Case(provider_says(status("interrupted")), provider_says(*FINE)),
    "F-SERVER-AUDIO": Case(provider_says(*FINE, b"RIFF\0\0\0\0WAVEfmt "), provider_says(*FINE)),
    "F-SERVER-RATE": Case(
        provider_says('{"type":"server_rates","playback":24000,"input":44100}'),
        provider_says('{"type":"server_rates","playback":44100,"input":16000}'),
    ),
    "F-SERVER-PACE": Case(provider_says(*FINE, *[bytes(88_200)] * 70), provider_says(*FINE)),
    "F-SERVER-UNREADABLE": Case(provider_says("{no json"), provider_says(*FINE)),
    "F-SERVER-SECRET": Case(
        provider_says('{"type":"error","data":"bad key k-e-y"}', hides=lambda text: "k-e-y" in text),
        provider_says('{"type":"error","data":"bad key"}', hides=lambda text: "k-e-y" in text),
    ),
}
HERE = {code: found for code, found in CASES.items() if isinstance(found, Case)}


def test_every_code_has_a_case() -> None:
    assert set(CASES) == set(all_codes())


@pytest.mark.parametrize("code", HERE)
def test_a_client_that_breaks_the_rule_is_found(code: str, tmp_path: Path) -> None:
    assert code in HERE[code].bad(tmp_path)


@pytest.mark.parametrize("code", HERE)
def test_a_client_that_keeps_the_rule_is_not(code: str, tmp_path: Path) -> None:
    assert code not in HERE[code].good(tmp_path)


@pytest.mark.parametrize("code", [code for code, found in CASES.items() if isinstance(found, str)])
def test_what_needs_a_room_is_looked_for_there(code: str, top: Path) -> None:
    found = CASES[code]
    assert isinstance(found, str)
    text = (top / found).read_text("utf-8")
    assert text.count(f'"{code}"') >= 2
