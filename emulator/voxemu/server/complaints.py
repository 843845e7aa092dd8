"""What is wrong with the settings, as sentences that name the place and what was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from voxemu.casting import check
from voxemu.dialogue.settings import DialogueSettings
from voxemu.errors import AudioError, UsageError, meant
from voxemu.server.addresses import is_loopback
from voxemu.server.ladder import Gathered, Location, sentence
from voxemu.server.schema import AgentTable, KeyTable, Settings, settings_types
from voxemu.tables import field_names
from voxemu.wire import ON_SOCKETS, provider_named


def sentences(error: ValidationError, found: Gathered) -> Iterator[str]:
    for problem in error.errors():
        location = problem["loc"]
        source = found.source(location)
        if problem["type"] == "extra_forbidden":
            yield f"{source}: there is no such setting; {meant(str(location[-1]), _names_around(location))}"
        elif problem["type"] == "missing":
            yield f"{found.source(location[:-1])}: {location[-1]!r} is missing"
        else:
            yield f"{source}: {sentence(problem, location)}"


def _names_around(location: Location) -> list[str]:
    model: Any = Settings
    tables: dict[str, Any] = {"key": KeyTable, "[[agent]]": AgentTable}
    for name in location[:-1]:
        if isinstance(name, str):
            model = tables.get(name) or model.model_fields[name].annotation
    return [field.alias or name for name, field in model.model_fields.items() if field.alias != "[[agent]]"]


def _all_scopes(settings: Any) -> Iterator[tuple[Location, Any]]:
    yield (), settings
    for at, table in enumerate(settings.agent_tables):
        yield ("[[agent]]", at), table
    for at, table in enumerate(settings.keys):
        yield ("key", at), table


def said_in(scope: Any, table: str) -> dict[str, Any]:
    said = getattr(scope, table)
    # Asked of an empty one, pydantic would first build what it writes such tables with.
    return said.model_dump(exclude_unset=True) if said.model_fields_set else {}


def out_of_range(settings: Any, found: Gathered) -> Iterator[str]:
    """Each setting is tried by itself, so that all that are wrong are named at once."""
    own = field_names(DialogueSettings)
    kinds: dict[str, type[Any]] = {"dialogue": DialogueSettings, **settings_types()}
    for location, scope in _all_scopes(settings):
        for table, kind in kinds.items():
            for name, value in said_in(scope, table).items():
                try:
                    (DialogueSettings if name in own else kind)(**{name: value})
                except (ValueError, AudioError) as error:
                    yield f"{found.source((*location, table, name))}: {error}"


def impossible(settings: Any, found: Gathered) -> Iterator[str]:
    """What each value allows and the whole does not."""
    for name in settings.provider:
        try:
            provider_named(name)
        except UsageError as error:
            yield f"{found.source(('provider',))}: {error}"
    yield from _wrong_agents(settings, found)
    for place, field, tables in (
        ("key", "value", settings.keys),
        ("[[agent]]", "name", settings.agent_tables),
    ):
        names = [getattr(table, field) for table in tables]
        if len(set(names)) < len(names):
            yield f"{found.source((place,))}: the same {field} stands there twice"
    tls = (settings.tls_port, settings.tls_cert, settings.tls_key)
    if any(part is not None for part in tls) and None in tls:
        yield "TLS needs all three of tls_port, tls_cert and tls_key"
    yield from _wrong_upstream(settings, found)
    closed = settings.auth.keys is not None
    if not is_loopback(settings.host) and not closed:
        yield (
            f"{found.source(('host',))}: {settings.host} can be reached from the network, where any key "
            'would pass; name the keys that may ([auth] keys = ["…"], EMU_KEYS), or stay on 127.0.0.1'
        )


def _wrong_upstream(settings: Any, found: Gathered) -> Iterator[str]:
    if settings.upstream is None:
        return
    source = found.source(("upstream",))
    if len(settings.provider) != 1 or settings.provider[0] not in ON_SOCKETS:
        yield (
            f"{source}: an upstream is one provider's, reached over a websocket: say which, "
            f"as in --provider {next(iter(ON_SOCKETS))} (one of {', '.join(ON_SOCKETS)})"
        )
    if settings.clock == "media":
        yield f"{source}: a real provider keeps real time; leave the media clock out"
    if not is_loopback(settings.host):
        yield (
            f"{source}: whoever reaches this server would call through it; "
            f"stay on 127.0.0.1 instead of {settings.host}"
        )


def _wrong_agents(settings: Any, found: Gathered) -> Iterator[str]:
    named = {table.name for table in settings.agent_tables}
    asked: list[tuple[Location, str | None, set[str]]] = [
        (("agent",), settings.agent, named),
        (("agents", "default"), settings.agents.default, named),
    ]
    asked += [(("key", at, "agent"), table.agent, named) for at, table in enumerate(settings.keys)]
    asked += [
        (("[[agent]]", at, "agent"), table.agent, set()) for at, table in enumerate(settings.agent_tables)
    ]
    for location, name, others in asked:
        if name is not None and name not in others:
            try:
                check(name)
            except UsageError as error:
                yield f"{found.source(location)}: {error}"
