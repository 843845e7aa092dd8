"""Writes the scenarios of the golden recordings: every provider, two agents, four shapes of a call.

    .venv/bin/python tools/golden_scenarios.py && .venv/bin/emu check --update

What is spoken lies beside each scenario at the provider's own rate, so that nothing is resampled when a
golden is checked: a resampler's last bit may differ from machine to machine.
"""

from __future__ import annotations

import sys
import wave
from pathlib import Path

from voxemu import prompts
from voxemu.events import Transcribed
from voxemu.provider import Provider
from voxemu.wire import PROVIDERS
from voxemu_client.clips import load_clip

AGENTS = {"echo": "echo", "tone": "tone:440:1.5"}
PROMPT_RATE = 16_000

HEAD = """\
schema = "voxemu.scenario/1"
title = "{title}"
provider = "{provider}"

[agent]
name = "{agent}"

[caller]
lead = 0.2
quiet = 0.3
"""

SAY = """
[[caller.step]]
say = "{yes}"
"""

FIRST_AUDIO = """
[[expect]]
event = "agent_audio_started"
after = "turn_ended"
within_ms = 900
"""

# How a provider's wire tells what was said; where it has no words for that there is nothing to expect.
TRANSCRIPTS = """
[[expect]]
event = "agent_transcript"
count = {replies}
"""

SHAPES = {
    "turn": ("one turn and its reply", 1, SAY + FIRST_AUDIO),
    "barge-in": (
        "the user interrupts the reply",
        2,
        """
[[caller.step]]
say = "{hello}"

[[caller.step]]
say = "{yes}"
after = "agent_audio_started"
delay = 0.5
barge_in = true

[[expect]]
stops_within_ms = 250

[[expect]]
event = "barge_in"
count = 1
""",
    ),
    "pause": (
        "two turns with a pause between them",
        2,
        SAY
        + """
[[caller.step]]
say = "{yes}"
after = "agent_audio_stopped"
delay = 0.6
"""
        + FIRST_AUDIO,
    ),
    "hang-up": (
        "the user hangs up in mid-reply",
        1,
        SAY
        + """
[[caller.step]]
hangup = true
after = "agent_audio_started"
delay = 0.3

[[expect]]
event = "agent_audio_stopped"
count = 0
""",
    ),
}


def main(root: Path) -> None:
    for provider in PROVIDERS.values():
        for shape, (title, replies, body) in SHAPES.items():
            for short, agent in AGENTS.items():
                folder = root / provider.id / f"{shape}-{short}"
                folder.mkdir(parents=True, exist_ok=True)
                said = {name: spoken(name, provider, folder, body) for name in ("yes", "hello")}
                text = (HEAD + body).format(
                    title=f"{title} ({short})", provider=provider.id, agent=agent, **said
                )
                if Transcribed in provider.spells:
                    text += TRANSCRIPTS.format(replies=replies)
                (folder / "scenario.toml").write_text(text, "utf-8")


def spoken(name: str, provider: Provider, folder: Path, body: str) -> str:
    """What the scenario calls this prompt: its name, or a file beside it at the provider's rate."""
    assert name in prompts.names()
    if provider.format.rate == PROMPT_RATE:
        return name
    if "{" + name + "}" in body:
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(provider.format.rate)
            file.writeframes(load_clip(name, provider.format.rate).pcm)
    return f"{name}.wav"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("recordings"))
