"""What is asked of a load, and when each of its calls is to be placed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from voxemu.errors import UsageError
from voxemu.provider import Provider
from voxemu.server.addresses import is_loopback
from voxemu.wire import ON_SOCKETS, provider_named
from voxemu_client.silence import FRAME

GOLDEN = (math.sqrt(5) - 1) / 2
# Its multiples fall evenly between two whole numbers, however many there are.


@dataclass(frozen=True, slots=True)
class Order:
    """``sessions`` calls at once to ``url``, as of ``provider``.

    They are placed evenly over ``ramp`` seconds and held for ``duration`` seconds after it. ``scenario`` is
    the path of one, which every session goes through again and again; without it a session speaks by the
    clock (``patter``). ``processes`` 0 is one for each core that there is, less one for a server on this
    machine. Raises UsageError.
    """

    provider: str
    url: str
    sessions: int
    ramp: float = 5.0
    duration: float = 30.0
    key: str = ""
    agent: str = ""
    scenario: str = ""
    processes: int = 0
    owned: bool = False
    # The target is the user's own, so it may be on another machine.

    def __post_init__(self) -> None:
        provider_named(self.provider)
        if self.provider not in ON_SOCKETS:
            raise UsageError(f"{self.provider} calls go into rooms; emu load places {', '.join(ON_SOCKETS)}")
        if self.sessions < 1 or self.ramp < 0 or self.duration <= 0 or self.processes < 0:
            raise UsageError("a load wants at least one session, a ramp of 0 s or more, and a duration")
        if not (math.isfinite(self.ramp) and math.isfinite(self.duration)):
            raise UsageError("a load's ramp and duration have an end")
        self.check_target(self.url)

    @property
    def spoken_to(self) -> Provider:
        return ON_SOCKETS[self.provider]

    @property
    def is_here(self) -> bool:
        return is_loopback(_host(self.url))

    @property
    def over(self) -> float:
        """Seconds after the first call was to be placed."""
        return self.ramp + self.duration

    def planned(self, number: int) -> float:
        """When session ``number``, counted from 0, is to be placed; seconds after the beginning.

        Sessions come evenly, and evenly over the 20 ms of a frame too, so that their frames do not all go out
        at the same moment.
        """
        return self.ramp * number / self.sessions + (number * GOLDEN % 1) * FRAME

    def shared_by(self, cores: int) -> int:
        """How many processes it is to be shared by, on so many cores."""
        wanted = self.processes or (cores - 1 if self.is_here else cores)
        return max(1, min(wanted, self.sessions))

    def check_target(self, url: str) -> None:
        """Raises UsageError for somebody else's machine: a load can do harm there."""
        host = _host(url)
        if not self.owned and not is_loopback(host):
            raise UsageError(
                f"{host or repr(url)} is not this machine; a load is for servers of your own. "
                "If it is yours to put under load: --i-own-this-target"
            )

    def packed(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def unpacked(cls, said: Mapping[str, Any]) -> Order:
        return cls(**said)


def _host(url: str) -> str:
    try:
        return urlsplit(url.strip()).hostname or ""
    except ValueError:
        return ""
