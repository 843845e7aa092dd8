"""Lyzr voice over LiveKit, spelled as its public page does.

A start request over HTTP, then a LiveKit room that any LiveKit SDK joins. The messages of the codec are
those of the port that rooms are reached through (rooms/port.py); what participants see of them is the room's.
Beyond the page, and marked [server], [client] or [choice] in the protocol notes: every status but 200, the
bodies of refusals, the agent's attributes and transcripts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from voxemu.audio import AudioFormat
from voxemu.errors import Refused, RemoteProtocolError
from voxemu.events import (
    AgentAudioSent,
    Event,
    Interrupted,
    ListeningStarted,
    SessionEnded,
    SpeakingStarted,
    ThinkingStarted,
    Transcribed,
    UserAudioSent,
)
from voxemu.provider import (
    ROOM_SETTINGS,
    Admission,
    Answered,
    Asked,
    CallPlan,
    Codec,
    Desk,
    Key,
    Message,
    Request,
    Response,
    Role,
    RoomEnding,
    RoomOrder,
    RoomProvider,
    Route,
    Target,
    at_path,
)
from voxemu.wire.entrance import answer_of, socket_url
from voxemu.wire.lyzr_livekit_start import (
    EXAMPLE,
    BadBody,
    Issue,
    background_of,
    end_issues,
    merged,
    read_body,
    start_issues,
    without_secrets,
)
from voxemu.wire.reading import Unreadable, json_object, message_type, text_field, whole_samples
from voxemu.wire.reading import field as read_field
from voxemu.wire.spelling import DuplexCodec, sendable, spell_json

if TYPE_CHECKING:
    from random import Random

START_PATH = "/v1/sessions/start"
END_PATH = "/v1/sessions/end"
RATE = 48_000


@dataclass(frozen=True, slots=True)
class LyzrLivekitSettings:
    """What may vary in this provider's answers and rooms, globally, per agent and per key."""

    user_identity: Literal["optional", "required"] = "optional"
    # The page's own demo sends none; the public server refuses that.
    end_status: Literal[204, 200] = 204
    # The page's apiFetch reads JSON from every answer, which a 204 has not: 200 comes with {}.
    malformed_json: Literal[400, 500] = 400
    # The vendor answers 500.
    background_audio: Literal["off", "ambience", "thinking", "ambience+thinking"] = "ambience+thinking"
    # What sounds on the track background_audio when a session asks for one.
    starts_per_minute: int = 0
    # Of one client; 0 counts none, the vendor allows 20.
    agent_config: Mapping[str, Any] = field(default_factory=dict)
    # The agent's own configuration, which a session's agentConfig is laid over.
    join_wait: float = 60.0
    # Seconds that a user may take to join the room.
    rejoin_wait: float = 10.0
    # Seconds that a user may be away before the session is over.

    def __post_init__(self) -> None:
        if not 0 <= self.starts_per_minute <= 100_000:
            raise ValueError(f"starts_per_minute must be 0 to 100000, not {self.starts_per_minute}")
        for name in ("join_wait", "rejoin_wait"):
            if not 0 < getattr(self, name) <= 3600:
                raise ValueError(
                    f"{name} must be above 0 and at most 3600 seconds, not {getattr(self, name)}"
                )
        for issue in start_issues(
            {"agentConfig": dict(self.agent_config)}, identity_required=False, names_agent=bool
        ):
            raise ValueError(f"agent_config: {issue.message}")


# --- the messages of the port ------------------------------------------------------------------------------

