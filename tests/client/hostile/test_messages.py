"""Once the call is connected: whatever the server says, the call ends in time, is told, and is recorded."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.client.hostile.calls import KEY, greeted, spelled, spoken
from tests.client.hostile.conftest import Place
from tests.client.hostile.villain import (
    BINARY,
    CLOSE,
    HOST,
    PING,
    TEXT,
    TICKET,
    Villain,
    Wire,
    frame,
    message,
)
from voxemu.events import (
    AgentAudioSent,
    ErrorReported,
    Event,
    Interrupted,
    ListeningStarted,
    SessionEnded,
    SessionStarted,
    SpeakingStarted,
    Transcribed,
)
from voxemu.provider import Message, Provider
from voxemu.wire import ON_SOCKETS

pytestmark = pytest.mark.sockets

DONE, FAILED, UNREACHABLE, OFF_THE_PAGE = 0, 1, 3, 4
LYZR, WORKBUDDY, LOKUTOR = (ON_SOCKETS[name] for name in ("lyzr-sip", "workbuddy", "lokutor"))
MEBI = 1 << 20


def only(*providers: Provider) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("villain", providers, ids=lambda each: each.id, indirect=True)


def acts(villain: Villain, act: Callable[[Wire], Awaitable[Any]]) -> None:
    """An honest beginning, then this."""

    async def whole(wire: Wire) -> None:
        await wire.say(*greeted(villain.provider))
        await act(wire)

    villain.act = whole


def says(villain: Villain, *messages: Message) -> None:
    """These, and honest replies after them until somebody hangs up: the call goes on."""

    async def act(wire: Wire) -> None:
        await wire.say(*messages)
        await asyncio.sleep(0.3)
        while not wire.heard.done():
            await wire.say(*spoken(villain.provider, 0.2, generation=3))
            # Long enough for the caller to find that it is quiet.
            await asyncio.sleep(1.5)

    acts(villain, act)


# --- nothing, and too little -----------------------------------------------------------------------------


async def test_a_server_that_says_nothing_at_all_is_given_up(villain: Villain, placed: Place) -> None:
    left = await placed(patience=0.5, ready_patience=0.5)
    assert left.code == (UNREACHABLE if villain.provider is WORKBUDDY else FAILED)
    assert left.recording is not None
    assert "never answered" in left.err or "let no audio in" in left.err


async def test_an_agent_without_a_voice_never_answered(villain: Villain, placed: Place) -> None:
    acts(villain, Wire.gone)
    left = await placed(patience=0.5)
    assert (left.code, "the agent never answered" in left.err) == (FAILED, True)


# --- messages off the page -------------------------------------------------------------------------------

UNREADABLE: dict[str, Message] = {
    "no JSON": "{",
    "an empty text": "",
    "an array": "[]",
    "a number": "5",
    "null": "null",
    "NaN": '{"type": NaN}',
    "a type that is an array": '{"type": []}',
    "a type that is an object": '{"type": {}}',
    "an unknown type": '{"type": "surprise"}',
    "deep nesting": "[" * 100_000,
    "deep nesting in an object": '{"type":' * 100_000,
    "a number of many digits": '{"type": ' + "9" * 10_000 + "}",
    "an escaped lone surrogate": '{"type": "\\ud800"}',
    "control characters": '{"type": "\\u001b[2J\\u0007"}',
    "a text that turns round": '{"type": "\u202egpj.exe"}',
    "a megabyte of one word": json.dumps({"type": "a" * MEBI}),
    "keys by the thousand": json.dumps({str(number): number for number in range(20_000)}),
    "no type": "{}",
}
AUDIO: dict[str, tuple[Provider, Message]] = {
    "odd bytes": (WORKBUDDY, b"\1\2\3"),
    "odd bytes too": (LOKUTOR, b"\1\2\3"),
    "an empty binary message": (WORKBUDDY, b""),
    "an empty binary message too": (LOKUTOR, b""),
    "bad base64": (LYZR, '{"type": "audio", "audio": "@@@@", "sampleRate": 24000}'),
    "base64 without padding": (LYZR, '{"type": "audio", "audio": "AAA", "sampleRate": 24000}'),
    "odd bytes in base64": (LYZR, '{"type": "audio", "audio": "AAAA", "sampleRate": 24000}'),
    "no audio in audio": (LYZR, '{"type": "audio"}'),
    "audio that is a list": (LYZR, '{"type": "audio", "audio": [1, 2]}'),
    "binary where text belongs": (LYZR, bytes(960)),
    "bad base64 in JSON": (LOKUTOR, '{"type": "audio", "data": "%"}'),
    "an unknown status": (LOKUTOR, '{"type": "status", "data": "exploding"}'),
    "a generation that is a word": (LOKUTOR, '{"type": "status", "data": "thinking", "generation": "x"}'),
    "a viseme of infinity": (LOKUTOR, '{"type": "visemes", "data": [{"v": 1, "c": "a", "t": 1e999}]}'),
    "a viseme that is too large": (
        LOKUTOR,
        '{"type": "visemes", "data": [{"v": 1, "c": "a", "t": ' + "9" * 400 + "}]}",
    ),
    "rates that cannot be": (LOKUTOR, '{"type": "server_rates", "playback": 0, "input": -1}'),
    "an error without a message": (LOKUTOR, '{"type": "error", "data": {}}'),
    "an error of numbers": (WORKBUDDY, '{"type": "error", "code": 5, "message": 6}'),
    "an end without a reason": (WORKBUDDY, '{"type": "session_ended"}'),
}


@pytest.mark.parametrize("said", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_message_off_the_page_is_exit_code_4_and_the_call_goes_on(
    said: Message, villain: Villain, placed: Place
) -> None:
    says(villain, said)
    left = await placed()
    assert left.code == OFF_THE_PAGE
    assert "broke its protocol: 1 unreadable" in left.err
    assert "F-SERVER-UNREADABLE" in left.found
    assert left.recording is not None
    assert any(left.recording.right)


@pytest.mark.parametrize(
    ("villain", "said"),
    AUDIO.values(),
    ids=[f"{who.id}-{what}" for what, (who, _) in AUDIO.items()],
    indirect=["villain"],
)
async def test_audio_that_is_none_is_exit_code_4_and_the_call_goes_on(
    said: Message, villain: Villain, placed: Place
) -> None:
    says(villain, said)
    left = await placed()
    assert left.code == OFF_THE_PAGE
    assert "F-SERVER-UNREADABLE" in left.found
    assert left.recording is not None
    assert any(left.recording.right)


async def test_a_file_in_the_audio_is_a_finding(villain: Villain, placed: Place) -> None:
    header = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00" + bytes(20)
    says(villain, *spelled(villain.provider, AgentAudioSent(header)))
    assert "F-SERVER-AUDIO" in (await placed()).found


# --- too much --------------------------------------------------------------------------------------------


def audio(provider: Provider, size: int) -> bytes:
    (said,) = spelled(provider, AgentAudioSent(b"\x00\x20\x00\xe0" * (size // 4), 3))
    return message(said)


async def test_audio_of_32_mb_stays_within_bounds(villain: Villain, placed: Place) -> None:
    """As fast as the line takes it; what has been heard when the call's limit comes is on the right."""

    piece = audio(villain.provider, MEBI // 2)

    async def act(wire: Wire) -> None:
        for _ in range(64):
            await wire.raw(piece)
        await wire.gone()

    acts(villain, act)
    tracemalloc.start()
    left = await placed(longest=2.5)
    assert left.code == FAILED
    assert "the call was not over after 2.5 s (--limit)" in left.err
    assert "F-SERVER-PACE" in left.found
    assert left.recording is not None
    counted = left.recording.manifest["audio"]["agent"]
    assert counted["received"] == counted["heard"] + counted["dropped"]
    assert left.recording.agent_wire is not None
    assert len(left.recording.agent_wire) == 2 * counted["received"]
    assert left.most < 24 * MEBI


async def test_audio_a_hundred_times_faster_than_it_sounds_is_a_finding(
    villain: Villain, placed: Place
) -> None:
    async def act(wire: Wire) -> None:
        second = audio(villain.provider, 2 * villain.provider.format.rate)
        for _ in range(100):
            await wire.raw(second)
            await asyncio.sleep(0.01)
        await wire.gone()

    acts(villain, act)
    left = await placed(longest=3.0)
    assert left.code == FAILED
    assert "F-SERVER-PACE" in left.found
    assert left.recording is not None
    # What had not sounded when the call was over is not in it.
    assert left.recording.format.seconds(len(left.recording.right) // 2) < 10


async def test_a_message_of_32_mb_ends_the_call_with_a_clear_error(villain: Villain, placed: Place) -> None:
    said = audio(villain.provider, 32 * MEBI)

    async def act(wire: Wire) -> None:
        await wire.raw(said)
        await wire.gone()

    acts(villain, act)
    left = await placed()
    assert left.code == UNREACHABLE
    assert "1009" in left.err


async def test_a_flood_of_small_messages_does_not_hold_the_call(villain: Villain, placed: Place) -> None:
    said = b"".join(map(message, spelled(villain.provider, ErrorReported("again")))) * 100

    async def act(wire: Wire) -> None:
        while True:
            await wire.raw(said)

    acts(villain, act)
    left = await placed(longest=1.0)
    assert left.recording is not None
    closed = left.recording.manifest["closed"]
    assert closed["by"] == "caller"


async def test_a_text_of_megabytes_is_cut_wherever_it_is_kept(villain: Villain, placed: Place) -> None:
    said = spelled(villain.provider, ErrorReported("x" * 3_000_000))
    says(villain, *said * 5)
    left = await placed()
    assert len(left.out) < 500_000
    assert sum(file.stat().st_size for file in left.files if file.suffix == ".jsonl") < 500_000


# --- broken lines ----------------------------------------------------------------------------------------


BREAKS: dict[str, tuple[bytes, bool]] = {
    # What is sent last, and whether the line is reset after it.
    "a reset between messages": (b"", True),
    "a reset in mid-message": (frame(BINARY, bytes(10_000))[:2000], True),
    "a reset in mid-header": (b"\x82", True),
    "an end between messages": (b"", False),
    "an end in mid-message": (frame(TEXT, b"{" * 10_000)[:2000], False),
    "an unknown opcode": (frame(3, b"x"), False),
    "a reserved bit": (frame(TEXT, b"{}", bits=4), False),
    "a compressed message that nobody asked for": (
        frame(TEXT, zlib.compress(b" " * 1_000_000), bits=4),
        False,
    ),
    "a text that is no UTF-8": (frame(TEXT, b"\xff\xfe"), False),
    "a ping that is too long": (frame(PING, bytes(200)), False),
    "a ping in parts": (frame(PING, b"x", fin=False), False),
    "a continuation of nothing": (frame(0, b"x"), False),
    "a text within a text": (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), False),
    "a length beyond 2 to the 63rd": (b"\x82\x7f" + b"\xff" * 8, False),
    "a close of one byte": (frame(CLOSE, b"x"), False),
    "a close that is too long": (frame(CLOSE, b"\x03\xe8" + b"x" * 200), False),
    "a close that is no UTF-8": (frame(CLOSE, b"\x03\xe8\xff\xfe"), False),
}


@pytest.mark.parametrize(("last", "reset"), BREAKS.values(), ids=BREAKS)
async def test_a_line_that_breaks_is_told_and_recorded_up_to_there(
    last: bytes, reset: bool, villain: Villain, placed: Place
) -> None:
    async def act(wire: Wire) -> None:
        await wire.say(*spoken(villain.provider, 0.1, generation=1))
        await wire.understood()
        await wire.raw(last)
        if reset:
            wire.reset()

    acts(villain, act)
    left = await placed()
    assert left.code == UNREACHABLE
    assert "close code" in left.err
    assert left.recording is not None
    assert left.recording.agent_wire is not None
    assert villain.provider.format.seconds(len(left.recording.agent_wire) // 2) == 0.1
    assert left.recording.manifest["closed"]["by"] == "line"


CODES = [0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]
CODES += [1015, 1016, 2000, 2999, 3000, 3999, 4000, 4001, 4500, 4999, 5000, 65_535]


@pytest.mark.parametrize("code", [None, *CODES])
async def test_every_close_code_ends_the_call_and_is_told(
    code: int | None, villain: Villain, placed: Place
) -> None:
    async def act(wire: Wire) -> None:
        await wire.say(*spoken(villain.provider, 0.1))
        await wire.understood()
        await wire.close(code, b"" if code is None else b"bye\x1b[2J")
        await wire.gone()

    acts(villain, act)
    left = await placed()
    ordinary = code in (None, 1000)
    assert left.code in ((DONE, FAILED) if ordinary else (UNREACHABLE,))
    assert left.recording is not None
    assert left.recording.manifest["closed"] is not None


async def test_a_server_that_does_not_answer_the_close_is_left_all_the_same(
    villain: Villain, placed: Place
) -> None:
    says(villain)
    assert (await placed()).code == DONE


async def test_a_flood_of_pings_is_answered_and_does_no_harm(villain: Villain, placed: Place) -> None:
    async def act(wire: Wire) -> None:
        await wire.raw(frame(PING, b"x" * 100) * 5000)
        await wire.say(*spoken(villain.provider, 0.2))
        await wire.gone()

    acts(villain, act)
    assert (await placed(patience=0.5)).code in (DONE, FAILED)


async def test_a_message_in_a_thousand_parts_is_one_message(villain: Villain, placed: Place) -> None:
    async def act(wire: Wire) -> None:
        (said,) = spelled(villain.provider, ErrorReported("in parts"))
        assert isinstance(said, str)
        first, *rest = said.encode()
        parts = [frame(TEXT, bytes([first]), fin=False), *(frame(0, bytes([one]), fin=False) for one in rest)]
        await wire.raw(b"".join([*parts, frame(0, b"")]))
        await wire.say(*spoken(villain.provider, 0.2))
        await wire.gone()

    acts(villain, act)
    assert "in parts" in (await placed(patience=0.5)).out


# --- out of order ----------------------------------------------------------------------------------------

ORDERS: dict[str, tuple[Provider, list[Event]]] = {
    "speaking twice": (LOKUTOR, [SpeakingStarted(), SpeakingStarted()]),
    "interrupted without speech": (LOKUTOR, [Interrupted()]),
    "cleared without speech": (LYZR, [Interrupted()]),
    "interrupted twice": (LOKUTOR, [SpeakingStarted(), Interrupted(), Interrupted(), SpeakingStarted()]),
    "connected twice": (LOKUTOR, [SessionStarted("")]),
    "started twice": (LYZR, [SessionStarted("s-1")]),
    "connected once more": (WORKBUDDY, [SessionStarted("")]),
}


@pytest.mark.parametrize(
    ("villain", "events"),
    ORDERS.values(),
    ids=[f"{who.id}-{what}" for what, (who, _) in ORDERS.items()],
    indirect=["villain"],
)
async def test_what_comes_out_of_order_is_a_finding_and_the_call_goes_on(
    events: list[Event], villain: Villain, placed: Place
) -> None:
    says(villain, *spelled(villain.provider, *events))
    left = await placed()
    assert left.code in (DONE, FAILED)
    assert left.found == {"F-SERVER-ORDER"}
    assert left.recording is not None
    assert any(left.recording.right)


@only(WORKBUDDY)
async def test_audio_before_the_session_is_there_is_a_finding(villain: Villain, placed: Place) -> None:
    async def act(wire: Wire) -> None:
        await wire.say(*spoken(villain.provider, 0.1))
        await wire.say(*greeted(villain.provider))
        await wire.gone()

    villain.act = act
    assert "F-SERVER-ORDER" in (await placed(patience=0.5)).found


@only(WORKBUDDY)
async def test_audio_after_the_session_has_ended_never_sounds(villain: Villain, placed: Place) -> None:
    says(villain, *spelled(villain.provider, SessionEnded("closed", "over")), *spoken(villain.provider, 0.1))
    left = await placed()
    assert left.recording is not None
    assert left.recording.manifest["session_ended"]["reason"] == "session_closed"
    assert not any(left.recording.right)


@only(LOKUTOR)
async def test_an_honest_call_has_no_finding_about_its_server(villain: Villain, placed: Place) -> None:
    events = [ListeningStarted(), SpeakingStarted(1)]
    says(villain, *spelled(villain.provider, *events))
    assert (await placed()).found == set()


# --- secrets and screens ---------------------------------------------------------------------------------


@pytest.mark.parametrize("as_json", [False, True], ids=["for people", "as JSON"])
@pytest.mark.parametrize("secret", [KEY, TICKET], ids=["the key", "the ticket"])
async def test_a_secret_that_comes_back_is_on_no_disk_and_no_screen(
    secret: str, as_json: bool, villain: Villain, placed: Place
) -> None:
    if secret == TICKET and villain.provider is not LYZR:
        secret = "token-0123456789abcdef" if villain.provider is WORKBUDDY else KEY
    said = spelled(
        villain.provider, ErrorReported(f"who is {secret}?"), Transcribed("agent", f"it is {secret}.")
    )
    says(villain, *said, json.dumps({"type": secret}))
    left = await placed(as_json=as_json)
    assert "F-SERVER-SECRET" in left.found
    assert "who is ***" in left.out


async def test_a_secret_in_the_reason_of_a_close_is_masked(villain: Villain, placed: Place) -> None:
    async def act(wire: Wire) -> None:
        await wire.close(4001, f"bad key {KEY}".encode())
        await wire.gone()

    acts(villain, act)
    left = await placed()
    assert (left.code, "bad key ***" in left.err) == (UNREACHABLE, True)


@only(LYZR)
async def test_no_name_from_the_wire_becomes_a_path(villain: Villain, placed: Place) -> None:
    villain.host = HOST
    says(villain, *spelled(villain.provider, SessionStarted("../../../../evil\x00/x")))
    left = await placed()
    (root,) = {file.parents[2].name for file in left.files}
    assert root == "calls"
    assert not any("evil" in str(file) for file in left.files)
