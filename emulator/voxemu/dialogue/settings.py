"""How a session takes its turns: every figure of the dialogue, with its default."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from voxemu.dialogue.detection import DetectionSettings


@dataclass(frozen=True, slots=True)
class DialogueSettings(DetectionSettings):
    """Turn-taking of one session; the detector's settings are among them. Times in seconds.

    Raises ValueError naming the field and what it may be.
    """

    think_time: float = 0.3
    # From the end of a user's turn to the reply.
    pre_roll: float = 0.3
    # Audio kept from before the first spoken sample.
    min_utterance: float = 0.1
    max_utterance: float = 60.0
    gap_margin: float = 0.2
    # Missing audio ends a turn after hangover + gap_margin.
    barge_in: Literal["any", "off"] = "any"
    barge_in_confirm: float = 0.0
    # Speech needed to interrupt, where longer than start_confirm.
    transcript_place: Literal["before_audio", "after_speaking", "after_audio", "with_audio"] = "before_audio"
    # Of the agent's; with_audio grows word by word as it sounds, and is final when it has.
    interim_transcripts: bool = False
    # Say lines while they still grow.
    thinking_audio: bool = False
    # Send a typing sound while the agent thinks, where the provider has a message for it.
    burst: bool = False
    # Send a whole reply at once instead of pacing it.
    frame_ms: float | None = None
    # Length of an agent audio message; None is the provider's own. Refused where the page fixes it.
    ready_delay: float = 0.0
    # From session start until the agent is ready.
    input_rate: int | None = None
    # Of user audio whose messages declare none; None is the provider's own.
    max_context: int = 20
    # Messages of conversation history that the agent is given.
    idle_limit: float | None = None
    idle_counts: Literal["any", "audio"] = "any"
    # What keeps an idle session alive: any frame and any pong, or audio alone.
    session_limit: float | None = 3600.0
    bad_messages: int = 20
    # So many unreadable messages end the session.
    replay_anchor: Literal["turns", "time"] = "turns"
    # What an agent that replays a recording follows: the user's turns, or the recorded seconds.
    greeting: str = ""
    # An audio file or tone:hz:seconds; spoken first.
    greeting_text: str = ""

    def __post_init__(self) -> None:
        DetectionSettings.__post_init__(self)
        for name in (
            "think_time",
            "pre_roll",
            "min_utterance",
            "gap_margin",
            "barge_in_confirm",
            "ready_delay",
        ):
            if not 0 <= getattr(self, name) <= 60:
                raise ValueError(f"{name} must be 0 to 60 seconds, not {getattr(self, name)}")
        if not 1 <= self.max_utterance <= 600:
            raise ValueError(f"max_utterance must be 1 to 600 seconds, not {self.max_utterance}")
        if self.max_context < 1:
            raise ValueError(f"max_context must be 1 or more, not {self.max_context}")
        if self.bad_messages < 1:
            raise ValueError(f"bad_messages must be 1 or more, not {self.bad_messages}")
        if self.frame_ms is not None and not 5 <= self.frame_ms <= 1000:
            raise ValueError(f"frame_ms must be 5 to 1000, not {self.frame_ms}")
        if self.input_rate is not None and not 8000 <= self.input_rate <= 192_000:
            raise ValueError(f"input_rate must be 8000 to 192000, not {self.input_rate}")
        for name in ("idle_limit", "session_limit"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 86_400:
                raise ValueError(f"{name} must be above 0 and at most 86400 seconds, not {value}")

    @property
    def detection(self) -> DetectionSettings:
        return DetectionSettings(
            **{field.name: getattr(self, field.name) for field in fields(DetectionSettings)}
        )

    @property
    def patience(self) -> float:
        """How long user audio may be missing before that is silence."""
        return self.hangover + self.gap_margin
