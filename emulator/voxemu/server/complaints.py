"""What is wrong with the settings, as sentences that name the place and what was meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from voxemu.casting import check
from voxemu.errors import UsageError, meant
from voxemu.server.addresses import is_loopback
from voxemu.server.ladder import Gathered, sentence
from voxemu.server.schema import AGENT_TABLES
from voxemu.tables import Location, Problem
from voxemu.wire import ON_SOCKETS, provider_named


def sentences(wrong: Iterable[Problem], found: Gathered) -> Iterator[str]:
    for problem in wrong:
        location = problem.location
        source = found.source(location)
        match problem.kind:
            case "unknown":
                known = [name for name in problem.known if name != AGENT_TABLES]
                yield f"{source}: there is no such setting; {meant(str(location[-1]), known)}"
            case "missing":
                yield f"{found.source(location[:-1])}: {location[-1]!r} is missing"
            case "wrong":
                yield f"{source}: {sentence(problem)}"


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
        (AGENT_TABLES, "name", settings.agent_tables),
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
        ((AGENT_TABLES, at, "agent"), table.agent, set()) for at, table in enumerate(settings.agent_tables)
    ]
    for location, name, others in asked:
        if name is not None and name not in others:
            try:
                check(name)
            except UsageError as error:
                yield f"{found.source(location)}: {error}"
