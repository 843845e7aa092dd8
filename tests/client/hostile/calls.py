"""A call of ``emu client`` to a villain, and what is left of it."""

from __future__ import annotations

import asyncio
import tracemalloc
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.client.calls import clip
from tests.client.hostile.villain import TICKET, TOKEN, Villain
from voxemu.events import AgentAudioSent, Event, SessionStarted
from voxemu.provider import CallPlan, Message, Provider, Role
from voxemu.record import Recording
from voxemu_client import calling
from voxemu_client.dial import Patience, Telephone
from voxemu_client.script import Script

KEY = "sk-0123456789-of-the-user"
SECRETS = (KEY, TICKET, TOKEN)
PATIENT = Patience(connect=20.0, answer=20.0, join=20.0, again=0.01)
HURRY = 0.6
# Seconds that one of those limits is set to where it is the point that nothing comes. Whatever does come may
# take its time: a slow machine is no hostile one.
LONGEST = 60.0
# Seconds that a whole test may take on the slowest machine; whoever waits for ever is found out.


@dataclass(slots=True)
class Left:
    """What is left of a call: what was printed, and what was recorded."""

    code: int
    out: str
    err: str
    recording: Recording | None
    most: int = 0
    # Bytes of memory, where somebody traces it.
    files: list[Path] = field(default_factory=list)

    @property
    def found(self) -> set[str]:
        """The findings in the recording."""
        assert self.recording is not None
        return {line.fields["code"] for line in self.recording.timeline.lines if line.type == "finding_made"}


def hurrying(limit: str) -> Patience:
    """This limit of ``Patience`` is soon met, and no other; none for ""."""
    return replace(PATIENT, **{limit: HURRY}) if limit else PATIENT


def brief(provider: Provider, seconds: float = 0.1, **how: Any) -> Script:
    """Something short is said; whatever is to come is waited for, and a call that goes well is short."""
    wanted = {"lead": 0.02, "quiet": 0.1, "patience": 20.0, "ready_patience": 20.0, "longest": 40.0} | how
    return Script((clip(provider, seconds),), **wanted)


def spelled(provider: Provider, *events: Event) -> list[Message]:
    """As the provider would write it."""
    codec = provider.codec(Role.PROVIDER, provider.settings_type(), Random(1))
    return [message for event in events for message in codec.encode(event)]


def greeted(provider: Provider) -> list[Message]:
    """What an honest server says first."""
    return spelled(provider, SessionStarted("s-1"))


def spoken(provider: Provider, seconds: float, generation: int = 0) -> list[Message]:
    """A reply that can be heard, in messages of 20 ms."""
    count = provider.format.samples(0.02)
    frame = b"\x00\x20\x00\xe0" * (count // 2)
    return spelled(provider, *[AgentAudioSent(frame, generation)] * round(seconds / 0.02))


async def place(
    villain: Villain,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    hurried: str = "",
    **how: Any,
) -> Left:
    """Places the call as ``emu client --record`` does, without the shell around it; see ``hurrying``."""
    monkeypatch.setattr(calling, "Telephone", partial(Telephone, patience=hurrying(hurried)))
    before = asyncio.all_tasks()
    code = await run_of(villain.provider, CallPlan(villain.url, KEY), tmp_path, how)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    said = capsys.readouterr()
    strays = await strays_since(before)
    left = left_of(code, said.out, said.err, tmp_path, most)
    assert not strays
    return left


async def run_of(provider: Provider, plan: CallPlan, folder: Path, how: dict[str, Any]) -> int:
    """The call, and its exit code. ``how``: options of the command, or what ``brief`` takes."""
    options: dict[str, Any] = {
        **dict.fromkeys(("mic", "play", "as_json", "insecure", "half_duplex"), False),
        "record": str(folder / "calls"),
        "reconnect": 0,
        "scenario": None,
        "fail_on": None,
        **{name: how.pop(name) for name in ("as_json", "insecure", "reconnect") if name in how},
    }
    run = calling._Run(provider, plan, brief(provider, **how), options)
    async with asyncio.timeout(LONGEST):
        return await run.run()


async def strays_since(before: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Tasks of the call's that are there ten seconds after it."""
    strays = before
    for _ in range(500):
        # A server of ours in this loop has its goodbyes to say, too.
        strays = {task for task in asyncio.all_tasks() - before if "villain" not in repr(task)}
        if not strays:
            break
        await asyncio.sleep(0.02)
    return strays


def left_of(code: int, out: str, err: str, folder: Path, most: int = 0) -> Left:
    found = sorted((folder / "calls").rglob("manifest.json"))
    recording = Recording.open(found[0].parent) if found else None
    files = [file for file in (folder / "calls").rglob("*") if file.is_file()]
    left = Left(code, out, err, recording, most, files)
    assert_nothing_told(left)
    return left


def assert_nothing_told(left: Left) -> None:
    """No secret is on the screen or on the disk, and no traceback."""
    for secret in SECRETS:
        assert secret not in left.out + left.err
        assert [file.name for file in left.files if secret.encode() in file.read_bytes()] == []
    assert "Traceback" not in left.out + left.err
    assert not any(sign in left.out + left.err for sign in "\x1b\x07\x00\u202e")
    if left.recording is not None:
        assert left.recording.complete
        assert left.recording.timeline.torn is None
