"""Scripted agents on the server: from the file, the flag, a key; and what is said when a call is over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import Start, until
from tests.server.phone import dial
from voxemu.errors import SettingsError
from voxemu.events import ListeningStarted, SpeakingStarted, Transcribed

SCRIPT = """
schema = "voxemu.scenario/1"
[[agent.step]]
on = "turn"
say = "tone:440:0.2"
text = "{0}"
[[agent.step]]
on = "turn"
say = "tone:440:0.2"
"""


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    (tmp_path / "calls").mkdir()
    for name in ("one", "other"):
        (tmp_path / "calls" / f"{name}.toml").write_text(SCRIPT.replace("{0}", name))
    return tmp_path


async def said(running: Any, key: str = "k", agent: str = "") -> str:
    phone = await dial(running.client, "lokutor", running.url, key=key, agent=agent)
    await phone.speak()
    await phone.hear(SpeakingStarted)
    await phone.hear(ListeningStarted)
    await phone.ws.close()
    return next(e.text for e in phone.seen if isinstance(e, Transcribed) and e.speaker == "agent")


async def test_a_file_names_a_script_that_lies_where_it_lies(scripts: Path, start: Start) -> None:
    (scripts / "conf").mkdir()
    (scripts / "conf" / "emu.toml").write_text('agent = "script:../calls/one.toml"\n')
    assert await said(await start(env={"EMU_CONFIG": "conf/emu.toml"})) == "one"


async def test_a_flag_names_a_script(scripts: Path, start: Start) -> None:
    assert await said(await start(agent="script:calls/one.toml")) == "one"


async def test_every_key_has_its_own(scripts: Path, start: Start) -> None:
    running = await start(
        'agent = "script:calls/one.toml"\n[[key]]\nvalue = "b"\nagent = "script:calls/other.toml"\n'
    )
    assert [await said(running, "a"), await said(running, "b")] == ["one", "other"]


async def test_an_agent_of_the_settings_can_be_asked_for_by_its_id(scripts: Path, start: Start) -> None:
    running = await start('[[agent]]\nname = "booking"\nagent = "script:calls/other.toml"\n')
    assert await said(running, agent="booking") == "other"


async def test_a_client_cannot_choose_what_is_read_here(scripts: Path, start: Start) -> None:
    running = await start(agent="script:calls/one.toml")
    assert await said(running, agent="script:calls/other.toml") == "one"


async def test_what_the_script_never_came_to_is_said_when_the_call_is_over(
    scripts: Path, start: Start
) -> None:
    running = await start(agent="script:calls/one.toml")
    await said(running)
    await until(lambda: not running.server.registry.live)
    assert "script step 1 says tone:440:0.2" in running.out.getvalue()
    assert "script step 2 says tone:440:0.2: NEVER BEGAN [calls/one.toml:7]" in running.out.getvalue()


async def test_programs_are_told_of_it_too(scripts: Path, start: Start) -> None:
    running = await start(agent="script:calls/one.toml", json=True)
    await said(running)
    await until(lambda: not running.server.registry.live)
    steps = [line for line in running.out.getvalue().splitlines() if "script_step_missed" in line]
    assert [json.loads(line)["step"] for line in steps] == [2]


@pytest.mark.parametrize(
    ("agent", "sentence"),
    [
        ("script:gone.toml", "--agent: gone.toml: cannot be read: No such file or directory"),
        ("script:tool.toml", "tool.toml:3: agent.step.1: lyzr-sip has no words for a tool call"),
        ("script:bad.toml", "bad.toml:3: agent.step.1: an agent's step has one of: say, think"),
        (
            "replay:gone",
            "--agent: replay:gone: there is no recording: give the folder that holds manifest.json",
        ),
    ],
)
async def test_what_cannot_be_read_is_said_at_the_start(
    agent: str, sentence: str, tmp_path: Path, start: Start
) -> None:
    tool = 'schema = "voxemu.scenario/1"\n\n[[agent.step]]\non = "turn"\ntool_call = "x"\n'
    (tmp_path / "tool.toml").write_text(tool)
    (tmp_path / "bad.toml").write_text('schema = "voxemu.scenario/1"\n\n[[agent.step]]\non = "turn"\n')
    with pytest.raises(SettingsError) as refused:
        await start(agent=agent, provider=("lyzr-sip",))
    assert sentence in str(refused.value)
