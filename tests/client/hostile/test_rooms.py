"""Rooms that are none, and rooms where somebody is up to something: the call ends, is told and recorded."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.client.conftest import Serve
from tests.client.hostile.apart import place_apart
from tests.client.hostile.calls import KEY, Left, brief
from tests.client.hostile.test_handshakes import BROKEN
from tests.client.hostile.villain import TOKEN, Reply, Villain, Wire, answer
from tests.client.test_room import rooms_are_gone, starting
from tests.programs import Start as StartProgram
from tests.programs import ended as has_ended
from tests.programs import programs
from tests.server.conftest import Running, Start
from voxemu.errors import UsageError
from voxemu.provider import CallPlan, Provider
from voxemu.record import Recording
from voxemu.wire import PROVIDERS
from voxemu_client.dial import Telephone

rtc_protocol = pytest.importorskip("livekit.protocol.rtc")
models = pytest.importorskip("livekit.protocol.models")
pytestmark = pytest.mark.sockets

PROVIDER = PROVIDERS["lyzr-livekit"]
DONE, FAILED, UNREACHABLE, OFF_THE_PAGE = 0, 1, 3, 4

SECOND = 48_000
# Samples.
Place = Callable[..., Awaitable[Left]]


@dataclass
class Peer:
    """Whom the call is placed to."""

    url: str
    provider: Provider = PROVIDER


@pytest.fixture
async def villain() -> Any:
    async with Villain(PROVIDER).serving() as villain:
        yield villain


@pytest.fixture
def placed(tmp_path: Path) -> Place:
    def placed(peer: Any, **how: Any) -> Awaitable[Left]:
        return place_apart(peer, tmp_path, **how)

    return placed


# --- before the room ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN)
async def test_a_room_that_cannot_be_joined_is_told_in_time(
    reply: Reply, villain: Villain, placed: Place
) -> None:
    villain.upgrade = reply
    left = await placed(villain, hurried="join")
    assert left.code == UNREACHABLE
    assert left.err.startswith("emu client: ")
    assert left.err.count("\n") == 1
    assert left.recording is None
    assert ended(villain) == 1


async def test_a_session_in_a_room_that_the_checks_turn_down_is_ended(villain: Villain) -> None:
    def check(url: str) -> None:
        raise UsageError(f"{url} is not to be called")

    telephone = Telephone(PROVIDER, CallPlan(villain.url, KEY), check=check)
    with pytest.raises(UsageError, match="is not to be called"):
        await telephone.call(brief(PROVIDER))
    assert ended(villain) == 1


async def test_a_session_that_could_not_be_ended_either_is_told(villain: Villain, placed: Place) -> None:
    async def start(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = answer(500, "{}") if ended(villain) else answer(200, villain.started())
        await said(reader, writer)

    villain.start, villain.upgrade = start, answer(404, "")
    left = await placed(villain)
    assert (left.code, left.err.count("\n")) == (UNREACHABLE, 1)
    assert f"POST {villain.url}/v1/sessions/end answered 500" in left.err


def ended(villain: Villain) -> int:
    """How often it was asked to end the session."""
    return sum(head.startswith(b"POST /v1/sessions/end") for head in villain.asked)


def spelled(**said: Any) -> bytes:
    found: bytes = rtc_protocol.SignalResponse(**said).SerializeToString()
    return found


def join_response(**other: Any) -> bytes:
    me = models.ParticipantInfo(sid="PA_me", identity="emu-client", state=models.ParticipantInfo.JOINED)
    agent = models.ParticipantInfo(
        sid="PA_agent",
        identity="agent-1",
        kind=models.ParticipantInfo.AGENT,
        state=models.ParticipantInfo.ACTIVE,
    )
    said = {
        "room": models.Room(sid="RM_1", name="r-1"),
        "participant": me,
        "other_participants": [agent],
        "server_version": "1.13.5",
        "subscriber_primary": True,
        "ping_interval": 5,
        "ping_timeout": 15,
    } | other
    return spelled(join=rtc_protocol.JoinResponse(**said))


def leaving(reason: Any, action: Any) -> bytes:
    return spelled(leave=rtc_protocol.LeaveRequest(reason=reason, action=action))


def offering(sdp: str) -> bytes:
    return spelled(offer=rtc_protocol.SessionDescription(type="offer", sdp=sdp, id=1))


DISCONNECT = rtc_protocol.LeaveRequest.DISCONNECT
RECONNECT = rtc_protocol.LeaveRequest.RECONNECT

# Name: what the room says first, and whether it hangs up then.
SIGNALS: dict[str, tuple[list[bytes | str], bool]] = {
    "nothing": ([], False),
    "nothing, and goes": ([], True),
    "garbage": ([b"\xff" * 100], False),
    "garbage, and goes": ([b"\xff" * 100], True),
    "a text": (['{"join": {}}'], False),
    "a megabyte of zeros": ([bytes(1 << 20)], False),
    "an empty message": ([b""], False),
    "a pong that nobody asked for": ([spelled(pong=1)], False),
    "that it is to leave": ([leaving(models.SERVER_SHUTDOWN, DISCONNECT)], True),
    "that it is to come again": ([leaving(models.UNKNOWN_REASON, RECONNECT)], True),
    "a welcome, and nothing more": ([join_response()], False),
    "a welcome, and goes": ([join_response()], True),
    "a welcome, and that it is to leave": (
        [join_response(), leaving(models.ROOM_DELETED, DISCONNECT)],
        True,
    ),
    "a welcome, and garbage": ([join_response(), *[b"\xff" * 100] * 100], False),
    "a welcome, and an offer of noise": ([join_response(), offering("\0\x1b[2J" * 1000)], False),
    "a welcome, and an offer of nothing": ([join_response(), offering("")], False),
    "a welcome of a kilobyte's name": (
        [join_response(room=models.Room(sid="RM_1", name="r" * 1024, metadata="m" * 60_000))],
        False,
    ),
    "a welcome to a crowd": (
        [
            join_response(
                other_participants=[
                    models.ParticipantInfo(sid=f"PA_{n}", identity=f"agent-{n}", kind=4) for n in range(500)
                ]
            )
        ],
        False,
    ),
}


@pytest.mark.parametrize(("said", "goes"), SIGNALS.values(), ids=SIGNALS)
async def test_a_room_that_says_what_no_room_would_is_left_in_time(
    said: list[bytes | str], goes: bool, villain: Villain, placed: Place
) -> None:
    async def act(wire: Wire) -> None:
        await wire.say(*said)
        if goes:
            await wire.close(1000)
        await wire.gone()

    villain.act = act
    left = await placed(villain, hurried="join")
    assert left.code == UNREACHABLE
    assert left.err.count("\n") == 1
    assert left.recording is None
    assert ended(villain) == 1


@pytest.fixture
def run(tmp_path: Path) -> Iterator[StartProgram]:
    with programs(tmp_path) as start:
        yield start


@pytest.mark.parametrize("as_json", [False, True], ids=["for people", "as JSON"])
async def test_a_library_that_takes_its_process_down_is_told_all_the_same(
    as_json: bool, villain: Villain, run: StartProgram
) -> None:
    """LiveKit's SDK aborts over a welcome to nobody: no exception, no exit code of ours."""

    async def act(wire: Wire) -> None:
        await wire.say(spelled(join=rtc_protocol.JoinResponse()))
        await wire.gone()

    villain.act = act
    flags = ["--json"] if as_json else []
    client = run(
        "client", "--url", villain.url, "--provider", PROVIDER.id, "--record", "calls", *flags, EMU_KEY=KEY
    )
    code, out, err = await asyncio.to_thread(has_ended, client, 100.0)
    assert code == UNREACHABLE
    assert "SIGABRT" in (out if as_json else err)
    assert not as_json or json.loads(out.splitlines()[-1])["exit"] == UNREACHABLE
    assert not any(secret in out + err for secret in (KEY, TOKEN))


