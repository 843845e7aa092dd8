"""What a call comes to, worked out event by event: where its sound lies, its figures, what was counted.

The recorder does it as the call goes, ``recovery`` afterwards from the timeline of a call whose recorder was
killed; so both say the same of the same events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from voxemu.audio import SAMPLE_BYTES, AudioFormat
from voxemu.events import (
    AgentAudioSent,
    Closed,
    Event,
    InputGapped,
    InputStarted,
    Note,
    PlaybackFlushed,
    PlaybackStarted,
    RatesAnnounced,
    SessionEnded,
    SessionStarted,
    SettingSent,
    UserAudioSent,
)
from voxemu.provider import Role
from voxemu.record.figures import Figures
from voxemu.record.manifest import Account
from voxemu.record.placing import Placement, Sound

MOST_SETTINGS = 200
# Of different names that a manifest lists.


class Reckoning:
    """Positions are samples on the call's axis."""

    def __init__(self, axis: AudioFormat, role: Role, input_rate: int | None) -> None:
        self.figures = Figures(axis)
        self.placement = Placement(axis, role, self.figures, input_rate)
        self.account = Account()
        self._acts: dict[type[Event], Callable[[Any, float, int], None]] = {
            InputStarted: self._input_started,
            InputGapped: self._input_gapped,
            PlaybackStarted: self._playback_started,
            PlaybackFlushed: self._playback_flushed,
            RatesAnnounced: self._rates_announced,
            SettingSent: self._setting_sent,
            SessionStarted: self._session_started,
            SessionEnded: self._session_ended,
            Closed: self._line_closed,
        }

    def saw(self, event: Event, since: float, here: int) -> None:
        """``since`` in seconds and ``here`` as a position: when it happened, counted from the opening."""
        if isinstance(event, UserAudioSent | AgentAudioSent):
            self.heard([(event, since, here)])
            return
        self.placement.before(event, since)
        act = self._acts.get(type(event))
        if act is not None:
            act(event, since, here)
        if isinstance(event, Note):
            self.figures.saw(event)

    def heard(self, sounds: Sequence[Sound]) -> None:
        """Messages of audio, as ``saw`` would be told of each: with nothing between them."""
        account = self.account
        for sent, _, _ in sounds:
            samples = len(sent.pcm) // SAMPLE_BYTES
            if type(sent) is UserAudioSent:
                account.user_messages += 1
                account.user_samples += samples
            else:
                account.agent_messages += 1
                account.agent_samples += samples
        self.placement.sounds(sounds)

    def _input_started(self, started: InputStarted, since: float, here: int) -> None:
        self.placement.start_input(started.position)

    def _input_gapped(self, gap: InputGapped, since: float, here: int) -> None:
        self.placement.gap_input(gap)

    def _playback_started(self, started: PlaybackStarted, since: float, here: int) -> None:
        self.placement.start_playback(started.position)

    def _playback_flushed(self, flushed: PlaybackFlushed, since: float, here: int) -> None:
        self.placement.flush_playback(flushed.position, flushed.dropped)

    def _rates_announced(self, rates: RatesAnnounced, since: float, here: int) -> None:
        if rates.input is not None:
            self.placement.announce(rates.input)

    def _setting_sent(self, setting: SettingSent, since: float, here: int) -> None:
        settings = self.account.sent_settings
        if setting.name in settings or len(settings) < MOST_SETTINGS:
            settings[setting.name] = setting.value

    def _session_started(self, started: SessionStarted, since: float, here: int) -> None:
        self.account.session_id = started.session_id

    def _session_ended(self, ended: SessionEnded, since: float, here: int) -> None:
        self.account.ended = ended

    def _line_closed(self, closed: Closed, since: float, here: int) -> None:
        if self.account.closed is None:
            self.account.closed = closed
            self.account.closed_at = (round(since * 1000), here)
