"""LiveKit's protobufs for what a room has to say."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from livekit.protocol import models, rtc

from voxemu.rooms.agent_face import CloseText, OpenText, ShowSegment, WriteText
from voxemu.rooms.port import TRANSCRIPTION_TOPIC

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
VERSION = "1.13.5"
# Of the livekit-server whose behaviour is followed; clients decide by it what they may use.
PROTOCOL = 16
CHUNK = 15_000
# Bytes of text in one packet, as LiveKit's own clients cut it.


def new_sid(prefix: str) -> str:
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(12))


@dataclass(slots=True)
class Participant:
    """One participant, as others are told of them."""

    identity: str
    kind: models.ParticipantInfo.Kind
    joined_at: int
    # Unix seconds.
    sid: str = field(default_factory=lambda: new_sid("PA_"))
    state: models.ParticipantInfo.State = models.ParticipantInfo.JOINED
    name: str = ""
    metadata: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    tracks: dict[str, models.TrackInfo] = field(default_factory=dict)
    may_describe: bool = False
    # Set their own name, metadata and attributes.
    version: int = 0
    reason: models.DisconnectReason = models.UNKNOWN_REASON

    def spell(self) -> models.ParticipantInfo:
        """Each time with a higher version: clients ignore what is older than what they know."""
        self.version += 1
        return models.ParticipantInfo(
            sid=self.sid,
            identity=self.identity,
            state=self.state,
            tracks=list(self.tracks.values()),
            metadata=self.metadata,
            joined_at=self.joined_at,
            joined_at_ms=self.joined_at * 1000,
            name=self.name,
            version=self.version,
            permission=models.ParticipantPermission(
                can_subscribe=True,
                can_publish=True,
                can_publish_data=True,
                can_update_metadata=self.may_describe,
            ),
            is_publisher=bool(self.tracks),
            kind=self.kind,
            attributes=self.attributes,
            disconnect_reason=self.reason,
        )


def audio_track(sid: str, name: str, source: models.TrackSource) -> models.TrackInfo:
    return models.TrackInfo(
        sid=sid,
        type=models.AUDIO,
        name=name,
        source=source,
        mime_type="audio/opus",
        disable_red=True,
        disable_dtx=True,
        codecs=[models.SimulcastCodecInfo(mime_type="audio/opus")],
    )


def server_info() -> models.ServerInfo:
    return models.ServerInfo(
        edition=models.ServerInfo.Standard, version=VERSION, protocol=PROTOCOL, region="", node_id="voxemu"
    )


def leave(reason: models.DisconnectReason, action: rtc.LeaveRequest.Action) -> rtc.SignalResponse:
    return rtc.SignalResponse(
        leave=rtc.LeaveRequest(
            can_reconnect=action != rtc.LeaveRequest.DISCONNECT, reason=reason, action=action
        )
    )


def transcription(act: ShowSegment) -> models.DataPacket:
    segment = models.TranscriptionSegment(id=act.segment, text=act.text, final=act.final, language="")
    return models.DataPacket(
        transcription=models.Transcription(
            transcribed_participant_identity=act.identity, track_id=act.track, segments=[segment]
        )
    )


def app_data(topic: str, text: str) -> models.DataPacket:
    return models.DataPacket(user=models.UserPacket(topic=topic, payload=text.encode()))


class TextStreams:
    """The agent's text streams that are open."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[str, int]] = {}
        # Stream id: identity, chunks so far.

    def spell(self, act: OpenText | WriteText | CloseText, now_ms: int) -> list[models.DataPacket]:
        match act:
            case OpenText(stream=stream, identity=identity, attributes=attributes):
                self._open[stream] = (identity, 0)
                header = models.DataStream.Header(
                    stream_id=stream,
                    timestamp=now_ms,
                    topic=TRANSCRIPTION_TOPIC,
                    mime_type="text/plain",
                    attributes=dict(attributes),
                    text_header=models.DataStream.TextHeader(operation_type=models.DataStream.CREATE),
                )
                return [models.DataPacket(participant_identity=identity, stream_header=header)]
            case WriteText(stream=stream, text=text):
                return self._chunks(stream, text.encode())
            case CloseText(stream=stream, attributes=attributes):
                identity, _ = self._open.pop(stream)
                trailer = models.DataStream.Trailer(stream_id=stream, attributes=dict(attributes))
                return [models.DataPacket(participant_identity=identity, stream_trailer=trailer)]

    def _chunks(self, stream: str, content: bytes) -> list[models.DataPacket]:
        identity, index = self._open[stream]
        packets = []
        at = 0
        while at < len(content):
            end = min(at + CHUNK, len(content))
            while end < len(content) and content[end] & 0xC0 == 0x80:
                end -= 1  # Not inside a character.
            chunk = models.DataStream.Chunk(stream_id=stream, chunk_index=index, content=content[at:end])
            packets.append(models.DataPacket(participant_identity=identity, stream_chunk=chunk))
            at, index = end, index + 1
        self._open[stream] = (identity, index)
        return packets
