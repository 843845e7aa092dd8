"""Plain tests: the app is called in a loop of its own, or runs as a program."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conversation import Conversation

APP = Path(__file__).parent.parent


@pytest.mark.emu(provider="lyzr-sip")
def test_an_echo_has_the_length_of_what_was_said(emu):
    talk = Conversation("lyzr-sip", emu.env)
    asyncio.run(talk.ask(0.9))
    assert emu.session.turns[0].seconds == pytest.approx(0.9, abs=0.1)
    emu.assert_heard(0.9)


def test_the_program_calls_and_hangs_up(emu):
    emu.agent = "tone:880:0.5"
    program = subprocess.Popen(
        [sys.executable, "-m", "client", "lokutor"],
        cwd=APP,
        env={**os.environ, **emu.env},
        stdout=subprocess.PIPE,
        text=True,
    )
    session = emu.wait_for_session("lokutor", timeout=15)
    session.wait_until_over(timeout=15)
    out, _ = program.communicate(timeout=5)
    assert out.startswith("heard 0.5 s")
    session.assert_heard(tone=880)
    session.assert_closed(by="caller")