# --- in the room --------------------------------------------------------------------------------------------


async def room_of(emu: Running) -> Any:
    """The room of the call that is on its way, once its user is heard: the first of that is no call yet."""
    rooms = emu.server.rooms

    def there() -> bool:
        embedded = rooms._embedded
        found: list[Any] = list(embedded.rooms.values()) if embedded is not None else []
        return bool(found) and found[0].guest is not None and found[0].occupant._user_samples > SECOND

    async with asyncio.timeout(60):
        while not there():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert rooms._embedded is not None
    (room,) = rooms._embedded.rooms.values()
    return room


Twist = Callable[[Any], Any]


def packets(*sent: bytes) -> Twist:
    """Raw, on the reliable channel."""

    def twist(room: Any) -> None:
        for each in sent:
            room.guest._connections.primary.send_data("_reliable", each)

    return twist


def data(*sent: Any) -> Twist:
    def twist(room: Any) -> None:
        for each in sent:
            room.send_data(each)

    return twist


def segments(*texts: str, final: bool = True, track: str = "TR_AMx1") -> list[Any]:
    return [
        models.DataPacket(
            transcription=models.Transcription(
                transcribed_participant_identity="agent-1",
                track_id=track,
                segments=[models.TranscriptionSegment(id=f"SG_{n}", text=text, final=final)],
            )
        )
        for n, text in enumerate(texts)
    ]


