from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from tests.record.calls import PROVIDER, samples
from voxemu import __version__, events
from voxemu.errors import RecordingError
from voxemu.events import (
    AgentAudioSent,
    Event,
    ListeningStarted,
    Opened,
    RatesAnnounced,
    RatesDeclared,
    SessionStarted,
    SettingConfirmed,
    SettingSent,
    TokenPresented,
    Transcribed,
    Unrecognised,
    UserAudioSent,
    Viseme,
    VisemesSent,
    named,
)
from voxemu.provider import Role
from voxemu.record.masking import Mask
from voxemu.record.timeline import TimelineFile, read_timeline
from voxemu.wire import PROVIDERS
from voxemu.wire.lokutor import LokutorSettings


def written(tmp_path: Path, *said: Event, mask: Mask | None = None) -> Path:
    path = tmp_path / "timeline.jsonl"
    timeline = TimelineFile(path, PROVIDER, Role.PROVIDER, mask or Mask())
    for number, event in enumerate(said):
        timeline.add(event, number * 10, number * 160)
    timeline.write()
    timeline.close()
    return path


def only(tmp_path: Path, event: Event, mask: Mask | None = None) -> dict[str, object]:
    line = read_timeline(written(tmp_path, event, mask=mask)).lines[0]
    return {"dir": line.dir, "type": line.type, **line.fields}


def test_the_first_line_is_a_header(tmp_path: Path) -> None:
    assert read_timeline(written(tmp_path)).header == {
        "schema": "voxemu.timeline/1",
        "voxemu": __version__,
        "provider": "workbuddy",
        "role": "provider",
        "rate": 16_000,
    }


def test_audio_is_a_count_and_an_offset_in_its_own_stream(tmp_path: Path) -> None:
    sent = [
        UserAudioSent(samples(0, 5)),
        AgentAudioSent(samples(0, 3), 2),
        UserAudioSent(samples(5, 4), 8000),
    ]
    lines = read_timeline(written(tmp_path, *sent)).lines
    assert [line.fields for line in lines] == [
        {"samples": 5, "offset": 0},
        {"samples": 3, "offset": 0, "generation": 2},
        {"samples": 4, "offset": 5, "rate": 8000},
    ]


@pytest.mark.parametrize(
    ("event", "way"),
    [
        (UserAudioSent(b"ab"), "up"),
        (AgentAudioSent(b"ab"), "down"),
        (Opened(), "line"),
        (events.InputStarted(0), "note"),
        (ListeningStarted("speech"), "note"),
    ],
)
def test_up_and_down_are_what_the_provider_has_words_for(tmp_path: Path, event: Event, way: str) -> None:
    assert only(tmp_path, event)["dir"] == way


def test_a_token_is_never_written(tmp_path: Path) -> None:
    assert only(tmp_path, TokenPresented("eyJ.secret")) == {
        "dir": "up",
        "type": "token_presented",
        "token": "***",
    }


def test_a_token_that_comes_back_in_an_error_is_masked(tmp_path: Path) -> None:
    path = written(tmp_path, TokenPresented("tick-et-1"), Unrecognised("text_frame", "no", "<tick-et-1>"))
    assert read_timeline(path).lines[1].fields["excerpt"] == "<***>"


def test_known_secrets_are_masked_in_every_field(tmp_path: Path) -> None:
    said = only(tmp_path, SettingSent("tools", [{"url": "http://x/?k=hushhush"}]), Mask(["hushhush"]))
    assert said["value"] == [{"url": "http://x/?k=***"}]


def test_parts_of_an_event_are_written_out(tmp_path: Path) -> None:
    said = only(tmp_path, VisemesSent((Viseme(3, "a", 0.5),), 1))
    assert said["visemes"] == [{"id": 3, "character": "a", "seconds": 0.5}]


@pytest.mark.parametrize("text", ["grüß dich", 'say "no"\n', "\u2028", "\ud800"])
def test_any_text_comes_back_as_it_was(tmp_path: Path, text: str) -> None:
    assert only(tmp_path, Transcribed("user", text))["text"] == text


