"""Lokutor Voice Chat, spelled as its public page does, and as the official Python SDK reads and writes it.

The upgrade of ``/ws/agent`` carries the key; settings and statuses are JSON, audio is binary PCM16 at
44.1 kHz. Beyond the page, and marked [client] or [choice] in the protocol notes: ``rates``, ``connected``,
``prompt_set``, ``server_rates``, generations, JSON audio, tools and visemes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from voxemu.audio import AudioFormat
from voxemu.errors import LocalProtocolError, Refused
from voxemu.events import (
    AgentAudioSent,
    ErrorReported,
    Event,
    Interrupted,
    ListeningStarted,
    RatesAnnounced,
    RatesDeclared,
    SessionStarted,
    SettingConfirmed,
    SettingSent,
    SpeakingStarted,
    ThinkingStarted,
    ToolCalled,
    ToolResultSent,
    Transcribed,
    UserAudioSent,
    VisemesSent,
)
from voxemu.provider import (
    Admission,
    Answered,
    Asked,
    CallPlan,
    Codec,
    Desk,
    Message,
    Provider,
    Response,
    Role,
    Route,
    Target,
    at_path,
)
from voxemu.wire.entrance import turned_away
from voxemu.wire.lokutor_says import READERS
from voxemu.wire.reading import (
    Unreadable,
    field,
    json_object,
    message_type,
    sample_rate,
    text_field,
    whole_samples,
)
from voxemu.wire.spelling import DuplexCodec, sendable, sendable_base64, sendable_rate, spell_json

if TYPE_CHECKING:
    from random import Random

SOCKET_PATH = "/ws/agent"
RATE = 44_100


@dataclass(frozen=True, slots=True)
class LokutorSettings:
    """What may vary in the messages of this provider; the page's is the default."""

    audio_form: Literal["binary", "json"] = "binary"
    # Of agent audio; the SDKs take both [client].
    error_form: Literal["string", "object"] = "string"
    # The object is {code, message, detail, retryable} [client].
    waiting_listening: bool = True
    # Say `listening` after a reply too: "or is waiting for input" [page].
    initial_listening: bool = True
    # Say it once at the start, for the same words of the page.
    server_rates: bool = True
    # Say `server_rates` after `connected` [client].


# The settings of a session and what their value must be; whoever counts context messages judges that value.
SETTINGS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "prompt": (str, "a string"),
    "voice": (str, "a string"),
    "language": (str, "a string"),
    "visemes": (bool, "true or false"),
    "tools": (list, "an array of objects"),
    "max_context_messages": ((object, bool), "an integer"),
}
UPLINK = (*SETTINGS, "tool_result", "rates")


