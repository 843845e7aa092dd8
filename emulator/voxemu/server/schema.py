"""What may be set: the tables of ``emu.toml``.

The dialogue's and the providers' tables are made from their own dataclasses (``voxemu.tables``). Every field
may be left out; what was said is ``model_dump(exclude_unset=True)``. Ranges that those dataclasses check
themselves are tried in ``complaints``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, create_model
from pydantic.functional_validators import AfterValidator

from voxemu.dialogue.settings import DialogueSettings
from voxemu.fault_table import FaultTable
from voxemu.record.allowance import DIRECTORY, FILE, GIB
from voxemu.tables import Table, or_off, table_name, table_of
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


Word = Annotated[str, AfterValidator(_stripped)]
Words = Annotated[list[Word], BeforeValidator(_listed)]
Origins = Annotated[list[Annotated[Word, AfterValidator(_origin)]], BeforeValidator(_listed)]
Hosts = Annotated[list[Annotated[Word, AfterValidator(_host)]], BeforeValidator(_listed)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Size = Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)]


# --- tables made from dataclasses -----------------------------------------------------------------------


def settings_types() -> dict[str, type[Any]]:
    """The dataclass of each provider's own settings, by the name of its table."""
    return {table_name(name): provider.settings_type for name, provider in PROVIDERS.items()}


DialogueTable = table_of("dialogue", DialogueSettings)
PROVIDER_TABLES = {name: table_of(name, kind, DialogueSettings) for name, kind in settings_types().items()}

# What may be set for everybody, for an agent and for a key.
_SCOPED: dict[str, Any] = {
    "dialogue": (DialogueTable, DialogueTable.model_construct()),
    **{name: (table, table.model_construct()) for name, table in PROVIDER_TABLES.items()},
}
Scoped: Any = create_model("Scoped", __base__=Table, **_SCOPED)


# --- the other tables -----------------------------------------------------------------------------------


class AuthTable(Table):
    keys: Words | None = None
    # None lets any key pass.


class AgentsTable(Table):
    known: Words | None = None
    # None accepts every agent id.
    default: Word | None = None
    # Where `agent = "…"` cannot stand because there are [[agent]] tables.


class LimitsTable(Table):
    message: Size = 1024 * 1024
    # Bytes of one websocket message.
    http_body: Size = 64 * 1024
    headers: float = Field(default=30.0, gt=0, le=3600)
    # Seconds for a request's head; a connection without a request is closed after them.
    body: float = Field(default=10.0, gt=0, le=3600)
    # Seconds for a request's body.
    connections: Count = 4096
    outbox: Count = 64
    # Messages waiting for one client.
    stall: float = Field(default=10.0, gt=0, le=600)
    # Seconds that a client may take none of them.
    ahead: float = Field(default=60.0, ge=1, le=3600)
    # Seconds of audio that a client may send faster than they pass; after that it is read in real time.
    sessions: Count = 1000
    unused_starts: Count = 1000
    still: Annotated[float | None, BeforeValidator(or_off)] = Field(default=300.0, gt=0, le=86_400)
    # Seconds that a client on the media clock may send nothing.
    ping: Annotated[float | None, BeforeValidator(or_off)] = Field(default=20.0, gt=0, le=3600)
    recording: int = Field(default=FILE, ge=64 * 1024, le=4 * GIB - 1)
    # Bytes of one file of a recording; sound goes on in a next file.
    recordings: int = Field(default=DIRECTORY, ge=1024 * 1024, le=1 << 50)
    # Bytes of all that lies in the recordings directory; then nothing more is recorded.


class KeyTable(Scoped):  # type: ignore[misc]
    value: Word
    agent: Word | None = None
    label: str = ""
    disabled: bool = False
    fault: list[FaultTable] = Field(default_factory=list)
    # For the calls of this key alone.


class AgentTable(Scoped):  # type: ignore[misc]
    name: Word
    agent: Word | None = None
    label: str = ""


class Settings(Scoped):  # type: ignore[misc]
    host: Word = "127.0.0.1"
    port: Port = 8090
    agent: Word | None = None
    provider: Words = Field(default_factory=list)
    # Served ones; none named is all.
    record: Word | None = None
    upstream: Annotated[str, AfterValidator(_upstream)] | None = None
    # A real provider: its traffic passes through here, and is recorded.
    seed: int | None = None
    clock: Literal["real", "media"] = "real"
    # What a session's time is: the wall's, or the user's audio that has come.
    flush_check: bool = False
    # Send marked audio after interruptions, and listen for it in the microphone.
    fail_on: Literal["finding", "never"] = "never"
    # With which of these `emu serve` and `emu exec` end with exit code 1.
    public_url: Annotated[str, AfterValidator(_http_url)] | None = None
    allow_host: Hosts = Field(default_factory=list)
    allow_origin: Origins = Field(default_factory=list)
    tls_port: Port | None = None
    tls_cert: Word | None = None
    tls_key: Word | None = None
    livekit: Annotated[str, AfterValidator(_livekit)] = "auto"
    livekit_url: Annotated[str, AfterValidator(_livekit_url)] | None = None
    # What clients reach the livekit-server by, where that is not what the emulator reaches it by.
    ready_file: Word | None = None
    json_lines: bool = Field(default=False, alias="json")
    auth: AuthTable = AuthTable.model_construct()
    agents: AgentsTable = AgentsTable.model_construct()
    limits: LimitsTable = LimitsTable.model_construct()
    keys: list[KeyTable] = Field(default_factory=list, alias="key")
    fault: list[FaultTable] = Field(default_factory=list)
    # What is to go wrong on purpose.
    agent_tables: list[AgentTable] = Field(default_factory=list, alias="[[agent]]")
    # Named so by ``ladder``: in the file it shares its name with `agent = "…"`.


def field_at(path: tuple[str, ...]) -> Any:
    """The pydantic field at this path, or the list of names that are known where the path goes wrong."""
    model: Any = Settings
    for at, name in enumerate(path):
        named = {field.alias or name: field for name, field in model.model_fields.items()}
        if name not in named:
            return sorted(known for known in named if known != "[[agent]]")
        found = named[name]
        inner = found.annotation
        is_table = isinstance(inner, type) and issubclass(inner, Table)
        if at == len(path) - 1:
            return sorted(inner.model_fields) if is_table else found
        if not is_table:
            return []
        model = inner
    return []
