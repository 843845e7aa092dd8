"""The desk as this server runs it: real dice and a real clock for the tokens, or a seed."""

from __future__ import annotations

import base64
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import jwt

from ..errors import Refused
from ..provider import Admission, Desk
from .config import Config


class Chance:
    """Ids, secrets and dice. With a seed they are the same in every run, and no secrets any more."""

    def __init__(self, seed: int | None) -> None:
        self._seed = seed
        self._random = Random(seed)
        self._calls = 0

    def new_id(self) -> str:
        if self._seed is None:
            return str(uuid.uuid4())
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def new_secret(self) -> str:
        if self._seed is None:
            return secrets.token_urlsafe(32)
        return base64.urlsafe_b64encode(self._random.randbytes(32)).rstrip(b"=").decode()

    def dice(self) -> Random:
        """For the next call's codec: its own, so that calls at the same time do not share a sequence."""
        self._calls += 1
        return Random() if self._seed is None else Random(f"{self._seed}/{self._calls}")


class WatchedDesk(Desk):
    """Tells ``reused(session_id, why)`` when somebody shows a ticket again, or too late."""

    reused: Callable[[str, str], None]

    def redeem(self, secret: str, **asked: Any) -> Admission:
        try:
            return super().redeem(secret, **asked)
        except Refused as refused:
            if refused.session_id is not None:
                self.reused(refused.session_id, refused.why)
            raise


def open_desk(config: Config, chance: Chance, reused: Callable[[str, str], None]) -> WatchedDesk:
    signing_key = secrets.token_bytes(32)

    def mint(claims: Mapping[str, Any]) -> str:
        issued = int(time.time())
        life = claims.get("life", 300.0)
        said = {name: value for name, value in claims.items() if name != "life"}
        return jwt.encode(
            {"iss": "voxemu", **said, "iat": issued, "exp": issued + max(1, int(life))}, signing_key, "HS256"
        )

    desk = WatchedDesk(
        config.key_ring(),
        new_secret=chance.new_secret,
        new_id=chance.new_id,
        resolve_agent=config.resolve_agent,
        settings=config.settings_for,
        mint=mint,
        capacity=config.settings.limits.unused_starts,
    )
    desk.reused = reused
    return desk
