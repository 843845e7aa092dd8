"""The search for how many sessions are held."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.capacity import most_held, verdict


class Server:
    """Holds so many; tells how often it was probed with what."""

    def __init__(self, holds: int) -> None:
        self.holds = holds
        self.probed: list[int] = []

    def __call__(self, sessions: int) -> str:
        self.probed.append(sessions)
        return "late" if sessions > self.holds else ""


@pytest.mark.parametrize("holds", [30, 99, 400, 612, 650, 799, 1600, 2333])
def test_the_search_finds_what_is_held_to_a_step(holds: int) -> None:
    found = most_held(Server(holds), start=400, step=25)
    assert holds - 25 < found.sessions <= holds
    assert found.why == "late"


def test_a_server_that_holds_nothing_holds_none() -> None:
    assert most_held(Server(0), start=400, step=25).sessions == 0


def test_few_probes_are_enough() -> None:
    server = Server(700)
    most_held(server, start=400, step=25, tries=1)
    assert len(server.probed) <= 6


def test_a_probe_that_fails_once_is_tried_again() -> None:
    moods = iter(["late", "", "late", "late", *["late"] * 20])
    found = most_held(lambda sessions: next(moods), start=100, step=100)
    assert found.sessions == 100


def test_the_search_ends_where_it_is_told_to() -> None:
    found = most_held(Server(10**6), start=400, step=25, most=1600)
    assert (found.sessions, found.why) == (1600, "more than 1600 were not tried")


def run(**more: Any) -> dict[str, float]:
    kept = {"lost": 0, "generator_late_p99": 0.001, "late_p99": 0.002, "received": 10_000, "expected": 10_000}
    return {**kept, **more}


def test_sessions_are_held_in_time_and_whole() -> None:
    assert verdict(run(late_p99=0.0199, received=10_019)) == ""


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"late_p99": 0.02}, "p99 lateness 20.0 ms"),
        ({"received": 9_979}, "99.79 % of the frames"),
        ({"lost": 1}, "1 sessions were lost"),
        ({"generator_late_p99": 0.004}, "the generator itself was late (p99 4.0 ms)"),
    ],
)
def test_sessions_are_not_held_late_or_in_part(wrong: dict[str, float], why: str) -> None:
    assert verdict(run(**wrong)) == why
