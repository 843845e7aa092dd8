"""The control API from another language: Node's fetch."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.needs import require_tool
from tests.server.conftest import Start
from tests.server.phone import dial
from voxemu.events import SessionEnded

pytestmark = pytest.mark.sockets


ALL = """
const base = process.argv[1]
const headers = { 'Content-Type': 'application/json', 'x-emu-control': '1' }
const get = async (path) => (await fetch(`${base}/__emu/${path}`)).json()
const post = async (path, body = {}, how = headers) =>
  (await fetch(`${base}/__emu/${path}`, { method: 'POST', headers: how, body: JSON.stringify(body) })).status

const { sessions } = await get('sessions?provider=lokutor&label=mine&state=live')
const one = `sessions/${sessions[0].id}`
const said = {
  whole: (await get(one)).provider,
  agents: (await get('agents')).names.includes('echo'),
  setting: (await get('settings')).settings.find((each) => each.name === 'agent'),
  kinds: Object.keys((await get('faults')).kinds).includes('late_audio'),
  armed: [await post('faults', { kind: 'drop', label: 'mine' }), (await get('faults')).armed.length],
  acts: [
    await post(`${one}/say`, { text: 'Hello.', audio: 'tone:440:30' }),
    await post(`${one}/interrupt`),
    await post(`${one}/transcript`, { text: 'Pardon?', speaker: 'user' }),
    await post(`${one}/fault`, { kind: 'error', text: 'Out of credits' }),
    await post(`${one}/fault`, { kind: 'no such fault' }),
    await post(`${one}/drop`, {}, { 'Content-Type': 'application/json' }),
    await post(`${one}/drop`),
  ],
}
while ((await get('sessions?state=live')).sessions.length) await new Promise((done) => setTimeout(done, 20))
const [recording] = (await get('recordings')).recordings
const file = `recordings/${recording.provider}/${recording.name}/manifest.json`
said.recording = (await get(file)).provider.id
said.findings = (await get(`findings?session=${sessions[0].id}`)).findings
said.reset = [await post('reset', { label: 'mine' }), (await get('sessions')).sessions.length]
console.log(JSON.stringify(said))
"""


async def test_every_route_is_for_nodes_fetch_too(start: Start) -> None:
    node = require_tool("node")
    emu = await start(record="calls")
    phone = await dial(emu.client, "lokutor", emu.url, **{"X-Emu-Label": "mine"})
    child = await asyncio.create_subprocess_exec(
        node, "--input-type=module", "-e", ALL, emu.url, stdout=PIPE, stderr=PIPE
    )
    assert await asyncio.wait_for(phone.hear(None), 60) == 1006
    told, complaint = await asyncio.wait_for(child.communicate(), 60)
    assert (child.returncode, complaint.decode()) == (0, "")
    assert json.loads(told) == {
        "whole": "lokutor",
        "agents": True,
        "setting": {"name": "agent", "value": None, "from": "default"},
        "kinds": True,
        "armed": [200, 1],
        "acts": [200, 200, 200, 200, 400, 403, 200],
        "recording": "lokutor",
        "findings": [],
        "reset": [200, 0],
    }


async def test_a_call_is_steered_from_node(start: Start, top: Path) -> None:
    node = require_tool("node")
    emu = await start()
    phone = await dial(emu.client, "workbuddy", emu.url, **{"X-Emu-Label": "from node"})
    script = str(top / "examples" / "test-bench" / "control.mjs")
    child = await asyncio.create_subprocess_exec(node, script, emu.url, "from node", stdout=PIPE, stderr=PIPE)
    ended = await asyncio.wait_for(phone.hear(SessionEnded), 60)
    await phone.ws.close()
    told, complaint = await asyncio.wait_for(child.communicate(), 60)
    assert (child.returncode, complaint.decode()) == (0, "")
    assert json.loads(told) == {"said": "One moment, please.", "lines": 1, "findings": 0}
    assert isinstance(ended, SessionEnded)
    assert ended.reason == "agent_disconnected"
