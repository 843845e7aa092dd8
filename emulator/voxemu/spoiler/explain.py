"""The faults as people read them: ``emu faults``."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from voxemu.fault import AT_THE_DOOR, FOR_EVER, KINDS, Family, kind_named
from voxemu.provider import Provider
from voxemu.spoiler.support import IN_ROOMS, ROOMS_LACK, supporters

WIDTH = 100

TITLES: Mapping[Family, str] = {
    "start": "At a start: of the start request and the upgrade",
    "frame": "In a call: of agent audio",
    "message": "In a call: of other messages",
    "moment": "In a call: at a moment that the fault says",
}

ANCHORS = """\
after_frames = N   so many agent audio messages have gone out, of the call or of the reply in_reply
in_reply = N       in the N-th reply, counted from 1
at_sample = N      the agent's audio has reached this sample
at = SECONDS       since the session began
on = "EVENT"       an event by its name in timelines: interrupted, turn_ended, tool_called ...; nth = N
times = N          how many messages it strikes; 0 is every one from there on
chance = P         of each of them, by dice (emu serve --seed)
provider, label    whose calls; a [[key.fault]] is for the calls of that key
"""


ROOMS = """\
* In rooms it is something of its own: `emu faults KIND` says what, and why the others are nothing there.

"""


def _has_rooms(provider: Provider) -> bool:
    return provider.media == "room"


def overview(providers: Mapping[str, Provider]) -> str:
    """Every kind, what it does, and which providers can have it."""
    width = max(map(len, KINDS))
    parts = []
    for family, title in TITLES.items():
        parts.append(f"{title}\n")
        for name, kind in KINDS.items():
            if kind.family == family:
                who = supporters(name, providers)
                reach = "all" if len(who) == len(providers) else ", ".join(who)
                reach += "; *" if name in IN_ROOMS and any(map(_has_rooms, providers.values())) else ""
                parts.append(f"  {name:<{width}}  {kind.what} ({reach})\n")
        parts.append("\n")
    return "".join(
        [*parts, ROOMS, "Where it strikes; all that are given must hold:\n", textwrap.indent(ANCHORS, "  ")]
    )


def explained(name: str, providers: Mapping[str, Provider]) -> str:
    """One kind, with its fields and an example. Raises UnknownName."""
    kind = kind_named(name)
    fields = "".join(f"  {field} = {_toml(value)}\n" for field, value in kind.takes.items())
    when = "at = 2.0\n" if kind.family == "moment" and name not in AT_THE_DOOR else ""
    times = "every one" if kind.times == FOR_EVER else "one"
    who = ", ".join(supporters(name, providers))
    return (
        f"{name}: {kind.what}\n\n"
        f"Strikes {times} unless `times` says otherwise. Providers: {who}\n"
        + _of_rooms(name)
        + (f"\nIts own fields, with their defaults:\n{fields}" if fields else "")
        + f'\n[[fault]]\nkind = "{name}"\n{when}'
    )


def _of_rooms(name: str) -> str:
    """What it is in a room, or why it is nothing there."""
    if name in IN_ROOMS:
        return textwrap.fill(f"In rooms: {IN_ROOMS[name]}.", WIDTH) + "\n"
    return f"Not in rooms: {ROOMS_LACK[name]}.\n" if name in ROOMS_LACK else ""


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"
