"""What may be set: the tables of ``emu.toml``.

The dialogue's and the providers' tables have the fields of their own settings; what was said in them is a
dict. What a type means, and how it is checked, says ``voxemu.tables``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from msgspec import defstruct, field

from voxemu.dialogue.settings import DialogueSettings
from voxemu.fault_table import as_table
from voxemu.record.allowance import DIRECTORY, FILE, GIB
from voxemu.tables import Read, Said, Table, above, between, hints_of, or_off, table_in, table_name
from voxemu.wire import PROVIDERS

# --- kinds of values ------------------------------------------------------------------------------------


def _listed(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _stripped(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("must be the scheme and host that clients use, like https://emu.example.com")
    return value.rstrip("/")


def _upstream(value: str) -> str:
    parts = urlsplit(value)
    schemes = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
    if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be the provider's scheme and host, like https://api.example.com")
    return f"{schemes[parts.scheme]}://{parts.netloc}{parts.path}".rstrip("/")


def _origin(value: str) -> str:
    if value in ("null", "*") or (urlsplit(value).netloc and not urlsplit(value).path.strip("/")):
        return value
    raise ValueError("must be an origin like https://app.example.com, or null")


def _host(value: str) -> str:
    if "/" in value:
        raise ValueError("must be a host name, without a scheme")
    return value


def _livekit(value: str) -> str:
    if value in ("auto", "embedded", "server") or urlsplit(value).scheme in ("ws", "wss", "http", "https"):
        return value
    raise ValueError("must be auto, embedded, server, or the URL of a LiveKit server")


def _livekit_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname:
        raise ValueError("must be the URL of a LiveKit server, like wss://rooms.example.com")
    return value.rstrip("/")


Word = Annotated[str, _stripped]
Words = Annotated[list[Word], Read(_listed)]
Origins = Annotated[list[Annotated[Word, _origin]], Read(_listed)]
Hosts = Annotated[list[Annotated[Word, _host]], Read(_listed)]
Port = Annotated[int, between(0, 65_535)]
Count = Annotated[int, between(1, 1_000_000)]
Size = Annotated[int, between(1024, 64 * 1024 * 1024)]
Fault = Annotated[dict[str, Any], as_table]
AGENT_TABLES = "[[agent]]"
# Named so by ``ladder``: in the file they share their name with `agent = "…"`.


# --- tables with the fields of settings -----------------------------------------------------------------


def settings_types() -> dict[str, type[Any]]:
    """The dataclass of each provider's own settings, by the name of its table."""
    return {table_name(name): provider.settings_type for name, provider in PROVIDERS.items()}


# What may be set for everybody, for an agent and for a key.
_SCOPED = {"dialogue": Said(DialogueSettings)} | {
    name: Said(kind, DialogueSettings) for name, kind in settings_types().items()
}
Scoped: Any = defstruct(
    "Scoped",
    [(name, Annotated[dict[str, Any], said], field(default_factory=dict)) for name, said in _SCOPED.items()],
    bases=(Table,),
    frozen=True,
    kw_only=True,
)


# --- the other tables -----------------------------------------------------------------------------------


class AuthTable(Table, frozen=True):
    keys: Words | None = None
    # None lets any key pass.


class AgentsTable(Table, frozen=True):
    known: Words | None = None
    # None accepts every agent id.
    default: Word | None = None
    # Where `agent = "…"` cannot stand because there are [[agent]] tables.


class LimitsTable(Table, frozen=True):
    message: Size = 1024 * 1024
    # Bytes of one websocket message.
    http_body: Size = 64 * 1024
    headers: Annotated[float, above(0, 3600)] = 30.0
    # Seconds for a request's head; a connection without a request is closed after them.
    body: Annotated[float, above(0, 3600)] = 10.0
    # Seconds for a request's body.
    connections: Count = 4096
    outbox: Count = 64
    # Messages waiting for one client.
    stall: Annotated[float, above(0, 600)] = 10.0
    # Seconds that a client may take none of them.
    ahead: Annotated[float, between(1, 3600)] = 60.0
    # Seconds of audio that a client may send faster than they pass; after that it is read in real time.
    sessions: Count = 1000
    unused_starts: Count = 1000
    still: Annotated[float | None, Read(or_off), above(0, 86_400)] = 300.0
    # Seconds that a client on the media clock may send nothing.
    ping: Annotated[float | None, Read(or_off), above(0, 3600)] = 20.0
    recording: Annotated[int, between(64 * 1024, 4 * GIB - 1)] = FILE
    # Bytes of one file of a recording; sound goes on in a next file.
    recordings: Annotated[int, between(1024 * 1024, 1 << 50)] = DIRECTORY
    # Bytes of all that lies in the recordings directory; then nothing more is recorded.


class KeyTable(Scoped):  # type: ignore[misc]
    value: Word
    agent: Word | None = None
    label: str = ""
    disabled: bool = False
    fault: list[Fault] = field(default_factory=list)
    # For the calls of this key alone.


class AgentTable(Scoped):  # type: ignore[misc]
    name: Word
    agent: Word | None = None
    label: str = ""


class Settings(Scoped):  # type: ignore[misc]
    host: Word = "127.0.0.1"
    port: Port = 8090
    agent: Word | None = None
    provider: Words = field(default_factory=list)
    # Served ones; none named is all.
    record: Word | None = None
    upstream: Annotated[str, _upstream] | None = None
    # A real provider: its traffic passes through here, and is recorded.
    seed: int | None = None
    clock: Literal["real", "media"] = "real"
    # What a session's time is: the wall's, or the user's audio that has come.
    flush_check: bool = False
    # Send marked audio after interruptions, and listen for it in the microphone.
    fail_on: Literal["finding", "never"] = "never"
    # With which of these `emu serve` and `emu exec` end with exit code 1.
    public_url: Annotated[str, _http_url] | None = None
    allow_host: Hosts = field(default_factory=list)
    allow_origin: Origins = field(default_factory=list)
    tls_port: Port | None = None
    tls_cert: Word | None = None
    tls_key: Word | None = None
    livekit: Annotated[str, _livekit] = "auto"
    livekit_url: Annotated[str, _livekit_url] | None = None
    # What clients reach the livekit-server by, where that is not what the emulator reaches it by.
    ready_file: Word | None = None
    json_lines: bool = field(default=False, name="json")
    auth: AuthTable = AuthTable()
    agents: AgentsTable = AgentsTable()
    limits: LimitsTable = LimitsTable()
    keys: list[KeyTable] = field(default_factory=list, name="key")
    fault: list[Fault] = field(default_factory=list)
    # What is to go wrong on purpose.
    agent_tables: list[AgentTable] = field(default_factory=list, name=AGENT_TABLES)


def hint_at(path: tuple[str, ...]) -> Any:
    """The type of the setting at this path, or the list of names that are known where the path goes wrong."""
    table: Any = Settings
    for name in path:
        if table is None:
            return []
        hints = hints_of(table)
        if name not in hints:
            return sorted(set(hints) - {AGENT_TABLES})
        hint = hints[name]
        table = table_in(hint)
    return hint if table is None else sorted(hints_of(table))
