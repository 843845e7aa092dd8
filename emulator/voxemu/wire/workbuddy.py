"""WorkBuddy's SDK-token protocol, spelled as its public web guide does.

A token over HTTP, the token as the first message on the socket, then binary PCM16 at 16 kHz in frames of
640 bytes both ways; text frames carry the few control messages. Not on the page, and marked [vendor docs] or
[choice] in the protocol notes: the error codes, the life of a token, and what triggers each reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from voxemu.audio import AudioFormat, Scale
from voxemu.errors import Refused, RemoteProtocolError
from voxemu.events import (
    AgentAudioSent,
    AgentReadied,
    Closed,
    ErrorReported,
    Event,
    SessionEnded,
    SessionStarted,
    TokenPresented,
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
    TokenAwaited,
    at_path,
)
from voxemu.wire.entrance import above_zero, answer_of, life, socket_url, started, turned_away
from voxemu.wire.reading import Unreadable, field, json_object, message_type, text_field, whole_samples
from voxemu.wire.spelling import DuplexCodec, sendable, spell_json

if TYPE_CHECKING:
    from random import Random

TOKEN_PATH = "/api/v1/sdk/token"
HEARTBEAT_PATH = "/api/v1/sdk/heartbeat"
SOCKET_PATH = "/api/v1/sdk/ws"

TOKEN_LIFE = 300.0
# Seconds: "valid 5 minutes, one session" [vendor docs].


@dataclass(frozen=True, slots=True)
class WorkbuddySettings:
    """What may vary in the messages of this provider."""

    session_closed_reason: Literal["session_closed", "room_closed"] = "session_closed"
    # The page's word; another revision of the vendor's docs says room_closed.
    token_life: float = TOKEN_LIFE
    token_wait: float = 10.0
    # Seconds a socket may stay open before its token arrives.

    def __post_init__(self) -> None:
        life("token_life", self.token_life)
        above_zero("token_wait", self.token_wait)


CLOSE_CODES = {"AUTH_TIMEOUT": 4001, "INVALID_AUTH": 4002, "AUTH_FAILED": 4003, "SESSION_SETUP_FAILED": 4500}

ERRORS = {
    "AUTH_TIMEOUT": "No token arrived in time",
    "INVALID_AUTH": 'The first message must be JSON: {"token": "..."}',
    "AUTH_FAILED": "Invalid or expired token",
    "SESSION_SETUP_FAILED": "The session could not be set up",
}

REFUSALS = {"missing_key": 401, "bad_key": 401, "disabled_key": 403, "full": 503, "unknown_agent": 403}

CONTROL = ("connected", "agent_ready", "session_ended", "error")

CAUSES: Mapping[str, Literal["agent_left", "closed", "shutdown"]] = {
    "agent_disconnected": "agent_left",
    "session_closed": "closed",
    "room_closed": "closed",
    "server_shutdown": "shutdown",
}


class WorkbuddyCodec(DuplexCodec):
    def __init__(self, role: Role, settings: WorkbuddySettings) -> None:
        super().__init__(role)
        self._settings = settings
        self._token_seen = False

    def _quotable(self, message: Message) -> bool:
        # Text from a client is a token, or something sent in its place.
        return self._role is Role.CALLER or isinstance(message, bytes)

    def _spell_uplink(self, event: Event) -> list[Message]:
        match event:
            case UserAudioSent(pcm=pcm):
                return [sendable(pcm)]
            case TokenPresented(token=token):
                return [spell_json(token=token)]
        return []

    def _read_uplink(self, message: Message) -> list[Event]:
        if isinstance(message, bytes):
            return [UserAudioSent(whole_samples(message))]
        if self._token_seen:
            raise Unreadable("text_frame", "only binary audio is expected after the token")
        token = field(json_object(message), "token", str, what="the token, a string")
        if not token.strip():
            raise Unreadable("bad_field", "'token' is empty; expected the token, a string")
        self._token_seen = True
        return [TokenPresented(token)]

    def _spell_downlink(self, event: Event) -> list[Message]:
        match event:
            case AgentAudioSent(pcm=pcm):
                return [sendable(pcm)]
            case SessionStarted():
                return [spell_json(type="connected")]
            case AgentReadied():
                return [spell_json(type="agent_ready")]
            case SessionEnded():
                return [spell_json(type="session_ended", reason=self._reason(event))]
            case ErrorReported(message=text, code=code):
                return [spell_json(type="error", code=code or "INVALID_MESSAGE", message=text)]
        return []

    def _reason(self, ended: SessionEnded) -> str:
        reasons = {
            "agent_left": "agent_disconnected",
            "closed": self._settings.session_closed_reason,
            "shutdown": "server_shutdown",
        }
        return reasons[ended.cause]

    def _read_downlink(self, message: Message) -> list[Event]:
        if isinstance(message, bytes):
            return [AgentAudioSent(whole_samples(message))]
        said = json_object(message)
        match message_type(said, CONTROL):
            case "connected":
                return [SessionStarted("")]
            case "agent_ready":
                return [AgentReadied()]
            case "session_ended":
                reason = text_field(said, "reason")
                # A reason that no page names is still an end.
                return [SessionEnded(CAUSES.get(reason, "closed"), reason)]
            case _:
                return [ErrorReported(text_field(said, "message"), text_field(said, "code"))]


class Workbuddy(Provider):
    id = "workbuddy"
    title = "WorkBuddy SDK token"
    page = "workbuddy"
    format = AudioFormat(16_000)
    frame_samples = 320
    scale = Scale.ASYMMETRIC
    pads = True
    flushes = False
    # There is no interrupt event: on barge-in the service simply stops sending [choice].
    spells = frozenset(
        {
            UserAudioSent,
            TokenPresented,
            AgentAudioSent,
            SessionStarted,
            AgentReadied,
            SessionEnded,
            ErrorReported,
        }
    )
    start = Route(
        "POST",
        TOKEN_PATH,
        "A token for one session, and where to show it",
        "bearer",
        answers={200: answer_of(token="string", ws_url="string")},
    )
    routes = (
        start,
        Route("POST", HEARTBEAT_PATH, "Is the key good", "bearer", answers={200: answer_of(status="string")}),
    )
    socket_path = SOCKET_PATH
    settings_type = WorkbuddySettings
    dialogue_defaults: ClassVar[Mapping[str, Any]] = {"ready_delay": 0.2, "idle_limit": 300.0}
    close_codes: ClassVar[Mapping[str, int]] = {
        "agent_left": 1000,
        "closed": 1000,
        "shutdown": 1000,
        "limit": 1000,
        "bad_messages": 1008,
    }
    ready: ClassVar[type[Event] | None] = SessionStarted

    def codec(self, role: Role, settings: Any, rng: Random) -> Codec:
        return WorkbuddyCodec(role, settings)

    def answer(self, asked: Asked, desk: Desk, now: float) -> Answered:
        try:
            key = desk.keys.check(_bearer(asked.headers.get("authorization", "")))
            if asked.path == HEARTBEAT_PATH:
                return Answered(200, {"status": "ok"})
            agent = desk.agent(self.id, None, key)
            admission = Admission(self.id, desk.new_id(), agent, key)
            seconds = desk.settings(WorkbuddySettings, agent, key).token_life
            claims = {"sid": admission.session_id, "life": seconds}
            token = desk.issue(admission, life=seconds, now=now, claims=claims)
        except Refused as refused:
            return turned_away(refused, REFUSALS)
        return Answered(200, {"token": token, "ws_url": asked.socket_base + SOCKET_PATH})

    def admit(self, asked: Asked, desk: Desk, now: float) -> TokenAwaited:
        # Whose socket this is comes with the token: until then the settings are nobody's in particular.
        return TokenAwaited(desk.settings(WorkbuddySettings, "", Key()).token_wait)

    def present(self, token: str, desk: Desk, now: float) -> Admission:
        return desk.redeem(token, now=now)

    def refusal(self, why: str) -> tuple[Event, ...]:
        codes = {"timeout": "AUTH_TIMEOUT", "invalid": "INVALID_AUTH", "setup": "SESSION_SETUP_FAILED"}
        code = codes.get(why, "SESSION_SETUP_FAILED" if why == "full" else "AUTH_FAILED")
        text = ERRORS[code]
        return (ErrorReported(text, code), Closed(CLOSE_CODES[code], text, "provider"))

    def ask(self, plan: CallPlan) -> Request:
        url = at_path(plan.url, TOKEN_PATH)
        return Request(
            "POST", url, {"Authorization": f"Bearer {plan.key}", "Content-Type": "application/json"}
        )

    def reach(self, plan: CallPlan, response: Response | None) -> Target:
        what = f"POST {TOKEN_PATH}"
        match started(response, what):
            case {"token": str(token), "ws_url": str(url)} if token:
                return Target(socket_url(url, "ws_url", what), opening=(TokenPresented(token),))
        raise RemoteProtocolError(f"{what} answered 200 without a token and a ws_url")

    def start_url(self, base: str) -> str:
        return base + TOKEN_PATH

    def exports(self, base: str) -> Mapping[str, str]:
        return {"WORKBUDDY_API_URL": base}


def _bearer(header: str) -> str:
    scheme, _, value = header.partition(" ")
    return value if scheme.lower() == "bearer" else ""