class LokutorCodec(DuplexCodec):
    def __init__(self, role: Role, settings: LokutorSettings) -> None:
        super().__init__(role)
        self._settings = settings
        self._begun = False
        # Whether anything was said about turns yet: the first `listening` has a setting of its own.

    # from the caller

    def _spell_uplink(self, event: Event) -> list[Message]:
        match event:
            case UserAudioSent(pcm=pcm):
                return [sendable(pcm)]
            case SettingSent(name=name, value=value):
                return [_spell_setting(name, value)]
            case RatesAnnounced(playback=playback, input=rate):
                given = {"playback": playback, "input": rate}
                rates = {name: sendable_rate(hz) for name, hz in given.items() if hz is not None}
                return [spell_json(type="rates", **rates)]
            case ToolResultSent(call_id=call_id, result=result):
                return [spell_json(type="tool_result", data={"call_id": call_id, "result": result})]
        return []

    def _read_uplink(self, message: Message) -> list[Event]:
        if isinstance(message, bytes):
            return [UserAudioSent(whole_samples(message))]
        said = json_object(message)
        match message_type(said, UPLINK):
            case "rates":
                return [RatesAnnounced(sample_rate(said, "playback"), sample_rate(said, "input"))]
            case "tool_result":
                return [_read_tool_result(said)]
            case name:
                return [SettingSent(name, _read_setting(said, name))]

    # from the provider

    def _spell_downlink(self, event: Event) -> list[Message]:
        match event:
            case AgentAudioSent(pcm=pcm, generation=generation):
                return [self._spell_audio(pcm, generation)]
            case SessionStarted():
                return [_status("connected")]
            case RatesDeclared(playback=playback, input=rate) if self._settings.server_rates:
                rates = {"playback": sendable_rate(playback), "input": sendable_rate(rate)}
                return [spell_json(type="server_rates", **rates)]
            case SettingConfirmed(name="prompt"):
                return [_status("prompt_set")]
            case ErrorReported(message=text, code=code):
                return [spell_json(type="error", data=self._spell_error(text, code))]
            case Transcribed(speaker=speaker, text=text, final=True):
                return [spell_json(type="transcript", role=speaker, data=text)]
            case VisemesSent(visemes=visemes, generation=generation):
                marks = [{"v": mark.id, "c": mark.character, "t": mark.seconds} for mark in visemes]
                return [spell_json(type="visemes", data=marks, **_counted(generation))]
            case ToolCalled(name=name, arguments=arguments, call_id=call_id):
                return [spell_json(type="tool_call", name=name, arguments=arguments, call_id=call_id)]
        return self._spell_turn(event)

    def _spell_turn(self, event: Event) -> list[Message]:
        begun = self._begun
        self._begun = begun or isinstance(event, ListeningStarted | ThinkingStarted | SpeakingStarted)
        match event:
            case ListeningStarted(cause="waiting"):
                wanted = self._settings.waiting_listening if begun else self._settings.initial_listening
                return [_status("listening")] if wanted else []
            case ListeningStarted():
                return [_status("listening")]
            case ThinkingStarted(generation=generation):
                return [_status("thinking", **_counted(generation))]
            case SpeakingStarted():
                return [_status("speaking")]
            case Interrupted():
                return [_status("interrupted")]
        return []

    def _spell_audio(self, pcm: bytes, generation: int) -> Message:
        if self._settings.audio_form == "binary":
            return sendable(pcm)
        return spell_json(type="audio", data=sendable_base64(pcm), **_counted(generation))

    def _spell_error(self, text: str, code: str) -> object:
        if self._settings.error_form == "string":
            return text
        return {"code": code or "error", "message": text, "detail": "", "retryable": False}

    def _read_downlink(self, message: Message) -> list[Event]:
        if isinstance(message, bytes):
            return [AgentAudioSent(whole_samples(message))]
        said = json_object(message)
        return [READERS[message_type(said, READERS)](said)]


def _read_tool_result(said: Mapping[str, Any]) -> Event:
    answer = field(said, "data", dict, what="an object with call_id and result")
    call_id = text_field(answer, "call_id", within="data")
    if "result" not in answer:
        raise Unreadable("bad_field", "'data.result' is missing; expected what the tool answered")
    return ToolResultSent(call_id, answer["result"])


# --- settings --------------------------------------------------------------------------------------------


def _spell_setting(name: str, value: Any) -> str:
    if name not in SETTINGS:
        raise LocalProtocolError(f"tried to send a setting {name!r}; there are {', '.join(SETTINGS)}")
    try:
        _read_setting({"data": value}, name)
    except Unreadable as error:
        raise LocalProtocolError(f"tried to send a {name} of {value!r}: {error.text}") from None
    return spell_json(type=name, data=value)


def _read_setting(said: Mapping[str, Any], name: str) -> Any:
    kind, what = SETTINGS[name]
    value = field(said, "data", kind, what=what)
    if kind is list and not all(isinstance(entry, dict) for entry in value):
        raise Unreadable("bad_field", f"'data' must be {what}")
    return value


def _status(status: str, **more: Any) -> str:
    return spell_json(type="status", data=status, **more)


