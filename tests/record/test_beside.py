"""A sound beside the call has a file of its own, on the call's axis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.calls import speech
from voxemu.events import Closed, Opened
from voxemu.provider import Role
from voxemu.record import Recorder, Recording
from voxemu.record.folder import read_json
from voxemu.record.wav import read_wav
from voxemu.wire import PROVIDERS

PROVIDER = PROVIDERS["lyzr-livekit"]
AXIS = PROVIDER.format
FRAME = speech(AXIS, 0.02)


def recorded(place: Path, heard: list[float], *, opens: bool = True) -> dict[str, Any]:
    """The manifest of a call of 3 s in which a frame of 20 ms came at each of these times."""
    recorder = Recorder(place, PROVIDER, Role.CALLER)
    for at in heard if not opens else []:
        recorder.overhear("background_audio", FRAME, at)
    recorder.saw(Opened(), 0.0)
    for at in heard if opens else []:
        recorder.overhear("background_audio", FRAME, at)
    recorder.saw(Closed(1000, "", "caller"), 3.0)
    recorder.overhear("background_audio", FRAME, 3.1)
    recorder.close(3.0)
    recorder.overhear("background_audio", FRAME, 3.2)
    assert recorder.failure is None
    return read_json(place / "manifest.json")


def test_it_lies_where_it_sounded(tmp_path: Path) -> None:
    recorded(tmp_path, [1.0])
    rate, channels, pcm = read_wav(tmp_path / "background_audio.wav")
    assert (rate, channels) == (48_000, 1)
    start = 2 * AXIS.samples(0.98)
    assert pcm[:start] == bytes(start)
    assert pcm[start : start + len(FRAME)] == FRAME


def test_what_comes_a_little_late_follows_what_was_there(tmp_path: Path) -> None:
    recorded(tmp_path, [0.02, 0.15, 0.151])
    _, _, pcm = read_wav(tmp_path / "background_audio.wav")
    assert pcm[: 3 * len(FRAME)] == 3 * FRAME


def test_a_hole_stays_silent(tmp_path: Path) -> None:
    recorded(tmp_path, [0.02, 2.0])
    _, _, pcm = read_wav(tmp_path / "background_audio.wav")
    start = 2 * AXIS.samples(1.98)
    assert not any(pcm[len(FRAME) : start])
    assert pcm[start : start + len(FRAME)] == FRAME


def test_the_manifest_names_it_with_its_place_its_length_and_its_digest(tmp_path: Path) -> None:
    said = recorded(tmp_path, [1.0, 1.02])["beside"]["background_audio"]
    assert (said["file"], said["first"]) == ("background_audio.wav", AXIS.samples(0.98))
    assert said["samples"] == 2 * AXIS.samples(0.02)
    assert said["digest"].startswith("sha256:")


@pytest.mark.parametrize("opens", [True, False])
def test_what_sounds_before_a_call_and_after_it_is_no_part_of_it(tmp_path: Path, opens: bool) -> None:
    said = recorded(tmp_path, [] if opens else [0.0, 0.02], opens=opens)
    assert "beside" not in said
    assert not (tmp_path / "background_audio.wav").exists()


def test_a_recording_with_one_is_opened_as_any_other(tmp_path: Path) -> None:
    recorded(tmp_path, [1.0])
    assert Recording.open(tmp_path).complete
