"""The provider's end of a call alone, as a server has it, and no socket: what a session itself costs.

    python -m benchmarks.session [--seconds 9] [--calls 40] [PROVIDER…]

Codec, faults, dialogue, findings, and a recorder with its 80 ms between two writes, at the workload of the
live run (``benchmarks/workload.py``): both sides sound nearly all the time and interrupt each other. Printed
is the processor's time for a frame of the user's with what goes back meanwhile: of all of it, and with less
and less of it. ``--calls`` lists the functions that are called most, per frame.
``benchmarks/instructions.py`` counts the instructions of the same.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from benchmarks.workload import CONFIRM, HANGOVER, PTIME, THINK, Workload
from voxemu.agents import make_agent
from voxemu.dialogue.session import Session
from voxemu.dialogue.settings import DialogueSettings
from voxemu.drive.crank import INSTANT, Crank
from voxemu.engine import Tap, Tapped
from voxemu.events import Event, Opened, UserAudioSent
from voxemu.lint import Linter
from voxemu.provider import Codec, Provider, Role
from voxemu.record import Recorder
from voxemu.spoiler import SpoiledCodec, Spoiler
from voxemu.wire import ON_SOCKETS, PROVIDERS

PARTS = {
    "all": (True, True),
    "no findings": (True, False),
    "not recorded": (False, True),
    "neither": (False, False),
}
# Whether it is recorded, and looked at for findings.


class Held:
    """A session without a line. Time is what ``pass_frames`` makes it."""

    def __init__(self, provider: Provider, directory: Path | None, *, lint: bool = True) -> None:
        work, settings = Workload(), _settings(provider)
        self.recorder = None if directory is None else self._recorder(provider, directory)
        taps: list[Tap] = [Linter(provider, settings.input_rate)] if lint else []
        taps += [self.recorder] if self.recorder is not None else []
        session = Session(provider, settings, make_agent(f"tone:330:{work.seconds:g}"), session_id="bench")
        self._crank = Crank(Tapped(Spoiler(session, provider, (), Random(0)), taps))
        self._codec = SpoiledCodec(_codec(provider, Role.PROVIDER))
        rate = provider.format.rate if provider.declares_rate else None
        caller = _codec(provider, Role.CALLER)
        said = work.talk(provider.format.rate)
        self._messages = [caller.encode(UserAudioSent(pcm, rate))[0] for pcm in said]
        self.frames = self.sent = 0
        self._post(self._crank.give(Opened(), 0.0))

    def _recorder(self, provider: Provider, directory: Path) -> Recorder:
        return Recorder(directory, provider, Role.PROVIDER, words=_codec(provider, Role.PROVIDER))

    def pass_frames(self, count: int) -> None:
        """So many frames of the user's, each at its time, and what is due between them."""
        crank = self._crank
        for _ in range(count):
            now = 1.0 + self.frames * PTIME
            while crank.due < now:
                self._post(crank.meet(crank.due))
            for event in self._codec.decode(self._messages[self.frames % len(self._messages)]):
                if crank.due <= now + INSTANT:
                    self._post(crank.meet(now))
                self._post(crank.give(event, now))
            self.frames += 1

    def _post(self, events: list[Event]) -> None:
        for event in events:
            self.sent += len(self._codec.encode(event))

    def close(self) -> None:
        if self.recorder is not None:
            self.recorder.close(1.0 + self.frames * PTIME)
            assert self.recorder.failure is None, self.recorder.failure


def _settings(provider: Provider) -> DialogueSettings:
    """As ``Workload.settings`` has them for a server."""
    asked = {"hangover": HANGOVER * PTIME, "think_time": THINK, "barge_in_confirm": CONFIRM * PTIME}
    frame = {} if provider.pads else {"frame_ms": 1000 * PTIME}
    return DialogueSettings(**{**provider.dialogue_defaults, **asked, **frame})


def _codec(provider: Provider, role: Role) -> Codec:
    return provider.codec(role, provider.settings_type(), Random(0))


def held(provider: Provider, part: str, stack: ExitStack) -> Held:
    record, lint = PARTS[part]
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) if record else None
    session = Held(provider, folder, lint=lint)
    stack.callback(session.close)
    return session


def microseconds(provider: Provider, part: str, frames: int) -> float:
    """Of a frame, processor's time; whatever is loaded on its first use is loaded."""
    with ExitStack() as stack:
        held(provider, part, stack).pass_frames(150)
        session = held(provider, part, stack)
        began = time.process_time()
        session.pass_frames(frames)
        return (time.process_time() - began) / frames * 1e6


def called(provider: Provider, frames: int, most: int) -> list[str]:
    with ExitStack() as stack:
        held(provider, "all", stack).pass_frames(150)
        session, profile = held(provider, "all", stack), cProfile.Profile()
        profile.enable()
        session.pass_frames(frames)
        profile.disable()
    stats = pstats.Stats(profile)
    found = [
        (calls / frames, f"{Path(file).name}:{line} {name}")
        for (file, line, name), (_, calls, *_) in stats.stats.items()  # type: ignore[attr-defined]
    ]
    total = sum(calls for calls, _ in found)
    return [
        f"{total:7.1f} calls of functions for a frame",
        *(f"{calls:7.2f}  {what}" for calls, what in sorted(found, reverse=True)[:most]),
    ]


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seconds", type=float, default=9.0)
    asked.add_argument("--calls", type=int, default=0)
    asked.add_argument("providers", nargs="*", default=list(ON_SOCKETS))
    options = asked.parse_args()
    frames = round(options.seconds / PTIME)
    for name in options.providers:
        provider = PROVIDERS[name]
        if options.calls:
            sys.stdout.write("\n".join([name, *called(provider, frames, options.calls)]) + "\n")
            continue
        parts = "  ".join(f"{part} {microseconds(provider, part, frames):5.1f}" for part in PARTS)
        sys.stdout.write(f"{name:<12} µs a frame: {parts}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