def stream(number: int, text: str, *, ends: bool = True) -> list[Any]:
    """A text stream of transcription, which may never end."""
    header = models.DataStream.Header(
        stream_id=f"s-{number}",
        topic="lk.transcription",
        mime_type="text/plain",
        text_header=models.DataStream.TextHeader(),
        attributes={"lk.segment_id": f"SG_{number}", "lk.transcription_final": "true"},
    )
    chunk = models.DataStream.Chunk(stream_id=f"s-{number}", content=text.encode("utf-8", "surrogatepass"))
    trailer = models.DataStream.Trailer(stream_id=f"s-{number}")
    parts = [
        models.DataPacket(stream_header=header),
        models.DataPacket(stream_chunk=chunk),
        models.DataPacket(stream_trailer=trailer),
    ]
    return parts if ends else parts[:2]


def signals(*sent: bytes) -> Twist:
    """On the signalling connection, whatever was said there before."""

    async def twist(room: Any) -> None:
        for each in sent:
            await room.guest._wire._ws.send_bytes(each)

    return twist


def states(*names: str) -> Twist:
    def twist(room: Any) -> None:
        for name in names:
            room.agent.attributes["lk.agent.state"] = name
            room.show(room.agent)

    return twist


def flooding(room: Any) -> None:
    for _ in range(200):
        room.show(room.agent)


# Name: what happens in a call that is whole otherwise.
HARMLESS: dict[str, Twist] = {
    "data that is no packet": packets(*[b"\xff" * 1000] * 100),
    "data of nothing": packets(b"", b"\0"),
    "data of sixty kilobytes": packets(os.urandom(60_000)),
    "packets of nothing": data(*[models.DataPacket()] * 100),
    "transcripts of nobody": data(*segments("", "\0\x1b[2J\x07", "\u202egpj.exe")),
    "a thousand transcripts": data(*segments(*["once more"] * 1000, final=False)),
    "transcripts by the megabyte": data(*segments(*["x" * 50_000] * 20)),
    "a stream that never ends": data(*stream(1, "and then", ends=False)),
    "a stream of what is no text": data(*stream(2, "\ud800\x1b[2J")),
    "pieces of no stream": data(*stream(3, "x")[1:] * 100),
    "states that are none": states("exploding", "\x1b[2J", "", "x" * 10_000, "listening"),
    "two hundred updates": flooding,
    "garbage on the signalling line": signals(*[b"\xff" * 100] * 20),
    "speakers that are not there": signals(
        spelled(
            speakers_changed=rtc_protocol.SpeakersChanged(
                speakers=[models.SpeakerInfo(sid="PA_x", level=1e9, active=True)] * 100
            )
        )
    ),
    "a mute of nothing": signals(spelled(mute=rtc_protocol.MuteTrackRequest(sid="TR_x", muted=True))),
    "a track of nobody": signals(
        spelled(track_unpublished=rtc_protocol.TrackUnpublishedResponse(track_sid="TR_x"))
    ),
}


async def called(emu: Running, placed: Place, twist: Twist, **how: Any) -> Left:
    """A call in which this happens as soon as both are in the room."""

    async def meanwhile() -> None:
        room = await room_of(emu)
        done = twist(room)
        if asyncio.iscoroutine(done):
            await done

    happening = asyncio.create_task(meanwhile(), name="villain")
    # Rooms are joined in a second or two; the reply comes by a network and a jitter buffer.
    left = await placed(Peer(emu.url), **{"seconds": 0.6, "lead": 0.5, "quiet": 0.6, "longest": 50.0} | how)
    await happening
    return left


@pytest.mark.parametrize("twist", HARMLESS.values(), ids=HARMLESS)
async def test_whatever_happens_in_a_room_the_call_is_held_and_recorded(
    twist: Twist, start: Start, placed: Place
) -> None:
    emu = await start(livekit="embedded", agent="tone:440:0.5")
    left = await called(emu, placed, twist)
    assert (left.code, left.err) == (DONE, "")
    assert left.recording is not None
    assert any(left.recording.right)
    assert sum(file.stat().st_size for file in left.files if file.suffix == ".jsonl") < 1_000_000
    await rooms_are_gone(emu.server)


async def test_a_secret_that_is_said_in_a_room_is_on_no_disk_and_no_screen(
    start: Start, placed: Place
) -> None:
    emu = await start(livekit="embedded", agent="tone:440:0.5")
    left = await called(emu, placed, data(*segments(f"who is {KEY}?"), *stream(1, f"it is {KEY}.")))
    assert left.code == DONE
    assert "F-SERVER-SECRET" in left.found


def mute(room: Any) -> None:
    room.send_audio = lambda *args, **more: None


