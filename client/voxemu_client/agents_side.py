"""What a scripted agent did in a call to an emulator, asked of the emulator: the wire does not say."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from voxemu.errors import VoxemuError
from voxemu.events import Event, Opened, ScriptStepBegan, ScriptStepInterrupted, ScriptStepMissed, named
from voxemu.provider import Provider
from voxemu.scenario.script_watch import ScriptWatch
from voxemu_client.web import fetch

LOOKS = 20
# At a session that is about to be over.

_NOTES: dict[str, type[Event]] = {
    named(kind): kind for kind in (ScriptStepBegan, ScriptStepInterrupted, ScriptStepMissed)
}


async def scripts_watch(url: str, key: str, label: str, provider: Provider) -> ScriptWatch | None:
    """Of the session with this label; None where the server is no emulator, or has no such session."""
    parts = urlsplit(url)
    base = urlunsplit(("https" if parts.scheme in ("https", "wss") else "http", parts.netloc, "", "", ""))
    try:
        sessions = (await fetch(f"{base}/__emu/sessions", key))["sessions"]
        (mine,) = [each["id"] for each in sessions if each.get("label") == label]
        whole = await fetch(f"{base}/__emu/sessions/{mine}", key)
        for _ in range(LOOKS):
            if not whole["live"]:
                break
            # It learns of our hanging up a little later than we do.
            await asyncio.sleep(0.05)
            whole = await fetch(f"{base}/__emu/sessions/{mine}", key)
        events = whole["events"]
    except (VoxemuError, KeyError, TypeError, ValueError):
        return None
    return watched(events, provider)


def watched(events: list[dict[str, Any]], provider: Provider) -> ScriptWatch:
    watch = ScriptWatch(provider.format)
    watch.saw(Opened(), 0.0)
    for said in events:
        kind = _NOTES.get(said["type"])
        if kind is not None:
            known = kind.__struct_fields__
            note = kind(**{name: value for name, value in said.items() if name in known})
            watch.saw(note, said["t"] / 1000)
    return watch
