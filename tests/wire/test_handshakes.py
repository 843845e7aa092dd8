"""What every provider's handshake does: both halves joined, with a real desk and no socket."""

from __future__ import annotations

import pytest

from tests.wire.desks import BASE, CLOSED, NOW, admitted, connected, desk, posted, started
from voxemu.errors import Refused, RemoteProtocolError, UnknownName, UsageError
from voxemu.events import Closed, ErrorReported
from voxemu.provider import Answered, CallPlan, Desk, Provider, Response, Target
from voxemu.wire import ON_SOCKETS, PROVIDERS, provider_named

# What those of rooms do is in test_lyzr_livekit.py.
every_provider = pytest.mark.parametrize("provider", ON_SOCKETS.values(), ids=ON_SOCKETS.keys())
ticketed = pytest.mark.parametrize(
    "provider", [one for one in ON_SOCKETS.values() if one.start.method == "POST"], ids=lambda one: one.id
)
KEYED = pytest.mark.parametrize(
    "provider", [PROVIDERS["workbuddy"], PROVIDERS["lokutor"]], ids=lambda one: one.id
)

LIVES = {"lyzr-sip": 60.0, "workbuddy": 300.0}
# Seconds a ticket is good for.

PLAN = CallPlan(BASE, key="good", agent="echo", settings={"prompt": "Be brief."})


@every_provider
def test_a_caller_that_follows_the_handshake_is_let_in(provider: Provider) -> None:
    at = desk(CLOSED)
    admission = admitted(connected(provider, started(provider, PLAN, at), at))
    assert (provider.id, "session-1", "echo") == (admission.provider, admission.session_id, admission.agent)


@every_provider
def test_two_calls_are_two_sessions(provider: Provider) -> None:
    at = desk()
    first, second = (admitted(connected(provider, started(provider, PLAN, at), at)) for _ in range(2))
    assert first.session_id != second.session_id


@every_provider
def test_a_start_url_is_as_good_as_a_base(provider: Provider) -> None:
    given = CallPlan(provider.start_url(BASE), key="good", agent="echo")
    based = CallPlan(BASE, key="good", agent="echo")
    assert started(provider, based, desk()).url == started(provider, given, desk()).url


@every_provider
def test_a_url_that_is_none_is_a_usage_error(provider: Provider) -> None:
    with pytest.raises(UsageError, match="no URL"):
        started(provider, CallPlan("localhost:8090", key="good"), desk())


@every_provider
def test_a_start_url_leads_to_this_server(provider: Provider) -> None:
    assert provider.start_url(BASE).partition("://")[2].startswith("127.0.0.1:8090/")
    assert provider.start_url(BASE).endswith(provider.start.path)
    assert all("127.0.0.1:8090" in value for value in provider.exports(BASE).values())


@every_provider
@pytest.mark.parametrize(
    ("base", "socket"),
    [
        ("http://localhost:8090", "ws://localhost:8090/"),
        ("https://10.0.0.7:8443", "wss://10.0.0.7:8443/"),
        ("https://voice.example", "wss://voice.example/"),
    ],
)
def test_the_socket_is_where_the_caller_came_in(provider: Provider, base: str, socket: str) -> None:
    plan = CallPlan(base, key="k", agent="echo")
    assert started(provider, plan, desk(), base=base).url.startswith(socket)


@every_provider
def test_every_route_has_a_path_of_its_own(provider: Provider) -> None:
    paths = [route.path for route in provider.routes] + [provider.socket_path]
    assert len(set(paths)) == len(paths)
    assert all(path.startswith("/") for path in paths)


def test_no_two_providers_share_a_path() -> None:
    paths = [route.path for one in PROVIDERS.values() for route in one.routes]
    paths += [one.socket_path for one in ON_SOCKETS.values()]
    assert len(set(paths)) == len(paths)


def test_a_provider_is_found_by_its_name() -> None:
    assert [provider_named(name).id for name in PROVIDERS] == [
        "lyzr-sip",
        "workbuddy",
        "lokutor",
        "lyzr-livekit",
    ]


def test_a_provider_that_is_mistyped_is_guessed() -> None:
    with pytest.raises(UnknownName, match="did you mean 'lokutor'"):
        provider_named("locutor")


