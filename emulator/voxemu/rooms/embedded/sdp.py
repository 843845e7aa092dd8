"""Session descriptions: what is read of a client's, and how ours are written (RFC 8866, 8829, 9143).

Everything goes over one transport (BUNDLE, rtcp-mux) and audio is Opus. No header extension, no feedback and
no RED is taken up, and Opus may not stop sending in silence (``usedtx=0``), so that a turn ends when the user
is quiet. Video is answered ``inactive``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from voxemu.errors import RemoteProtocolError

SCTP_PORT = 5000
MAX_MESSAGE = 65_536
MOST_SECTIONS = 250
# Of a description; SDKs make a new one for every track that comes, and give none up.
SENDS = ("sendonly", "sendrecv")
RECEIVES = ("recvonly", "sendrecv")


@dataclass(frozen=True, slots=True)
class Section:
    """One media section of a client's description."""

    kind: str
    # audio, video, application
    mid: str
    direction: str
    opus: int | None
    # Payload type; None where Opus is not offered.
    format: str
    # The first format, and its rtpmap, for a section that is answered without being used.
    rtpmap: str
    msid_track: str
    ssrcs: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Described:
    """A client's description."""

    sections: tuple[Section, ...]
    fingerprints: tuple[tuple[str, str], ...]
    # (algorithm, value)
    setup: str


@dataclass(frozen=True, slots=True)
class Sending:
    """A track of ours in a section: who it is of, and under which SSRC it is sent."""

    msid: str
    # "<participant sid>|<track sid> <track sid>"
    ssrc: int


@dataclass(frozen=True, slots=True)
class Line:
    """One section of ours."""

    kind: str
    mid: str
    direction: str = "inactive"
    format: str = "111"
    rtpmap: str = "opus/48000/2"
    track: Sending | None = None


@dataclass(slots=True)
class Scribe:
    """Writes the descriptions of one peer connection."""

    name: str
    # ICE user name and password, DTLS fingerprint, and where media is taken.
    password: str
    fingerprint: str
    candidates: Iterable[tuple[str, int]]
    version: int = field(default=0)

    def write(self, lines: Iterable[Line], *, setup: str) -> str:
        self.version += 1
        lines = list(lines)
        out = ["v=0", f"o=- 1 {self.version} IN IP4 127.0.0.1", "s=-", "t=0 0", "a=ice-lite"]
        out += [f"a=group:BUNDLE {' '.join(line.mid for line in lines)}", "a=msid-semantic: WMS *"]
        for line in lines:
            out += self._section(line, setup)
        return "\r\n".join(out) + "\r\n"

    def _section(self, line: Line, setup: str) -> list[str]:
        if line.kind == "application":
            out = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel"]
            body = [f"a=sctp-port:{SCTP_PORT}", f"a=max-message-size:{MAX_MESSAGE}"]
        else:
            out = [f"m={line.kind} 9 UDP/TLS/RTP/SAVPF {line.format}"]
            body = [f"a={line.direction}", "a=rtcp-mux", *_codec(line)]
            if line.track is not None:
                body += [f"a=msid:{line.track.msid}", f"a=ssrc:{line.track.ssrc} cname:voxemu"]
                body.append(f"a=ssrc:{line.track.ssrc} msid:{line.track.msid}")
        out += ["c=IN IP4 0.0.0.0", f"a=mid:{line.mid}", *body]
        out += [f"a=ice-ufrag:{self.name}", f"a=ice-pwd:{self.password}", f"a=fingerprint:{self.fingerprint}"]
        out.append(f"a=setup:{setup}")
        for rank, (host, port) in enumerate(self.candidates, 1):
            priority = (126 << 24) + ((65_536 - rank) << 8) + 255
            out.append(f"a=candidate:{rank} 1 udp {priority} {host} {port} typ host")
        return [*out, "a=end-of-candidates"]


def _codec(line: Line) -> list[str]:
    if not line.rtpmap:
        return []
    out = [f"a=rtpmap:{line.format} {line.rtpmap}"]
    if line.rtpmap.lower().startswith("opus/"):
        out.append(f"a=fmtp:{line.format} minptime=10;useinbandfec=1;usedtx=0")
    return out


def read(text: str) -> Described:
    """Raises RemoteProtocolError for what is no description."""
    head, *parts = re.split(r"(?m)^(?=m=)", text)
    if not head.startswith("v=0") or not parts:
        raise RemoteProtocolError("the session description has no media sections")
    if len(parts) > MOST_SECTIONS:
        raise RemoteProtocolError(f"the session description has more than {MOST_SECTIONS} media sections")
    fingerprints = tuple(dict.fromkeys(re.findall(r"(?m)^a=fingerprint:(\S+) (\S+)", text)))
    setup = _first(r"^a=setup:(\w+)", text)
    if not fingerprints or not setup:
        raise RemoteProtocolError("the session description has no fingerprint or no setup role")
    return Described(tuple(_read_section(part) for part in parts), fingerprints, setup)


def _read_section(part: str) -> Section:
    head = re.match(r"m=(\w+) \d+ \S+ (\S+)", part)
    mid = _first(r"^a=mid:(\S+)", part)
    if head is None or not mid:
        raise RemoteProtocolError(f"a media section cannot be read: {part[:60]!r}")
    opus = _first(r"^a=rtpmap:(\d{1,3}) opus/48000", part, re.IGNORECASE)
    direction = _first(r"^a=(sendrecv|sendonly|recvonly|inactive)\s*$", part) or "sendrecv"
    rtpmap = _first(rf"^a=rtpmap:{re.escape(head[2])} (\S+)", part)
    track = _first(r"^a=msid:\S+ (\S+)", part)
    ssrcs = frozenset(int(ssrc) for ssrc in re.findall(r"(?m)^a=ssrc:(\d{1,10})\b", part))
    # Seven bits of a packet are for it.
    kind = int(opus) if opus and int(opus) < 128 else None
    return Section(head[1], mid, direction, kind, head[2], rtpmap, track, ssrcs)


def _first(pattern: str, text: str, flags: int = 0) -> str:
    found = re.search(pattern, text, re.MULTILINE | flags)
    return found[1] if found else ""
