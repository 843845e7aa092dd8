"""The desk as this server runs it: real dice and a real clock for the tokens, or a seed."""

from __future__ import annotations

import asyncio
import base64
import secrets
import uuid
from collections.abc import Mapping
from random import Random
from typing import Any

import jwt

from voxemu.errors import Refused
from voxemu.provider import Admission, Desk
from voxemu.server.config import Config
from voxemu.server.remarks import Remarks
from voxemu.server.timing import Wall


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
    """Remarks on tickets that are shown again and on those that are never shown."""

    remarks: Remarks

    def issue(
        self, admission: Admission, *, life: float, now: float, claims: Mapping[str, Any] | None = None
    ) -> str:
        secret = super().issue(admission, life=life, now=now, claims=claims)
        self._unused[admission.session_id] = asyncio.get_running_loop().call_later(
            life, self._expired, admission, life
        )
        return secret

    def redeem(self, secret: str, *, now: float, session_id: str | None = None) -> Admission:
        try:
            admission = super().redeem(secret, now=now, session_id=session_id)
        except Refused as refused:
            if refused.session_id is not None:
                self.remarks.reused(refused.session_id, refused.why)
            raise
        self._unused.pop(admission.session_id).cancel()
        return admission

    def watched_by(self, remarks: Remarks) -> None:
        self.remarks = remarks
        self._unused: dict[str, asyncio.TimerHandle] = {}

    def _expired(self, admission: Admission, life: float) -> None:
        del self._unused[admission.session_id]
        self.remarks.never_connected(admission, life)


def open_desk(config: Config, chance: Chance, remarks: Remarks, wall: Wall) -> WatchedDesk:
    signing_key = secrets.token_bytes(32)

    def mint(claims: Mapping[str, Any]) -> str:
        issued = int(wall())
        life = claims.get("life", 300.0)
        said = {name: value for name, value in claims.items() if name != "life"}
        times = {"iat": issued, "exp": issued + max(1, int(life))}
        return jwt.encode({"iss": "voxemu", **said, **times}, signing_key, "HS256")

    desk = WatchedDesk(
        config.key_ring(),
        new_secret=chance.new_secret,
        new_id=chance.new_id,
        resolve_agent=config.resolve_agent,
        settings=config.settings_for,
        mint=mint,
        capacity=config.settings.limits.unused_starts,
    )
    desk.watched_by(remarks)
    return desk
