"""What a room shows of the agent, message by message."""

from __future__ import annotations

import json

import pytest

from voxemu.errors import LocalProtocolError
from voxemu.rooms.agent_face import (
    Act,
    AgentFace,
    CloseText,
    FallSilent,
    Leave,
    OpenText,
    ShowAttributes,
    ShowSegment,
    Speak,
    WriteText,
)


@pytest.fixture
def face() -> AgentFace:
    face = AgentFace("agent-1", "ann")
    face.voice, face.microphone = "TR_voice", "TR_mic"
    return face


def segment(name: str, speaker: str, text: str, *, final: bool) -> str:
    return json.dumps({"type": "segment", "id": name, "speaker": speaker, "text": text, "final": final})


def final(name: str, track: str) -> dict[str, str]:
    return {"lk.segment_id": name, "lk.transcription_final": "true", "lk.transcribed_track_id": track}


def interim(name: str, track: str) -> dict[str, str]:
    return {**final(name, track), "lk.transcription_final": "false"}


def test_audio_goes_to_the_voice_track(face: AgentFace) -> None:
    assert face.take(b"\1\0") == [Speak(b"\1\0")]


def test_a_state_is_an_attribute(face: AgentFace) -> None:
    acts = face.take('{"type": "state", "state": "thinking"}')
    assert acts == [ShowAttributes({"lk.agent.state": "thinking"})]


def test_the_same_state_again_is_not_shown(face: AgentFace) -> None:
    face.take('{"type": "state", "state": "thinking"}')
    assert face.take('{"type": "state", "state": "thinking"}') == []


def test_before_anything_is_said_the_agent_is_initializing(face: AgentFace) -> None:
    assert face.attributes == {"lk.agent.state": "initializing"}


def test_a_user_segment_is_a_packet_and_a_whole_stream(face: AgentFace) -> None:
    expected: list[Act] = [
        ShowSegment("ann", "TR_mic", "SG_1", "hello", True),
        OpenText("SG_1-1", "ann", final("SG_1", "TR_mic")),
        WriteText("SG_1-1", "hello"),
        CloseText("SG_1-1"),
    ]
    assert face.take(segment("SG_1", "user", "hello", final=True)) == expected


def test_an_agent_segment_grows_in_one_stream_and_is_final_in_its_trailer(face: AgentFace) -> None:
    acts = face.take(segment("SG_2", "agent", "one", final=False))
    acts += face.take(segment("SG_2", "agent", "one two", final=False))
    acts += face.take(segment("SG_2", "agent", "one two", final=True))
    assert acts == [
        ShowSegment("agent-1", "TR_voice", "SG_2", "one", False),
        OpenText("SG_2-1", "agent-1", interim("SG_2", "TR_voice")),
        WriteText("SG_2-1", "one"),
        ShowSegment("agent-1", "TR_voice", "SG_2", "one two", False),
        WriteText("SG_2-1", " two"),
        ShowSegment("agent-1", "TR_voice", "SG_2", "one two", True),
        CloseText("SG_2-1", final("SG_2", "TR_voice")),
    ]


def test_a_segment_cut_shorter_than_its_stream_gets_a_final_stream_of_its_own(face: AgentFace) -> None:
    face.take(segment("SG_3", "agent", "one two three", final=False))
    assert face.take(segment("SG_3", "agent", "one two", final=True)) == [
        ShowSegment("agent-1", "TR_voice", "SG_3", "one two", True),
        CloseText("SG_3-1"),
        OpenText("SG_3-2", "agent-1", final("SG_3", "TR_voice")),
        WriteText("SG_3-2", "one two"),
        CloseText("SG_3-2"),
    ]


def test_a_new_segment_ends_the_stream_of_the_one_before(face: AgentFace) -> None:
    face.take(segment("SG_4", "agent", "one", final=False))
    acts = face.take(segment("SG_5", "agent", "two", final=False))
    assert acts[1] == CloseText("SG_4-1", final("SG_4", "TR_voice"))
    assert acts[2] == OpenText("SG_5-2", "agent-1", interim("SG_5", "TR_voice"))


def test_a_user_segment_leaves_the_agents_stream_open(face: AgentFace) -> None:
    face.take(segment("SG_6", "agent", "one", final=False))
    face.take(segment("SG_7", "user", "stop", final=True))
    acts = face.take(segment("SG_6", "agent", "one two", final=False))
    assert acts[1:] == [WriteText("SG_6-1", " two")]


def test_without_a_microphone_a_user_segment_is_a_stream_alone(face: AgentFace) -> None:
    face.microphone = ""
    assert face.take(segment("SG_8", "user", "hello", final=True)) == [
        OpenText("SG_8-1", "ann", {"lk.segment_id": "SG_8", "lk.transcription_final": "true"}),
        WriteText("SG_8-1", "hello"),
        CloseText("SG_8-1"),
    ]


def test_a_flush_silences_the_voice(face: AgentFace) -> None:
    assert face.take('{"type": "flush"}') == [FallSilent()]


def test_the_end_closes_what_is_open_and_leaves(face: AgentFace) -> None:
    face.take(segment("SG_9", "agent", "one", final=False))
    acts = face.take('{"type": "end", "cause": "closed"}')
    assert acts == [CloseText("SG_9-1", final("SG_9", "TR_voice")), Leave("closed")]


@pytest.mark.parametrize("message", ['{"type": "song"}', '{"type": "state", "state": "asleep"}', "[]"])
def test_what_the_port_has_no_word_for_is_our_own_fault(face: AgentFace, message: str) -> None:
    with pytest.raises(LocalProtocolError, match="no word for"):
        face.take(message)
