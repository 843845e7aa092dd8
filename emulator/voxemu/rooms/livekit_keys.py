"""Tokens for a LiveKit server, made with livekit-api: the user's, and the agent's of kind agent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from voxemu.rooms.port import STATE_ATTRIBUTE, TOKEN_LIFE


@dataclass(frozen=True, slots=True)
class LivekitKeys:
    key: str
    secret: str = field(repr=False)

    def user_token(self, identity: str, room: str, life: float = TOKEN_LIFE) -> str:
        """May join this room, publish, subscribe and send data there, and nothing else."""
        from livekit.api import AccessToken, VideoGrants

        grants = VideoGrants(
            room_join=True, room=room, can_publish=True, can_subscribe=True, can_publish_data=True
        )
        token = AccessToken(self.key, self.secret).with_identity(identity).with_grants(grants)
        return token.with_ttl(timedelta(seconds=life)).to_jwt()

    def agent_token(self, identity: str, room: str) -> str:
        """Of kind agent, with the state that an agent begins in, and leave to change it."""
        from livekit.api import AccessToken, VideoGrants

        grants = VideoGrants(room_join=True, room=room, can_update_own_metadata=True)
        token = AccessToken(self.key, self.secret).with_identity(identity).with_grants(grants)
        token = token.with_kind("agent").with_attributes({STATE_ATTRIBUTE: "initializing"})
        return token.with_ttl(timedelta(seconds=TOKEN_LIFE)).to_jwt()
