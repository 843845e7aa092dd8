"""Real processes, killed, told to stop, or out of disk in mid-call: what they recorded is there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import wave
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.needs import lack
from tests.programs import Start, clog, ended, programs
from voxemu.record import Recording
from voxemu.wire import ON_SOCKETS

pytestmark = pytest.mark.sockets

PATIENCE = 60.0
AGENT = "tone:440:1"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Start]:
    """Starts ``emu`` with these arguments in an empty folder; ``size`` bounds the files that it may write."""
    with programs(tmp_path) as start:
        yield start


def said(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    code, out, err = ended(process, PATIENCE)
    assert "Traceback" not in out + err
    return code, out, err


def until(there: Callable[[], Any]) -> Any:
    """What is there, as soon as it is."""
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        with contextlib.suppress(OSError, ValueError):
            if found := there():
                return found
        time.sleep(0.02)
    raise AssertionError("it never came")


@pytest.fixture
def serve(run: Start, tmp_path: Path) -> Callable[..., tuple[subprocess.Popen[str], str]]:
    def serve(*args: str, **how: Any) -> tuple[subprocess.Popen[str], str]:
        ready = tmp_path / "ready.json"
        process = run("serve", "--port", "0", "--ready-file", str(ready), "--agent", AGENT, *args, **how)
        report = until(lambda: json.loads(ready.read_text()))
        return process, report["url"]

    return serve


def talking(root: Path, seconds: float = 1.0) -> Path:
    """The only recording below, as soon as so much of a call is in it."""

    def there() -> Path | None:
        (found,) = root.rglob("call.wav")
        return found.parent if found.stat().st_size > seconds * 64_000 else None

    folder: Path = until(there)
    return folder


def lengths(folder: Path) -> tuple[float, float]:
    """Seconds of call.wav, by a standard reader, and of the timeline."""
    with wave.open(str(folder / "call.wav")) as file:
        frames = file.readframes(file.getnframes())
        assert len(frames) == 4 * file.getnframes()
        seconds = file.getnframes() / file.getframerate()
    return seconds, Recording.open(folder).timeline.lines[-1].t / 1000


# --- killed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", list(ON_SOCKETS))
def test_a_killed_client_leaves_its_recording_up_to_the_last_tenth_of_a_second(
    provider: str, run: Start, serve: Any, tmp_path: Path
) -> None:
    _, url = serve()
    client = run("client", "--url", url, "--provider", provider, "--say", "story", "--record", "calls")
    folder = talking(tmp_path / "calls")
    client.kill()
    client.wait(PATIENCE)
    heard, told = lengths(folder)
    # Both reach to within 100 ms of the kill, so to within 100 ms of each other.
    assert abs(heard - told) < 0.1 + 0.02
    assert not Recording.open(folder).complete
    code, out, err = said(run("recover", "calls"))
    assert (code, err) == (0, "")
    assert f"calls/{provider}/{folder.name}: recovered" in out
    again = said(run("recover", "calls"))
    assert again == (0, "1 finished already, left as it is\n", "")
    assert said(run("compare", "--exact", str(folder), str(folder)))[0] == 0


def test_a_killed_server_leaves_its_recording_and_its_client_a_whole_one(
    run: Start, serve: Any, tmp_path: Path
) -> None:
    server, url = serve("--record", "served")
    client = run("client", "--url", url, "--say", "story", "--record", "calls")
    folder = talking(tmp_path / "served")
    server.kill()
    code, _, err = said(client)
    assert (code, "the line was lost" in err) == (3, True)
    (own,) = (tmp_path / "calls" / "lokutor").iterdir()
    assert Recording.open(own).complete
    heard, told = lengths(folder)
    assert abs(heard - told) < 0.1 + 0.02
    assert said(run("recover", "served"))[0] == 0
    recording = Recording.open(folder)
    assert (recording.complete, recording.recovered) == (False, True)


def test_a_client_that_is_killed_while_nobody_speaks_leaves_the_silence_too(
    run: Start, serve: Any, tmp_path: Path
) -> None:
    """No event comes then: a timer brings the recording forward."""
    _, url = serve()
    args = ("--say", "hello", "--silence", "suppress", "--record", "calls", "--provider", "workbuddy")
    client = run("client", "--url", url, *args)
    folder = talking(tmp_path / "calls", 0.2)
    before = lengths(folder)[0]
    until(lambda: lengths(folder)[0] > before + 0.3)
    client.kill()
    client.wait(PATIENCE)
    assert Recording.open(folder).format.seconds(len(Recording.open(folder).left) // 2) > before + 0.3


# --- told to stop ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("provider", list(ON_SOCKETS))
def test_a_client_that_is_told_to_stop_closes_its_recording_and_exits_with_130(
    provider: str, number: int, run: Start, serve: Any, tmp_path: Path
) -> None:
    _, url = serve()
    client = run("client", "--url", url, "--provider", provider, "--say", "story", "--record", "calls")
    folder = talking(tmp_path / "calls", 0.5)
    client.send_signal(number)
    code, out, err = said(client)
    assert (code, err) == (130, "")
    assert "interrupted" in out
    recording = Recording.open(folder)
    assert recording.complete
    assert recording.manifest["closed"]["by"] == "caller"


def test_a_second_signal_ends_a_client_that_its_server_holds(run: Start, serve: Any, tmp_path: Path) -> None:
    """The server is stopped in mid-call: it answers no close."""
    server, url = serve()
    client = run("client", "--url", url, "--say", "story", "--record", "calls")
    folder = talking(tmp_path / "calls", 0.5)
    server.send_signal(signal.SIGSTOP)
    client.send_signal(signal.SIGINT)
    time.sleep(0.05)
    client.send_signal(signal.SIGINT)
    code, _, err = said(client)
    server.send_signal(signal.SIGCONT)
    # Where the first was enough, the second may meet an interpreter that is on its way out.
    assert (code in (130, -signal.SIGINT), err) == (True, "")
    assert Recording.open(folder).complete


def test_a_third_signal_ends_a_client_that_stands_still(run: Start, serve: Any, tmp_path: Path) -> None:
    """Nobody reads what it writes, so its loop answers nothing any more."""
    _, url = serve()
    client = run("client", "--url", url, "--say", "story", "--record", "calls", "--json")
    talking(tmp_path / "calls")
    clog(client)
    for _ in range(500):
        if client.poll() is not None:
            break
        # Those that come before the last was seen count for one.
        client.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert said(client)[0] == 130
    (folder,) = (tmp_path / "calls" / "lokutor").iterdir()
    assert said(run("recover", str(folder)))[0] == 0
    assert Recording.open(folder).recovered


# --- in a room -------------------------------------------------------------------------------------------


@pytest.fixture
def in_a_room(run: Start, serve: Any, tmp_path: Path) -> Callable[[], Any]:
    """A call in a room that has begun: server, client, and the client's recording."""
    if find_spec("livekit.rtc") is None:
        lack("the package livekit is not installed", "pip install voxemu[livekit]")

    def begin() -> tuple[subprocess.Popen[str], subprocess.Popen[str], Path]:
        server, url = serve("--livekit", "embedded")
        where = ("--url", url, "--provider", "lyzr-livekit")
        client = run("client", *where, "--say", "story", "--record", "calls")
        return server, client, talking(tmp_path / "calls", 6.0)

    return begin


