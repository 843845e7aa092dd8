"""A ``livekit-server`` of our own: started on loopback, waited for, watched, and stopped with us."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from voxemu.errors import ConnectionLost
from voxemu.rooms.agent_child import on_a_leash
from voxemu.rooms.livekit_keys import LivekitKeys

HOST = "127.0.0.1"
READY_WAIT = 30.0
# Seconds; on a busy machine a start that takes long is better than none.
ATTEMPTS = 3
# A port that was free may be taken before the server has it.
STOP_WAIT = 1.5
# Seconds for each of: please, now, kill.

log = logging.getLogger("voxemu.rooms")


class OwnServer:
    """``died`` is told, in a sentence, when it dies unasked; it has been restarted when ``alive`` is true."""

    def __init__(self, binary: Path, died: Callable[[str], None]) -> None:
        self._binary = binary
        self._tell = died
        self.keys = LivekitKeys("API" + secrets.token_hex(6), secrets.token_urlsafe(32))
        self.port = 0
        self.died = ""
        # How it died for good.
        self._udp = 0
        self._restarts = 0
        self._program: asyncio.subprocess.Process | None = None
        self._said: deque[str] = deque(maxlen=8)
        self._listening: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def alive(self) -> bool:
        return self._program is not None and self._program.returncode is None

    @property
    def pid(self) -> int | None:
        return self._program.pid if self._program is not None else None

    async def start(self) -> None:
        """Raises ConnectionLost when it does not come up; nothing is left of it then."""
        why = ""
        for _ in range(ATTEMPTS):
            self.port, self._udp = _free_ports()
            try:
                await self._run()
            except ConnectionLost as error:
                why = str(error)
                if "address already in use" not in why:
                    raise
            else:
                self._watching = asyncio.create_task(self._watch())
                return
        raise ConnectionLost(why)

    async def _run(self) -> None:
        self._said.clear()
        self._program = await asyncio.create_subprocess_exec(
            *on_a_leash([str(self._binary)]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=_environment(configuration(self.port, self._udp, self.keys)),
            start_new_session=True,
        )
        self._listening = asyncio.create_task(self._listen(self._program))
        try:
            await self._wait_until_ready(self._program)
        except BaseException:
            await self._stop()
            raise

    async def _wait_until_ready(self, program: asyncio.subprocess.Process) -> None:
        async with ClientSession(timeout=ClientTimeout(total=2.0)) as http:
            loop = asyncio.get_running_loop()
            end = loop.time() + READY_WAIT
            while loop.time() < end:
                if program.returncode is not None:
                    assert self._listening is not None
                    await self._listening
                    said = " | ".join(self._said)
                    raise ConnectionLost(
                        f"{self._binary} ended at once with exit code {program.returncode}: {said[-600:]}"
                    )
                if await answers(http, self.url) and await self._is_ours(http):
                    return
                await asyncio.sleep(0.05)
        raise ConnectionLost(f"{self._binary} was started and did not answer within {READY_WAIT:g} s")

    async def _is_ours(self, http: ClientSession) -> bool:
        """Not so where another server has the port: it does not take our keys."""
        token = {"access_token": self.keys.user_token("emu", "emu")}
        try:
            async with http.get(f"{self.url}/rtc/validate", params=token) as response:
                return response.status != 401
        except (ClientError, OSError, TimeoutError):
            return False

    async def _listen(self, program: asyncio.subprocess.Process) -> None:
        assert program.stdout is not None
        async for line in program.stdout:
            text = line.decode(errors="replace").rstrip()
            self._said.append(text)
            log.debug("livekit-server: %s", text)

    async def _watch(self) -> None:
        """Restarts it once, at the same place, so that URLs and tokens that are out stay good."""
        while True:
            assert self._program is not None
            code = await self._program.wait()
            what = f"livekit-server died (exit code {code})"
            log.error("%s: %s", what, " | ".join(self._said)[-600:])
            if self._restarts == 0:
                self._restarts += 1
                try:
                    await self._run()
                    self._tell(f"{what} and was restarted")
                    continue
                except ConnectionLost as error:
                    what = f"{what} and could not be restarted: {error}"
            else:
                what = f"{what}, for the second time"
            self.died = what
            self._tell(what)
            return

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        await self._stop()

    async def _stop(self) -> None:
        """It waits for its participants at the first SIGTERM, and for nobody at the second."""
        program = self._program
        if program is None:
            return
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if program.returncode is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                program.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(program.wait(), STOP_WAIT)
        await program.wait()
        if self._listening is not None:
            await self._listening


def configuration(port: int, udp_port: int, keys: LivekitKeys) -> dict[str, Any]:
    """Nothing but loopback, and no room that we did not make."""
    return {
        "port": port,
        "bind_addresses": [HOST],
        "keys": {keys.key: keys.secret},
        "log_level": "warn",
        "room": {"auto_create": False},
        "rtc": {
            "node_ip": HOST,
            "udp_port": udp_port,
            "tcp_port": 0,  # That listener would ignore bind_addresses.
            "use_external_ip": False,
            "enable_loopback_candidate": True,
            "interfaces": {"includes": ["lo", "lo0"]},
            # Else clients are sent to public STUN servers and wait for them when offline. Discard's port.
            "stun_servers": [f"{HOST}:9"],
        },
    }


def _environment(config: dict[str, Any]) -> dict[str, str]:
    """The configuration, which no file holds and no list of programs shows, and little else."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    # YAML takes JSON.
    return kept | {"LIVEKIT_CONFIG": json.dumps(config)}


def _free_ports() -> tuple[int, int]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        tcp.bind((HOST, 0))
        udp.bind((HOST, 0))
        return tcp.getsockname()[1], udp.getsockname()[1]


async def answers(http: ClientSession, url: str) -> bool:
    """Whether a LiveKit server is there and ready: ``GET /`` answers OK."""
    try:
        async with http.get(url + "/") as response:
            return response.status == 200 and (await response.text()).strip() == "OK"
    except (ClientError, OSError, TimeoutError):
        return False