def test_a_number_that_json_has_no_word_for_does_not_break_the_file(tmp_path: Path) -> None:
    assert only(tmp_path, SettingSent("speed", float("nan")))["value"] == "nan"


def test_a_line_torn_by_a_kill_is_told_apart(tmp_path: Path) -> None:
    path = written(tmp_path, Opened())
    with path.open("ab") as file:
        file.write(b'{"t":20,"po')
    read = read_timeline(path)
    assert (len(read.lines), read.torn) == (1, '{"t":20,"po')


@pytest.mark.parametrize("broken", ["nonsense", "[]", '{"t":1,"pos":2,"dir":"up"}'])
def test_a_broken_line_is_named_by_file_and_number(tmp_path: Path, broken: str) -> None:
    path = written(tmp_path, Opened())
    with path.open("a") as file:
        file.write(f"{broken}\n")
    with pytest.raises(RecordingError, match=r"timeline\.jsonl:3: "):
        read_timeline(path)


def test_a_timeline_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"schema": "voxemu.timeline/9"}) + "\n")
    with pytest.raises(RecordingError, match=r"t\.jsonl:1: schema 'voxemu.timeline/9'"):
        read_timeline(path)


def test_an_empty_file_is_no_timeline(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").touch()
    with pytest.raises(RecordingError, match=r"t\.jsonl:1: no timeline"):
        read_timeline(tmp_path / "t.jsonl")


def test_two_runs_with_different_session_ids_have_the_same_digest(tmp_path: Path) -> None:
    digests = set()
    for name in ("a", 'b"'):
        (tmp_path / name).mkdir()
        digests.add(read_timeline(written(tmp_path / name, SessionStarted(name))).sha256)
    assert len(digests) == 1


def test_a_text_changes_the_digest(tmp_path: Path) -> None:
    digests = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        digests.add(read_timeline(written(tmp_path / name, Transcribed("user", name))).sha256)
    assert len(digests) == 2


def test_names_of_types_are_those_that_files_hold_already() -> None:
    kinds = [
        kind
        for kind in vars(events).values()
        if isinstance(kind, type)
        and issubclass(kind, Event)
        and kind.__bases__ != (object,)
        and kind is not Event
    ]
    names = {named(kind) for kind in kinds}
    # Part of the schema: renaming one of these needs a new schema version.
    assert names >= {
        "user_audio_sent", "token_presented", "setting_sent", "rates_announced", "tool_result_sent",
        "interrupt_sent", "stop_sent", "session_started", "agent_readied", "rates_declared",
        "setting_confirmed", "listening_started", "thinking_started", "thinking_stopped",
        "speaking_started", "interrupted", "transcribed", "agent_audio_sent", "thinking_sound_sent",
        "visemes_sent", "tool_called", "error_reported", "session_ended", "opened", "closed",
        "ponged", "congested", "cleared", "unrecognised", "input_started", "input_gapped",
        "turn_started", "turn_ended", "turn_discarded", "reply_cancelled", "reply_ended",
        "barged_in", "playback_started", "playback_flushed", "playback_underran",
        "microphone_dropped", "agent_failed", "limit_reached", "finding_made", "recording_failed",
    }  # fmt: skip


def test_what_a_setting_mutes_is_a_note(tmp_path: Path) -> None:
    lokutor = PROVIDERS["lokutor"]
    muted = LokutorSettings(server_rates=False)
    path = tmp_path / "t.jsonl"
    words = lokutor.codec(Role.PROVIDER, muted, Random(1))
    timeline = TimelineFile(path, lokutor, Role.PROVIDER, Mask(), words)
    for event in (SessionStarted("s"), RatesDeclared(44100, 44100), SettingConfirmed("voice")):
        timeline.add(event, 0, 0)
    timeline.add(RatesAnnounced(44100, 16000), 0, 0)
    timeline.write()
    timeline.close()
    assert [line.dir for line in read_timeline(path).lines] == ["down", "note", "note", "up"]
