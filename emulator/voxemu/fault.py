"""The vocabulary of faults on purpose: what can go wrong, where it strikes, and what a ``[[fault]]`` may say.

A fault strikes where all the anchors that it names hold: after so many frames, in a reply, at a sample, at
a time, on an event, or at a start request. The same words are used in ``emu.toml``, in a script's step, over
the control API and in Python; ``voxemu.spoiler`` does what they say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import asdict, fields

from voxemu.errors import SettingsError, UnknownName, meant

Family = Literal["start", "frame", "message", "moment"]
"""What a fault strikes: a start request or an upgrade; agent audio; another message; nothing but a moment."""

MARK_HZ = (1237.0, 1831.0)
# The two tones of audio that is marked (late_audio with text = "mark"), to be known again in a microphone.

FOR_EVER = 0
# ``times``: every one from there on.


class Fault(Struct, frozen=True):
    """One thing that goes wrong. Made by ``fault_of``, which knows what each kind takes."""

    kind: str
    # Where: all of those given must hold.
    after_frames: int | None = None
    # So many agent audio messages have gone out: of the call, or of the reply that ``in_reply`` names.
    in_reply: int | None = None
    # Replies are counted from 1, as the agent begins to speak.
    at_sample: int | None = None
    # Of the agent audio of the call.
    at: float | None = None
    # Seconds since the connection opened.
    on: str = ""
    # An event by its name in timelines: interrupted, turn_ended, user_audio_sent …
    nth: int = 1
    # Which of these events; of start faults, which start request.
    # How often.
    times: int = 1
    # Frames, messages or starts that it strikes; 0 is every one from there on.
    chance: float = 1.0
    # Of each of them, by the session's dice.
    # For whom: all of those given must fit.
    provider: str = ""
    label: str = ""
    # What exactly; which of these a kind takes stands in ``KINDS``.
    ms: float = 0.0
    after_ms: float = 0.0
    status: int = 0
    code: int = 0
    rate: int = 0
    text: str = ""
    fatal: bool = False

    @property
    def is_anchored(self) -> bool:
        """Whether it says when."""
        given = (self.after_frames, self.in_reply, self.at_sample, self.at)
        return bool(self.on) or any(anchor is not None for anchor in given)

    @property
    def strikes_a_start(self) -> bool:
        """Before there is a session; a token that expires does so in mid-call where it says when."""
        at_the_door = self.kind in AT_THE_DOOR and not self.is_anchored
        return at_the_door or KINDS[self.kind].family == "start"

    def __str__(self) -> str:
        said = {name: value for name, value in table_of_fault(self).items() if name != "kind"}
        return " ".join([self.kind, *(f"{name}={value}" for name, value in said.items())])


class Kind(Struct, frozen=True):
    """What one kind of fault does; ``takes`` are its fields beside the anchors, with their defaults."""

    family: Family
    what: str
    takes: Mapping[str, Any]
    times: int = 1
    on: str = ""
    # Where it strikes when nothing is said.


KINDS: Mapping[str, Kind] = {
    # --- the start request and the upgrade
    "http_status": Kind(
        "start",
        "the start request is answered with this status",
        {"status": 500, "text": "", "after_ms": 0.0},
    ),
    "http_delay": Kind("start", "the start request is answered late", {"ms": 2000.0}),
    "malformed_body": Kind("start", "the answer to the start request is half a JSON object", {}),
    "html_body": Kind("start", "the start request is answered with an HTML page", {"status": 200}),
    "upgrade_refused": Kind("start", "the upgrade is refused over HTTP", {"status": 503, "text": ""}),
    "upgrade_stalled": Kind("start", "the upgrade is never answered", {"ms": 60_000.0}),
    "upgrade_late": Kind("start", "the upgrade is answered late", {"ms": 2000.0}),
    # --- agent audio
    "delay": Kind("frame", "agent audio comes late, and all behind it", {"ms": 500.0}),
    "jitter": Kind("frame", "agent audio comes up to so much late", {"ms": 100.0}, times=FOR_EVER),
    "duplicate": Kind("frame", "an agent audio message comes twice", {}),
    "reorder": Kind("frame", "an agent audio message comes after the next one", {}),
    "drop": Kind("frame", "an agent audio message never comes", {}),
    "truncate": Kind("frame", "an agent audio message has half of its samples", {}),
    "corrupt": Kind("frame", "an agent audio message has noise for samples", {}),
    "odd_length": Kind("frame", "an agent audio message lacks its last byte", {}),
    "wrong_rate": Kind("frame", "agent audio has another sample rate", {"rate": 8000}, times=FOR_EVER),
    "clipping": Kind("frame", "agent audio is far too loud, and clipped", {}, times=FOR_EVER),
    "burst": Kind("frame", "agent audio is held back so long, then comes all at once", {"ms": 3000.0}),
    # --- other messages
    "late_audio": Kind(
        "message",
        "after an interruption, so much of the old reply still comes",
        {"ms": 500.0, "after_ms": 40.0, "text": ""},
        times=FOR_EVER,
    ),
    "missing_interrupted": Kind("message", "an interruption is not told", {}),
    "doubled_interrupted": Kind("message", "an interruption is told twice", {}),
    "doubled_speaking": Kind("message", "the beginning of a reply is told twice", {}),
    "doubled_transcript": Kind("message", "a transcript is told twice", {}, times=FOR_EVER),
    "endless_interim": Kind("message", "transcripts stay interim; none is ever final", {}, times=FOR_EVER),
    "extra_fields": Kind("message", "a message has fields that no page names", {}, times=FOR_EVER),
    # --- moments
    "unknown_message": Kind("moment", "a message of an unknown type comes", {"text": "emu_unknown"}),
    "error": Kind(
        "moment",
        "an error is reported; a fatal one ends the call",
        {"text": "Something went wrong", "fatal": False, "code": 1011},
    ),
    "token_expired": Kind("moment", "the session's token has expired: at the door, or in mid-call", {}),
    "close": Kind(
        "moment",
        "the socket is closed with any code; 1005 is a close without one, 1006 a line that breaks",
        {"code": 1011, "text": ""},
    ),
    "half_open": Kind("moment", "nothing goes in or out any more, and nobody says so", {"ms": 30_000.0}),
    "agent_leaves": Kind("moment", "the agent leaves, and the session ends", {"text": ""}),
    "slow_consumer": Kind(
        "moment", "the client's messages are read slowly: so long before each", {"ms": 500.0}, times=FOR_EVER
    ),
}

AT_THE_DOOR = ("token_expired",)
# Moments that strike at the start when they say no other time.

_ANCHORS = ("after_frames", "in_reply", "at_sample", "at", "on")
_ALWAYS = ("kind", "nth", "times", "chance", "provider", "label")
RANGES: Mapping[str, tuple[float, float]] = {
    "after_frames": (0, 10_000_000),
    "in_reply": (1, 100_000),
    "at_sample": (0, 10**12),
    "at": (0, 86_400),
    "nth": (1, 1_000_000),
    "times": (0, 1_000_000),
    "chance": (0, 1),
    "ms": (0, 3_600_000),
    "after_ms": (0, 3_600_000),
    "status": (200, 599),
    "code": (1000, 4999),
    "rate": (4000, 192_000),
}
WHOLE = ("after_frames", "in_reply", "at_sample", "nth", "times", "status", "code", "rate")
TEXTS = ("kind", "on", "provider", "label", "text")
LONGEST = 1000
# Characters of a text.


def kind_named(name: str) -> Kind:
    """Raises UnknownName."""
    if name not in KINDS:
        raise UnknownName("fault", name, KINDS)
    return KINDS[name]


def fields_of(name: str) -> list[str]:
    """What a table of this kind may say. Raises UnknownName."""
    kind = kind_named(name)
    anchors = () if kind.family == "start" else _ANCHORS
    return [*_ALWAYS, *anchors, *kind.takes]


def fault_of(table: Mapping[str, Any], *, anchored: bool = False) -> Fault:
    """The fault that a table says, its kind's defaults filled in.

    ``anchored``: one that strikes at a moment must say which; not needed where it is to strike now. Raises
    SettingsError, UnknownName.
    """
    name = table.get("kind")
    if not isinstance(name, str):
        raise SettingsError(f'a fault needs a kind, as in kind = "late_audio"; known: {", ".join(KINDS)}')
    kind = kind_named(name)
    known = fields_of(name)
    for key, value in table.items():
        if key not in known:
            raise SettingsError(f"a fault of kind {name} has no {key!r}; {meant(key, known)}")
        _check(name, key, value)
    said = {"times": kind.times, "on": kind.on, **kind.takes, **table}
    fault = Fault(**{key: _as_said(key, value) for key, value in said.items()})
    if anchored and kind.family == "moment" and not fault.is_anchored and name not in AT_THE_DOOR:
        raise SettingsError(
            f'a fault of kind {name} needs a moment: one of {", ".join(_ANCHORS)}, as in on = "turn_ended"'
        )
    return fault


def table_of_fault(fault: Fault) -> dict[str, Any]:
    """What was said: everything that is not as its kind has it by itself."""
    kind = KINDS[fault.kind]
    usual = {"times": kind.times, "on": kind.on, **kind.takes}
    defaults = {each.name: each.default for each in fields(Fault)} | usual
    said = asdict(fault)
    return {name: value for name, value in said.items() if name == "kind" or value != defaults[name]}


def _check(kind: str, key: str, value: Any) -> None:
    where = f"fault of kind {kind}: {key}"
    if key in TEXTS:
        if not isinstance(value, str) or len(value) > LONGEST:
            raise SettingsError(f"{where} must be a text of at most {LONGEST} characters")
    elif key == "fatal":
        if not isinstance(value, bool):
            raise SettingsError(f"{where} must be true or false, not {value!r}")
    else:
        least, most = RANGES[key]
        numeric = isinstance(value, int if key in WHOLE else int | float) and not isinstance(value, bool)
        if not numeric or not least <= value <= most:
            what = "a whole number" if key in WHOLE else "a number"
            raise SettingsError(f"{where} must be {what} of {least:g} to {most:g}, not {value!r}")


def _as_said(key: str, value: Any) -> Any:
    return float(value) if key in ("at", "chance", "ms", "after_ms") else value