DOWNLINK = ("state", "segment", "flush", "end")
CAUSES = ("agent_left", "closed", "shutdown")
_OURS = re.compile(r"SG_[A-Za-z]{8}(?:x|n)(\d{1,9})", re.ASCII)
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class LyzrLivekitCodec(DuplexCodec):
    def __init__(self, role: Role, rng: Random) -> None:
        super().__init__(role)
        self._prefix = "SG_" + "".join(rng.choice(_LETTERS) for _ in range(8))
        self._unnumbered = 0
        self._foreign: dict[str, int] = {}

    def _spell_uplink(self, event: Event) -> list[Message]:
        return [sendable(event.pcm)] if isinstance(event, UserAudioSent) else []

    def _read_uplink(self, message: Message) -> list[Event]:
        if isinstance(message, str):
            # There is nothing to be said but audio; what was sent instead is named, as everywhere.
            message_type(json_object(message), ())
        assert isinstance(message, bytes)
        return [UserAudioSent(whole_samples(message))]

    def _spell_downlink(self, event: Event) -> list[Message]:
        match event:
            case AgentAudioSent(pcm=pcm):
                return [sendable(pcm)]
            case ListeningStarted():
                return [spell_json(type="state", state="listening")]
            case ThinkingStarted():
                return [spell_json(type="state", state="thinking")]
            case SpeakingStarted():
                return [spell_json(type="state", state="speaking")]
            case Transcribed(speaker=speaker, text=text, final=final, segment=segment):
                name = self._segment_name(segment)
                return [spell_json(type="segment", id=name, speaker=speaker, text=text, final=final)]
            case Interrupted():
                return [spell_json(type="flush")]
            case SessionEnded(cause=cause):
                return [spell_json(type="end", cause=cause)]
        return []

    def _segment_name(self, segment: int) -> str:
        if segment:
            return f"{self._prefix}n{segment}"
        self._unnumbered += 1
        return f"{self._prefix}x{self._unnumbered}"

    def _read_downlink(self, message: Message) -> list[Event]:
        if isinstance(message, bytes):
            return [AgentAudioSent(whole_samples(message))]
        said = json_object(message)
        match message_type(said, DOWNLINK):
            case "state":
                return [_state(text_field(said, "state"))]
            case "segment":
                return [self._read_segment(said)]
            case "flush":
                return [Interrupted()]
            case _:
                return [SessionEnded(_cause(text_field(said, "cause")))]

    def _read_segment(self, said: Mapping[str, Any]) -> Event:
        text, name = text_field(said, "text"), text_field(said, "id")
        final = bool(read_field(said, "final", bool, what="true or false"))
        match text_field(said, "speaker"):
            case "user":
                return Transcribed("user", text, final, self._number(name))
            case "agent":
                return Transcribed("agent", text, final, self._number(name))
        raise Unreadable("bad_field", "'speaker' must be user or agent")

    def _number(self, name: str) -> int:
        """Segments of ours carry their number; somebody else's are counted as they come."""
        ours = _OURS.fullmatch(name)
        if ours is not None:
            return int(ours[1]) if name[11] == "n" else 0
        if name not in self._foreign and len(self._foreign) >= 10_000:
            self._foreign.clear()
        return self._foreign.setdefault(name, len(self._foreign) + 1)


def _state(state: str) -> Event:
    match state:
        case "listening":
            return ListeningStarted()
        case "thinking":
            return ThinkingStarted()
        case "speaking":
            return SpeakingStarted()
    raise Unreadable("bad_field", f"'state' must be listening, thinking or speaking, not {state[:40]!r}")


def _cause(cause: str) -> Literal["agent_left", "closed", "shutdown"]:
    match cause:
        case "agent_left" | "closed" | "shutdown":
            return cause
    raise Unreadable("bad_field", f"'cause' must be one of {', '.join(CAUSES)}, not {cause[:40]!r}")


# --- the provider ------------------------------------------------------------------------------------------

KEYS = {
    "missing_key": "Missing x-api-key",
    "bad_key": "Invalid x-api-key",
    "disabled_key": "Invalid x-api-key",
}
LIMITED = "Too many session creation requests, please try again later."
OWN_CONFIG: Mapping[str, Any] = {"engine": {"kind": "pipeline"}, "tools": []}


