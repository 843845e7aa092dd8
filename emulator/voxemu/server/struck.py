"""What a fault of a start does to the request that it strikes."""

from __future__ import annotations

import asyncio

from aiohttp import web

from voxemu.server.answers import as_json, spelled
from voxemu.spoiler import Struck

EXPIRED = "the session token has expired"


async def spoiled(struck: Struck, request: web.Request) -> web.Response | None:
    """Waits as long as it is to; then what is answered in place of the truth, None where nothing is."""
    if struck.wait:
        # Else not even for a turn of the loop: this connection is busy meanwhile, and where a flood of such
        # requests is read in one turn, none would be left to make way.
        await asyncio.sleep(struck.wait)
    if struck.stalls:
        # Never answered; whoever is still there is dropped.
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)
    if struck.expired:
        return as_json(401, {"error": EXPIRED})
    return None if struck.instead is None else spelled(struck.instead)
