"""Many calls in one process, each by the client's own telephone and engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from time import process_time

from voxemu.errors import VoxemuError
from voxemu_client.caller import Caller
from voxemu_client.dial import Lines, Outcome, Telephone, http_client
from voxemu_client.judging import judged
from voxemu_client.load.ear import Ear, Window
from voxemu_client.load.kinds import CUT, DROPPED, EARLY, UNANSWERED, kind_of, kind_of_end, waited
from voxemu_client.load.machine import memory
from voxemu_client.load.order import Order
from voxemu_client.load.patter import Part
from voxemu_client.load.tally import Tally
from voxemu_client.load.waits import turn_waits, unheeded, unsaid
from voxemu_client.reporting import failed
from voxemu_client.summary import ending, verdict

GOODBYE = 6.0
# Seconds, at most, for all calls to end in their protocol's way; then they are dropped.
HANG_UPS = 500
# A second, so that they are not late themselves.


class Sessions:
    """Those of ``order`` with these ``numbers``; ``began`` is the loop's time at which the load began."""

    def __init__(self, order: Order, part: Part, numbers: Iterable[int], began: float) -> None:
        self.order = order
        self.part = part
        self.tally = Tally()
        self.window = Window()
        self.ending = self.stopped = False
        self.held = 0
        self._began = began
        self._loop = asyncio.get_running_loop()
        self._sessions = [_Session(self, number) for number in numbers]
        self._left = len(self._sessions)
        self._stop = asyncio.Event()
        self._memory = memory()

    def now(self) -> float:
        """Seconds since the load began."""
        return self._loop.time() - self._began

    @property
    def callers(self) -> list[Caller]:
        """The engines of the calls that are connected."""
        telephones = [session.telephone for session in self._sessions]
        return [each.caller for each in telephones if each is not None and each.caller is not None]

    def stop(self) -> None:
        """The load is to end now, its calls in their protocol's way."""
        self.stopped = True
        self._stop.set()

    def so_far(self) -> Tally:
        """What is known while the load goes on."""
        for session in self._sessions:
            session.count()
        return self.tally

    def abandon(self) -> Tally:
        """What is known of all calls, for a program that is to end at once and not to end them."""
        for session in self._sessions:
            session.account_for()
        return self.tally

    async def run(self) -> Tally:
        """Until the load is over, or every session failed. Cancelled, it drops all calls."""
        async with http_client() as lines:
            tasks = [asyncio.create_task(session.run(lines)) for session in self._sessions]
            for task in tasks:
                task.add_done_callback(self._one_less)
            try:
                await self._be_up()
                await self._hang_up(tasks)
            finally:
                for task in tasks:
                    task.cancel()
                done = await asyncio.gather(*tasks, return_exceptions=True)
        for error in done:
            if isinstance(error, Exception):
                raise error
        return self.tally

    def _one_less(self, _: object) -> None:
        self._left -= 1
        if not self._left:
            self._stop.set()

    async def _be_up(self) -> None:
        await self._until(self.order.ramp)
        self.window.open = not self._stop.is_set()
        spent, since = process_time(), self.now()
        await self._until(self.order.over)
        self.window.open = False
        self.tally.amount("processor", process_time() - spent)
        self.tally.amount("window", self.now() - since)
        if self.stopped:
            self.tally.amounts["soonest_stop"] = self.now()
        if (held := memory()) is not None and self._memory is not None:
            self.tally.amount("memory", max(0, held - self._memory))

    async def _until(self, moment: float) -> None:
        """The moment, or the user's wish, or the end of the last session, if that is sooner."""
        try:
            async with asyncio.timeout(max(0.0, moment - self.now())):
                await self._stop.wait()
        except TimeoutError:
            return

    async def _hang_up(self, tasks: list[asyncio.Task[None]]) -> None:
        self.ending = True
        begun = self.now()
        for number, (session, task) in enumerate(zip(self._sessions, tasks, strict=True), 1):
            if not session.hang_up():
                task.cancel()
            if (early := begun + number / HANG_UPS - self.now()) > 0.01:
                await asyncio.sleep(early)
        await asyncio.wait(tasks, timeout=GOODBYE)


