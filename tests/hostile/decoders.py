"""Everything that reads what strangers send, as functions of bytes: for hypothesis, and for a fuzzer.

Each is given bytes and must come back: what it reads can be written down, and nothing is raised but what its
contract names.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from voxemu.errors import Refused, RemoteProtocolError
from voxemu.events import Closed, Event, Line, Uplink
from voxemu.provider import Admission, Answered, Asked, CallPlan, Desk, Key, KeyRing, Provider, Response, Role
from voxemu.record.masking import Mask
from voxemu.wire import ON_SOCKETS, PROVIDERS

Reader = Callable[[bytes], None]
BASE = "http://127.0.0.1:8090"
PLAN = CallPlan(BASE, key="k")


def desk() -> Desk:
    numbers = iter(range(1_000_000))
    return Desk(
        KeyRing({}, closed=False),
        new_secret=lambda: f"secret-{next(numbers)}",
        new_id=lambda: f"id-{next(numbers)}",
        resolve_agent=lambda provider, asked, key: asked or "echo",
        settings=lambda kind, agent, key: kind(),
    )


def must_be_sound(events: list[Event]) -> None:
    for event in events:
        json.dumps(Mask().plain(event)).encode()


def of_messages(provider: Provider, role: Role) -> Reader:
    """The first byte says how many messages the rest is, and of which kind the first."""

    def read(given: bytes) -> None:
        codec = provider.codec(role, provider.settings_type(), Random(1))
        kind, rest = given[:1] or b"\0", given[1:]
        for at, part in enumerate(rest.split(b"\n\n")[:8]):
            as_text = (kind[0] + at) % 2 == 0
            # A text frame is UTF-8 before a codec sees it.
            message = part.decode("utf-8", "replace") if as_text else part
            events = codec.decode(message)
            must_be_sound(events)
            if role is Role.PROVIDER:
                assert all(isinstance(event, Uplink | Line) for event in events)

    return read


def of_starts(provider: Provider) -> Reader:
    """A body for each of its routes."""

    def read(given: bytes) -> None:
        for route in provider.routes:
            headers = {"x-api-key": "k", "authorization": "Bearer k"}
            asked = Asked(route.method, route.path, {}, headers, given, BASE)
            answered = provider.answer(asked, desk(), 0.0)
            json.dumps(answered.body).encode()
            assert 200 <= answered.status < 600

    return read


def of_upgrades(provider: Provider) -> Reader:
    """The path's last part, a query and a key, as strangers write them."""

    def read(given: bytes) -> None:
        words = given.decode("latin-1").split("&", 4) + [""] * 5
        path = provider.socket_path.replace("{session_id}", words[0])
        query = {words[1]: words[2], "api_key": words[3]}
        judged: Any = provider.admit(
            Asked("GET", path, query, {"x-api-key": words[4]}, b"", BASE), desk(), 0.0
        )
        if isinstance(judged, tuple):
            assert isinstance(judged[-1], Closed)
            assert len(judged[-1].reason.encode()) <= 123
        elif isinstance(judged, Answered):
            json.dumps(judged.body).encode()

    return read


def of_tokens(provider: Provider) -> Reader:
    """A token shown on the socket that was never issued."""

    def read(given: bytes) -> None:
        at = desk()
        at.issue(Admission(provider.id, "s", "echo", Key()), life=1.0, now=0.0)
        try:
            provider.present(given.decode("latin-1"), at, 0.5)
        except Refused:
            return
        raise AssertionError("a token that nobody issued was taken")

    return read


def of_answers(provider: Provider) -> Reader:
    """What a provider answers to a start, at the caller's end."""

    def read(given: bytes) -> None:
        text = given.decode("utf-8", "replace")
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            body = text
        for status in (200, 503):
            try:
                provider.reach(PLAN, Response(status, body))
            except (Refused, RemoteProtocolError):
                continue

    return read


def of_rooms() -> dict[str, Reader]:
    """What comes to embedded rooms; nothing where they are not installed."""
    try:
        from voxemu.rooms.embedded import rtp, sdp, signalling
        from voxemu.rooms.embedded.ice import IcePort
        from voxemu.rooms.embedded.tokens import Keys
    except ModuleNotFoundError:
        return {}
    keys = Keys()

    def refused(act: Callable[[], object]) -> None:
        with suppress(Refused, RemoteProtocolError):
            act()

    def read_token(given: bytes) -> None:
        head = urlsafe_b64encode(given).decode()
        refused(lambda: keys.verify_join(given.decode("latin-1")))
        refused(lambda: keys.verify_join(f"{head}.e30.x"))

    def read_join_request(given: bytes) -> None:
        asked = {"join_request": urlsafe_b64encode(given).decode()}
        refused(lambda: signalling._join_request(asked, single=True))
        refused(lambda: signalling._join_request({"join_request": given.decode("latin-1")}, single=True))

    def read_description(given: bytes) -> None:
        text = given.decode("utf-8", "replace")
        refused(lambda: sdp.read(text))
        refused(lambda: sdp.read("v=0\r\na=fingerprint:x y\r\na=setup:active\r\nm=" + text))

    def read_datagram(given: bytes) -> None:
        rtp.parse(given)
        rtp.parse(b"\xb0" + given)
        IcePort().datagram_received(given, ("127.0.0.1", 9))
        IcePort().datagram_received(b"\0\1" + given, ("127.0.0.1", 9))

    return {
        "rooms, token": read_token,
        "rooms, join request": read_join_request,
        "rooms, description": read_description,
        "rooms, datagram": read_datagram,
    }


READERS: dict[str, Reader] = {
    **{f"{name}, {role.value}": of_messages(one, role) for name, one in PROVIDERS.items() for role in Role},
    **{f"{name}, start": of_starts(one) for name, one in PROVIDERS.items() if one.routes},
    **{f"{name}, upgrade": of_upgrades(one) for name, one in ON_SOCKETS.items()},
    **{f"{name}, token": of_tokens(one) for name, one in ON_SOCKETS.items()},
    **{f"{name}, answer": of_answers(one) for name, one in PROVIDERS.items()},
    **of_rooms(),
}
