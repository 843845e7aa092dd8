"""Limits of a session and of the server, and what is said when one is met."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from tests.server.conftest import Running, Start, until
from tests.server.phone import Phone, dial
from voxemu.events import AgentAudioSent, SessionStarted, UserAudioSent
from voxemu.provider import Key
from voxemu.server.config import load
from voxemu.server.descriptors import carried
from voxemu.server.logs import Masked
from voxemu.server.schema import LimitsTable
from voxemu.wire import ON_SOCKETS

pytestmark = pytest.mark.sockets

BEARER = {"Authorization": "Bearer k"}
RACERS = 8


async def events_of(emu: Running) -> list[dict[str, Any]]:
    """Of the newest session."""
    (newest, *_) = (await emu.get("/__emu/sessions"))["sessions"]
    found: list[dict[str, Any]] = (await emu.get(f"/__emu/sessions/{newest['id']}"))["events"]
    return found


async def token(emu: Running) -> tuple[str, str]:
    async with emu.client.post(emu.url + "/api/v1/sdk/token", headers=BEARER) as answered:
        said = await answered.json()
    return said["token"], said["ws_url"]


async def shown(emu: Running, url: str, secret: str) -> dict[str, Any]:
    """What is said to whoever shows this token."""
    ws = await emu.client.ws_connect(url)
    await ws.send_json({"token": secret})
    said: dict[str, Any] = await ws.receive_json(timeout=10)
    await ws.close()
    return said


# --- what they are ------------------------------------------------------------------------------------------


def test_the_limits_where_nothing_else_is_said() -> None:
    limits = LimitsTable()
    assert (limits.message, limits.http_body, limits.outbox, limits.stall) == (1 << 20, 64 << 10, 64, 10.0)
    assert (limits.headers, limits.body, limits.connections, limits.ping) == (30.0, 10.0, 4096, 20.0)
    assert (limits.sessions, limits.unused_starts) == (1000, 1000)
    assert (limits.recording, limits.recordings) == (1 << 30, 10 << 30)


@pytest.mark.parametrize(
    ("provider", "idle"),
    [("lyzr-sip", 60.0), ("workbuddy", 300.0), ("lokutor", None), ("lyzr-livekit", None)],
)
def test_the_limits_of_a_session_where_nothing_else_is_said(provider: str, idle: float | None) -> None:
    dialogue = load(None, {}, {}).effective(provider, "", Key()).dialogue
    assert (dialogue.idle_limit, dialogue.idle_counts) == (idle, "any")
    assert (dialogue.session_limit, dialogue.max_utterance, dialogue.bad_messages) == (3600.0, 60.0, 20)


def test_the_lives_of_tokens_where_nothing_else_is_said() -> None:
    sip, workbuddy = (
        load(None, {}, {}).effective(name, "", Key()).wire for name in ("lyzr-sip", "workbuddy")
    )
    assert (sip.url_life, workbuddy.token_life, workbuddy.token_wait) == (60.0, 300.0, 10.0)


# --- idle ---------------------------------------------------------------------------------------------------


async def idle(start: Start, toml: str, alive: Callable[[Phone], Any] | None = None) -> str:
    """What ends a session of lyzr-sip in which ``alive`` is done all the time."""
    emu = await start(f"[lyzr_sip]\nidle_limit = 0.4\nsession_limit = 1.6\n{toml}")
    phone = await dial(emu.client, "lyzr-sip", emu.url)
    await phone.hear(SessionStarted)
    closing = asyncio.create_task(phone.hear(None))
    while not closing.done():
        if alive is not None:
            await alive(phone)
        await asyncio.sleep(0.05)
    (met,) = [event["limit"] for event in await events_of(emu) if event["type"] == "limit_reached"]
    return str(met)


async def quietly(doing: Any) -> None:
    with suppress(ConnectionError):
        # The session may be over.
        await doing


async def test_a_session_in_which_nothing_comes_is_ended(start: Start) -> None:
    assert await idle(start, "[limits]\nping = 'off'") == "idle"


async def test_a_pong_is_a_sign_of_life(start: Start) -> None:
    assert await idle(start, "[limits]\nping = 0.05") == "session"


async def test_a_pong_is_none_where_audio_alone_counts(start: Start) -> None:
    assert await idle(start, "idle_counts = 'audio'\n[limits]\nping = 0.05") == "idle"


async def test_a_message_that_cannot_be_read_is_a_sign_of_life(start: Start) -> None:
    toml = "bad_messages = 1000\n[limits]\nping = 'off'"
    assert await idle(start, toml, lambda phone: quietly(phone.ws.send_str("{"))) == "session"


async def test_audio_is_always_a_sign_of_life(start: Start) -> None:
    toml = "idle_counts = 'audio'\n[limits]\nping = 'off'"
    frame = UserAudioSent(bytes(960), 24_000)
    assert await idle(start, toml, lambda phone: quietly(phone.say(frame))) == "session"


# --- tokens -------------------------------------------------------------------------------------------------


async def test_of_eight_that_show_one_token_at_once_one_gets_in(start: Start) -> None:
    emu = await start()
    secret, url = await token(emu)
    sockets = [await emu.client.ws_connect(url) for _ in range(RACERS)]
    await asyncio.gather(*(ws.send_json({"token": secret}) for ws in sockets))
    said = [await ws.receive_json(timeout=10) for ws in sockets]
    assert [one["type"] for one in said].count("connected") == 1
    assert [one.get("code") for one in said].count("AUTH_FAILED") == RACERS - 1
    for ws in sockets:
        await ws.close()


async def test_of_eight_that_come_with_one_url_at_once_one_gets_in(start: Start) -> None:
    emu = await start()
    async with emu.client.post(emu.url + "/session/start", json={"agentId": "a"}) as answered:
        url = (await answered.json())["wsUrl"]
    sockets = await asyncio.gather(*(emu.client.ws_connect(url) for _ in range(RACERS)))
    said = [await ws.receive_json(timeout=10) for ws in sockets]
    assert sorted(one["type"] for one in said) == ["error"] * (RACERS - 1) + ["session_started"]
    for ws in sockets:
        await ws.close()


def flipped(secret: str) -> str:
    head, body, signature = secret.split(".")
    return ".".join((head, body, signature[:-2] + ("A" if signature[-2] != "A" else "B") + signature[-1]))


def unsigned(secret: str) -> str:
    said = jwt.decode(secret, options={"verify_signature": False})
    return jwt.encode(said, "", algorithm="none")


def signed_by_another(secret: str) -> str:
    said = jwt.decode(secret, options={"verify_signature": False})
    return jwt.encode(said, "x" * 32, algorithm="HS256")


@pytest.mark.parametrize(
    "forge",
    [
        flipped,
        unsigned,
        signed_by_another,
        lambda secret: secret[:-1],
        lambda secret: secret + "A",
        lambda secret: secret.split(".")[1],
        lambda secret: secret.swapcase(),
        lambda secret: "Bearer " + secret,
        lambda secret: "\u0000" + secret,
    ],
    ids=["flipped", "alg none", "another key", "cut", "longer", "a part", "case", "Bearer", "a zero before"],
)
async def test_a_token_that_is_not_the_one_issued_is_refused_and_the_true_one_stays_good(
    start: Start, forge: Callable[[str], str]
) -> None:
    emu = await start()
    secret, url = await token(emu)
    assert (await shown(emu, url, forge(secret)))["code"] == "AUTH_FAILED"
    assert (await shown(emu, url, secret))["type"] == "connected"


async def test_a_token_of_another_server_is_refused(start: Start) -> None:
    ours, theirs = await start(), await start()
    secret, _ = await token(theirs)
    _, url = await token(ours)
    assert (await shown(ours, url, secret))["code"] == "AUTH_FAILED"


async def test_a_token_that_lives_no_time_is_refused(start: Start) -> None:
    emu = await start("[workbuddy]\ntoken_life = 0.0")
    secret, url = await token(emu)
    assert (await shown(emu, url, secret))["code"] == "AUTH_FAILED"


async def test_a_token_shown_too_late_is_refused(start: Start) -> None:
    emu = await start("[workbuddy]\ntoken_life = 0.1")
    secret, url = await token(emu)
    await asyncio.sleep(0.2)
    assert (await shown(emu, url, secret))["code"] == "AUTH_FAILED"


def test_a_token_holds_256_bits_that_nobody_can_guess(start: Start) -> None:
    from voxemu.server.issuing import Chance

    secrets = {Chance(None).new_secret() for _ in range(100)}
    assert (100, {43}) == (len(secrets), {len(secret) for secret in secrets})


# --- the wall clock -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [1, -1])
@pytest.mark.parametrize("provider", ON_SOCKETS)
async def test_a_wall_clock_that_jumps_moves_nothing(start: Start, provider: str, days: int) -> None:
    emu = await start()
    secret, url = await token(emu)
    phone = await dial(emu.client, provider, emu.url)
    await phone.hear(SessionStarted)
    wall = emu.server.timing.wall
    emu.server.timing.wall = lambda: wall() + days * 86_400
    await phone.speak()
    await phone.hear(AgentAudioSent)
    assert (await shown(emu, url, secret))["type"] == "connected"
    times = [event["t"] for event in emu.server.registry.all()[-1].events]
    assert times == sorted(times)
    assert times[-1] < 60_000
    await phone.ws.close()


# --- connections --------------------------------------------------------------------------------------------


async def test_where_every_connection_is_a_session_a_new_one_is_told_503_and_the_sessions_go_on(
    start: Start,
) -> None:
    emu = await start("[limits]\nconnections = 2")
    phones = [await dial(emu.client, "lokutor", emu.url) for _ in range(2)]
    for phone in phones:
        await phone.hear(SessionStarted)
    host, _, port = emu.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    # It asks nothing: a connection that finds no room does not get so far.
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    assert head.startswith("HTTP/1.1 503 ")
    assert "\r\nRetry-After: " in head
    assert "all connections of this server are in use" in body
    assert "limit reached: connections 2" in emu.out.getvalue()
    for phone in phones:
        await phone.speak()
        await phone.hear(AgentAudioSent)
        await phone.ws.close()


async def test_sockets_that_come_all_at_once_keep_nobody_out_even_before_their_upgrade(start: Start) -> None:
    emu = await start("[limits]\nconnections = 20")
    _, url = await token(emu)
    host, _, port = emu.url.removeprefix("http://").rpartition(":")
    upgrade = (
        f"GET {urlsplit(url).path} HTTP/1.1\r\nHost: localhost\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with ExitStack() as stack:

        def line() -> socket.socket:
            found = stack.enter_context(socket.create_connection((host, int(port))))
            found.setblocking(False)
            return found

        lines = [line() for _ in range(20)]
        await until(lambda: len(emu.server.connections) == 20)
        # The server shares this loop: it reads all of this in one turn.
        for each in lines:
            each.send(upgrade.encode())
        for newcomer in [line() for _ in range(3)]:
            newcomer.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            got = await asyncio.get_running_loop().sock_recv(newcomer, 12)
            assert got == b"HTTP/1.1 200"


# --- what the machine carries -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("descriptors", "recording", "lowered"),
    [
        (None, True, {}),
        (20_000, True, {}),
        (4096 + 128, False, {}),
        (1024, False, {"connections": 896, "sessions": 448}),
        (1024, True, {"connections": 300, "sessions": 149}),
        (64, True, {"connections": 1, "sessions": 1}),
    ],
)
def test_limits_are_what_the_descriptors_carry(
    descriptors: int | None, recording: bool, lowered: dict[str, int]
) -> None:
    assert carried(LimitsTable(), descriptors, recording=recording) == lowered


# --- logs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret", ["hush-hush-key", "a key/with?signs&more", "k\u00e9y"], ids=["plain", "signs", "accents"]
)
@pytest.mark.parametrize("encoded", [False, True], ids=["as it is", "percent-encoded"])
def test_no_secret_is_in_a_log_nor_in_the_exception_it_shows(secret: str, encoded: bool) -> None:
    from urllib.parse import quote

    written = quote(secret, safe="") if encoded else secret
    try:
        raise ValueError(f"cannot read {written} of ?api_key={written}")
    except ValueError:
        record = logging.LogRecord("voxemu", logging.ERROR, "", 0, "it broke: %s", (written,), sys.exc_info())
    text = Masked([secret]).format(record)
    assert written not in text
    assert "ValueError: cannot read ***" in text


def test_what_looks_like_a_ticket_is_in_no_log_whoever_issued_it() -> None:
    from voxemu.server.issuing import Chance

    ticket = Chance(None).new_secret()
    record = logging.LogRecord("voxemu", logging.ERROR, "", 0, "KeyError: %r", (ticket,), None)
    assert Masked().format(record) == "emu: KeyError: '***'"
