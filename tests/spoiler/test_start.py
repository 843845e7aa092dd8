"""Faults of the start, on the virtual clock: our client says what is wrong, a careless one is found."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, WSMsgType

from tests.client.calls import clip
from voxemu.errors import ConnectionLost, Refused, RemoteProtocolError
from voxemu.fault import KINDS, fault_of
from voxemu.provider import CallPlan, Provider
from voxemu.spoiler import Starts
from voxemu.testing.virtual import run_virtual, virtual_emulator
from voxemu.testing.virtual_emu import VirtualEmu
from voxemu.wire import PROVIDERS
from voxemu_client.dial import Outcome, Telephone
from voxemu_client.script import Script

LYZR, WORKBUDDY, LOKUTOR = (PROVIDERS[name] for name in ("lyzr-sip", "workbuddy", "lokutor"))
providers = pytest.mark.parametrize("provider", [LYZR, WORKBUDDY, LOKUTOR], ids=lambda each: each.id)

STARTS: Mapping[str, tuple[dict[str, Any], ...]] = {
    "http_status": tuple({"status": status} for status in (401, 403, 429, 500)),
    "html_body": ({}, {"status": 502}),
}
CASES = [
    {"kind": kind, **more}
    for kind, facts in KINDS.items()
    if facts.family == "start" or kind == "token_expired"
    for more in STARTS.get(kind, ({},))
]
LATE = ("http_delay", "upgrade_late")


def ids(fault: Mapping[str, Any]) -> str:
    return "-".join(str(value) for value in fault.values())


cases = pytest.mark.parametrize("fault", CASES, ids=ids)


def ours(provider: Provider, *faults: Mapping[str, Any]) -> Outcome:
    async def call() -> Outcome:
        async with virtual_emulator(agent="tone:440:0.3", fault=list(faults)) as emu:
            telephone = Telephone(provider, CallPlan(emu.url, "k"))
            (outcome,) = await telephone.call(Script((clip(provider, 0.5),)))
            return outcome

    return run_virtual(call())


@providers
@cases
def test_our_client_says_what_is_wrong_or_waits(provider: Provider, fault: Mapping[str, Any]) -> None:
    try:
        outcome = ours(provider, fault)
    except (Refused, ConnectionLost, RemoteProtocolError):
        assert fault["kind"] not in LATE
        return
    if fault["kind"] in LATE:
        assert outcome.closed.code == 1000
    elif fault["kind"] == "token_expired":
        # What is shown on the socket is refused there.
        assert outcome.closed.code in (4003, 1008)
    else:
        pytest.fail(f"{provider.id} let somebody in")


class Careless:
    """Reads whatever comes as the page's answer, and waits for it as long as it takes, or half a second."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.patience = 0.5

    async def call(self, base: str) -> str:
        """How it went."""
        try:
            async with asyncio.timeout(30), ClientSession() as http:
                async with asyncio.timeout(self.patience):
                    url = await self._url(http, base)
                    ws = await http.ws_connect(url)
                token = getattr(self, "token", None)
                if token is not None:
                    await ws.send_json({"token": token})
                got = await ws.receive(timeout=2)
                text = got.data if got.type is WSMsgType.TEXT else ""
                return "talks" if got.type is WSMsgType.TEXT and "error" not in text else "left"
        except (TimeoutError, KeyError, ValueError, TypeError, AttributeError, ClientError) as error:
            return f"broke: {type(error).__name__}"

    async def _url(self, http: ClientSession, base: str) -> str:
        if self.provider is LOKUTOR:
            return f"{base}/ws/agent?api_key=k"
        headers = {"Authorization": "Bearer k"}
        path = "/session/start" if self.provider is LYZR else "/api/v1/sdk/token"
        async with http.post(base + path, json={"agentId": "a"}, headers=headers) as answered:
            said = await answered.json()
            self.token = said.get("token")
            return str(said.get("wsUrl") or said["ws_url"])


def careless(provider: Provider, *faults: Mapping[str, Any]) -> str:
    async def call() -> str:
        async with virtual_emulator(fault=list(faults)) as emu:
            return await Careless(provider).call(emu.url)

    return run_virtual(call())


@providers
@cases
def test_a_careless_client_is_found(provider: Provider, fault: Mapping[str, Any]) -> None:
    if fault["kind"] == "http_delay" and provider is LOKUTOR:
        fault = {**fault, "kind": "upgrade_late"}
    assert careless(provider, fault) != "talks"


@providers
def test_the_careless_client_talks_as_long_as_nothing_goes_wrong(provider: Provider) -> None:
    assert careless(provider) == "talks"


# --- which start is struck -----------------------------------------------------------------------------


def struck(fault: Mapping[str, Any], starts: int = 4, **how: Any) -> list[bool]:
    counting = Starts(Random(1))
    counting.add(fault_of(fault), how.pop("owner", None))
    place = how.pop("place", "request")
    return [bool(counting.strike(place, LYZR, **how).faults) for _ in range(starts)]


@pytest.mark.parametrize(
    ("fault", "hits"),
    [
        ({"kind": "http_status"}, [True, False, False, False]),
        ({"kind": "http_status", "nth": 2}, [False, True, False, False]),
        ({"kind": "http_status", "nth": 2, "times": 2}, [False, True, True, False]),
        ({"kind": "http_status", "times": 0}, [True, True, True, True]),
        ({"kind": "http_status", "provider": "workbuddy"}, [False] * 4),
        ({"kind": "http_status", "label": "mine"}, [False] * 4),
        ({"kind": "upgrade_late"}, [False] * 4),
    ],
)
def test_a_fault_says_which_starts_it_strikes(fault: Mapping[str, Any], hits: list[bool]) -> None:
    assert hits == struck(fault)


def test_a_fault_of_a_label_strikes_that_label() -> None:
    assert struck({"kind": "http_status", "label": "mine"}, 1, label="mine") == [True]


def test_a_fault_of_a_key_strikes_that_key() -> None:
    assert struck({"kind": "http_status"}, 1, owner=0) == [False]


def test_a_refusal_for_too_many_says_when_to_come_again() -> None:
    counting = Starts(Random(1))
    counting.add(fault_of({"kind": "http_status", "status": 429, "after_ms": 7000.0}))
    instead = counting.strike("request", LYZR).instead
    assert instead is not None
    assert (instead.status, instead.headers["Retry-After"]) == (429, "7")


def test_what_went_wrong_at_the_start_stands_in_the_sessions_timeline(emu_virtual: VirtualEmu) -> None:
    emu_virtual.set(fault=[{"kind": "upgrade_late", "ms": 900}])

    async def call() -> None:
        await Telephone(LYZR, CallPlan(emu_virtual.base_url)).call(Script((clip(LYZR, 0.5),)))

    emu_virtual.run(call())
    (noted,) = emu_virtual.session.all("fault_injected")
    assert (noted["kind"], noted["detail"]) == ("upgrade_late", "ms=900.0")
