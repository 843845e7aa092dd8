"""The listener with TLS: those who speak none, half of it, and those who come for a vendor by name."""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack

import pytest

from tests.hostile.conftest import SERVED, House
from tests.hostile.lines import KEY, PATIENCE, UPGRADE, Target, request
from tests.hostile.test_http import counted
from voxemu.wire import PROVIDERS

pytestmark = pytest.mark.sockets

HELLO = bytes.fromhex("16030100310100002d0303") + bytes(32) + bytes.fromhex("0000021301010000020000")

# Name: what is sent where a handshake belongs.
NO_TLS: dict[str, bytes] = {
    "nothing": b"",
    "a request without TLS": request(),
    "half a hello": HELLO[:20],
    "a hello of nothing": HELLO,
    "noise": bytes(range(256)) * 100,
    "an old SSL": b"\x80\x2e\x01\x00\x02" + bytes(60),
    "a record of 64 kilobytes": b"\x16\x03\x01\xff\xff" + bytes(65_535),
    "an alert": b"\x15\x03\x01\x00\x02\x02\x28",
}


@pytest.mark.parametrize("reset", [False, True], ids=["and waits", "and resets"])
@pytest.mark.parametrize("sent", NO_TLS.values(), ids=NO_TLS.keys())
def test_a_handshake_that_is_none_is_not_waited_for_long(
    house: House, target: Target, sent: bytes, reset: bool
) -> None:
    for _ in range(5):
        line = Target(house.tls).line()
        line.send(sent)
        if reset:
            line.reset()
        else:
            assert line.is_closed()
            line.socket.close()


def trusting(house: House) -> ssl.SSLContext:
    context = ssl.create_default_context()
    house.trusted.configure_trust(context)
    return context


def test_a_line_that_breaks_within_tls(house: House, target: Target) -> None:
    for _ in range(10):
        plain = socket.create_connection(house.tls, PATIENCE)
        with trusting(house).wrap_socket(plain, server_hostname="localhost") as line:
            line.sendall(request("POST", "/session/start", ["Content-Length: 100"], b"{"))
            # Without a word of TLS, and without a FIN's good manners: the rest of the request never comes.
            line.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("provider", SERVED)
def test_handshakes_that_do_not_come_keep_nobody_out(house: House, target: Target, provider: str) -> None:
    before = counted(target, "connections")
    with ExitStack() as stack:
        for _ in range(80):
            stack.enter_context(Target(house.tls).line()).send(HELLO[:20])
        assert asked_over_tls(house, "localhost", request()).split()[1] == b"200"
        target.talk(provider)
        # They are connections, and idle ones.
        assert counted(target, "connections") > before


VENDORS = [(name, host) for name, provider in PROVIDERS.items() for host in provider.hosts]


def asked_over_tls(house: House, name: str, sent: bytes) -> bytes:
    """The head of the answer, where this name was asked for in the handshake too."""
    plain = socket.create_connection(house.tls, PATIENCE)
    with trusting(house).wrap_socket(plain, server_hostname=name) as line:
        line.sendall(sent)
        head = b""
        while b"\r\n\r\n" not in head:
            got = line.recv(4096)
            assert got
            head += got
        return head


def test_the_hosts_are_those_that_the_pages_name() -> None:
    assert VENDORS == [("lyzr-sip", "voice-sip.voice.lyzr.app"), ("lokutor", "api.lokutor.com")]


@pytest.mark.parametrize("port", ["", ":443", ":8443"])
@pytest.mark.parametrize(("provider", "host"), VENDORS)
def test_a_vendors_own_host_is_answered_over_tls(
    house: House, target: Target, provider: str, host: str, port: str
) -> None:
    lines = [f"Host: {host}{port}", f"x-api-key: {KEY}", f"Authorization: Bearer {KEY}"]
    route = PROVIDERS[provider].start
    if PROVIDERS[provider].routes:
        sent = request(route.method, route.path, lines, b'{"agentId":"echo"}')
    else:
        sent = request("GET", f"{route.path}?api_key={KEY}", [*UPGRADE, *lines])
    status = int(asked_over_tls(house, host, sent).split()[1])
    assert status in (200, 101)


@pytest.mark.parametrize(("provider", "host"), VENDORS)
def test_a_vendors_own_host_is_nobody_without_tls(target: Target, provider: str, host: str) -> None:
    answer = target.asked(request(headers=[f"Host: {host}"]))
    assert answer is not None
    assert (answer.status, "--allow-host" in answer.json["error"]) == (403, True)


@pytest.mark.parametrize("host", ["evil.example", "api.lokutor.com.evil.example", "evil.lokutor.com"])
def test_another_host_is_nobody_over_tls_either(house: House, target: Target, host: str) -> None:
    head = asked_over_tls(house, "localhost", request(headers=[f"Host: {host}"]))
    assert head.split()[1] == b"403"