def agent_goes(room: Any) -> None:
    room.agent.state = models.ParticipantInfo.DISCONNECTED
    room.show(room.agent)


# Name: what happens, the exit codes, and what is said of it.
ENDINGS: dict[str, tuple[Twist, set[int], str]] = {
    "no audio": (mute, {FAILED}, "never answered"),
    "the agent leaves": (agent_goes, {DONE, FAILED}, ""),
    # The SDK may see the line go before it reads why; then it looks for a room that is gone.
    "the room is deleted": (
        lambda room: room.end("it was deleted", "provider"),
        {DONE, FAILED, UNREACHABLE},
        "",
    ),
    "somebody else comes under its name": (
        lambda room: room.guest.dismiss(models.DUPLICATE_IDENTITY),
        {UNREACHABLE},
        "somebody else joined under this identity",
    ),
    "the server stops": (
        lambda room: room.end("it stops", "provider", models.SERVER_SHUTDOWN),
        {UNREACHABLE},
        "shut",
    ),
}


@pytest.mark.parametrize(("twist", "codes", "text"), ENDINGS.values(), ids=ENDINGS)
async def test_whatever_ends_a_call_in_a_room_is_told_and_recorded_up_to_there(
    twist: Twist, codes: set[int], text: str, start: Start, placed: Place
) -> None:
    emu = await start(livekit="embedded", agent="tone:440:0.5")
    left = await called(emu, placed, twist, patience=2.0)
    assert left.code in codes
    assert text in left.err
    assert left.recording is not None
    assert left.recording.manifest["closed"] is not None
    await rooms_are_gone(emu.server)


# Name: what LiveKit's SDK takes the process down over, in the middle of a call.
DEADLY: dict[str, Twist] = {
    "a transcript of no track": data(*segments("hello", track="")),
    "an update of nobody": signals(
        spelled(update=rtc_protocol.ParticipantUpdate(participants=[models.ParticipantInfo()]))
    ),
    "an answer to nothing": signals(
        spelled(answer=rtc_protocol.SessionDescription(type="answer", sdp="v=0\r\n"))
    ),
}


@pytest.mark.parametrize("twist", DEADLY.values(), ids=DEADLY)
async def test_a_library_that_takes_its_process_down_in_a_call_leaves_a_recording(
    twist: Twist, start: Start, run: StartProgram, tmp_path: Path
) -> None:
    emu = await start(livekit="embedded", agent="tone:440:0.5")
    client = run("client", "--url", emu.url, "--provider", PROVIDER.id, "--record", "calls")
    room = await room_of(emu)
    done = twist(room)
    if asyncio.iscoroutine(done):
        await done
    code, out, err = await asyncio.to_thread(has_ended, client, 100.0)
    assert (code, "SIGABRT" in err, "(recovered)" in out) == (UNREACHABLE, True, True)
    (folder,) = (tmp_path / "calls" / PROVIDER.id).iterdir()
    assert Recording.open(folder).recovered
    emu.server.room_calls.shut_down()
    room.end("it is over", "provider")
    await rooms_are_gone(emu.server)


async def test_an_agent_that_never_joins_is_not_waited_for_for_ever(
    start: Start, serve: Serve, placed: Place
) -> None:
    emu = await start(livekit="embedded")
    backend: Any = await emu.server.rooms.backend()
    backend.create_room("r", empty_limit=30.0, away_limit=1.0)
    ended: list[Any] = []
    url = "ws" + emu.url.removeprefix("http")
    base = await serve(**starting(url, backend.mint("emu-client", "r"), ended))
    left = await placed(Peer(base), patience=2.0, ready_patience=2.0, longest=20.0)
    assert left.code in (FAILED, UNREACHABLE)
    assert left.err.count("\n") == 1
    assert left.recording is not None
    assert ended == [{"roomName": "r"}]
    backend.end_now("r")


async def test_a_room_on_another_host_is_a_finding_and_gets_no_key(
    start: Start, serve: Serve, placed: Place
) -> None:
    toml = "[lyzr_livekit]\nrejoin_wait = 0.2"
    emu = await start(toml, livekit="embedded", agent="tone:440:0.5")
    async with emu.client.post(
        f"{emu.url}/v1/sessions/start", json={"userIdentity": "emu-client"}, headers={"x-api-key": "k"}
    ) as answered:
        said = await answered.json()
    ended: list[Any] = []
    port = emu.url.rpartition(":")[2]
    base = await serve(**starting(f"ws://localhost:{port}", said["userToken"], ended))
    left = await placed(Peer(base), seconds=0.6, lead=0.5, quiet=0.6)
    assert "F-SERVER-HOST" in left.found
    assert TOKEN not in json.dumps(left.out)
    assert KEY not in json.dumps(ended)
