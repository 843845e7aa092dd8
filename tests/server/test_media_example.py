"""The example of a client in another language."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

import pytest

from tests.needs import lack, require_tool
from tests.server.conftest import Start

pytestmark = pytest.mark.sockets

SAYS = "emulator/voxemu/prompts/question.wav"


def node() -> list[str]:
    """Node with a websocket, which it has by itself from version 22 on."""
    program = require_tool("node", "Debian: apt install nodejs")
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    major = int(re.sub(r"v(\d+).*", r"\1", version))
    if major >= 22:
        return [program]
    flag = "--experimental-websocket"
    if subprocess.run([program, flag, "-e", ""], check=False, capture_output=True).returncode:
        lack(f"node {version.strip()} has no websocket", "20.10 or newer")
    return [program, flag]


async def test_a_client_in_another_language_has_the_same_call_however_it_sends(
    start: Start, top: Path, tmp_path: Path
) -> None:
    program = node()
    emu = await start(clock="media")
    printed, replies = [], []
    for chunk in ("1764", "4096", "999998"):
        out = tmp_path / f"{chunk}.pcm"
        child = await asyncio.create_subprocess_exec(
            *program,
            str(top / "examples/media-clock/call.mjs"),
            *(emu.url, str(top / SAYS), str(out), chunk),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, errors = await asyncio.wait_for(child.communicate(), 60)
        assert child.returncode == 0, errors.decode()
        printed.append(said.decode())
        replies.append(out.read_bytes())
    assert printed[0] == printed[1] == printed[2]
    assert replies[0] == replies[1] == replies[2]
    # The echo of the question.
    assert 1.2 < len(replies[0]) / 2 / 44_100 < 2.2
