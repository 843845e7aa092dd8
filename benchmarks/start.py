"""Instructions that a start takes until it listens, counted by valgrind: ``emu serve``, and ``bare``.

    python -m benchmarks.start

What the kernel does is not in it. Two counts of the same code lie within a few thousandths of each other.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import NoReturn

from benchmarks.instructions import instructions_of

MODULE = "benchmarks.start"


def listening(*_: object) -> NoReturn:
    """Either server waits for an event once it listens."""
    os._exit(0)


def ours() -> None:
    from voxemu.cli import main

    main(["serve", "--port", "0"])


def bare() -> None:
    from benchmarks.bare import main

    sys.argv[1:] = ["0"]
    main()


SERVERS = {"bare": bare, "ours": ours}


def counted(name: str) -> int:
    command = [sys.executable, "-m", MODULE, name]
    # Once without counting: whatever is compiled on its first use is compiled then.
    subprocess.run(command, capture_output=True, check=True)
    return instructions_of(command)[0]


def main() -> int:
    if sys.argv[1:]:
        asyncio.Event.wait = listening  # type: ignore[method-assign, assignment]
        SERVERS[sys.argv[1]]()
        raise AssertionError("it never listened")
    counts = {name: counted(name) for name in SERVERS}
    for name, count in counts.items():
        sys.stdout.write(f"{name:<6} {count / 1e6:8.0f} million instructions until it listens\n")
    sys.stdout.write(f"ours ÷ bare {counts['ours'] / counts['bare']:.2f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
