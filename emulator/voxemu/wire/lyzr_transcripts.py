"""The shapes of lyzr-sip's transcripts, written and read.

"Treat transcript payloads defensively as shapes may vary", says the page, and "transcript keys can vary by
agent configuration". Which ones vary is collected in the protocol notes; a setting picks one shape, so that a
client's reading can be tested against each, or ``mixed``, which goes through all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal

from voxemu.events import Speaker, Transcribed
from voxemu.wire.reading import Unreadable

if TYPE_CHECKING:
    from random import Random

ShapeName = Literal[
    "page",
    "content",
    "transcript",
    "role-agent",
    "source",
    "speaker",
    "typed-agent",
    "typed-assistant",
    "typed-response",
    "mixed",
]


@dataclass(frozen=True, slots=True)
class Shape:
    """Under which names a transcript says what it says; the defaults are the page's."""

    text: str = "text"
    speaker: str | None = "role"
    # None: the type alone says who spoke.
    agent: str = "assistant"
    interim: str = "is_interim"
    # The mark of a line that is not final; a final one has none.
    user_type: str = "transcript"
    agent_type: str = "transcript"

    def spell(self, said: Transcribed) -> dict[str, Any]:
        by_user = said.speaker == "user"
        fields: dict[str, Any] = {"type": self.user_type if by_user else self.agent_type}
        if self.speaker is not None:
            fields[self.speaker] = "user" if by_user else self.agent
        fields[self.text] = said.text
        if not said.final:
            fields[self.interim] = True
        return fields


SHAPES: Mapping[str, Shape] = {
    "page": Shape(),
    "content": Shape(text="content"),
    "transcript": Shape(text="transcript", interim="is_partial"),
    "role-agent": Shape(agent="agent"),
    "source": Shape(speaker="source", agent="agent", interim="is_partial"),
    "speaker": Shape(speaker="speaker"),
    "typed-agent": Shape(speaker=None, user_type="user_transcript", agent_type="agent_transcript"),
    "typed-assistant": Shape(
        text="content", speaker=None, user_type="user_transcript", agent_type="assistant_transcript"
    ),
    "typed-response": Shape(
        text="transcript",
        speaker=None,
        interim="is_partial",
        user_type="user_transcript",
        agent_type="response_transcript",
    ),
}


def shapes(name: ShapeName, rng: Random) -> Iterator[Shape]:
    """The shape of each transcript of a connection, for ever."""
    if name != "mixed":
        return cycle([SHAPES[name]])
    order = list(SHAPES.values())
    rng.shuffle(order)
    return cycle(order)


# --- reading any of them ---------------------------------------------------------------------------------

TYPES: Mapping[str, Speaker | None] = {
    "transcript": None,
    "user_transcript": "user",
    "agent_transcript": "agent",
    "assistant_transcript": "agent",
    "response_transcript": "agent",
}

TEXT_KEYS = ("text", "content", "transcript")
SPEAKER_KEYS = ("role", "source", "speaker")
SPEAKERS: Mapping[str, Speaker] = {"user": "user", "assistant": "agent", "agent": "agent"}
INTERIM_KEYS = ("is_interim", "is_partial")


def resembles_transcript(said: Mapping[str, Any]) -> bool:
    """Whether a message without a type is one: "JSON messages containing text, content, or roles" [page]."""
    return "type" not in said and _speaker(said) is not None and _text(said) is not None


def read_transcript(said: Mapping[str, Any]) -> Transcribed:
    """A transcript of any shape; raises Unreadable when it does not say what was said, or who said it."""
    text = _text(said)
    if text is None:
        raise Unreadable("bad_field", f"a transcript needs a string under one of {', '.join(TEXT_KEYS)}")
    speaker = _speaker(said) or TYPES.get(said.get("type", ""))
    if speaker is None:
        raise Unreadable(
            "bad_field", f"a transcript needs user, assistant or agent under one of {', '.join(SPEAKER_KEYS)}"
        )
    return Transcribed(speaker, text, final=not any(said.get(key) is True for key in INTERIM_KEYS))


def _text(said: Mapping[str, Any]) -> str | None:
    # An empty string under one name does not hide the words under another.
    found = [said[key] for key in TEXT_KEYS if isinstance(said.get(key), str)]
    return next((text for text in found if text), found[0] if found else None)


def _speaker(said: Mapping[str, Any]) -> Speaker | None:
    words = (said.get(key) for key in SPEAKER_KEYS)
    return next((SPEAKERS[word] for word in words if isinstance(word, str) and word in SPEAKERS), None)
