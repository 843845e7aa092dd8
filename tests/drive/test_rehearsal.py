"""The pretend network, and two engines on it."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.calls import LYZR, Played, clip, play
from voxemu.drive.link import RESEND, Link
from voxemu.drive.rehearsal import Told
from voxemu.events import Closed, EndAsked, Event


def test_a_message_arrives_after_the_latency() -> None:
    assert Link(latency=0.05).carry(1.0) == pytest.approx(1.05)


@given(st.integers(0, 1000), st.lists(st.floats(0, 0.1), min_size=2, max_size=50))
def test_messages_arrive_in_the_order_they_were_sent(seed: int, waits: list[float]) -> None:
    link, now, arrivals = Link(latency=0.01, jitter=0.2, loss=0.3, rng=Random(seed)), 0.0, []
    for wait in waits:
        now += wait
        arrivals.append(link.carry(now) or 0.0)
    assert all(first <= second for first, second in pairwise(arrivals))


def test_a_lost_message_is_sent_again() -> None:
    class Dice(Random):
        def random(self) -> float:
            return next(rolls)

    rolls = iter([0.1, 0.9])
    assert Link(loss=0.5, rng=Dice()).carry(1.0) == pytest.approx(1.0 + RESEND)


def test_after_the_cut_nothing_arrives() -> None:
    link = Link(latency=0.5, cut=2.0)
    assert [link.carry(at) for at in (1.0, 1.5, 3.0)] == [1.5, None, None]


@pytest.mark.parametrize("how", [{"jitter": 0.1}, {"loss": 0.1}])
def test_jitter_and_loss_need_dice(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need dice"):
        Link(**how)


@pytest.mark.parametrize("how", [{"latency": -1.0}, {"loss": 1.0}])
def test_a_link_that_cannot_be_is_refused(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="latency and jitter are 0 or more"):
        Link(**how, rng=Random(1))


def rough(seed: int) -> Played:
    links = [Link(latency=0.02, jitter=0.05, loss=0.02, rng=Random(seed + n)) for n in range(2)]
    return play(LYZR, [clip(LYZR, 0.5)], up=links[0], down=links[1])


def test_the_same_dice_give_the_same_call() -> None:
    assert rough(5).user.events == rough(5).user.events


def test_other_dice_give_another_call() -> None:
    assert rough(5).user.events != rough(6).user.events


def test_a_call_is_broken_off_at_the_limit() -> None:
    call = play(LYZR, [clip(LYZR, 5.0)], limit=1.0)
    assert call.end.seconds <= 1.0
    assert call.end.caller is None


def test_what_is_told_reaches_the_end_it_is_for() -> None:
    told = [Told(1.0, "provider", EndAsked("closed", "enough"))]
    call = play(LYZR, [clip(LYZR, 5.0)], told=told)
    assert call.end.provider is not None
    assert call.end.provider.by == "provider"
    assert call.end.seconds == pytest.approx(1.0)


def test_either_end_sees_the_close_of_the_other() -> None:
    def closes(events: list[tuple[float, Event]]) -> list[Closed]:
        return [event for _, event in events if isinstance(event, Closed)]

    call = play(LYZR, [])
    assert [each.by for each in closes(call.user.events)] == ["caller"]
    assert [each.by for each in closes(call.service.events)] == ["line"]
