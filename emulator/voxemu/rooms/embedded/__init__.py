"""Rooms in this program: LiveKit signalling on aiohttp, media with aiortc's transports.

One user and one agent a room. From the outside in: ``signalling`` and ``twirp`` (HTTP), ``guest`` (one user's
connection), ``room`` and the agent's ``seat`` in it, ``media_line`` (ICE, DTLS, RTP and SCTP of one peer
connection), ``ice``, ``sdp``, ``rtp``, ``opus``.

What they need comes with the extra ``voxemu[livekit]``, so it is imported when rooms are really wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxemu.errors import ConnectionLost

if TYPE_CHECKING:
    from voxemu.rooms.embedded.backend import EmbeddedBackend


def embedded_rooms(media_host: str = "127.0.0.1", candidates: tuple[str, ...] = ()) -> EmbeddedBackend:
    """See ``EmbeddedBackend``. Raises ConnectionLost where the extra is not installed."""
    try:
        from voxemu.rooms.embedded.backend import EmbeddedBackend
    except ModuleNotFoundError as missing:
        text = f"embedded rooms need the package {missing.name}; install voxemu[livekit]"
        raise ConnectionLost(text) from missing
    return EmbeddedBackend(media_host=media_host, candidates=candidates)
