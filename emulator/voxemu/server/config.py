"""The settings of the server, checked at the door, and what they come to for one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec import structs, to_builtins

from voxemu.agents import file_behind, make_agent, names_an_agent
from voxemu.casting import is_castable
from voxemu.dialogue.settings import DialogueSettings
from voxemu.errors import Refused, SettingsError, UsageError
from voxemu.fault import Fault, fault_of
from voxemu.provider import Key, KeyRing, Provider
from voxemu.server.addresses import is_loopback
from voxemu.server.complaints import impossible, sentences
from voxemu.server.ladder import Gathered, gather
from voxemu.server.schema import AGENT_TABLES, Settings
from voxemu.tables import Location, field_names, table_name
from voxemu.tables import checked as checked_table
from voxemu.wire import PROVIDERS

DEFAULT_AGENT = "echo"
MARKED = 600
# Milliseconds of marked audio that --flush-check sends after an interruption.


@dataclass(frozen=True, slots=True)
class ConfiguredKey(Key):
    number: int = 0
    # Which of the [[key]] tables this is, counted from 0.


class Effective(NamedTuple):
    """The settings of one call, and for each that was set, by whom."""

    wire: Any
    dialogue: DialogueSettings
    origins: Mapping[str, str]


def load(config: str | None, environ: Mapping[str, str], flags: Mapping[str, Any]) -> Config:
    """Raises SettingsError with one line for each thing that is wrong."""
    return checked(gather(config, environ, flags))


def checked(found: Gathered) -> Config:
    """The settings that were gathered. Raises SettingsError as ``load`` does."""
    settings, wrong = checked_table(Settings, found.tree)
    problems = (
        [*found.problems, *sentences(wrong, found)]
        if wrong
        else [*found.problems, *impossible(settings, found)]
    )
    if problems:
        raise SettingsError("\n".join(dict.fromkeys(problems)))
    return Config(settings, found)


def _leaves(location: Location, value: Any) -> Iterator[tuple[Location, Any]]:
    if isinstance(value, dict) and location[:1] != ("fault",) and value:
        for name, inner in value.items():
            yield from _leaves((*location, name), inner)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for at, inner in enumerate(value):
            yield from _leaves((*location, at), inner)
    else:
        yield location, value


def _name(location: Location) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


class Config:
    """Everything the server was told. Made by ``load``."""

    def __init__(self, settings: Any, found: Gathered) -> None:
        self._take(settings, found)

    def adopt(self, other: Config) -> None:
        """Says from now on what ``other`` says; calls that have begun keep what they were given."""
        self._take(other.settings, other._found)

    def _take(self, settings: Any, found: Gathered) -> None:
        self.settings = settings
        self._found = found
        self._agents: dict[str, int] = {table.name: at for at, table in enumerate(settings.agent_tables)}
        self._cache: dict[tuple[str, str, int], Effective] = {}
        self.default_agent: str = settings.agent or settings.agents.default or DEFAULT_AGENT
        self.providers: dict[str, Provider] = {
            name: provider
            for name, provider in PROVIDERS.items()
            if not settings.provider or name in settings.provider
        }

    def lower(self, limits: Mapping[str, int]) -> None:
        """Takes away of ``[limits]`` what the machine cannot carry."""
        lowered = structs.replace(self.settings.limits, **limits)
        self.settings = structs.replace(self.settings, limits=lowered)

    @property
    def is_public(self) -> bool:
        """Whether others than this machine can reach the host that is to be bound."""
        return not is_loopback(self.settings.host)

    # --- keys and agents --------------------------------------------------------------------------------

    def key_ring(self) -> KeyRing:
        allowed = self.settings.auth.keys
        keys: dict[str, Key] = dict.fromkeys(allowed or (), Key())
        for at, table in enumerate(self.settings.keys):
            keys[table.value] = ConfiguredKey(table.label, table.agent, table.disabled, at)
        return KeyRing(keys, closed=allowed is not None)

    def secrets(self) -> tuple[str, ...]:
        """Every configured key: what must not be written down."""
        return (*(self.settings.auth.keys or ()), *(table.value for table in self.settings.keys))

    def resolve_agent(self, provider: str, asked: str | None, key: Key) -> str:
        """Who answers: whom the client asks for if we have it, else the key's agent, else the server's.

        Raises Refused: unknown_agent, where the agents are listed and this is none of them.
        """
        asked = (asked or "").strip()
        if asked in self._agents:
            return asked
        if names_an_agent(asked):
            try:
                return make_agent(asked).name
            except UsageError as error:
                raise Refused("unknown_agent", str(error)) from None
        known = self.settings.agents.known
        if asked and known is not None and asked not in known:
            raise Refused("unknown_agent", f"there is no agent {asked[:80]!r} here")
        return key.agent or self.default_agent

    def names_agent(self, name: str) -> bool:
        """Whether an agent of ours goes by this name."""
        return name in self._agents or name in (self.settings.agents.known or ()) or names_an_agent(name)

    def agent_behind(self, name: str) -> str:
        """Which of our own agents serves this one: ``echo``, ``tone:440`` …"""
        for candidate in (name, self.default_agent, DEFAULT_AGENT):
            at = self._agents.get(candidate)
            own = candidate if at is None else self.settings.agent_tables[at].agent
            if own is None and is_castable(candidate):
                own = candidate
            if own is not None:
                return own
        raise AssertionError(f"{DEFAULT_AGENT} is always there")

    def shown(self) -> Iterator[dict[str, Any]]:
        """Every setting: its name as in ``emu.toml``, its value, and where that came from. No key's value."""
        for location, value in _leaves((), to_builtins(self.settings)):
            if value == {}:
                # Nothing is said in this table: it is each provider's own.
                continue
            source = self._found.source(location) if self._found.has(location) else "default"
            secret = location[:2] == ("auth", "keys") or (location[0] == "key" and location[-1] == "value")
            shown = None if value is None else "***"
            yield {"name": _name(location), "value": shown if secret else value, "from": source}

    # --- faults ---

    def faults(self) -> Iterator[tuple[Fault, int | None]]:
        """Those that the settings say, each with the number of the key it is for; None: everybody's."""
        if self.settings.flush_check:
            yield fault_of({"kind": "late_audio", "text": "mark", "ms": MARKED}), None
        for table in self.settings.fault:
            yield fault_of(table), None
        for at, key in enumerate(self.settings.keys):
            for table in key.fault:
                yield fault_of(table), at

    def agents_of_starts(self) -> Iterator[tuple[str, int | None]]:
        """Who answers where nobody else is asked for, each with the number of the key that says so."""
        yield self.agent_behind(self.default_agent), None
        for at, key in enumerate(self.settings.keys):
            if key.agent is not None:
                yield self.agent_behind(key.agent), at

    def agents_from_files(self) -> Iterator[tuple[str, str]]:
        """Who said it, and the name: the agents of the settings that scripts and recordings make."""
        keys, tables = enumerate(self.settings.keys), enumerate(self.settings.agent_tables)
        named: list[tuple[Location, str | None]] = [
            (("agent",), self.settings.agent),
            (("agents", "default"), self.settings.agents.default),
            *((("key", at, "agent"), key.agent) for at, key in keys),
            *(((AGENT_TABLES, at, "agent"), table.agent) for at, table in tables),
        ]
        for location, name in named:
            if name is not None and file_behind(name) is not None:
                yield self._found.source(location), name

    # --- settings of a call -----------------------------------------------------------------------------

    def settings_for(self, kind: type[Any], agent: str, key: Key) -> Any:
        """As the desk asks for them: the wire settings of the provider whose settings are of this kind."""
        for name, provider in PROVIDERS.items():
            if provider.settings_type is kind:
                return self.effective(name, agent, key).wire
        raise AssertionError(f"{kind} belongs to no provider")

    def effective(self, provider: str, agent: str, key: Key) -> Effective:
        number = key.number if isinstance(key, ConfiguredKey) else -1
        asked = (provider, agent if agent in self._agents else "", number)
        if asked not in self._cache:
            self._cache[asked] = self._worked_out(*asked)
        return self._cache[asked]

    def _worked_out(self, provider: str, agent: str, number: int) -> Effective:
        values: dict[str, Any] = dict(PROVIDERS[provider].dialogue_defaults)
        origins = dict.fromkeys(values, "the provider's default")
        for location, scope in self._scopes(agent, number):
            for table in ("dialogue", table_name(provider)):
                for name, value in getattr(scope, table).items():
                    values[name] = value
                    origins[name] = self._found.source((*location, table, name))
        wire, own = PROVIDERS[provider].settings_type, field_names(DialogueSettings)
        return Effective(
            wire(**{name: value for name, value in values.items() if name not in own}),
            DialogueSettings(**{name: value for name, value in values.items() if name in own}),
            origins,
        )

    def _scopes(self, agent: str, number: int) -> Iterator[tuple[Location, Any]]:
        yield (), self.settings
        if agent in self._agents:
            at = self._agents[agent]
            yield (AGENT_TABLES, at), self.settings.agent_tables[at]
        if number >= 0:
            yield ("key", number), self.settings.keys[number]

    def every_effective(self) -> Iterator[tuple[Provider, Effective]]:
        """For each provider served, agent and key: what a start can go wrong on is found at the start."""
        keys = [Key(), *(ConfiguredKey(number=at) for at in range(len(self.settings.keys)))]
        for name, provider in self.providers.items():
            for agent in ("", *self._agents):
                for key in keys:
                    yield provider, self.effective(name, agent, key)
