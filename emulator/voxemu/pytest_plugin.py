"""The pytest plugin: a running emulator as a fixture, for sync and async tests.

A gate, and no more: it imports pytest alone, so that a project which does not ask for a fixture pays next to
nothing. What the fixtures do is in ``voxemu.testing``.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from voxemu.scenario.reading import Scenario
    from voxemu.testing import Emu, EmulatorThread
    from voxemu.testing.golden import EmuGolden
    from voxemu.testing.marks import Wanted
    from voxemu.testing.scene import Scene
    from voxemu.testing.virtual_emu import VirtualEmu

TRACES = "emu-traces"
# Where the recordings of failing tests stay, below the project's folder.

GOLDENS = "recordings"
UPDATED = "emu golden"
COMPARED = "emu golden compared"
# Properties of a test: what --emu-update wrote for it, and the golden it looked at.

SCENE: pytest.StashKey[Scene] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("emu", "voxemu, emulated voice-AI providers")
    group.addoption("--emu-record", metavar="DIR", help="keep the recording of every call below DIR/TEST/")
    group.addoption(
        "--emu-trace",
        choices=("off", "retain-on-failure"),
        default="off",
        help=f"keep the recordings of tests that fail, in {TRACES}/TEST/, and print where",
    )
    group.addoption(
        "--emu-update", action="store_true", help="write the goldens that emu_golden compares with"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "emu(provider, agent, scenario, clock, settings): "
        "how the emulator of this test is set up; settings are tables as in emu.toml",
    )
    if config.getoption("--emu-update") and os.environ.get("CI", "").lower() in ("true", "1", "yes"):
        raise pytest.UsageError(
            "--emu-update rewrites goldens, and CI is set: run it at your desk and commit the result"
        )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    written = _said(terminalreporter, UPDATED)
    if written:
        terminalreporter.section(f"--emu-update wrote {len(written)}")
        for text in written:
            terminalreporter.line(text)
    compared = _said(terminalreporter, COMPARED)
    if compared and exitstatus == pytest.ExitCode.OK and _ran_everything(terminalreporter, config):
        from voxemu.testing.golden import unused

        for folder in unused(config.rootpath / GOLDENS, map(Path, compared)):
            shown = folder.relative_to(config.rootpath)
            terminalreporter.line(f"unused golden: {shown}, with which no test compared its session")


def _said(terminalreporter: pytest.TerminalReporter, key: str) -> list[str]:
    """What the tests of this run, in whatever process, say of themselves under this name."""
    return [
        text
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, text in getattr(report, "user_properties", ())
        if name == key and report.when == "teardown"
    ]


def _ran_everything(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> bool:
    """Whether no test was left out, which could have been the one that needs a golden."""
    left_out = ("deselected", "skipped", "xfailed")
    chosen = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise")
    return (
        config.args_source is not pytest.Config.ArgsSource.ARGS
        and not any(terminalreporter.stats.get(outcome) for outcome in left_out)
        and not any(config.getoption(option, None) for option in chosen)
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    scene = item.stash.get(SCENE, None)
    if scene is not None and report.failed and call.when != "teardown":
        scene.failed = True
        report.sections.append(("what the emulator saw", scene.report()))
    return report


@pytest.fixture(scope="session")
def emu_settings() -> Mapping[str, Any]:
    """Settings for every test, as in ``emu.toml``; override it in a conftest.py, in any scope."""
    return {}


@pytest.fixture(scope="session")
def emu_server(pytestconfig: pytest.Config) -> Iterator[EmulatorThread]:
    """One emulator for the whole session, in a thread of its own, on a free port that stays the same."""
    from voxemu.errors import VoxemuError
    from voxemu.testing import EmulatorThread
    from voxemu.testing.settings import settled

    try:
        server = EmulatorThread(settled(_file(pytestconfig), []))
        server.start()
    except VoxemuError as error:
        raise _sentence(error) from None
    yield server
    server.stop()


@pytest.fixture
def emu(request: pytest.FixtureRequest, emu_server: EmulatorThread, emu_settings: Any) -> Iterator[Emu]:
    """The emulator, without a trace of the tests before; errors inside it fail the test."""
    from voxemu.testing.scene import ThreadScene

    yield from _played(request, emu_settings, lambda *what, **where: ThreadScene(emu_server, *what, **where))


@pytest.fixture
def emu_virtual(request: pytest.FixtureRequest, emu_settings: Any) -> Iterator[VirtualEmu]:
    """The emulator on the virtual clock: an async test runs beside it, on a loop that waits for nothing.

    A sync test gives its coroutine to ``emu_virtual.run``.
    """
    from voxemu.testing.virtual_emu import VirtualScene

    yield from _played(request, emu_settings, VirtualScene)


@pytest.fixture
def emu_golden(request: pytest.FixtureRequest) -> Iterator[EmuGolden]:
    """Call it in a test: fails where the session differs from its golden below ``recordings/``."""
    from voxemu.testing.golden import EmuGolden

    virtual = "emu_virtual" in request.fixturenames
    emu = request.getfixturevalue("emu_virtual" if virtual else "emu")
    scene = request.node.stash[SCENE]
    name = request.node.name.removeprefix("test_") if scene.scenario is None else scene.scenario.name
    root = request.config.rootpath / GOLDENS
    golden = EmuGolden(emu, root, name, update=request.config.getoption("--emu-update"), exact=virtual)
    yield golden
    request.node.user_properties.extend((UPDATED, text) for text in golden.written)
    request.node.user_properties.extend((COMPARED, str(folder)) for folder in golden.compared)
    if not golden.asked and not scene.failed:
        raise pytest.fail.Exception("emu_golden was asked for and never called: emu_golden()", pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """A test that is a coroutine and asks for ``emu_virtual`` runs in the loop of that one.

    An async plugin may have made a plain function of it, which names the coroutine it wraps.
    """
    __tracebackhide__ = True
    emu: Any = pyfuncitem.funcargs.get("emu_virtual")
    if emu is None:
        return None
    test = inspect.unwrap(pyfuncitem.obj, stop=inspect.iscoroutinefunction)
    if not inspect.iscoroutinefunction(test):
        return None
    wanted = inspect.signature(test).parameters
    emu.run(test(**{name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}))
    return True


def _played(request: pytest.FixtureRequest, settings: Any, scene_of: Callable[..., Scene]) -> Iterator[Any]:
    from voxemu.errors import UsageError, VoxemuError
    from voxemu.testing.settings import Rung

    try:
        if SCENE in request.node.stash:
            raise UsageError("a test has one emulator: ask for emu or for emu_virtual")
        folder, keep = _folder(request)
        rungs = [Rung("the fixture emu_settings", settings)]
        wanted, scenario = _wanted(request)
        scene = scene_of(wanted, rungs, file=_file(request.config), folder=folder, keep=keep)
    except VoxemuError as error:
        raise _sentence(error) from None
    scene.scenario = scenario
    request.node.stash[SCENE] = scene
    yield scene.emu
    problem = scene.end()
    if problem is not None:
        pytest.fail(problem, pytrace=False)


def _sentence(error: Exception) -> BaseException:
    """A failure that is its text alone: whoever wrote the tests is not to read our code."""
    return pytest.fail.Exception(str(error), pytrace=False)


def _wanted(request: pytest.FixtureRequest) -> tuple[Wanted, Scenario | None]:
    """What the markers say; a scenario is looked for beside the test and from the project's folder on."""
    from voxemu.testing.expectations import planned
    from voxemu.testing.marks import wanted

    said = wanted((mark.args, mark.kwargs) for mark in request.node.iter_markers("emu"))
    return planned(said, request.path.parent, request.config.rootpath)


def _file(config: pytest.Config) -> Path | None:
    from voxemu.testing.settings import project_file

    return project_file(config.rootpath)


def _folder(request: pytest.FixtureRequest) -> tuple[Path | None, bool]:
    """Where this test is recorded to stay, and whether it stays when the test passes."""
    from voxemu.testing.scene import folder_name

    name, config = folder_name(request.node.nodeid), request.config
    record = config.getoption("--emu-record")
    if record is not None:
        return config.invocation_params.dir / record / name, True
    if config.getoption("--emu-trace") == "off":
        return None, False
    return config.rootpath / TRACES / name, False
