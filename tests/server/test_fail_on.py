"""Findings that fail a run, and audio that is looked for in the microphone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import wave
from pathlib import Path
from typing import Any

import pytest

from tests.client.calls import clip
from voxemu.audio import floats, pcm16, sample_count
from voxemu.events import AgentAudioSent, Event, UserAudioSent
from voxemu.provider import CallPlan
from voxemu.testing.virtual_emu import VirtualEmu
from voxemu.wire import PROVIDERS
from voxemu_client import dial
from voxemu_client.caller import Caller
from voxemu_client.dial import Telephone
from voxemu_client.script import Script

LYZR = PROVIDERS["lyzr-sip"]


class Loudspeaker(Caller):
    """Its microphone hears its loudspeaker; ``flushes`` is whether it drops what comes late."""

    flushes = False

    def receive(self, event: Event, now: float) -> list[Event]:
        if isinstance(event, AgentAudioSent) and not hasattr(self, "_air"):
            self._air: list[bytes] = []
        late = self.playback.late
        said = super().receive(event, now)
        if isinstance(event, AgentAudioSent) and (not self.flushes or self.playback.late == late):
            self._air.append(event.pcm)
        return [self._with_air(each) for each in said]

    def advance(self, now: float) -> list[Event]:
        return [self._with_air(each) for each in super().advance(now)]

    def _with_air(self, event: Event) -> Event:
        air = getattr(self, "_air", [])
        if isinstance(event, UserAudioSent) and air and not any(event.pcm):
            heard = air.pop(0)
            if sample_count(heard) == sample_count(event.pcm):
                return UserAudioSent(heard, event.rate)
        return event


class Flushing(Loudspeaker):
    flushes = True


@pytest.mark.parametrize(("client", "found"), [(Loudspeaker, ["F-NOT-FLUSHED"]), (Flushing, [])])
@pytest.mark.emu(agent="tone:440:3", settings={"dialogue": {"echo_guard": False, "barge_in": "any"}})
def test_marked_audio_after_an_interruption_is_looked_for_in_the_microphone(
    emu_virtual: VirtualEmu, client: Any, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    emu_virtual.set(flush_check=True)
    monkeypatch.setattr(dial, "Caller", client)

    async def call() -> None:
        script = Script((clip(LYZR, 1.0), clip(LYZR, 0.8)), barge_in=0.5)
        await Telephone(LYZR, CallPlan(emu_virtual.base_url)).call(script)

    emu_virtual.run(call())
    session = emu_virtual.session
    assert {each["detail"] for each in session.all("fault_injected")} == {"ms=600.0 text=mark"}
    assert [each.code for each in session.findings if each.code == "F-NOT-FLUSHED"] == found


SENDS_NONSENSE = """
import os, aiohttp, asyncio
async def main():
    async with aiohttp.ClientSession() as http:
        async with http.post(os.environ["EMU_URL"] + "/session/start", json={}) as answered:
            await answered.read()
asyncio.run(main())
"""


@pytest.mark.parametrize(("flags", "code"), [([], 0), (["--fail-on", "finding"], 1)])
async def test_a_command_fails_with_its_findings(flags: list[str], code: int, tmp_path: Path) -> None:
    emu = str(Path(sys.executable).parent / "emu")
    child = await asyncio.create_subprocess_exec(
        emu, "exec", *flags, "--", sys.executable, "-c", SENDS_NONSENSE,
        cwd=tmp_path, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await child.communicate()
    assert (child.returncode, b"F-BAD-START" in said) == (code, True)


async def test_a_server_that_found_something_ends_so(tmp_path: Path) -> None:
    emu = str(Path(sys.executable).parent / "emu")
    child = await asyncio.create_subprocess_exec(
        emu, "serve", "--port", "0", "--fail-on", "finding", "--json",
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None

    url = json.loads(await child.stdout.readline())["url"]
    asked = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SENDS_NONSENSE, env={**os.environ, "EMU_URL": url}
    )
    assert await asked.wait() == 0
    child.send_signal(signal.SIGTERM)
    _, said = await child.communicate()
    assert (child.returncode, b"1 finding: F-BAD-START" in said) == (1, True)


@pytest.mark.parametrize(
    ("level", "flags", "code"),
    [(20.0, [], 0), (20.0, ["--fail-on", "finding"], 1), (1.0, ["--fail-on", "finding"], 0)],
)
async def test_the_reference_client_fails_with_what_it_sends(
    level: float, flags: list[str], code: int, tmp_path: Path
) -> None:
    sound = clip(LYZR, 2.0).pcm
    louder = pcm16((floats(sound) * level).clip(-1, 1))
    with wave.open(str(tmp_path / "said.wav"), "wb") as file:
        file.setparams((1, 2, LYZR.format.rate, 0, "NONE", ""))
        file.writeframes(louder)
    emu = str(Path(sys.executable).parent / "emu")
    client = [emu, "client", "--provider", "lyzr-sip", *flags, "--say", "said.wav"]
    child = await asyncio.create_subprocess_exec(
        emu, "exec", "--", "sh", "-c", f'exec {" ".join(client)} --url "$EMU_URL"',
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await child.communicate()
    assert (child.returncode, b"against the page: F-CLIPPED" in said) == (code, code == 1)
