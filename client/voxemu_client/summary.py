"""What one or more calls came to: the exit code, the reason, and the figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from voxemu.errors import ConnectionLost, Refused
from voxemu.provider import CallPlan, Provider
from voxemu_client.dial import Outcome
from voxemu_client.script import Script
from voxemu_client.web import without_secrets

DONE, FAILED, USAGE, UNREACHABLE, OFF_THE_PAGE, UNRECORDED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
# Exit codes.


def broken(outcome: Outcome) -> str | None:
    """What the peer did that its protocol has no words for; None when nothing."""
    breaks = outcome.caller.account.breaks
    return None if not breaks else f"{outcome.caller.account.break_count} unreadable, the first: {breaks[0]}"


def lost(outcome: Outcome) -> ConnectionLost | Refused | None:
    """The error that the end of this call amounts to; None when it ended as calls do."""
    closed, account = outcome.closed, outcome.caller.account
    if account.ended is not None and outcome.lost:
        return ConnectionLost(f"the provider ended the session: {account.ended.reason or 'shutdown'}")
    if closed.by != "line" and outcome.caller.was_let_in:
        return None
    said = closed.reason or (account.errors[-1] if account.errors else "no reason given")
    if not outcome.caller.was_let_in:
        return Refused("session", f"the provider let no audio in: {said} (close code {closed.code})")
    if outcome.lost:
        return ConnectionLost(f"the line was lost with close code {closed.code}: {said}")
    if closed.code not in (1000, 1005):
        return Refused("closed", f"the provider ended the call with close code {closed.code}: {said}")
    return None


def verdict(
    outcomes: list[Outcome], script: Script, unmet: str | None = None, *, has_verdicts: bool = False
) -> tuple[int, str]:
    """The exit code of calls that were connected, and why; ``unmet`` is an expectation of a scenario."""
    code, reason = _verdict(outcomes, script, unmet, has_verdicts=has_verdicts)
    failures = [each.failure for each in outcomes if each.failure is not None]
    if code == DONE and failures:
        return UNRECORDED, f"the call went well, but {failures[0]}"
    return code, reason


def _verdict(
    outcomes: list[Outcome], script: Script, unmet: str | None, *, has_verdicts: bool
) -> tuple[int, str]:
    last = outcomes[-1]
    if (trouble := lost(last)) is not None:
        return UNREACHABLE, str(trouble)
    if (breach := next((found for each in outcomes if (found := broken(each))), None)) is not None:
        return OFF_THE_PAGE, f"the provider broke its protocol: {breach}"
    if (limited := last.caller.account.limited) is not None and not script.live:
        return FAILED, f"the call was not over after {limited.value:g} s (--limit)"
    if has_verdicts:
        return (DONE, ending(last)) if unmet is None else (FAILED, unmet)
    if script.barge_in is not None and all(each.caller.account.barge_in is None for each in outcomes):
        return FAILED, f"no reply lasted {script.barge_in:g} s, so nobody was interrupted"
    turns = [turn for each in outcomes for turn in each.caller.account.turns]
    if turns and all(turn.reply is None for turn in turns):
        return FAILED, f"the agent never answered: {ending(last)}"
    return DONE, ending(last)


def ending(last: Outcome) -> str:
    ended, closed = last.caller.account.ended, last.closed
    if ended is not None:
        return f"the provider ended the session: {ended.reason or ended.cause}"
    said = f" {closed.reason}" if closed.reason else ""
    who = "hung up" if closed.by == "caller" else "the provider hung up"
    return f"{who} ({closed.code}{said})"


def summarise(
    provider: Provider, plan: CallPlan, outcomes: list[Outcome], code: int, reason: str
) -> dict[str, Any]:
    """The last line of ``--json``; times in seconds. Turns and audio are those of all its calls."""
    summary: dict[str, Any] = {
        "type": "summary",
        "exit": code,
        "reason": reason,
        "provider": provider.id,
        "url": without_secrets(plan.url),
        "agent": plan.agent,
        "reconnects": max(0, len(outcomes) - 1),
    }
    if not outcomes:
        return summary
    reports = [outcome.caller.account.report() for outcome in outcomes]
    last = reports[-1]
    return {
        **summary,
        **last,
        "seconds": round(sum(report["seconds"] for report in reports), 3),
        "turns": [turn for report in reports for turn in report["turns"]],
        "barge_in": next((report["barge_in"] for report in reports if report["barge_in"]), None),
        "transcripts": [line for report in reports for line in report["transcripts"]],
        "tools_unanswered": [name for report in reports for name in report["tools_unanswered"]],
        "errors": [text for report in reports for text in report["errors"]],
        "findings": [
            {"code": each.code, "seen": each.seen} for outcome in outcomes for each in outcome.findings
        ],
        "audio": _audio(provider, outcomes),
        **_background(outcomes),
        "recordings": [str(outcome.recording) for outcome in outcomes if outcome.recording],
        "recording_failures": [outcome.failure for outcome in outcomes if outcome.failure],
    }


def _background(outcomes: list[Outcome]) -> dict[str, float]:
    """Seconds of the agent's second track, where there was one."""
    seconds = sum(outcome.background or 0.0 for outcome in outcomes)
    return {"background_audio": round(seconds, 3)} if seconds else {}


def _audio(provider: Provider, outcomes: list[Outcome]) -> dict[str, Any]:
    callers = [outcome.caller for outcome in outcomes]
    seconds = provider.format.seconds

    def total(count: Callable[[Any], int]) -> float:
        return round(sum(seconds(count(caller.playback)) for caller in callers), 3)

    return {
        "sent": round(sum(each.microphone.sent / each.microphone.rate for each in callers), 3),
        "received": total(lambda line: line.received),
        "heard": total(lambda line: line.heard),
        "dropped": total(lambda line: line.dropped),
        "late": total(lambda line: line.late),
        "underruns": sum(each.playback.underruns for each in callers),
        "underrun": total(lambda line: line.underrun_samples),
        "microphone_dropped": round(
            sum(each.microphone.dropped / each.microphone.rate for each in callers), 3
        ),
    }
