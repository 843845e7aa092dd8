"""manifest.json: what a recording is of, and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voxemu import __version__
from voxemu.events import Closed, SessionEnded
from voxemu.provider import Provider, Role
from voxemu.record.figures import Figures
from voxemu.record.masking import Mask
from voxemu.record.tracks import Track

SCHEMA = "voxemu.recording/1"


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What the shell knows of a call and the events do not say."""

    agent: str = ""
    session_id: str = ""
    # Else the one that SessionStarted says.
    started: str = ""
    # Wall-clock time as text: the recorder has no clock.
    seed: int | None = None
    clock: str = "real"
    # Whose time it was: real, media, virtual, rehearsal (docs/clocks.md).
    settings: Mapping[str, Any] = field(default_factory=dict)
    # The effective ones.
    versions: Mapping[str, str] = field(default_factory=dict)
    # Of what else took part; voxemu's own is always there.
    secrets: tuple[str, ...] = ()
    # Keys, tickets, tokens: never written, masked wherever they turn up.
    input_rate: int | None = None
    # Of the user's audio while no message declares one; None is the provider's own rate.


@dataclass(slots=True)
class Account:
    """What a recorder has counted besides the figures."""

    user_messages: int = 0
    user_samples: int = 0
    # As sent, at the rate of the wire.
    agent_messages: int = 0
    agent_samples: int = 0
    sent_settings: dict[str, Any] = field(default_factory=dict)
    session_id: str = ""
    ended: SessionEnded | None = None
    closed: Closed | None = None
    closed_at: tuple[int, int] | None = None
    # Milliseconds and position.


def opening(
    provider: Provider, role: Role, facts: CallFacts, mask: Mask, *, wire_track: bool = True
) -> dict[str, Any]:
    """The manifest as far as it is known at the start."""
    return {
        "schema": SCHEMA,
        "complete": False,
        "failure": None,
        "versions": {"voxemu": __version__, **facts.versions},
        "provider": {
            "id": provider.id,
            "title": provider.title,
            "page": provider.page,
            "verified": provider.unverified,
        },
        "role": role.value,
        "rate": provider.format.rate,
        "wire_track": wire_track,
        "agent": mask.text(facts.agent),
        "session_id": mask.text(facts.session_id),
        "started": facts.started,
        "seed": facts.seed,
        "clock": facts.clock,
        "settings": mask.plain(facts.settings),
    }


def ending(account: Account, figures: Figures, mask: Mask) -> dict[str, Any]:
    """How the call ended, its turns, barge-ins and findings."""
    closed = ended = None
    if account.closed is not None and account.closed_at is not None:
        t, pos = account.closed_at
        said = {"code": account.closed.code, "reason": mask.text(account.closed.reason)}
        closed = {**said, "by": account.closed.by, "t": t, "pos": pos}
    if account.ended is not None:
        ended = {"cause": account.ended.cause, "reason": mask.text(account.ended.reason)}
    return {
        "sent_settings": mask.plain(account.sent_settings),
        "session_ended": ended,
        "closed": closed,
        "turns": figures.turns,
        "barge_ins": figures.barge_ins,
        "findings": dict(sorted(figures.findings.items())),
    }


def counts(account: Account, figures: Figures, left: Track, right: Track) -> dict[str, Any]:
    """Samples: ``user.samples`` at the wire's rate, all others at the recording's.

    ``laid`` is what stands on the left; equal to ``samples`` where nothing had to be resampled.
    """
    return {
        "user": {
            "messages": account.user_messages,
            "samples": account.user_samples,
            "laid": left.laid,
            "displaced": left.displaced,
            "gaps": len(figures.gaps),
            "gap_samples": sum(samples for _, samples in figures.gaps),
            "microphone_dropped": figures.microphone_dropped,
        },
        "agent": {
            "messages": account.agent_messages,
            "received": account.agent_samples,
            "heard": right.laid,
            "dropped": right.dropped,
            "displaced": right.displaced,
            "underruns": figures.underruns,
            "underrun_samples": figures.underrun_samples,
        },
    }
