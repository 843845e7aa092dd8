"""One ``[[fault]]`` table: a scenario's is the same thing rehearsed, served, and in somebody's tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.client.calls import LOKUTOR, clip
from tests.client.scenarios import AGENT, HEAD, SAY, run
from voxemu.errors import ConnectionLost, Refused
from voxemu.events import AgentAudioSent, Event, FaultInjected
from voxemu.provider import CallPlan, Provider
from voxemu.scenario.reading import read
from voxemu.server.run import banner
from voxemu.testing.expectations import agents_side
from voxemu.testing.virtual import VirtualEmulator, run_virtual, virtual_emulator, virtual_wall
from voxemu.wire import ON_SOCKETS, PROVIDERS
from voxemu_client.cli import rehearse
from voxemu_client.dial import Telephone
from voxemu_client.reporting import spared_lines
from voxemu_client.script import Script

providers = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))
DROP = '[[fault]]\nkind = "drop"\nafter_frames = 5\ntimes = 3\n'
SCRIPT = '[[agent.step]]\non = "turn"\nsay = "tone:440:1"\ntext = "A tone"\n'
FRAMES = 50
# Of a second.


class Kept:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def saw(self, event: Event, now: float) -> tuple[()]:
        self.events.append(event)
        return ()


def heard(provider: Provider, rest: str) -> int:
    """Messages of agent audio that came."""
    kept = Kept()
    assert run(SAY, provider, rest, taps=[kept]).met
    return sum(isinstance(event, AgentAudioSent) for event in kept.events)


@providers
@pytest.mark.parametrize("agent", [AGENT, SCRIPT], ids=["named", "scripted"])
def test_a_rehearsal_has_the_faults_of_its_scenario(provider: Provider, agent: str) -> None:
    assert heard(provider, agent) - heard(provider, agent + DROP) == 3


@pytest.mark.parametrize(
    ("after", "spared"),
    [("5", []), ("5000", ["      never  fault drop after_frames=5000 times=3: it did not strike"])],
)
def test_a_rehearsal_names_the_faults_that_never_struck(after: str, spared: list[str]) -> None:
    done = run(SAY, LOKUTOR, AGENT + DROP.replace("= 5", f"= {after}"))
    assert spared_lines(done.spared) == spared


def test_a_fault_of_another_provider_is_not_missed() -> None:
    assert run(SAY, LOKUTOR, AGENT + DROP + 'provider = "workbuddy"\n').spared == []


def test_a_fault_in_a_table_is_the_fault_of_a_step() -> None:
    late = '[[fault]]\nkind = "late_audio"\nms = 300\n'
    step = SCRIPT.replace("say", 'fault = { kind = "late_audio", ms = 300 }\n[[agent.step]]\nsay')
    over = SAY + SAY + 'after = "agent_audio_started"\ndelay = 0.3\nbarge_in = true\n'
    counts = []
    for rest in (SCRIPT + SCRIPT + late, step + SCRIPT):
        kept = Kept()
        run(over, LOKUTOR, rest, taps=[kept])
        counts.append(sum(len(event.pcm) for event in kept.events if isinstance(event, AgentAudioSent)))
    assert counts[0] == counts[1]


def test_the_same_dice_give_the_same_rehearsal() -> None:
    shaky = AGENT + '[[fault]]\nkind = "drop"\ntimes = 0\nchance = 0.3\n'
    assert heard(LOKUTOR, shaky) == heard(LOKUTOR, shaky) < FRAMES


def test_a_fault_of_a_label_is_for_sessions_that_have_one() -> None:
    assert heard(LOKUTOR, AGENT + DROP + 'label = "rough"\n') == heard(LOKUTOR, AGENT)


# --- of the start ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "fault", "status"),
    [
        ("lyzr-sip", 'kind = "http_status"\nstatus = 429\n', 429),
        ("workbuddy", 'kind = "http_status"\nstatus = 403\n', 403),
        ("lyzr-livekit", 'kind = "http_status"\nstatus = 401\n', 401),
        ("lokutor", 'kind = "upgrade_refused"\nstatus = 503\n', 503),
        ("lokutor", 'kind = "token_expired"\n', 401),
    ],
)
def test_a_rehearsed_start_is_refused(provider: str, fault: str, status: int) -> None:
    with pytest.raises(Refused) as refused:
        run(SAY, PROVIDERS[provider], AGENT + "[[fault]]\n" + fault)
    assert refused.value.status == status


def test_the_command_says_that_nobody_was_let_in(tmp_path: Path) -> None:
    path = tmp_path / "rough.toml"
    path.write_text(HEAD + SAY + '[[fault]]\nkind = "http_status"\nstatus = 429\n')
    for form in ([], ["--json"]):
        done = CliRunner().invoke(rehearse, [str(path), "--provider", "lyzr-sip", *form])
        assert done.exit_code == 1
        assert "answered 429" in done.output


def test_an_upgrade_that_is_never_answered_is_no_connection() -> None:
    with pytest.raises(ConnectionLost, match="the upgrade was never answered"):
        run(SAY, LOKUTOR, AGENT + '[[fault]]\nkind = "upgrade_stalled"\n')


def test_a_rehearsed_token_that_has_expired_lets_nobody_in() -> None:
    done = run(SAY, PROVIDERS["workbuddy"], AGENT + '[[fault]]\nkind = "token_expired"\n')
    assert done.end.caller is not None
    assert done.end.caller.code == 4003


def test_a_late_start_is_noted_and_takes_no_time() -> None:
    late = run(SAY, LOKUTOR, AGENT + '[[fault]]\nkind = "upgrade_late"\nms = 5000\n')
    assert late.end.seconds == run(SAY, LOKUTOR, AGENT).end.seconds


# --- served ---------------------------------------------------------------------------------------------


async def call(provider: Provider, emu: VirtualEmulator, label: str = "") -> Any:
    telephone = Telephone(provider, CallPlan(emu.url, "k"), wall=virtual_wall, label=label)
    (outcome,) = await telephone.call(Script((clip(provider, 0.4),), lead=0.1, quiet=0.2))
    return outcome


def struck(emu: VirtualEmulator) -> list[list[str]]:
    """The kinds of each session, the newest first."""
    return [
        [event["kind"] for event in record.events if event["type"] == "fault_injected"]
        for record in emu.server.registry.all()
    ]


def file(folder: Path, text: str) -> str:
    path = folder / "rough.toml"
    path.write_text(f'schema = "voxemu.scenario/1"\n{text}')
    return f"script:{path}"


@pytest.mark.parametrize("provider", ON_SOCKETS.values(), ids=list(ON_SOCKETS))
def test_a_served_script_brings_its_faults(provider: Provider, tmp_path: Path) -> None:
    async def calls() -> list[list[str]]:
        async with virtual_emulator(agent=file(tmp_path, SCRIPT + DROP)) as emu:
            await call(provider, emu)
            return struck(emu)

    assert run_virtual(calls()) == [["drop"] * 3]


def test_the_faults_of_a_keys_script_are_for_its_calls_alone(tmp_path: Path) -> None:
    async def calls() -> list[list[str]]:
        key = {"value": "another", "agent": file(tmp_path, SCRIPT + DROP)}
        async with virtual_emulator(key=[key]) as emu:
            await call(LOKUTOR, emu)
            return struck(emu)

    assert run_virtual(calls()) == [[]]


def test_a_label_holds_in_a_served_script_too(tmp_path: Path) -> None:
    async def calls() -> list[list[str]]:
        async with virtual_emulator(agent=file(tmp_path, SCRIPT + DROP + 'label = "rough"\n')) as emu:
            await call(LOKUTOR, emu)
            await call(LOKUTOR, emu, "rough")
            return struck(emu)

    # The newest first.
    assert run_virtual(calls()) == [["drop"] * 3, []]


def test_a_served_script_says_what_goes_wrong_with_starts(tmp_path: Path) -> None:
    async def calls() -> Any:
        refused = '[[fault]]\nkind = "upgrade_refused"\nstatus = 418\n'
        async with virtual_emulator(agent=file(tmp_path, SCRIPT + refused)) as emu:
            with pytest.raises(Refused) as first:
                await call(LOKUTOR, emu)
            await call(LOKUTOR, emu)
            return first.value.status, emu.server.book.listed()[0]["from"].partition(":")[0]

    assert run_virtual(calls()) == (418, "script")


def test_the_faults_of_a_script_are_listed_with_it(tmp_path: Path) -> None:
    async def listed() -> Any:
        async with virtual_emulator(agent=file(tmp_path, SCRIPT + DROP)) as emu:
            return emu.server.book.listed(), banner(emu.server, emu.report)

    (fault,), said = run_virtual(listed())
    assert fault == {"kind": "drop", "after_frames": 5, "times": 3, "from": f"script:{tmp_path}/rough.toml"}
    assert "faults drop: on purpose" in said


def test_a_token_that_expires_at_the_door_does_so_once() -> None:
    async def calls() -> Any:
        workbuddy = PROVIDERS["workbuddy"]
        async with virtual_emulator(fault=[{"kind": "token_expired"}]) as emu:
            return [(await call(workbuddy, emu)).closed.code for _ in range(2)]

    assert run_virtual(calls()) == [4003, 1000]


# --- in somebody's tests --------------------------------------------------------------------------------


def test_the_fixtures_take_the_faults_of_a_scenario_whose_agent_has_a_name() -> None:
    scenario = read('schema = "voxemu.scenario/1"\n' + SAY + AGENT + DROP, Path("here/rough.toml"))
    assert agents_side(scenario).tables["fault"] == [{"kind": "drop", "after_frames": 5, "times": 3}]


def test_the_faults_of_a_script_come_with_it_and_once() -> None:
    scenario = read('schema = "voxemu.scenario/1"\n' + SAY + SCRIPT + DROP, Path("here/rough.toml"))
    assert "fault" not in agents_side(scenario).tables


def test_what_struck_stands_in_the_recording(tmp_path: Path) -> None:
    kept = Kept()
    run(SAY, LOKUTOR, AGENT + DROP, taps=[kept], record={"provider": tmp_path})
    # The caller's end knows nothing of them.
    assert not [event for event in kept.events if isinstance(event, FaultInjected)]
    assert (tmp_path / "timeline.jsonl").read_text().count('"fault_injected"') == 3
