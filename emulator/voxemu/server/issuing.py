"""The desk as this server runs it: real dice and a real clock for the tokens, or a seed."""

from __future__ import annotations

import asyncio
import base64
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random, SystemRandom
from typing import Any

from voxemu.errors import Refused
from voxemu.fault import Fault
from voxemu.provider import Admission, Desk, Key, Ticket
from voxemu.server.config import Config
from voxemu.server.faultbook import FaultBook
from voxemu.server.hits import Hits
from voxemu.server.remarks import Remarks
from voxemu.server.timing import Wall
from voxemu.wire import PROVIDERS


class Chance:
    """Ids, secrets and dice. With a seed they are the same in every run, and no secrets any more."""

    def __init__(self, seed: int | None) -> None:
        self._seed = seed
        self._random = Random(seed)
        self._nobodys = SystemRandom()
        # Without a seed there is no sequence to be shared: dice of its own would be 2.5 kB for every call.
        self._calls = 0

    def new_id(self) -> str:
        if self._seed is None:
            return str(uuid.uuid4())
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def new_secret(self) -> str:
        if self._seed is None:
            return secrets.token_urlsafe(32)
        return base64.urlsafe_b64encode(self._random.randbytes(32)).rstrip(b"=").decode()

    def fault_dice(self, session_id: str) -> Random:
        return self._nobodys if self._seed is None else Random(f"{self._seed}/faults/{session_id}")

    def dice(self) -> Random:
        """For the next call's codec: its own, so that calls at the same time do not share a sequence."""
        self._calls += 1
        return self._nobodys if self._seed is None else Random(f"{self._seed}/{self._calls}")


@dataclass(frozen=True, slots=True)
class Started:
    """How a session was started: the label that its request had, and what went wrong with it on purpose."""

    label: str = ""
    faults: tuple[Fault, ...] = ()
    provider: str = ""


NOTHING = Started()


class WatchedDesk(Desk):
    """Remarks on tickets that are shown again and on those that are never shown.

    It knows the label and the faults of the start that each of its sessions had: whoever is answered says
    them in ``asking``.
    """

    remarks: Remarks
    book: FaultBook
    hits: Hits

    def issue(
        self, admission: Admission, *, life: float, now: float, claims: Mapping[str, Any] | None = None
    ) -> str:
        try:
            secret = super().issue(admission, life=life, now=now, claims=claims)
        except Refused:
            self.hits.hit("unused_starts", self._capacity, "a start was turned away: nobody came to so many")
            raise
        self._starts[admission.session_id] = self.asking
        self._unused[admission.session_id] = asyncio.get_running_loop().call_later(
            life, self._expired, admission, life
        )
        return secret

    def redeem(self, secret: str, *, now: float, session_id: str | None = None) -> Admission:
        ticket = self._tickets.get(secret)
        if ticket is not None and not ticket.used and now < ticket.expires and self._spoils(ticket.admission):
            # Nothing that its client did.
            ticket.expires = now
            self._unused.pop(ticket.admission.session_id).cancel()
            return super().redeem(secret, now=now, session_id=session_id)
        try:
            admission = super().redeem(secret, now=now, session_id=session_id)
        except Refused as refused:
            self._remark(refused, ticket)
            raise
        self._unused.pop(admission.session_id).cancel()
        return admission

    def _spoils(self, admission: Admission) -> bool:
        label = self.start_of(admission).label or admission.key.label
        return self.book.token_expires(PROVIDERS[admission.provider], admission.key, label)

    def _remark(self, refused: Refused, ticket: Ticket | None) -> None:
        if refused.why == "expired" and ticket is not None and not ticket.used:
            self.remarks.too_late(ticket.admission, self.asking.label)
        elif refused.why == "unknown":
            seen = "nothing was issued that looks like it"
            self.remarks.beside("F-TOKEN-UNKNOWN", seen, self.asking.provider, self.asking.label)
        elif refused.session_id is not None:
            self.remarks.reused(refused.session_id, refused.why)

    def agent(self, provider: str, asked: str | None, key: Key) -> str:
        try:
            return super().agent(provider, asked, key)
        except Refused:
            seen = f"there is no agent {str(asked)[:80]!r} here"
            self.remarks.beside("F-UNKNOWN-AGENT", seen, provider, self.asking.label or key.label)
            raise

    def watched_by(self, remarks: Remarks, hits: Hits, book: FaultBook) -> None:
        self.remarks = remarks
        self.book = book
        self.hits = hits
        self.asking = Started()
        self._starts: dict[str, Started] = {}
        self._unused: dict[str, asyncio.TimerHandle] = {}

    def start_of(self, admission: Admission) -> Started:
        return self._starts.get(admission.session_id, NOTHING)

    def began(self, admission: Admission) -> None:
        self._starts.pop(admission.session_id, None)

    def _expired(self, admission: Admission, life: float) -> None:
        start = self._starts.pop(admission.session_id, NOTHING)
        del self._unused[admission.session_id]
        self.remarks.never_connected(admission, life, start.label or admission.key.label)


def open_desk(
    config: Config, chance: Chance, remarks: Remarks, hits: Hits, wall: Wall, book: FaultBook
) -> WatchedDesk:
    signing_key = secrets.token_bytes(32)

    def mint(claims: Mapping[str, Any]) -> str:
        # Late, as it brings cryptography, and the server answers sooner without.
        import jwt

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
        names_agent=config.names_agent,
        capacity=config.settings.limits.unused_starts,
    )
    desk.watched_by(remarks, hits, book)
    return desk