def _counted(generation: int) -> dict[str, int]:
    """Replies are counted from 1; one that is not counted has no generation on the wire."""
    return {"generation": generation} if generation else {}


# --- the provider ------------------------------------------------------------------------------------------

REFUSALS = {"missing_key": 401, "bad_key": 401, "disabled_key": 401, "unknown_agent": 404, "full": 503}


class Lokutor(Provider):
    id = "lokutor"
    title = "Lokutor Voice Chat"
    page = "lokutor"
    format = AudioFormat(RATE)
    frame_samples = 2646
    # 60 ms, as the vendor's engine cuts them.
    pads = False
    flushes = True
    spells = frozenset(
        {
            UserAudioSent,
            SettingSent,
            RatesAnnounced,
            ToolResultSent,
            SessionStarted,
            RatesDeclared,
            SettingConfirmed,
            ListeningStarted,
            ThinkingStarted,
            SpeakingStarted,
            Interrupted,
            Transcribed,
            AgentAudioSent,
            VisemesSent,
            ToolCalled,
            ErrorReported,
        }
    )
    start = Route("GET", SOCKET_PATH)
    routes = ()
    # The upgrade itself starts the session.
    socket_path = SOCKET_PATH
    hosts = ("api.lokutor.com",)
    settings_type = LokutorSettings
    dialogue_defaults: ClassVar[Mapping[str, Any]] = {
        "input_rate": RATE,
        "echo_guard": True,
        "pre_roll": 0.5,
        "hangover": 0.5,
        "threshold": 0.02,
        "over_floor": 2.0,
        "max_context": 20,
        "ready_delay": 0.5,
        # For the settings to come, and prompt_set to go, before the first `listening`; `rates` ends the wait.
    }
    close_codes: ClassVar[Mapping[str, int]] = {
        "agent_left": 1000,
        "closed": 1000,
        "shutdown": 1012,
        "limit": 1008,
        "bad_messages": 1008,
    }
    # 1012 makes an SDK reconnect, 1000 and 1008 do not.

    def codec(self, role: Role, settings: Any, rng: Random) -> Codec:
        return LokutorCodec(role, settings)

    def answer(self, asked: Asked, desk: Desk, now: float) -> Answered:
        return Answered(404, {"error": f"there is only the websocket at {SOCKET_PATH}"})

    def admit(self, asked: Asked, desk: Desk, now: float) -> Admission | Answered:
        shown = asked.query.get("api_key", "").strip() or asked.headers.get("x-api-key")
        wanted = asked.query.get("agent_id", "").strip()
        try:
            key = desk.keys.check(shown)
            agent = desk.agent(self.id, wanted or None, key)
        except Refused as refused:
            return turned_away(refused, REFUSALS)
        return Admission(self.id, desk.new_id(), agent, key, {"agent_id": wanted[:200]} if wanted else {})

    def ask(self, plan: CallPlan) -> None:
        return None

    def reach(self, plan: CallPlan, response: Response | None) -> Target:
        # The page's order of settings is the plan's; rates comes last, as the newest SDKs send it.
        settings = [SettingSent(name, value) for name, value in plan.settings.items()]
        return Target(_with_query(plan), opening=(*settings, RatesAnnounced(RATE, plan.rate or RATE)))

    def start_url(self, base: str) -> str:
        return "ws" + base.removeprefix("http") + SOCKET_PATH

    def exports(self, base: str) -> Mapping[str, str]:
        return {"LOKUTOR_SERVER_URL": self.start_url(base)}


def _with_query(plan: CallPlan) -> str:
    """The URL of the upgrade: the key as the page shows it, in the query; what the URL says already stays."""
    parts = urlsplit(at_path(plan.url, SOCKET_PATH, socket=True))
    added = {"api_key": plan.key, "agent_id": plan.agent}
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    query |= {name: value for name, value in added.items() if value}
    return urlunsplit(parts._replace(query=urlencode(query)))
