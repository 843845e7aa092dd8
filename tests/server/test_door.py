"""Keys, agents, origins, hosts and bad requests: what is said to whom at the door."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import WSServerHandshakeError

from tests.server.conftest import Running, Start, until
from voxemu.wire import PROVIDERS
from voxemu_client.web import fetch

pytestmark = pytest.mark.sockets

TOKEN = "/api/v1/sdk/token"
START = "/session/start"
UPGRADE = "/ws/agent?api_key=k"


async def asked(emu: Running, method: str, path: str, **more: Any) -> tuple[int, Any, Any]:
    """Status, body and headers; every error must be JSON."""
    async with emu.client.request(method, emu.url + path, **more) as answered:
        if answered.status >= 400:
            assert answered.content_type == "application/json", await answered.text()
            assert (await answered.json())["error"]
        text = await answered.text()
        return answered.status, json.loads(text) if text else None, answered.headers


async def upgraded(emu: Running, path: str, **headers: str) -> int:
    """The status of an upgrade."""
    try:
        ws = await emu.client.ws_connect(emu.url + path, headers=headers)
    except WSServerHandshakeError as error:
        return error.status
    await ws.close()
    return 101


# --- keys -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "status"), [("", 401), ("   ", 401), ("anything", 200), (" padded ", 200)])
async def test_any_key_passes_that_is_not_empty(start: Start, key: str, status: int) -> None:
    emu = await start()
    assert (await asked(emu, "POST", TOKEN, headers={"Authorization": f"Bearer {key}"}))[0] == status


async def test_configured_keys_close_the_ring(start: Start) -> None:
    emu = await start(
        '[auth]\nkeys = [" right "]\n[[key]]\nvalue = "team"\n[[key]]\nvalue = "off"\ndisabled = true'
    )
    statuses = {}
    for key in ("right", "team", "off", "wrong"):
        bearer = {"Authorization": f"Bearer {key}"}
        upgrade = await upgraded(emu, f"/ws/agent?api_key={key}")
        statuses[key] = ((await asked(emu, "POST", TOKEN, headers=bearer))[0], upgrade)
    assert statuses == {"right": (200, 101), "team": (200, 101), "off": (403, 401), "wrong": (401, 401)}


async def test_keys_without_auth_leave_the_ring_open(start: Start) -> None:
    emu = await start('[[key]]\nvalue = "team"\nagent = "tone:440"')
    assert await upgraded(emu, "/ws/agent?api_key=other") == 101


@pytest.mark.parametrize(
    ("path", "agent"),
    [
        ("api_key=k", "loopback"),
        ("api_key=team", "tone:440:2"),
        ("api_key=team&agent_id=echo", "echo"),
        ("api_key=team&agent_id=tone:880:2.5", "tone:880:2.5"),
        ("api_key=k&agent_id=64f0c0ffee", "loopback"),
        ("api_key=k&agent_id=front-desk", "front-desk"),
    ],
)
async def test_the_agent_is_the_one_asked_for_or_the_keys_or_the_default(
    start: Start, path: str, agent: str
) -> None:
    emu = await start(
        '[[key]]\nvalue = "team"\nagent = "tone:440:2"\n[[agent]]\nname = "front-desk"\nagent = "echo"',
        agent="loopback",
    )
    assert await upgraded(emu, "/ws/agent?" + path) == 101
    assert emu.server.registry.all()[0].admission.agent == agent


async def test_an_agent_that_is_not_known_is_refused_where_they_are_listed(start: Start) -> None:
    emu = await start('[agents]\nknown = ["mine"]')
    body = {"agentId": "other"}
    assert (await asked(emu, "POST", START, json=body))[:2] == (404, {"error": "Agent not found"})
    for agent in ("mine", "echo"):
        assert (await asked(emu, "POST", START, json={"agentId": agent}))[0] == 200


async def test_too_many_unused_starts_are_503(start: Start) -> None:
    emu = await start("[limits]\nunused_starts = 1")
    assert (await asked(emu, "POST", START, json={"agentId": "a"}))[0] == 200
    status, _, headers = await asked(emu, "POST", START, json={"agentId": "a"})
    assert (status, int(headers["Retry-After"]) > 0) == (503, True)


# --- bad requests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"agentId":1}', b'{"agentId":" "}', b"[" * 60_000]
)
async def test_a_bad_body_is_400(start: Start, body: bytes) -> None:
    emu = await start()
    assert (await asked(emu, "POST", START, data=body))[0] == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/session/start/", 404),
        ("POST", "/v1/session/start", 404),
        ("GET", START, 405),
        ("DELETE", TOKEN, 405),
        ("POST", "/ws/agent", 405),
        ("GET", "/ws/agent", 426),
        ("GET", "/__emu/sessions/nobody", 404),
        ("GET", "/session/stream/%00%ff", 426),
    ],
)
async def test_a_request_that_cannot_be_is_json(start: Start, method: str, path: str, status: int) -> None:
    emu = await start()
    assert (await asked(emu, method, path))[0] == status


async def test_a_path_that_is_nearly_right_is_told_the_right_one(start: Start) -> None:
    emu = await start()
    _, body, _ = await asked(emu, "POST", "/session/strat")
    assert body["error"] == "there is nothing at this path; did you mean /session/start?"


async def test_who_opens_the_address_in_a_browser_is_told_where_to_look(start: Start) -> None:
    emu = await start()
    _, body, _ = await asked(emu, "GET", "/")
    assert body["error"] == "there is nothing at this path; GET /__emu/openapi.json describes what there is"


async def test_a_body_over_the_limit_is_413(start: Start) -> None:
    emu = await start()
    assert (await asked(emu, "POST", START, data=bytes(70_000)))[0] == 413


async def test_a_body_that_is_not_encoded_as_it_says_is_400(start: Start) -> None:
    emu = await start()
    headers = {"Content-Encoding": "gzip"}
    assert (await asked(emu, "POST", START, data=b"{}", headers=headers))[0] == 400


async def test_an_expectation_that_cannot_be_met_is_417(start: Start) -> None:
    emu = await start()
    assert (await asked(emu, "POST", START, data=b"{}", headers={"Expect": "tea"}))[0] == 417


async def test_a_body_can_be_expected_first(start: Start) -> None:
    emu = await start()
    assert (await asked(emu, "POST", START, json={"agentId": "a"}, expect100=True))[0] == 200


async def test_a_tampered_url_is_told_so_and_closed(start: Start) -> None:
    emu = await start()
    ws = await emu.client.ws_connect(emu.url + "/session/stream/x?ticket=y")
    assert (await ws.receive_json(timeout=3))["type"] == "error"
    assert (await ws.receive(timeout=3)).data == 1008


async def test_no_token_is_told_so_in_time(start: Start) -> None:
    emu = await start("[workbuddy]\ntoken_wait = 0.05")
    ws = await emu.client.ws_connect(emu.url + "/api/v1/sdk/ws")
    assert (await ws.receive_json(timeout=3))["code"] == "AUTH_TIMEOUT"
    assert (await ws.receive(timeout=3)).data == 4001
    await until(lambda: "turned away: 4001" in emu.out.getvalue())


# --- browsers -------------------------------------------------------------------------------------------

PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
PROVIDER_PATHS = [route.path for provider in PROVIDERS.values() for route in provider.routes] + ["/ws/agent"]


@pytest.mark.parametrize("path", PROVIDER_PATHS)
async def test_a_preflight_passes_without_a_key(start: Start, path: str) -> None:
    emu = await start()
    origin = "http://localhost:5173"
    status, body, headers = await asked(emu, "OPTIONS", path, headers={"Origin": origin, **PREFLIGHT})
    assert (status, body) == (204, None)
    assert headers["Access-Control-Allow-Origin"] == origin
    assert headers["Access-Control-Allow-Headers"] == "authorization, content-type, x-api-key, x-emu-label"
    assert "POST" in headers["Access-Control-Allow-Methods"]
    assert headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Private-Network" not in headers


async def test_private_network_access_is_allowed_when_asked_for(start: Start) -> None:
    emu = await start()
    headers = {"Origin": "http://localhost", "Access-Control-Request-Private-Network": "true"}
    assert (await asked(emu, "OPTIONS", TOKEN, headers=headers))[2][
        "Access-Control-Allow-Private-Network"
    ] == "true"


@pytest.mark.parametrize(("path", "status"), [(TOKEN, 401), (START, 400), ("/nowhere", 404)])
async def test_errors_can_be_read_by_the_page(start: Start, path: str, status: int) -> None:
    emu = await start()
    got, _, headers = await asked(emu, "POST", path, headers={"Origin": "http://127.0.0.1:3000"})
    assert (status, "http://127.0.0.1:3000") == (got, headers["Access-Control-Allow-Origin"])


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost", True),
        ("https://localhost:8443", True),
        ("http://[::1]:5173", True),
        ("http://LOCALHOST:3000", True),
        ("https://app.example.com", True),
        ("https://example.com", False),
        ("http://localhost.example.com", False),
        ("http://localhost@example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("null", False),
        ("file://", False),
        ("http://[", False),
    ],
)
async def test_origins(start: Start, origin: str, allowed: bool) -> None:
    emu = await start(allow_origin=("https://app.example.com",))
    status, body, headers = await asked(emu, "POST", START, json={"agentId": "a"}, headers={"Origin": origin})
    assert (status == 200, await upgraded(emu, UPGRADE, Origin=origin) == 101) == (allowed, allowed)
    assert ("Access-Control-Allow-Origin" in headers) == allowed
    if not allowed:
        assert (status, await upgraded(emu, UPGRADE, Origin=origin)) == (403, 403)
        assert f"--allow-origin {origin}" in body["error"]


async def test_null_can_be_allowed(start: Start) -> None:
    emu = await start(allow_origin=("null",))
    assert await upgraded(emu, UPGRADE, Origin="null") == 101


async def test_a_page_of_the_same_host_may_call(start: Start) -> None:
    emu = await start(allow_host=("emu.test",))
    assert await upgraded(emu, UPGRADE, Origin="http://emu.test:80", Host="emu.test:80") == 101


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost:8090", True),
        ("app.localhost", True),
        ("127.0.0.1", True),
        ("[::1]:8090", True),
        ("emu.test:1", True),
        ("emu.example.com", True),
        ("rebound.example.com", False),
        ("api.lokutor.com", False),
        ("127.0.0.1.example.com", False),
    ],
)
async def test_hosts(start: Start, host: str, allowed: bool) -> None:
    emu = await start(allow_host=("emu.test",), public_url="https://emu.example.com")
    status, body, _ = await asked(emu, "GET", "/health", headers={"Host": host})
    assert (status == 200) == allowed
    if not allowed:
        assert (status, f"--allow-host {host}" in body["error"]) == (403, True)


# --- the control API, where others can reach it -------------------------------------------------------------

KEYS = '[auth]\nkeys = ["right"]'
CONTROL = ["/__emu/sessions", "/__emu/recordings", "/__emu/settings", "/__emu/openapi.json"]


@pytest.mark.parametrize("path", CONTROL)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x-api-key": "wrong"}, 401),
        ({"x-api-key": "right"}, 200),
        ({"Authorization": "Bearer right"}, 200),
    ],
)
async def test_what_others_can_reach_shows_calls_to_those_with_a_key_alone(
    start: Start, path: str, headers: dict[str, str], status: int
) -> None:
    emu = await start(KEYS, public_url="https://emu.example.com")
    assert (await asked(emu, "GET", path, headers=headers))[0] == status


@pytest.mark.parametrize("path", CONTROL)
async def test_what_this_machine_alone_can_reach_shows_calls_without(start: Start, path: str) -> None:
    emu = await start(KEYS)
    assert (await asked(emu, "GET", path))[0] == 200


async def test_whoever_has_no_key_changes_nothing_that_others_can_reach(start: Start) -> None:
    emu = await start(KEYS, public_url="https://emu.example.com")
    control = {"x-emu-control": "1"}
    assert (await asked(emu, "POST", "/__emu/reset", headers=control))[0] == 401
    assert (await asked(emu, "POST", "/__emu/reset", headers=control | {"x-api-key": "right"}))[0] == 200


async def test_whether_it_is_there_is_told_to_everybody(start: Start) -> None:
    emu = await start(KEYS, public_url="https://emu.example.com")
    assert (await asked(emu, "GET", "/health"))[0] == 200


async def test_the_reference_client_learns_of_its_script_with_its_key(start: Start) -> None:
    emu = await start(KEYS, public_url="https://emu.example.com")
    assert (await fetch(f"{emu.url}/__emu/sessions", "right"))["sessions"] == []


# --- where clients are sent -----------------------------------------------------------------------------


async def test_urls_follow_the_host_that_the_client_used(start: Start) -> None:
    emu = await start()
    _, body, _ = await asked(emu, "POST", START, json={"agentId": "a"}, headers={"Host": "localhost:1234"})
    assert body["wsUrl"].startswith("ws://localhost:1234/session/")


async def test_urls_follow_the_public_url(start: Start) -> None:
    emu = await start(public_url="https://emu.example.com/")
    _, body, _ = await asked(emu, "POST", TOKEN, headers={"Authorization": "Bearer k"})
    assert body["ws_url"] == "wss://emu.example.com/api/v1/sdk/ws"
    assert emu.report["providers"]["lokutor"]["start"] == "wss://emu.example.com/ws/agent"


async def test_a_tls_listener_answers_for_the_vendors_own_host(start: Start, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("voice-sip.voice.lyzr.app", "127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    pem = str(tmp_path / "both.pem")
    emu = await start(tls_port="0", tls_cert=pem, tls_key=pem)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    url = emu.report["tls_url"] + START
    headers = {"Host": "voice-sip.voice.lyzr.app"}
    async with emu.client.post(url, json={"agentId": "a"}, headers=headers, ssl=trusting) as answered:
        body = await answered.json()
    assert body["wsUrl"].startswith("wss://voice-sip.voice.lyzr.app/session/")
    assert (await asked(emu, "POST", START, json={"agentId": "a"}, headers=headers))[0] == 403


async def test_only_the_chosen_providers_are_served(start: Start) -> None:
    emu = await start(provider=("lokutor",))
    assert list(emu.report["providers"]) == ["lokutor"]
    assert (await asked(emu, "POST", START, json={"agentId": "a"}))[0] == 404


async def test_health_counts_the_live_sessions(start: Start) -> None:
    emu = await start()
    ws = await emu.client.ws_connect(emu.url + UPGRADE)
    health = await emu.get("/health")
    assert (health["status"], health["sessions"]) == ("ok", 1)
    await ws.close()


async def test_a_seed_repeats_ids_and_urls(start: Start) -> None:
    bodies = []
    for _ in range(2):
        emu = await start(seed="7")
        bodies.append(
            (await asked(emu, "POST", START, json={"agentId": "a"}, headers={"Host": "localhost"}))[1]
        )
    assert bodies[0] == bodies[1]