class LyzrLivekit(RoomProvider):
    id = "lyzr-livekit"
    title = "Lyzr voice over LiveKit"
    page = "lyzr-livekit"
    format = AudioFormat(RATE)
    frame_samples = 960
    pads = True
    flushes = True
    spells = frozenset(
        {
            UserAudioSent,
            AgentAudioSent,
            ListeningStarted,
            ThinkingStarted,
            SpeakingStarted,
            Transcribed,
            Interrupted,
            SessionEnded,
        }
    )
    start = Route(
        "POST",
        START_PATH,
        "A session in a room, and the user's token for it",
        "x-api-key",
        body={"type": "object"},
        answers={
            200: answer_of(userToken="string", roomName="string", sessionId="string", livekitUrl="string")
        },
    )
    routes = (
        start,
        Route(
            "POST",
            END_PATH,
            "End the session in a room",
            "x-api-key",
            body={"type": "object"},
            answers={204: None, 200: {"type": "object"}},
        ),
    )
    prefix = "/v1/"
    start_settings = ROOM_SETTINGS | {"prompt", "voice", "language"}
    settings_type = LyzrLivekitSettings
    dialogue_defaults: ClassVar[Mapping[str, Any]] = {
        "transcript_place": "with_audio",
        "interim_transcripts": True,
    }
    close_codes: ClassVar[Mapping[str, int]] = {
        "agent_left": 1000,
        "closed": 1000,
        "shutdown": 1000,
        "limit": 1000,
        "bad_messages": 1008,
    }

    def codec(self, role: Role, settings: Any, rng: Random) -> Codec:
        return LyzrLivekitCodec(role, rng)

    # provider's side

    def order(self, asked: Asked, desk: Desk, now: float) -> Answered | RoomOrder | RoomEnding:
        if asked.method != "POST" or asked.path not in (START_PATH, END_PATH):
            return Answered(404, {"error": "Not found", "path": asked.path})
        try:
            key = desk.keys.check(asked.headers.get("x-api-key"))
        except Refused as refused:
            return Answered(401, {"error": KEYS[refused.why]})
        settings = desk.settings(LyzrLivekitSettings, "", key)
        try:
            if asked.path == END_PATH:
                return _end(asked.body, desk, settings, now)
            return self._start(asked, desk, key, settings, now)
        except BadBody as error:
            if settings.malformed_json == 500:
                return Answered(500, {"error": "Internal server error"})
            return _invalid([Issue("invalid_json", (), str(error))])

    def _start(
        self, asked: Asked, desk: Desk, key: Key, settings: LyzrLivekitSettings, now: float
    ) -> Answered | RoomOrder:
        if settings.starts_per_minute:
            wait = desk.rooms.wait_to_start(asked.peer or key.label, settings.starts_per_minute, now)
            if wait is not None:
                return Answered(429, {"error": LIMITED}, {"Retry-After": str(math.ceil(wait))})
        body, issues = read_body(asked.body)
        issues = issues or start_issues(
            body,
            identity_required=settings.user_identity == "required",
            names_agent=desk.names_agent,
        )
        if issues:
            return _invalid(issues)
        try:
            agent = desk.agent(self.id, body.get("agentId"), key)
        except Refused:
            return Answered(404, {"error": "Agent not found"})
        return _ordered(body, agent, desk, key, now)

    def opened(self, order: RoomOrder, *, token: str, url: str) -> Answered:
        return Answered(
            200,
            {
                "userToken": token,
                "roomName": order.room,
                "sessionId": order.admission.session_id,
                "livekitUrl": url,
                "agentDispatched": True,
                "agentConfig": dict(order.config),
            },
        )

    def unopened(self, order: RoomOrder, desk: Desk, now: float, hint: str = "") -> Answered:
        desk.rooms.forget(order.admission.session_id)
        body = {"error": "Failed to dispatch agent"}
        return Answered(502, body | {"hint": hint} if hint else body)

    # caller's side

    def ask(self, plan: CallPlan) -> Request:
        body: dict[str, Any] = {"userIdentity": plan.settings.get("user_identity") or "emu-client"}
        if plan.agent.strip():
            body["agentId"] = plan.agent.strip()
        if config := _asked_config(plan.settings):
            body["agentConfig"] = config
        if room := plan.settings.get("room_name"):
            body["roomName"] = room
        return _post(plan, START_PATH, spell_json(**body))

    def reach(self, plan: CallPlan, response: Response | None) -> Target:
        what = f"POST {START_PATH}"
        if response is None:
            raise RemoteProtocolError(f"{what} was not answered")
        if response.status != 200:
            text = f"{what} answered {response.status}: {_refusal(response.body)[:400]}"
            raise Refused("start", text, status=response.status)
        match response.body:
            case {"userToken": str(token), "livekitUrl": str(url), **rest} if token:
                room, session_id = str(rest.get("roomName", "")), str(rest.get("sessionId", ""))
                # The page promises a token and a URL alone.
                return Target(
                    socket_url(url, "livekitUrl", what), session_id=session_id, token=token, room=room
                )
        raise RemoteProtocolError(f"{what} answered 200 without a userToken and a livekitUrl")

    def ending(self, plan: CallPlan, target: Target) -> Request | None:
        if not target.room and not target.session_id:
            return None
        named = {"roomName": target.room} if target.room else {"sessionId": target.session_id}
        return _post(plan, END_PATH, spell_json(**named))

    # for people

    def start_url(self, base: str) -> str:
        return base + START_PATH

    def exports(self, base: str) -> Mapping[str, str]:
        return {"LYZR_VOICE_API_URL": base}


