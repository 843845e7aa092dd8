"""Which faults a provider can have: those that strike something which its wire has."""

from __future__ import annotations

from collections.abc import Mapping

from voxemu.events import Event, Interrupted, SpeakingStarted, Transcribed
from voxemu.fault import kind_named
from voxemu.provider import Provider

STRIKES: Mapping[str, type[Event]] = {
    "missing_interrupted": Interrupted,
    "doubled_interrupted": Interrupted,
    "doubled_speaking": SpeakingStarted,
    "doubled_transcript": Transcribed,
    "endless_interim": Transcribed,
}
# What a fault needs a word for.

ROOMS_LACK: Mapping[str, str] = {
    **dict.fromkeys(
        ("missing_interrupted", "doubled_interrupted"), "an interruption has no message in a room"
    ),
    "doubled_speaking": "the agent's state is an attribute: set twice to the same, it has not changed",
    **dict.fromkeys(("duplicate", "reorder", "odd_length"), "sound on a track comes in no messages"),
    "error": "a room has no word for an error",
    "slow_consumer": "who sends to a track cannot be held up",
}
# And why.

IN_ROOMS: Mapping[str, str] = {
    "burst": "what was held back catches up in the voice track",
    "extra_fields": "attributes of the agent and of text streams that no page names",
    "unknown_message": "a data packet whose topic is `text`",
    "token_expired": "the user's token lets nobody in; in mid-call the room is closed",
    "close": "the room is closed; with code 1006 the connection breaks and the room is gone, and no other "
    "code can be seen",
    "half_open": "the agent is there, deaf and mute; then the connection breaks",
    **dict.fromkeys(
        ("upgrade_refused", "upgrade_stalled", "upgrade_late"),
        "of the signalling socket, in embedded rooms; not where a livekit-server has the rooms",
    ),
}
# What some of the others are there.

FINAL_ONLY = ("lokutor",)
# Their transcripts have no interim form.


def supports(provider: Provider, kind: str) -> bool:
    """Raises UnknownName for a kind that is none."""
    kind_named(kind)
    if provider.media == "room" and kind in ROOMS_LACK:
        return False
    if kind == "endless_interim" and provider.id in FINAL_ONLY:
        return False
    return kind not in STRIKES or STRIKES[kind] in provider.spells


def supporters(kind: str, providers: Mapping[str, Provider]) -> list[str]:
    """The ids of those that can have this fault."""
    return [name for name, provider in providers.items() if supports(provider, kind)]