class _Session:
    """One of the users: a call, and after it the next one where a scenario is shorter than the load."""

    def __init__(self, sessions: Sessions, number: int) -> None:
        self._all = sessions
        self._tally = sessions.tally
        self._planned = sessions.order.planned(number)
        self.telephone: Telephone | None = None
        self._held_since: float | None = None
        self._turns = self._barge_ins = 0
        # Of the call's account, how many are counted.
        self._whole = 0
        # Calls that went as they should.

    def hang_up(self) -> bool:
        return self.telephone is not None and self.telephone.hang_up("the load is over")

    async def run(self, lines: Lines) -> None:
        await asyncio.sleep(max(0.0, self._planned - self._all.now()))
        while await self._call(lines):
            # The next one is to be placed when this one is over.
            self._planned = self._all.now()

    async def _call(self, lines: Lines) -> bool:
        """Whether another is wanted."""
        everybody, part = self._all, self._all.part
        ear = Ear(part.provider, self._tally, everybody.window, self._let_in)
        self.telephone = telephone = Telephone(
            part.provider, part.plan, watchers=[ear], lines=lines, check=everybody.order.check_target
        )
        self._turns = self._barge_ins = 0
        self._tally.counts["placed"] += 1
        try:
            (outcome,) = await telephone.call(part.script)
        except VoxemuError as error:
            if waited(error):
                self._waited_in_vain()
            return self._fail(kind_of(error), str(error))
        except asyncio.CancelledError:
            self._broken_off()
            raise
        finally:
            ear.close()
            self.account_for()
            self.telephone = None
        return self._judge(outcome)

    # --- as it goes by ----------------------------------------------------------------------------------

    def _let_in(self) -> None:
        if self._held_since is not None:
            return
        self._held_since = self._all.now()
        self._all.held += 1
        self._tally.counts["let_in"] += 1
        self._tally.spreads["setup"].add(self._held_since - self._planned)
        self._miss(self._held_since - self._planned)

    def _waited_in_vain(self) -> None:
        waited = self._all.now() - self._planned
        self._tally.spreads["setup_open"].add(waited)
        self._miss(waited)

    def _miss(self, waited: float) -> None:
        for wait in unsaid(self._all.part.ends, waited):
            self._tally.counts["turns_unsaid"] += 1
            self._tally.spreads["turns"].add(wait)

    def count(self, until: float | None = None) -> None:
        """What is known by now of the call's turns and barge-ins."""
        if self.telephone is None or self.telephone.caller is None:
            return
        account, buffer = self.telephone.caller.account, self._all.part.script.jitter_buffer
        waits, self._turns = turn_waits(account.turns, self._turns, account.format, until, buffer=buffer)
        for wait in waits:
            self._tally.spreads["turns" if wait.answered else "turns_open"].add(wait.seconds)
        for barge in account.barge_ins[self._barge_ins :]:
            self._tally.spreads["stops"].add(barge.stop)
        self._barge_ins = len(account.barge_ins)

    # --- the end ----------------------------------------------------------------------------------------

    def account_for(self) -> None:
        """Adds up the call that is over."""
        caller = None if self.telephone is None else self.telephone.caller
        now, since, self._held_since = self._all.now(), self._held_since, None
        if since is not None:
            self._tally.spans.append((since, now))
            self._all.held -= 1
        if caller is None:
            return
        account, tally = caller.account, self._tally
        until = account.seconds or (now - since if since is not None else 0.0)
        self.count(until)
        for wait in unheeded(account.steps, account.barge_ins, account.format, until):
            tally.spreads["stops_open"].add(wait)
        tally.counts["barge_ins_missed"] += sum(
            taken.step.barge_in and not taken.over_agent for taken in account.steps
        )
        tally.counts["underruns"] += caller.playback.underruns
        tally.amount("sent", caller.microphone.sent / caller.microphone.rate)
        tally.amount("never_sent", caller.microphone.dropped / caller.microphone.rate)
        tally.amount("received", account.format.seconds(caller.playback.received))
        tally.amount("heard", account.format.seconds(caller.playback.heard))

    def _broken_off(self) -> None:
        if self._held_since is None:
            self._waited_in_vain()
        if self._held_since is None and (self._whole or self._all.stopped):
            # It had no time to be let in.
            self._end()
        elif self._held_since is None:
            self._fail(CUT, "the load was over before the call was let in")
        else:
            self._fail(DROPPED, f"the call had not ended {GOODBYE:g} s after the load")

    def _judge(self, outcome: Outcome) -> bool:
        scenario, over = self._all.part.scenario, self._all.ending
        unmet = None if scenario is None or over else failed(judged(scenario, outcome.caller))
        code, reason = verdict([outcome], self._all.part.script, unmet, has_verdicts=True)
        if (kind := kind_of_end(code, outcome)) is not None:
            return self._fail(kind, reason)
        if scenario is None and not over:
            return self._fail(EARLY, ending(outcome))
        if self._unanswered(outcome.caller):
            return self._fail(UNANSWERED, "the agent never answered")
        self._tally.counts["calls"] += 1
        self._whole += 1
        if over or self._all.now() >= self._all.order.over:
            self._end()
            return False
        return True

    def _end(self) -> None:
        """Nothing was wrong with this session."""
        self._tally.counts["stopped" if self._all.stopped else "completed"] += 1

    def _unanswered(self, caller: Caller) -> bool:
        turns, over = caller.account.turns, caller.account.seconds
        if not turns or turns[0].end is None or any(turn.reply is not None for turn in turns):
            return False
        return over - caller.account.format.seconds(turns[0].end) >= caller.script.patience

    def _fail(self, kind: str, sentence: str) -> bool:
        self._tally.counts["failed"] += 1
        self._tally.failed(kind, sentence)
        return False
