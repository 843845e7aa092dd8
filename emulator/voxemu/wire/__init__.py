"""How each vendor spells the vocabulary of a call.

A protocol is one file here plus its name in ``PROVIDERS``; server, client, command line, fixtures and the
parametrised tests take it from the list.
"""

from __future__ import annotations

from voxemu.errors import UnknownName
from voxemu.provider import Provider
from voxemu.wire.lokutor import Lokutor
from voxemu.wire.lyzr_livekit import LyzrLivekit
from voxemu.wire.lyzr_sip import LyzrSip
from voxemu.wire.workbuddy import Workbuddy

PROVIDERS: dict[str, Provider] = {
    provider.id: provider for provider in (LyzrSip(), Workbuddy(), Lokutor(), LyzrLivekit())
}

ON_SOCKETS = {name: provider for name, provider in PROVIDERS.items() if provider.media == "websocket"}
"""Those whose calls are websockets; the others' are held in rooms."""


def provider_named(name: str) -> Provider:
    """Raises UnknownName."""
    try:
        return PROVIDERS[name]
    except KeyError:
        raise UnknownName("provider", name, PROVIDERS) from None
