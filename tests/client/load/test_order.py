"""What may be asked of a load, and when its calls are placed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from voxemu.errors import UsageError
from voxemu_client.load.order import Order

HERE = "http://127.0.0.1:8090"


def order(url: str = HERE, **asked: Any) -> Order:
    return Order(**{"provider": "lokutor", "url": url, "sessions": 100, **asked})


@pytest.mark.parametrize(
    "url",
    [
        "https://api.lokutor.com",
        "http://192.168.1.7:8090",
        "http://0.0.0.0:8090",
        "http://localhost.example.com",
        "http://127.0.0.1@example.com/",
        "http://[::2]/",
        "http://",
        "nonsense",
        "http://[",
    ],
)
def test_somebody_elses_machine_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="--i-own-this-target"):
        order(url)


@pytest.mark.parametrize("url", [HERE, "http://localhost:1/", "ws://[::1]:8090/ws/agent", "http://127.9.9.9"])
def test_this_machine_is_not(url: str) -> None:
    assert order(url).is_here


def test_ones_own_server_elsewhere_may_be_put_under_load() -> None:
    assert not order("https://voice.example.com", owned=True).is_here


@pytest.mark.parametrize(
    "wrong",
    [
        {"provider": "nobody"},
        {"provider": "lyzr-livekit"},
        {"sessions": 0},
        {"ramp": -1.0},
        {"duration": 0.0},
        {"duration": float("inf")},
        {"ramp": float("nan")},
        {"processes": -1},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        order(**wrong)


def test_calls_are_placed_evenly_over_the_ramp() -> None:
    asked = order(ramp=20.0)
    gaps = [after - before for before, after in pairwise(map(asked.planned, range(100)))]
    assert (min(gaps), max(gaps)) == pytest.approx((0.2, 0.2), abs=0.021)


@pytest.mark.parametrize("ramp", [0.0, 2.0, 4.0])
def test_their_frames_do_not_all_go_out_at_the_same_moment(ramp: float) -> None:
    # 2 s for a hundred calls is exactly a frame for each.
    phases = sorted(order(ramp=ramp).planned(number) % 0.02 for number in range(100))
    assert max(after - before for before, after in pairwise(phases)) < 0.001


@pytest.mark.parametrize(
    ("asked", "cores", "expected"),
    [
        ({}, 8, 7),
        ({}, 1, 1),
        ({"url": "https://mine.example.com", "owned": True}, 8, 8),
        ({"sessions": 3}, 8, 3),
        ({"processes": 2}, 8, 2),
    ],
)
def test_a_server_on_this_machine_has_a_core_of_its_own(
    asked: dict[str, Any], cores: int, expected: int
) -> None:
    assert order(**asked).shared_by(cores) == expected


def test_an_order_survives_a_pipe() -> None:
    asked = order(agent="echo", key="secret")
    assert Order.unpacked(asked.packed()) == asked
