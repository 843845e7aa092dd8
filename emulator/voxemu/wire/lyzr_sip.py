"""Lyzr Voice SIP, spelled as its public page does.

``POST /session/start`` answers with an opaque, single-use ``wsUrl``; then JSON text frames both ways, audio
as base64 PCM16 at 24 kHz. Beyond the page, and marked [client] or [choice] in the protocol notes: every
message but ``audio`` and ``transcript``, the error bodies and the close codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import quote

from voxemu.audio import AudioFormat
from voxemu.errors import Refused, RemoteProtocolError
from voxemu.events import (
    AgentAudioSent,
    Closed,
    ErrorReported,
    Event,
    Interrupted,
    InterruptSent,
    SessionStarted,
    StopSent,
    ThinkingSoundSent,
    ThinkingStarted,
    ThinkingStopped,
    Transcribed,
    UserAudioSent,
)
from voxemu.provider import (
    Admission,
    Answered,
    Asked,
    CallPlan,
    Codec,
    Desk,
    Key,
    Message,
    Provider,
    Request,
    Response,
    Role,
    Route,
    Target,
    at_path,
)
from voxemu.wire.entrance import answer_of, life, socket_url, started, turned_away
from voxemu.wire.lyzr_transcripts import TYPES, ShapeName, read_transcript, resembles_transcript, shapes
from voxemu.wire.reading import (
    Unreadable,
    audio_from_base64,
    json_object,
    message_type,
    sample_rate,
    text_field,
)
from voxemu.wire.spelling import DuplexCodec, spell_audio, spell_json

if TYPE_CHECKING:
    from random import Random

START_PATH = "/session/start"
STREAM_PATH = "/session/stream/"
RATE = 24_000


@dataclass(frozen=True, slots=True)
class LyzrSipSettings:
    """What may vary in the messages of this provider, globally, per agent and per key."""

    transcript_shape: ShapeName = "page"
    invalid_agent: Literal["http", "ws"] = "http"
    # 404 on the start, or the page's "immediate disconnect" once connected.
    wrong_rate: Literal["resample", "refuse"] = "resample"
    # What happens to audio that declares another rate than 24000.
    url_life: float = 60.0
    # Seconds that a wsUrl is good for [choice].

    def __post_init__(self) -> None:
        life("url_life", self.url_life)


UPLINK = ("audio", "interrupt", "stop")
DOWNLINK = ("session_started", "audio", "thinking", "thinking_audio", "clear", "error", *TYPES)


class LyzrSipCodec(DuplexCodec):
    def __init__(self, role: Role, settings: LyzrSipSettings, rng: Random) -> None:
        super().__init__(role)
        self._settings = settings
        self._shapes = shapes(settings.transcript_shape, rng)

    def _spell_uplink(self, event: Event) -> list[Message]:
        match event:
            case UserAudioSent(pcm=pcm, rate=rate):
                return [spell_audio("audio", pcm, RATE if rate is None else rate)]
            case InterruptSent():
                return [spell_json(type="interrupt")]
            case StopSent():
                return [spell_json(type="stop")]
        return []

    def _read_uplink(self, message: Message) -> list[Event]:
        said = json_object(message)
        match message_type(said, UPLINK):
            case "audio":
                return [self._read_audio(said)]
            case "interrupt":
                return [InterruptSent()]
            case _:
                return [StopSent()]

    def _read_audio(self, said: Mapping[str, Any]) -> Event:
        pcm = audio_from_base64(text_field(said, "audio"))
        rate = sample_rate(said, "sampleRate")
        if rate != RATE and rate is not None and self._settings.wrong_rate == "refuse":
            raise Unreadable("wrong_rate", f"the session's sampleRate is {RATE}, not {rate}")
        return UserAudioSent(pcm, rate)

    def _spell_downlink(self, event: Event) -> list[Message]:
        match event:
            case AgentAudioSent(pcm=pcm):
                return [spell_audio("audio", pcm)]
            case Transcribed():
                return [spell_json(**next(self._shapes).spell(event))]
            case SessionStarted(session_id=session_id):
                return [spell_json(type="session_started", sessionId=session_id)]
            case ThinkingStarted():
                return [spell_json(type="thinking", status="started")]
            case ThinkingStopped():
                return [spell_json(type="thinking", status="stopped")]
            case ThinkingSoundSent(pcm=pcm, rate=rate):
                return [spell_audio("thinking_audio", pcm, rate)]
            case Interrupted():
                return [spell_json(type="clear")]
            case ErrorReported(message=text):
                return [spell_json(type="error", message=text)]
        return []

    def _read_downlink(self, message: Message) -> list[Event]:
        said = json_object(message)
        if resembles_transcript(said):
            return [read_transcript(said)]
        match message_type(said, DOWNLINK):
            case "audio":
                return [AgentAudioSent(audio_from_base64(text_field(said, "audio")))]
            case "session_started":
                return [SessionStarted(text_field(said, "sessionId"))]
            case "thinking":
                return [_thinking(text_field(said, "status"))]
            case "thinking_audio":
                pcm = audio_from_base64(text_field(said, "audio"))
                return [ThinkingSoundSent(pcm, sample_rate(said, "sampleRate") or RATE)]
            case "clear":
                return [Interrupted()]
            case "error":
                return [ErrorReported(text_field(said, "message"))]
            case _:
                return [read_transcript(said)]


def _thinking(status: str) -> Event:
    if status not in ("started", "stopped"):
        raise Unreadable("bad_field", f"'status' must be started or stopped, not {status[:40]!r}")
    return ThinkingStarted() if status == "started" else ThinkingStopped()


STATUSES = {"unknown_agent": 404, "full": 503}

AT_THE_DOOR = {
    "unknown": "This wsUrl was not issued here; use it exactly as session/start returned it",
    "used": "This wsUrl was used already; call session/start again",
    "expired": "This wsUrl has expired; call session/start again",
    "unknown_agent": "Agent not found",
}
# Each also fits a close frame's 123 bytes.


class LyzrSip(Provider):
    id = "lyzr-sip"
    title = "Lyzr Voice SIP"
    page = "lyzr-voice-sip"
    format = AudioFormat(RATE)
    frame_samples = 480
    pads = False
    flushes = True
    declares_rate = True
    spells = frozenset(
        {
            UserAudioSent,
            InterruptSent,
            StopSent,
            SessionStarted,
            AgentAudioSent,
            Transcribed,
            ThinkingStarted,
            ThinkingStopped,
            ThinkingSoundSent,
            Interrupted,
            ErrorReported,
        }
    )
    start = Route(
        "POST",
        START_PATH,
        "A session, and the URL of its socket",
        body={
            "type": "object",
            "required": ["agentId"],
            # At least one sign that is no space.
            "properties": {"agentId": {"type": "string", "pattern": r"\S"}, "userId": {}, "sessionId": {}},
        },
        answers={200: answer_of(sessionId="string", wsUrl="string", audioConfig="object")},
    )
    routes = (start,)
    socket_path = STREAM_PATH + "{session_id}"
    hosts = ("voice-sip.voice.lyzr.app",)
    asks_for_key = False
    settings_type = LyzrSipSettings
    dialogue_defaults: ClassVar[Mapping[str, Any]] = {"idle_limit": 60.0, "idle_counts": "any"}
    close_codes: ClassVar[Mapping[str, int]] = {
        "agent_left": 1000,
        "closed": 1000,
        "shutdown": 1000,
        "limit": 1000,
        "bad_messages": 1008,
    }

    def codec(self, role: Role, settings: Any, rng: Random) -> Codec:
        return LyzrSipCodec(role, settings, rng)

    def answer(self, asked: Asked, desk: Desk, now: float) -> Answered:
        try:
            facts = _start_request(asked.body)
        except Unreadable as error:
            return Answered(400, {"error": error.text})
        try:
            admission, seconds = self._judge(facts, _key(asked, desk), desk)
            ticket = desk.issue(admission, life=seconds, now=now)
        except Refused as refused:
            return turned_away(refused, STATUSES)
        # The id in the path, a secret in the query: a client that builds its own URL lacks the latter.
        path = f"{STREAM_PATH}{quote(admission.session_id, safe='')}?ticket={quote(ticket, safe='')}"
        return Answered(
            200,
            {
                "sessionId": admission.session_id,
                "wsUrl": asked.socket_base + path,
                "audioConfig": {"sampleRate": RATE, "format": "pcm16", "channels": 1, "encoding": "base64"},
            },
        )

    def _judge(self, facts: Mapping[str, str], key: Key, desk: Desk) -> tuple[Admission, float]:
        """Leave to hold this session, and the seconds its URL is good for. Raises Refused: unknown_agent."""
        try:
            agent = desk.agent(self.id, facts["agentId"], key)
        except Refused as refused:
            settings = desk.settings(LyzrSipSettings, "", key)
            if settings.invalid_agent == "http":
                raise
            facts = {**facts, "refused": refused.why}
            return Admission(self.id, desk.new_id(), "", key, facts), settings.url_life
        seconds = desk.settings(LyzrSipSettings, agent, key).url_life
        return Admission(self.id, desk.new_id(), agent, key, facts), seconds

    def admit(self, asked: Asked, desk: Desk, now: float) -> Admission | tuple[Event, ...]:
        try:
            if set(asked.query) != {"ticket"}:
                raise Refused("unknown", "the query is not the one that was issued")
            session_id = asked.path.removeprefix(STREAM_PATH)
            admission = desk.redeem(asked.query["ticket"], now=now, session_id=session_id)
        except Refused as refused:
            return self.refusal(refused.why)
        why = admission.facts.get("refused")
        return self.refusal(why) if why else admission

    def refusal(self, why: str) -> tuple[Event, ...]:
        text = AT_THE_DOOR.get(why, AT_THE_DOOR["unknown"])
        return (ErrorReported(text), Closed(1008, text, "provider"))

    def ask(self, plan: CallPlan) -> Request:
        # An agentId is required; one that names nobody is served by the server's own default.
        body = spell_json(agentId=plan.agent.strip() or "default").encode()
        return Request("POST", at_path(plan.url, START_PATH), {"Content-Type": "application/json"}, body)

    def reach(self, plan: CallPlan, response: Response | None) -> Target:
        what = f"POST {START_PATH}"
        match started(response, what):
            case {"sessionId": str(session_id), "wsUrl": str(url), **rest}:
                _check_audio_config(rest.get("audioConfig"), what)
                return Target(socket_url(url, "wsUrl", what), session_id=session_id)
        raise RemoteProtocolError(f"{what} answered 200 without a sessionId and a wsUrl")

    def closing(self) -> tuple[Event, ...]:
        return (StopSent(),)

    def start_url(self, base: str) -> str:
        return base + START_PATH

    def exports(self, base: str) -> Mapping[str, str]:
        return {"LYZR_VOICE_SIP_URL": base}


# What a start request may say of itself; the rest is accepted and ignored [client].
FACTS = ("agentId", "userId", "sessionId")


def _start_request(body: bytes) -> dict[str, str]:
    """What a start request says, agentId among it, stripped. Raises Unreadable."""
    try:
        said = json_object(body.decode())
    except UnicodeDecodeError:
        raise Unreadable("not_json", "the body is not UTF-8") from None
    agent = text_field(said, "agentId").strip()
    if not agent:
        raise Unreadable("bad_field", "'agentId' is empty; expected the id of an agent")
    facts = {name: said[name][:200] for name in FACTS if isinstance(said.get(name), str)}
    return facts | {"agentId": agent}


def _key(asked: Asked, desk: Desk) -> Key:
    """The key this request shows, if it happens to show a known one.

    The page has no auth header, so none is asked for; one that is sent picks its settings and its agent.
    """
    scheme, _, token = asked.headers.get("authorization", "").partition(" ")
    try:
        return desk.keys.check(token if scheme.lower() == "bearer" else asked.headers.get("x-api-key"))
    except Refused:
        return Key()


def _check_audio_config(config: object, what: str) -> None:
    """Raises RemoteProtocolError when the session is not 24 kHz mono."""
    if not isinstance(config, dict):
        raise RemoteProtocolError(f"{what} answered without an audioConfig; expected one of {RATE} Hz, mono")
    found = config.get("sampleRate"), config.get("channels", 1)
    if found != (RATE, 1):
        raise RemoteProtocolError(
            f"{what} answered with an audioConfig of {found[0]!r} Hz and {found[1]!r} channels; "
            f"expected {RATE} Hz and 1"
        )
