"""The OpenAPI description: every route is in it, and no other."""

from __future__ import annotations

import json
import re

import pytest

from tests.server.conftest import Start
from voxemu.provider import Route
from voxemu.server.openapi import described, document
from voxemu.wire import PROVIDERS

pytestmark = pytest.mark.sockets


async def test_every_route_is_described_and_no_other(start: Start) -> None:
    emu = await start()
    found = await emu.get("/__emu/openapi.json")
    served = {
        (route.method.lower(), re.sub(r"{(\w+)[^}]*}", r"{\1}", route.resource.canonical))
        for route in emu.server.app.router.routes()
        if route.resource is not None
        and route.method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        # What is below these two is LiveKit's own protocol, which SDKs speak.
        and not route.resource.canonical.startswith(("/rtc", "/twirp/"))
    }
    assert served == {(method, path) for path, methods in found["paths"].items() for method in methods}


async def test_the_description_names_the_server_it_was_read_from(start: Start) -> None:
    emu = await start()
    assert (await emu.get("/__emu/openapi.json"))["servers"] == [{"url": emu.url}]


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS.keys())
def test_a_provider_says_what_its_routes_are_for(provider: object) -> None:
    for _, route in described(provider):  # type: ignore[arg-type]
        assert route.summary
        assert route.answers


def test_what_changes_the_emulator_needs_the_control_header() -> None:
    routes = [("emulator", Route(method, "/__emu/reset", "x")) for method in ("GET", "POST")]
    methods = document(routes, "http://127.0.0.1")["paths"]["/__emu/reset"]
    assert "parameters" not in methods["get"]
    assert [each["name"] for each in methods["post"]["parameters"]] == ["x-emu-control"]


def test_the_description_is_json() -> None:
    routes = [each for provider in PROVIDERS.values() for each in described(provider)]
    assert json.loads(json.dumps(document(routes, "")))["openapi"] == "3.1.0"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"x-emu-control": "1"}, 404),
        ({"x-emu-control": "1", "Origin": "https://evil.example"}, 403),
    ],
)
async def test_only_a_request_with_the_control_header_may_change_the_emulator(
    start: Start, headers: dict[str, str], status: int
) -> None:
    emu = await start()
    async with emu.client.post(emu.url + "/__emu/nothing", headers=headers) as answered:
        assert (status, "error") == (answered.status, next(iter(await answered.json())))
