"""What every guest's media stand on: one UDP port, one certificate, the addresses that clients are told."""

from __future__ import annotations

from collections.abc import Iterable

from aiortc import RTCCertificate

from voxemu.rooms.embedded.ice import IceLine, IcePort
from voxemu.rooms.embedded.media_line import Ear, MediaLine
from voxemu.rooms.embedded.sdp import Scribe

DIGEST = "sha-256"


class Stage:
    def __init__(self, port: IcePort, certificate: RTCCertificate, candidates: Iterable[str]) -> None:
        self._port = port
        self._certificate = certificate
        prints = {one.algorithm: one.value for one in certificate.getFingerprints()}
        self._fingerprint = f"{DIGEST} {prints[DIGEST]}"
        self._hosts = tuple(candidates)

    def new_line(self, ear: Ear, name: str) -> MediaLine:
        return MediaLine(self._port, self._certificate, ear, name)

    def scribe(self, ice: IceLine) -> Scribe:
        """Whoever writes the descriptions of the connection with this line."""
        candidates = [(host, self._port.port) for host in self._hosts]
        return Scribe(ice.name, ice.password, self._fingerprint, candidates)