def _refusal(body: Any) -> str:
    """What an answer says went wrong, with the emulator's hint where there is one."""
    if not isinstance(body, dict):
        return str(body)
    said = str(body.get("error", body))
    return f"{said}: {body['hint']}" if isinstance(body.get("hint"), str) else said


def _invalid(issues: list[Issue]) -> Answered:
    return Answered(
        400,
        {
            "error": "; ".join(issue.message for issue in issues),
            "issues": [issue.as_json() for issue in issues],
            "example": dict(EXAMPLE),
        },
    )


def _ordered(body: Mapping[str, Any], agent: str, desk: Desk, key: Key, now: float) -> RoomOrder:
    settings = desk.settings(LyzrLivekitSettings, agent, key)
    config = merged(merged(OWN_CONFIG, settings.agent_config), body.get("agentConfig", {}))
    session_id = body.get("sessionId") or desk.new_id()
    room = body.get("roomName") or f"room-{desk.new_id()}"
    user = body.get("userIdentity") or f"user-{desk.new_id()}"
    shown = without_secrets(config)
    facts = {"agentId": body.get("agentId", ""), "userIdentity": user, "roomName": room, "agentConfig": shown}
    start = config.get("conversation_start")
    greets = isinstance(start, Mapping) and start.get("who") == "ai"
    return RoomOrder(
        Admission("lyzr-livekit", session_id, agent, key, facts),
        room,
        user,
        f"agent-{desk.new_id()}",
        shown,
        background=background_of(config, settings.background_audio),
        greeting=str(start.get("greeting", "")) if greets and isinstance(start, Mapping) else "",
        replaces=desk.rooms.enter(session_id, room, now),
        join_wait=settings.join_wait,
        rejoin_wait=settings.rejoin_wait,
        settings=replace(settings, agent_config=shown),
    )


def _end(body: bytes, desk: Desk, settings: LyzrLivekitSettings, now: float) -> Answered | RoomEnding:
    said, issues = read_body(body)
    issues = issues or end_issues(said)
    if issues:
        return Answered(400, {"error": "Invalid input", "issues": [issue.as_json() for issue in issues]})
    ended = Answered(204) if settings.end_status == 204 else Answered(200, {})
    if room := said.get("roomName"):
        if not desk.rooms.knows_room(room, now):
            return Answered(404, {"error": "Session not found for room"})
        return RoomEnding(room, ended)
    session_id = said["sessionId"]
    found = desk.rooms.room_of(session_id, now)
    if found is None:
        return Answered(404, {"error": "Session not found for sessionId"})
    # Its room may have been given to another session since.
    return RoomEnding(found, ended) if desk.rooms.is_open(session_id) else ended


def _asked_config(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The agentConfig of a start request: as given, and what the caller's other settings say in its words."""
    said: dict[str, Any] = {}
    if "prompt" in settings:
        said["prompt"] = settings["prompt"]
    names = {"voice": "voice_id", "language": "language"}
    if engine := {name: settings[ours] for ours, name in names.items() if ours in settings}:
        said["engine"] = engine
    return merged(settings.get("agent_config") or {}, said)


def _post(plan: CallPlan, path: str, body: str) -> Request:
    url = at_path(plan.url, START_PATH)
    if path != START_PATH:
        url = url.removesuffix(START_PATH) + path if url.endswith(START_PATH) else at_path(plan.url, path)
    return Request("POST", url, {"x-api-key": plan.key, "Content-Type": "application/json"}, body.encode())