def child_of(process: subprocess.Popen[str]) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        lack("this system does not say whose child a program is (/proc)")
    (child,) = children.read_text().split()
    return int(child)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_client_in_a_room_that_is_told_to_stop_leaves_it_and_exits_with_130(
    number: int, in_a_room: Any
) -> None:
    _, client, folder = in_a_room()
    client.send_signal(number)
    code, out, err = said(client)
    assert (code, err, "interrupted" in out) == (130, "", True)
    assert Recording.open(folder).complete


def test_a_client_in_a_room_whose_library_takes_it_down_finishes_its_recording(in_a_room: Any) -> None:
    _, client, folder = in_a_room()
    os.kill(child_of(client), signal.SIGABRT)
    code, out, err = said(client)
    assert (code, "SIGABRT" in err, str(folder.name) in out) == (3, True, True)
    assert Recording.open(folder).recovered
    assert any(Recording.open(folder).left)


def test_a_client_in_a_room_that_is_killed_leaves_nobody_in_it(in_a_room: Any, run: Start) -> None:
    _, client, folder = in_a_room()
    child = child_of(client)
    client.kill()
    client.wait(PATIENCE)
    until(lambda: not Path(f"/proc/{child}").exists() or is_dead(child))
    assert said(run("recover", str(folder)))[0] == 0
    assert Recording.open(folder).recovered


