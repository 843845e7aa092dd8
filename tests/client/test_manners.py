"""The emulator's linter at the caller's end: `emu client --fail-on finding`."""

from __future__ import annotations

from tests.client.calls import LYZR, WORKBUDDY, clip, play
from voxemu.events import Opened, UserAudioSent
from voxemu_client.manners import Manners


def test_our_own_client_keeps_to_the_page() -> None:
    call = play(LYZR, [clip(LYZR, 1.0)])
    manners = Manners(LYZR, LYZR.format.rate)
    for at, event in call.user.events:
        manners.saw(event, at)
    assert (manners.found, manners.sentence) == ([], "")


def test_audio_against_the_page_is_found_at_this_end() -> None:
    manners = Manners(WORKBUDDY, WORKBUDDY.format.rate)
    manners.saw(Opened(), 0.0)
    manners.saw(UserAudioSent(bytes(640)), 0.1)
    assert manners.sentence.startswith("F-BEFORE-READY: ")


def test_every_session_is_judged_by_itself() -> None:
    manners = Manners(WORKBUDDY, WORKBUDDY.format.rate)
    for start in (0.0, 10.0):
        manners.saw(Opened(), start)
        manners.saw(UserAudioSent(bytes(640)), start + 0.1)
    assert [each.code for each in manners.found] == ["F-BEFORE-READY"] * 2
