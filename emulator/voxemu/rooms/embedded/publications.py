"""What a user publishes: tracks announced over signalling, found again in the media sections."""

from __future__ import annotations

from livekit.protocol import models, rtc

from voxemu.errors import RemoteProtocolError
from voxemu.rooms.embedded import sdp
from voxemu.rooms.embedded.spelled import Participant, new_sid

MOST = 50
# Tracks that one user may have announced at once.
LONGEST = 1024
# Characters of what one of them is called by; everybody is told of them again and again.


class Publications:
    def __init__(self, me: Participant) -> None:
        self._me = me
        self._cids: dict[str, str] = {}
        # Client's track id: sid.
        self._mids: dict[str, str] = {}
        self._ssrcs: dict[str, frozenset[int]] = {}
        # By sid.
        self._told: set[str] = set()

    def add(self, request: rtc.AddTrackRequest) -> models.TrackInfo:
        """A track announced; asked for twice under one id, it is the same track.

        Raises RemoteProtocolError for more of it than anybody has.
        """
        known = self._me.tracks.get(self._cids.get(request.cid, ""))
        if known is not None:
            return known
        if len(self._me.tracks) >= MOST:
            raise RemoteProtocolError(f"more than {MOST} tracks were announced")
        if len(request.cid) + len(request.name) + len(request.stream) > LONGEST:
            raise RemoteProtocolError(f"a track was announced with names of more than {LONGEST} characters")
        audio = request.type == models.AUDIO
        sid = new_sid("TR_A" if audio else "TR_V")
        track = models.TrackInfo(
            sid=sid,
            type=request.type,
            name=request.name,
            muted=request.muted,
            source=request.source,
            width=request.width,
            height=request.height,
            stereo=request.stereo,
            disable_dtx=True,
            disable_red=True,
            stream=request.stream,
            mime_type="audio/opus" if audio else "",
            encryption=request.encryption,
            audio_features=request.audio_features,
        )
        self._me.tracks[sid] = track
        self._cids[request.cid] = sid
        return track

    def mute(self, sid: str, muted: bool) -> bool:
        track = self._me.tracks.get(sid)
        if track is None or track.muted == muted:
            return False
        track.muted = muted
        return True

    def settle(self, theirs: sdp.Described) -> bool:
        """Finds the tracks in an offer; says whether one came or went."""
        before = dict(self._mids)
        sent = {section.mid: section for section in theirs.sections if section.direction in sdp.SENDS}
        for mid in [mid for mid in self._mids if mid not in sent]:
            self._remove(self._mids.pop(mid))
        for mid, section in sent.items():
            sid = self._sid_of(section)
            if sid is None:
                continue
            if self._mids.get(mid, sid) != sid:
                self._remove(self._mids[mid])  # Another track in an old one's section.
            self._mids[mid] = sid
            self._me.tracks[sid].mid = mid
            self._ssrcs[sid] = section.ssrcs
        return self._mids != before

    def _sid_of(self, section: sdp.Section) -> str | None:
        """By the client's id; else, since one SDK announces another id than its SDP has, by kind."""
        for sid in (self._cids.get(section.msid_track), self._mids.get(section.mid)):
            if sid in self._me.tracks:
                return sid
        kind = models.AUDIO if section.kind == "audio" else models.VIDEO
        waiting = (sid for sid, track in self._me.tracks.items() if track.type == kind and not track.mid)
        return next(waiting, None)

    def _remove(self, sid: str) -> None:
        self._me.tracks.pop(sid, None)
        self._ssrcs.pop(sid, None)
        self._told.discard(sid)
        self._cids = {cid: known for cid, known in self._cids.items() if known != sid}

    def first_heard(self) -> str:
        """The sid of the microphone, when sound of it has come for the first time; else ""."""
        sid = self.microphone
        if sid in self._told:
            return ""
        self._told.add(sid)
        return sid

    @property
    def microphone(self) -> str:
        """The sid of the track that the agent listens to; "" while there is none."""
        audio = [track for track in self._me.tracks.values() if track.type == models.AUDIO]
        named = [track for track in audio if track.source == models.MICROPHONE]
        return next((track.sid for track in named or audio), "")

    def is_microphone(self, ssrc: int) -> bool:
        """Whether a packet of this source is the microphone's; any is, where the offer named none."""
        ssrcs = self._ssrcs.get(self.microphone)
        return ssrcs is not None and (not ssrcs or ssrc in ssrcs)
