"""A call in a process of its own: ``python -m tests.client.hostile.apart``, which call is JSON on stdin.

LiveKit's native part is one for a whole process, and says of itself that it cannot recover from some of what
these rooms tell it. Whatever comes later in that process may hear nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from tests.client.hostile.calls import KEY, Left, hurrying, left_of, run_of, strays_since
from voxemu.provider import CallPlan
from voxemu.wire import PROVIDERS
from voxemu_client import calling
from voxemu_client.dial import Telephone

TOP = Path(__file__).parents[3]
STRAYED = 90
# An exit code that no call has.


async def place_apart(peer: Any, folder: Path, **how: Any) -> Left:
    """As ``calls.place`` does, but for the memory it takes."""
    asked = {"url": peer.url, "provider": peer.provider.id, "folder": str(folder), "how": how}
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.client.hostile.apart"),
        cwd=TOP,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await child.communicate(json.dumps(asked).encode())
    finally:
        if child.returncode is None:
            child.kill()
    assert child.returncode is not None
    assert child.returncode != STRAYED, err.decode()
    return left_of(child.returncode, out.decode(), err.decode(), folder)


async def call(asked: dict[str, Any]) -> int:
    how = asked["how"]
    vars(calling)["Telephone"] = partial(Telephone, patience=hurrying(how.pop("hurried", "")))
    before = asyncio.all_tasks()
    code = await run_of(PROVIDERS[asked["provider"]], CallPlan(asked["url"], KEY), Path(asked["folder"]), how)
    if strays := await strays_since(before):
        sys.stderr.write(f"{strays}\n")
        return STRAYED
    return code


if __name__ == "__main__":
    code = asyncio.run(call(json.load(sys.stdin)))
    sys.stdout.flush()
    sys.stderr.flush()
    # As a room call of the command does: the SDK's threads are not to meet an interpreter that ends.
    os._exit(code)
