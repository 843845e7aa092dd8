"""Tickets and sessions, driven in whatever order hypothesis thinks of."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
)

from tests.calls import speech
from voxemu.agents import make_agent
from voxemu.dialogue.session import WAITING, Session
from voxemu.dialogue.settings import DialogueSettings
from voxemu.dialogue.states import State
from voxemu.errors import Refused
from voxemu.events import (
    Closed,
    EndAsked,
    Event,
    InterruptSent,
    LimitReached,
    Opened,
    Ponged,
    SessionStarted,
    SettingSent,
    StopSent,
    UserAudioSent,
)
from voxemu.provider import Admission, Desk, Key, KeyRing, Provider, Role
from voxemu.record.masking import Mask
from voxemu.wire import ON_SOCKETS

steady = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)

# --- tickets ------------------------------------------------------------------------------------------------

CAPACITY = 5


class Tickets(RuleBasedStateMachine):
    """The desk beside a table of what was issued, for how long, and whether it was used."""

    secrets = Bundle("secrets")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.count = 0
        self.known: dict[str, tuple[str, float, bool]] = {}
        # Session, end of life, used.
        self.desk = Desk(
            KeyRing({}, closed=False),
            new_secret=lambda: f"secret-{self.count:06}",
            new_id=lambda: f"s{self.count}",
            resolve_agent=lambda provider, asked, key: "echo",
            settings=lambda kind, agent, key: kind(),
            capacity=CAPACITY,
        )

    def unused(self) -> int:
        return sum(1 for _, end, used in self.known.values() if not used and self.now < end)

    @rule(target=secrets, life=st.sampled_from([0.0, 0.5, 60.0, 300.0]))
    def issue(self, life: float) -> Any:
        self.count += 1
        admission = Admission("p", f"s{self.count}", "echo", Key())
        try:
            secret = self.desk.issue(admission, life=life, now=self.now)
        except Refused:
            assert self.unused() == CAPACITY
            return multiple()
        assert self.unused() < CAPACITY
        assert secret not in self.known
        self.known[secret] = (admission.session_id, self.now + life, False)
        return secret

    @rule(secret=secrets)
    def redeem(self, secret: str) -> None:
        session, end, used = self.known[secret]
        try:
            admission = self.desk.redeem(secret, now=self.now)
        except Refused:
            assert used or self.now >= end
            return
        assert (admission.session_id, used, self.now < end) == (session, False, True)
        self.known[secret] = (session, end, True)

    @rule(secret=secrets, cut=st.integers(1, 5))
    def forge(self, secret: str, cut: int) -> None:
        with pytest.raises(Refused) as refused:
            self.desk.redeem(secret[:-cut], now=self.now)
        assert refused.value.why == "unknown"

    @rule(secret=secrets)
    def show_for_another_session(self, secret: str) -> None:
        with pytest.raises(Refused) as refused:
            self.desk.redeem(secret, now=self.now, session_id="somebody else's")
        assert refused.value.why == "unknown"

    @rule(seconds=st.sampled_from([0.1, 1.0, 59.9, 299.0, 4000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def what_is_kept_is_bounded(self) -> None:
        assert len(self.desk._tickets) <= 4 * CAPACITY + 1


TestTickets = Tickets.TestCase
TestTickets.settings = steady

# --- sessions -----------------------------------------------------------------------------------------------


class Sessions(RuleBasedStateMachine):
    """A session of one provider behind its own codec, as the pump would drive it."""

    provider: Provider

    def __init__(self) -> None:
        super().__init__()
        self.now = 1.0
        chosen = DialogueSettings(
            **{
                **self.provider.dialogue_defaults,
                "idle_limit": 30.0,
                "session_limit": 200.0,
                "max_context": 4,
            }
        )
        self.session = Session(self.provider, chosen, make_agent("tone:440:2"), session_id="s")
        types = self.provider.settings_type()
        self.ours = self.provider.codec(Role.PROVIDER, types, Random(1))
        self.theirs = self.provider.codec(Role.CALLER, types, Random(1))
        self.said: list[Event] = []
        self.over = False
        self.take(Opened())

    def keep(self, events: list[Event]) -> None:
        assert not (self.over and events), "a session that is over says nothing"
        for at, event in enumerate(events):
            self.ours.encode(event)
            Mask().plain(event)
            assert not isinstance(event, Closed) or at == len(events) - 1
        self.said += events
        self.over = self.session.state is State.ENDED

    def take(self, event: Event) -> None:
        self.keep(self.session.receive(event, self.now))

    def say(self, event: Event) -> None:
        """Over the wire."""
        for message in self.theirs.encode(event):
            for read in self.ours.decode(message):
                self.take(read)

    @rule(seconds=st.sampled_from([0.02, 0.3, 1.5]), silent=st.booleans())
    def talk(self, seconds: float, silent: bool) -> None:
        ours = self.provider.format
        count = ours.samples(0.1)
        sound = ours.silence(count) if silent else speech(ours, 0.1)
        for _ in range(max(1, round(seconds * 10))):
            self.pass_time(0.1)
            self.say(UserAudioSent(sound, ours.rate))

    @rule(
        what=st.binary(max_size=40) | st.text(max_size=40) | st.sampled_from(['{"type":"audio"}', "{", "[]"])
    )
    def babble(self, what: str | bytes) -> None:
        for event in self.ours.decode(what):
            self.take(event)

    @rule(value=st.none() | st.integers(-5, 5) | st.text(max_size=5) | st.lists(st.integers(), max_size=2))
    def set_something(self, value: Any) -> None:
        self.take(SettingSent("max_context_messages", value))

    @rule(event=st.sampled_from([InterruptSent(), StopSent(), Ponged(), LimitReached("outbox", 64)]))
    def do(self, event: Event) -> None:
        self.take(event)

    @rule(seconds=st.sampled_from([0.01, 0.3, 2.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.pass_time(seconds)

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.session.deadline) is not None and due <= end:
            self.now = max(self.now, due)
            self.keep(self.session.advance(self.now))
            assert self.session.deadline is None or self.session.deadline > self.now
        self.now = end

    @precondition(lambda self: self.now > 60)
    @rule(
        event=st.sampled_from([EndAsked("closed"), EndAsked("shutdown"), Closed(1006), Closed(1000, "bye")])
    )
    def end(self, event: Event) -> None:
        self.take(event)
        assert self.over

    @invariant()
    def it_began_once_and_ended_at_most_once(self) -> None:
        kinds = [type(event) for event in self.said]
        assert (kinds[0], kinds.count(SessionStarted)) == (SessionStarted, 1)
        assert kinds.count(Closed) <= 1
        assert not self.over or self.session.deadline is None

    @invariant()
    def what_it_holds_is_bounded(self) -> None:
        assert len(self.session._waiting) <= WAITING
        assert len(self.session.call.history) <= 5


for name, one in ON_SOCKETS.items():
    case = type(f"Sessions of {name}", (Sessions,), {"provider": one}).TestCase  # type: ignore[attr-defined]
    case.settings = settings(steady, max_examples=15, stateful_step_count=30)
    globals()["TestSessionsOf" + name.title().replace("-", "")] = case
    del case
