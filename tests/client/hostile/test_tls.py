"""TLS, with certificates and real programs: a call that begins with it does not go on without."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.client.hostile.calls import greeted, spoken
from tests.client.hostile.test_handshakes import hang_up
from tests.client.hostile.villain import TICKET, TOKEN, Reply, Villain, Wire, answer
from tests.programs import Start, ended, programs
from voxemu.provider import Provider
from voxemu.wire import ON_SOCKETS, PROVIDERS

pytestmark = pytest.mark.sockets

PATIENCE = 100.0
KEY = "sk-0123456789-of-the-user"
DONE, UNREACHABLE = 0, 3

Client = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Start]:
    with programs(tmp_path) as start:
        yield start


@pytest.fixture
def client(run: Start, authority: trustme.CA, tmp_path: Path) -> Client:
    """``emu client`` on a machine that trusts the authority: exit code, stdout, stderr."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    async def client(url: str, provider: str, *args: str, trusting: bool = True) -> tuple[int, str, str]:
        trusted = str(tmp_path / "ca.pem") if trusting else str(tmp_path / "nobody.pem")
        process = run(
            *("client", "--url", url, "--provider", provider, "--limit", "20", *args),
            EMU_KEY=KEY,
            SSL_CERT_FILE=trusted,
        )
        code, out, err = await asyncio.to_thread(ended, process, PATIENCE)
        assert not any(secret in out + err for secret in (TICKET, TOKEN, KEY))
        assert "Traceback" not in out + err
        return code, out, err

    return client


def speaking_tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


async def converse(villain: Villain, wire: Wire) -> None:
    await wire.say(*greeted(villain.provider))
    while not wire.heard.done():
        # Longer than the client waits for more of a reply.
        await asyncio.sleep(2.5)
        await wire.say(*spoken(villain.provider, 0.2))


def villainous(provider: Provider, context: ssl.SSLContext | None = None) -> Villain:
    villain = Villain(provider)
    villain.tls = context
    villain.act = lambda wire: converse(villain, wire)
    return villain


ASKING = [name for name, provider in PROVIDERS.items() if Villain(provider).asks_first]


# Name: what a start request over TLS is answered, and what is said of it.
AWAY: dict[str, tuple[Callable[[Villain], Reply], str]] = {
    "with a URL": (
        lambda plain: answer(200, plain.started(), "Content-Type: application/json"),
        "--insecure lets it",
    ),
    "with a redirect": (
        lambda plain: answer(307, "", f"Location: {plain.url}/session/start"),
        "answered 307",
    ),
}


@pytest.mark.parametrize("provider", ASKING)
@pytest.mark.parametrize(("reply", "text"), AWAY.values(), ids=AWAY)
async def test_a_call_that_began_with_tls_does_not_go_on_without(
    reply: Callable[[Villain], Reply], text: str, provider: str, authority: trustme.CA, client: Client
) -> None:
    plain, secure = Villain(PROVIDERS[provider]), Villain(PROVIDERS[provider])
    secure.tls = speaking_tls(authority, "127.0.0.1")
    async with plain.serving(), secure.serving():
        secure.start = reply(plain)
        code, _, err = await client(secure.url, provider)
    assert (code, err.count("\n"), text in err) == (UNREACHABLE, 1, True)
    assert plain.asked == []


@pytest.mark.parametrize("provider", [name for name in ASKING if name in ON_SOCKETS])
async def test_insecure_lets_a_call_go_on_without_tls_and_the_key_stays_behind(
    provider: str, authority: trustme.CA, client: Client
) -> None:
    plain, secure = villainous(PROVIDERS[provider]), Villain(PROVIDERS[provider])
    secure.tls = speaking_tls(authority, "127.0.0.1")
    plain.host = "localhost"
    async with plain.serving(), secure.serving():
        secure.start = answer(200, plain.started(), "Content-Type: application/json")
        code, out, err = await client(secure.url, provider, "--insecure")
    assert (code, err) == (DONE, "")
    assert "F-SERVER-HOST" in out
    (upgrade,) = plain.asked
    assert KEY.encode() not in upgrade


@pytest.mark.parametrize("provider", list(ON_SOCKETS))
async def test_a_whole_call_over_tls(provider: str, authority: trustme.CA, client: Client) -> None:
    villain = villainous(PROVIDERS[provider], speaking_tls(authority, "127.0.0.1"))
    async with villain.serving():
        code, _, err = await client(villain.url, provider)
    assert (code, err) == (DONE, "")


@pytest.mark.parametrize("provider", [*ASKING, "lokutor"])
@pytest.mark.parametrize("whose", ["nobody's", "somebody else's"])
async def test_a_certificate_that_proves_nothing_is_told_and_no_key_is_sent(
    provider: str, whose: str, authority: trustme.CA, client: Client
) -> None:
    villain = Villain(PROVIDERS[provider])
    villain.tls = speaking_tls(authority, "127.0.0.1" if whose == "nobody's" else "elsewhere.example")
    async with villain.serving():
        code, _, err = await client(villain.url, provider, trusting=whose != "nobody's")
    assert (code, err.count("\n"), "certificate" in err.lower()) == (UNREACHABLE, 1, True)
    assert villain.asked == []


@pytest.mark.parametrize("provider", [*ASKING, "lokutor"])
async def test_a_server_that_speaks_no_tls_is_told(provider: str, client: Client) -> None:
    villain = Villain(PROVIDERS[provider])
    async with villain.serving():
        code, _, err = await client(villain.url.replace("http", "https"), provider)
    assert (code, err.count("\n")) == (UNREACHABLE, 1)
    assert villain.asked == []


# What the end of a session is answered, and what is said of it.
ENDS: dict[str, tuple[Reply, str]] = {
    "well": (answer(200, "{}"), ""),
    "badly": (answer(500, "{}"), "POST {url}/v1/sessions/end answered 500"),
    "not at all": (hang_up, "the session could not be ended: {url}/v1/sessions/end broke the connection"),
}


@pytest.mark.parametrize(("reply", "text"), ENDS.values(), ids=ENDS)
async def test_a_session_in_a_room_that_is_not_gone_to_is_ended(
    reply: Reply, text: str, authority: trustme.CA, client: Client
) -> None:
    plain, secure = Villain(PROVIDERS["lyzr-livekit"]), Villain(PROVIDERS["lyzr-livekit"])
    secure.tls = speaking_tls(authority, "127.0.0.1")

    async def start(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begins = secure.asked[-1].startswith(b"POST /v1/sessions/start ")
        said = answer(200, plain.started(), "Content-Type: application/json")
        await (said if begins else reply)(reader, writer)

    async with plain.serving(), secure.serving():
        secure.start = start
        code, _, err = await client(secure.url, "lyzr-livekit")
    assert (code, err.count("\n"), "--insecure lets it" in err) == (UNREACHABLE, 1, True)
    assert text.format(url=secure.url) in err
    assert [head.split()[1] for head in secure.asked] == [b"/v1/sessions/start", b"/v1/sessions/end"]
