"""Access tokens: minted and verified with livekit-api, under a key of this process."""

from __future__ import annotations

import secrets
from datetime import timedelta

import jwt
from livekit.api import AccessToken, TokenVerifier, VideoGrants
from livekit.api.access_token import Claims

from voxemu.errors import Refused
from voxemu.rooms.port import TOKEN_LIFE


class Keys:
    """The key and the secret that tokens are signed with; random, and gone with the process."""

    def __init__(self, key: str = "", secret: str = "") -> None:
        self.key = key or "API" + secrets.token_hex(6)
        self.secret = secret or secrets.token_urlsafe(32)
        self._verifier = TokenVerifier(self.key, self.secret)

    def mint(self, identity: str, room: str, life: float = TOKEN_LIFE) -> str:
        grants = VideoGrants(
            room_join=True, room=room, can_publish=True, can_subscribe=True, can_publish_data=True
        )
        token = AccessToken(self.key, self.secret).with_identity(identity).with_grants(grants)
        return token.with_ttl(timedelta(seconds=life)).to_jwt()

    def verify(self, token: str) -> Claims:
        """Raises Refused: missing_key, bad_key."""
        if not token:
            raise Refused("missing_key", "no permissions to access the room: no access token was sent")
        try:
            return self._verifier.verify(token)
        except (jwt.PyJWTError, TypeError, ValueError, AttributeError) as error:
            raise Refused("bad_key", f"invalid token: {error}") from error

    def verify_join(self, token: str) -> tuple[str, str, Claims]:
        """The identity and the room that a token lets in. Raises Refused."""
        claims = self.verify(token)
        grants = claims.video
        if grants is None or not grants.room_join or not grants.room or not claims.identity:
            raise Refused("bad_key", "no permissions to access the room: the token grants no room")
        return claims.identity, grants.room, claims
