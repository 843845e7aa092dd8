from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from voxemu.errors import Refused, UsageError
from voxemu.provider import Admission, Desk, Key, KeyRing, at_path


def desk(capacity: int = 1000) -> Desk:
    numbers = count()
    return Desk(
        KeyRing({}, closed=False),
        new_secret=lambda: f"secret{next(numbers)}",
        new_id=lambda: f"id{next(numbers)}",
        resolve_agent=lambda provider, asked, key: asked or "echo",
        settings=lambda kind, agent, key: kind(),
        capacity=capacity,
    )


ADMISSION = Admission("workbuddy", "s1", "echo", Key())


def why(call: Any, *given: Any, **named: Any) -> str:
    with pytest.raises(Refused) as raised:
        call(*given, **named)
    return raised.value.why


def test_a_ticket_is_good_once() -> None:
    place = desk()
    secret = place.issue(ADMISSION, life=60, now=0)
    assert place.redeem(secret, now=1) == ADMISSION
    assert why(place.redeem, secret, now=2) == "used"


def test_a_refusal_names_the_session_the_ticket_was_for() -> None:
    place = desk()
    secret = place.issue(ADMISSION, life=60, now=0)
    with pytest.raises(Refused) as raised:
        place.redeem(secret, now=60)
    assert (raised.value.why, raised.value.session_id) == ("expired", "s1")


def test_a_ticket_expires_at_the_end_of_its_life_and_not_before() -> None:
    place = desk()
    early, late = (place.issue(ADMISSION, life=60, now=0) for _ in range(2))
    assert place.redeem(early, now=59.9) == ADMISSION
    assert why(place.redeem, late, now=60.0) == "expired"


def test_a_life_of_nothing_is_never_good() -> None:
    place = desk()
    assert why(place.redeem, place.issue(ADMISSION, life=0, now=5), now=5) == "expired"


def test_a_forged_ticket_is_unknown() -> None:
    assert why(desk().redeem, "forged", now=0) == "unknown"


def test_more_unused_tickets_than_the_capacity_are_refused_until_some_are_used() -> None:
    place = desk(capacity=2)
    first = place.issue(ADMISSION, life=60, now=0)
    place.issue(ADMISSION, life=60, now=0)
    assert why(place.issue, ADMISSION, life=60, now=0) == "full"
    place.redeem(first, now=1)
    place.issue(ADMISSION, life=60, now=1)


def test_expired_tickets_do_not_count_as_unused() -> None:
    place = desk(capacity=1)
    place.issue(ADMISSION, life=60, now=0)
    place.issue(ADMISSION, life=60, now=61)


def test_old_tickets_are_forgotten() -> None:
    place = desk(capacity=3)
    for n in range(100):
        place.redeem(place.issue(ADMISSION, life=60, now=n), now=n)
    assert len(place._tickets) <= 4 * 3 + 1


def test_any_key_that_is_not_blank_passes_an_open_ring() -> None:
    ring = KeyRing({}, closed=False)
    assert ring.check("  x ") == Key()
    assert why(ring.check, "   ") == why(ring.check, None) == "missing_key"


def test_a_closed_ring_lets_in_its_own_keys_only() -> None:
    ring = KeyRing({" a ": Key("team-a"), "b": Key("team-b", disabled=True)}, closed=True)
    assert ring.check("a").label == "team-a"
    assert why(ring.check, "b") == "disabled_key"
    assert why(ring.check, "c") == "bad_key"
    assert why(ring.check, "\ud800") == "bad_key"


def test_a_ring_is_printed_without_its_keys() -> None:
    assert str(KeyRing({"hunter2": Key()}, closed=True)) == "1 configured"
    assert str(KeyRing({}, closed=False)) == "any"


@pytest.mark.parametrize(
    ("url", "socket", "expected"),
    [
        ("http://h:1", False, "http://h:1/p"),
        ("http://h:1/", False, "http://h:1/p"),
        ("http://h/own/path?x=1", False, "http://h/own/path?x=1"),
        ("https://h", True, "wss://h/p"),
        ("ws://h", True, "ws://h/p"),
        ("ws://h", False, "http://h/p"),
    ],
)
def test_a_url_is_a_base_or_a_start_url(url: str, socket: bool, expected: str) -> None:
    assert at_path(url, "/p", socket=socket) == expected


@pytest.mark.parametrize("url", ["", "localhost:8090", "ftp://h", "http://"])
def test_a_url_of_no_server_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match=r"http://127\.0\.0\.1:8090"):
        at_path(url, "/p")
