"""The session's agent as it is consulted: what it is told and knows of its call, and what it answers.

What an agent raises ends no call: it is told, and the agent had nothing to say.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable

from voxemu.agent import Agent, Call, Cue, Exchange, Listener, SetAlarm, Step, UserTurn
from voxemu.dialogue.alarms import Alarms
from voxemu.events import AgentFailed, ErrorReported, Event, Speaker


class Counsel:
    """``most`` lines of the conversation are remembered; ``now`` is seconds on the engine's clock."""

    def __init__(self, agent: Agent, call: Call, most: int, tell: Callable[[Event], None]) -> None:
        self.agent = agent
        self.call = call
        self.most = most
        self.alarms = Alarms()
        self._tell = tell
        # Takes what is to be said of an agent that raised.
        self._opened = 0.0

    def open(self, now: float) -> None:
        self._opened = now

    def ask(self, cue: Cue, now: float) -> list[Step]:
        """What it means to do; alarms are set at once, whatever becomes of the reply."""
        self._place(now)
        try:
            steps = list(self.agent.respond(cue, self.call))
        except Exception as error:
            self._fail(error)
            return []
        for step in steps:
            if isinstance(step, SetAlarm):
                self.alarms.put(max(now, self.when(step.position)), step.name)
        return [step for step in steps if not isinstance(step, SetAlarm)]

    def words_of(self, turn: UserTurn, now: float) -> str | None:
        """What the agent knows of the turn's words."""
        if not isinstance(self.agent, Listener):
            return None
        self._place(now)
        try:
            return self.agent.hears(turn, self.call)
        except Exception as error:
            self._fail(error)
            return None

    def _place(self, now: float) -> None:
        self.call.position = round((now - self._opened) * self.call.format.rate)

    def when(self, position: int) -> float:
        return self._opened + self.call.format.seconds(position)

    def _fail(self, error: Exception) -> None:
        self._tell(AgentFailed(f"{type(error).__name__}: {error}", traceback.format_exc()))
        self._tell(ErrorReported(f"the agent {self.agent.name} failed: {error}", "AGENT_FAILED"))

    # --- remembering ------------------------------------------------------------

    def remember(self, speaker: Speaker, text: str) -> None:
        self.call.history.append(Exchange(speaker, text))
        self.bound(self.most)

    def bound(self, most: int) -> None:
        """From now on so many lines are kept."""
        self.most = most
        del self.call.history[:-most]

    def mark_heard(self, seconds: float) -> None:
        """So much of the agent's last line was heard."""
        history = self.call.history
        for at in range(len(history) - 1, -1, -1):
            if history[at].speaker == "agent":
                history[at] = Exchange("agent", history[at].text, seconds)
                return