def is_dead(process: int) -> bool:
    """Gone, though nobody has asked for its exit code yet."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_client_in_a_room_whose_server_is_killed_ends_its_call_and_records_it(in_a_room: Any) -> None:
    """The SDK tries to come back for a while, so the agent that never answers may be found out first."""
    server, client, folder = in_a_room()
    server.kill()
    code, _, err = said(client)
    assert (code in (1, 3), err.count("\n")) == (True, 1)
    assert Recording.open(folder).complete


# --- a full disk -----------------------------------------------------------------------------------------

SMALL = 250_000
# Bytes: a second or two of a call.


@pytest.fixture(params=["a small disk", "a limit of the system"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, int | None]]:
    """A directory that fills up, and the size of a file where the system is to refuse more."""
    calls = tmp_path / "full"
    calls.mkdir()
    if request.param == "a limit of the system":
        yield calls, SMALL // 2
        return
    mount = shutil.which("mount")
    made = mount is not None and os.geteuid() == 0
    made = (
        made
        and not subprocess.run(
            [str(mount), "-t", "tmpfs", "-o", f"size={SMALL}", "none", str(calls)],
            check=False,
            capture_output=True,
        ).returncode
    )
    if not made:
        pytest.skip("only the superuser mounts a small disk; a limit of the system stands in for it")
    yield calls, None
    subprocess.run(["umount", "-l", str(calls)], check=True)


def test_a_client_on_a_full_disk_ends_its_call_and_exits_with_5(
    run: Start, serve: Any, disk: tuple[Path, int | None]
) -> None:
    calls, size = disk
    _, url = serve()
    client = run("client", "--url", url, "--say", "hello", "--say", "yes", "--record", str(calls), size=size)
    code, out, err = said(client)
    assert code == 5
    assert "RECORDING FAILED  the recording in" in out
    assert err.startswith("emu client: the call went well, but the recording in")
    assert "hung up (1000)" in out
    (folder,) = (calls / "lokutor").iterdir()
    recording = Recording.open(folder)
    assert not recording.complete
    assert recording.timeline.torn is None
    assert any(recording.left)
    assert lengths(folder)[0] > 0.3


def test_a_server_on_a_full_disk_goes_on_and_says_so(
    run: Start, serve: Any, disk: tuple[Path, int | None]
) -> None:
    calls, size = disk
    server, url = serve("--record", str(calls), size=size)
    say = ("--say", "hello", "--say", "yes", "--provider", "lyzr-sip")
    for _ in range(2):
        assert said(run("client", "--url", url, *say))[0] == 0
    server.send_signal(signal.SIGTERM)
    code, out, _ = said(server)
    assert code == 0
    assert "RECORDING FAILED, the call goes on:" in out
    for manifest in calls.rglob("manifest.json"):
        assert Recording.open(manifest.parent).timeline.torn is None


def test_json_has_the_failure_as_an_event(run: Start, serve: Any, tmp_path: Path) -> None:
    _, url = serve()
    client = run("client", "--url", url, "--say", "hello", "--record", "calls", "--json", size=SMALL // 2)
    code, out, _ = said(client)
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, lines[-1]["exit"]) == (5, 5)
    assert [line["type"] for line in lines].count("recording_failed") == 1
    assert len(lines[-1]["recording_failures"]) == 1


# --- where recordings are to lie --------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["client", "serve"])
@pytest.mark.parametrize("kind", ["a file", "a link to nothing", "a link in a provider's place", "closed"])
def test_a_directory_that_holds_no_recordings_is_refused_at_the_start(
    command: str, kind: str, run: Start, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    match kind:
        case "a file":
            calls.touch()
        case "a link to nothing":
            calls.symlink_to("nowhere")
        case "a link in a provider's place":
            calls.mkdir()
            (calls / "lokutor").symlink_to(tmp_path)
        case _:
            # Modes hold the superuser from nothing; this place holds everybody.
            calls = Path("/proc/voxemu-calls")
    where = ("--port", "0") if command == "serve" else ("--url", "http://127.0.0.1:1")
    code, out, err = said(run(command, *where, "--record", str(calls)))
    assert (code, out) == (2, "")
    assert err.startswith("emu: ")
    assert str(calls) in err


def test_a_directory_that_is_missing_is_made_at_the_start(serve: Any, tmp_path: Path) -> None:
    serve("--record", "a/b")
    assert (tmp_path / "a/b").is_dir()