# --- keys ----------------------------------------------------------------------------------------------


@KEYED
@pytest.mark.parametrize("key", ["good", " good ", "good\n"])
def test_a_key_is_stripped_before_it_is_compared(provider: Provider, key: str) -> None:
    at = desk(CLOSED)
    plan = CallPlan(BASE, key=key)
    assert admitted(connected(provider, started(provider, plan, at), at)).key.label == "team-a"


@KEYED
def test_any_key_passes_where_none_is_configured(provider: Provider) -> None:
    at = desk()
    admission = admitted(connected(provider, started(provider, CallPlan(BASE, key="whatever"), at), at))
    assert admission.provider == provider.id


@KEYED
def test_a_key_brings_its_own_agent(provider: Provider) -> None:
    at = desk(CLOSED)
    admission = admitted(connected(provider, started(provider, CallPlan(BASE, key="tuned"), at), at))
    assert (admission.agent, admission.key.label) == ("tone:440", "team-c")


# --- tickets -------------------------------------------------------------------------------------------


def turned_away(provider: Provider, target: Target, at: Desk, now: float = NOW) -> str:
    """Why the desk refuses, or what the caller is told on the open socket."""
    try:
        judged = connected(provider, target, at, now)
    except Refused as refused:
        return refused.why
    error, closed = judged
    assert isinstance(error, ErrorReported)
    assert isinstance(closed, Closed)
    assert closed.code == 1008
    return error.message


@ticketed
def test_a_ticket_is_good_for_one_session(provider: Provider) -> None:
    at = desk()
    target = started(provider, PLAN, at)
    admitted(connected(provider, target, at))
    assert "used" in turned_away(provider, target, at)


@ticketed
def test_a_ticket_expires(provider: Provider) -> None:
    at = desk()
    target = started(provider, PLAN, at)
    assert "expired" in turned_away(provider, target, at, now=NOW + LIVES[provider.id])


@ticketed
def test_a_ticket_is_good_until_it_expires(provider: Provider) -> None:
    at = desk()
    target = started(provider, PLAN, at)
    admission = admitted(connected(provider, target, at, now=NOW + LIVES[provider.id] - 0.001))
    assert admission.provider == provider.id


@ticketed
def test_a_full_desk_says_when_to_come_back(provider: Provider) -> None:
    at = desk(capacity=1)
    started(provider, PLAN, at)
    answered = _start(provider, at)
    assert (answered.status, answered.headers) == (503, {"Retry-After": "5"})
    assert isinstance(answered.body["error"], str)


def _start(provider: Provider, at: Desk) -> Answered:
    request = provider.ask(PLAN)
    assert request is not None
    return provider.answer(posted(request), at, NOW)


@ticketed
def test_a_start_that_was_not_answered_is_the_providers_fault(provider: Provider) -> None:
    with pytest.raises(RemoteProtocolError, match="was not answered"):
        provider.reach(PLAN, None)


@ticketed
def test_a_refused_start_is_refused_with_the_providers_own_words(provider: Provider) -> None:
    with pytest.raises(Refused, match=r"answered 418: short and stout"):
        provider.reach(PLAN, Response(418, {"error": "short and stout"}))


@ticketed
@pytest.mark.parametrize("body", [None, "OK", [], {}, {"token": 5, "ws_url": 6}, {"sessionId": "s"}, 200])
def test_an_answer_off_the_page_is_the_providers_fault(provider: Provider, body: object) -> None:
    with pytest.raises(RemoteProtocolError, match="POST"):
        provider.reach(PLAN, Response(200, body))


@ticketed
@pytest.mark.parametrize("url", ["", "http://h/x", "/ws", "ws:///x", "ws://[bad/x"])
def test_a_socket_url_that_is_none_is_the_providers_fault(provider: Provider, url: str) -> None:
    config = {"sampleRate": 24_000}
    body = {"sessionId": "s", "wsUrl": url, "audioConfig": config, "token": "t", "ws_url": url}
    with pytest.raises(RemoteProtocolError, match="no ws://"):
        provider.reach(PLAN, Response(200, body))
