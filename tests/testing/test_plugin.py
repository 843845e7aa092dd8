"""The plugin in somebody else's project: modes, ladder, isolation, failures, recordings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Loaded beforehand: pytester forgets what a run in this process has loaded, and some of it loads only once.
import voxemu.agents.sounds
import voxemu.testing.virtual_emu  # noqa: F401

pytestmark = pytest.mark.sockets

INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""

CALLING = """
    import asyncio
    import pytest
    from aiohttp import ClientSession
    from tests.server.phone import dial
    from tests.testing.talk import QUICK, talk
"""


@pytest.fixture(autouse=True)
def _importable(pytester: pytest.Pytester, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project of the test may call with this suite's phone; nothing of this suite's settings is there."""
    monkeypatch.setenv("PYTHONPATH", str(top))
    monkeypatch.delenv("CI", raising=False)
    pytester.syspathinsert(top)


def made(pytester: pytest.Pytester, *tests: str, ini: str = "", conftest: str = "") -> None:
    pytester.makeini(f"{INI}{ini}")
    pytester.makeconftest(conftest)
    pytester.makepyfile("\n".join([_undented(CALLING), *map(_undented, tests)]))


def _undented(text: str) -> str:
    lines = text.strip("\n").splitlines()
    return "\n".join(line.removeprefix("    ") for line in lines)


HEARS_A_TONE = """
    @pytest.mark.emu(agent="tone:440:0.2", settings=QUICK)
    async def test_async(emu):
        await talk(emu.url("lokutor"))
        emu.assert_heard(tone=440)
"""
HEARS_A_TONE_TOO = """
    @pytest.mark.emu(agent="tone:880:0.2", settings=QUICK)
    def test_sync(emu):
        asyncio.run(talk(emu.url("lokutor")))
        emu.assert_heard(tone=880)
"""

# --- beside others ------------------------------------------------------------------------------------------


def test_importing_the_plugin_imports_pytest_only(top: Path) -> None:
    code = (
        "import pytest, sys; before = set(sys.modules); import voxemu.pytest_plugin; "
        "sys.stdout.write(' '.join(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "voxemu voxemu.pytest_plugin"


def test_a_project_that_does_not_use_it_imports_nothing_more(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys
        def test_nothing():
            assert [name for name in sys.modules if name.startswith("voxemu.")] == ["voxemu.pytest_plugin"]
        """
    )
    pytester.runpytest_subprocess("-p", "no:aiohttp").assert_outcomes(passed=1)


def test_sync_and_async_tests_in_auto_mode(pytester: pytest.Pytester) -> None:
    made(pytester, HEARS_A_TONE, HEARS_A_TONE_TOO)
    pytester.runpytest("--strict-markers").assert_outcomes(passed=2)


def test_sync_and_async_tests_in_strict_mode(pytester: pytest.Pytester) -> None:
    made(pytester, "    pytestmark = pytest.mark.asyncio", HEARS_A_TONE)
    pytester.runpytest("--asyncio-mode=strict").assert_outcomes(passed=1)


def test_beside_the_fixtures_of_pytest_aiohttp(pytester: pytest.Pytester) -> None:
    made(
        pytester,
        """
    from aiohttp import web

    @pytest.mark.emu(agent="tone:440:0.2", settings=QUICK)
    async def test_a_backend_that_calls_the_provider(emu, aiohttp_client):
        async def calls(request):
            return web.json_response({"bytes": len(await talk(emu.url("lokutor")))})

        app = web.Application()
        app.router.add_get("/call", calls)
        client = await aiohttp_client(app)
        async with client.get("/call") as answer:
            assert (await answer.json())["bytes"] > 0
        emu.assert_heard(tone=440)
        """,
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_in_parallel(pytester: pytest.Pytester) -> None:
    made(pytester, HEARS_A_TONE, HEARS_A_TONE_TOO)
    pytester.runpytest_subprocess("-n", "2").assert_outcomes(passed=2)


# --- clean for each test ------------------------------------------------------------------------------------


def test_every_test_begins_without_sessions_at_the_same_address(pytester: pytest.Pytester) -> None:
    made(
        pytester,
        """
    seen = []

    @pytest.mark.parametrize("nth", [1, 2])
    async def test_a_call(emu, nth):
        async with ClientSession() as http:
            phone = await dial(http, "lokutor", emu.url("lokutor"))
            assert len(emu.sessions) == 1
            await phone.ws.close()
        seen.append(emu.base_url)

    def test_one_address(emu_server):
        assert seen == [emu_server.base_url] * 2
        """,
    )
    pytester.runpytest().assert_outcomes(passed=3)


def test_a_session_that_was_left_open_is_ended_with_its_test(pytester: pytest.Pytester) -> None:
    made(
        pytester,
        """
    async def test_leaves_a_session_open(emu):
        http = ClientSession()
        phone = await dial(http, "lokutor", emu.url("lokutor"))
        kept.append((http, phone, emu))

    kept = []

    async def test_sees_none_of_it(emu):
        assert emu.sessions == []
        http, phone, before = kept[0]
        assert before.session.closed is not None
        await http.close()
        """,
        ini="asyncio_default_test_loop_scope = module\n",
    )
    pytester.runpytest().assert_outcomes(passed=2)


# --- the ladder ---------------------------------------------------------------------------------------------

FIXTURE = """
import pytest

@pytest.fixture
def emu_settings():
    return {"agent": "tone:200:1", "seed": 2}
"""


def test_a_marker_wins_over_the_fixture_and_that_over_the_file(pytester: pytest.Pytester) -> None:
    pytester.makefile(".toml", emu='agent = "tone:100:1"\nseed = 1\nport = 1\nrecord = "calls"\n')
    made(
        pytester,
        """
    def said(emu):
        settings = emu._stage.server.config.settings
        return emu.agent, settings.seed, settings.dialogue.get("think_time")

    def test_fixture_over_file(emu):
        assert said(emu) == ("tone:200:1", 2, None)

    @pytest.mark.emu(agent="tone:300:1", settings={"dialogue.think_time": 0.1})
    class TestOfAClass:
        def test_marker_over_fixture(self, emu):
            assert said(emu) == ("tone:300:1", 2, 0.1)

        @pytest.mark.emu(agent="tone:400:1")
        def test_nearer_marker_over_farther(self, emu):
            assert said(emu) == ("tone:400:1", 2, 0.1)
        """,
        conftest=FIXTURE,
    )
    pytester.runpytest().assert_outcomes(passed=3)
    assert not (pytester.path / "calls").exists()


def test_variables_of_the_shell_change_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMU_AGENT", "tone:100:1")
    made(pytester, "    def test_agent(emu):\n        assert emu.agent == 'echo'")
    pytester.runpytest().assert_outcomes(passed=1)


# --- errors of whoever writes the tests ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("agnet='echo'", "@pytest.mark.emu(agnet=…): there is no such argument; did you mean 'agent'?"),
        ("'lokutor'", "@pytest.mark.emu('lokutor'): name it, as in @pytest.mark.emu(provider='lokutor')"),
        ("provider='lokuter'", "emu(provider=…): there is no provider 'lokuter'; did you mean 'lokutor'?"),
        ("agent='ecko'", "@pytest.mark.emu: agent: there is no agent 'ecko'; did you mean 'echo'?"),
        ("agent=440", "@pytest.mark.emu(agent=440): must be a string"),
        ("clock='meida'", "@pytest.mark.emu(clock='meida'): did you mean 'media'?"),
        ("settings=[1]", "@pytest.mark.emu(settings=[1]): must be tables as in emu.toml, like"),
        (
            "settings={'dialogue': {'burts': True}}",
            "@pytest.mark.emu(settings=…): dialogue.burts: there is no such setting; did you mean 'burst'?",
        ),
        ("settings={'dialogue': 3}", "@pytest.mark.emu(settings=…): dialogue: must be a table"),
        ("settings={'seed': {'a': 1}}", "@pytest.mark.emu(settings=…): seed: must be a whole number"),
    ],
)
def test_a_wrong_marker_is_one_sentence(pytester: pytest.Pytester, arguments: str, sentence: str) -> None:
    made(pytester, f"    @pytest.mark.emu({arguments})\n    def test_it(emu):\n        pass")
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    assert sentence in result.stdout.str()
    assert "Traceback" not in result.stdout.str()
    assert "pytest_plugin.py" not in result.stdout.str()


def test_a_wrong_file_is_one_sentence(pytester: pytest.Pytester) -> None:
    pytester.makefile(".toml", emu="agnet = 3\n")
    made(pytester, "    def test_it(emu):\n        pass")
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*emu.toml: agnet: there is no such setting; did you mean 'agent'?"])


# --- errors inside the emulator -----------------------------------------------------------------------------


def test_an_error_inside_the_emulator_fails_the_test(pytester: pytest.Pytester) -> None:
    made(
        pytester,
        """
    from voxemu.dialogue.session import Session

    @pytest.mark.emu(settings=QUICK)
    async def test_it(emu, monkeypatch):
        def broken(self, event, now):
            raise RuntimeError("boom")

        monkeypatch.setattr(Session, "receive", broken)
        async with ClientSession() as http:
            phone = await dial(http, "lokutor", emu.url("lokutor"))
            await phone.hear(None)

    def test_the_next_one(emu):
        pass
        """,
    )
    result = pytester.runpytest()
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_it*",
            "1 error inside the emulator",
            "a session of lokutor broke; the others go on",
            "*RuntimeError: boom",
            "session * of lokutor, agent echo, over",
        ]
    )


def test_an_agent_that_fails_fails_the_test_unless_it_is_expected(pytester: pytest.Pytester) -> None:
    made(
        pytester,
        """
    from voxemu.agents.named import Echo

    @pytest.mark.parametrize("expected", [True, False])
    @pytest.mark.emu(settings=QUICK)
    async def test_it(emu, monkeypatch, expected):
        def broken(self, cue, call):
            raise RuntimeError("boom")

        monkeypatch.setattr(Echo, "respond", broken)
        async with ClientSession() as http:
            phone = await dial(http, "lokutor", emu.url("lokutor"))
            await emu.session.wait_for_async("agent_failed")
            await phone.ws.close()
        assert "RuntimeError: boom" in emu.errors[0]
        if expected:
            emu.errors.clear()
        """,
    )
    result = pytester.runpytest()
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["the agent failed: Traceback*", "*RuntimeError: boom"])


# --- failures and recordings --------------------------------------------------------------------------------

FAILS = """
    @pytest.mark.emu(agent="tone:440:0.2", settings=QUICK)
    async def test_fails(emu):
        await talk(emu.url("lokutor"))
        emu.assert_heard(tone=880)
"""


def recorded(pytester: pytest.Pytester, folder: str) -> list[str]:
    """Tests with a recording below this folder."""
    found = (pytester.path / folder).glob("*/lokutor/*/manifest.json")
    return sorted(manifest.parts[-4].rpartition("-")[0] for manifest in found)


def test_a_failing_test_is_told_what_the_emulator_saw(pytester: pytest.Pytester) -> None:
    made(pytester, FAILS)
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *AssertionError: the user heard 4*0 Hz, 880 Hz expected",
            "*- what the emulator saw -*",
            "session * of lokutor, agent tone:440:0.2, over",
            "* s  user turn 0.30 s",
            "* s  the agent speaks",
            "* s  closed 1000 (normal)",
        ]
    )
    assert "recording:" not in result.stdout.str()
    assert not (pytester.path / "emu-traces").exists()


def test_the_recording_of_a_failing_test_is_kept_and_told_of(pytester: pytest.Pytester) -> None:
    made(pytester, FAILS, HEARS_A_TONE)
    result = pytester.runpytest("--emu-trace", "retain-on-failure")
    result.assert_outcomes(failed=1, passed=1)
    assert recorded(pytester, "emu-traces") == ["test_fails"]
    result.stdout.fnmatch_lines(["recording: emu-traces/test_fails-*/lokutor/*"])


def test_nothing_is_left_where_no_test_fails(pytester: pytest.Pytester) -> None:
    made(pytester, HEARS_A_TONE)
    pytester.runpytest("--emu-trace", "retain-on-failure").assert_outcomes(passed=1)
    assert not (pytester.path / "emu-traces").exists()


def test_every_recording_is_kept_where_that_is_asked_for(pytester: pytest.Pytester) -> None:
    made(pytester, FAILS, HEARS_A_TONE)
    pytester.runpytest("--emu-record", "calls").assert_outcomes(failed=1, passed=1)
    assert recorded(pytester, "calls") == ["test_async", "test_fails"]


# --- the clocks ---------------------------------------------------------------------------------------------

VIRTUAL = """
    @pytest.mark.emu(agent="tone:440:4", settings=QUICK)
    async def test_virtual(emu_virtual):
        await talk(emu_virtual.url("lokutor"))
        emu_virtual.assert_heard(4.0)

    @pytest.mark.emu(agent="tone:440:4", settings=QUICK)
    def test_virtual_too(emu_virtual):
        emu_virtual.run(talk(emu_virtual.url("lokutor")))
        emu_virtual.assert_heard(4.0)
"""


@pytest.mark.parametrize(
    "options", [["--asyncio-mode=auto"], ["--asyncio-mode=strict"], ["-p", "no:asyncio", "-p", "no:aiohttp"]]
)
def test_the_virtual_clock_needs_no_async_plugin_and_disturbs_none(
    pytester: pytest.Pytester, options: list[str]
) -> None:
    made(pytester, VIRTUAL)
    if "no:asyncio" in options:
        pytester.makeini("[pytest]\nfilterwarnings = error\n")
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=2)


def test_a_failure_on_the_virtual_clock_is_told_like_any_other(pytester: pytest.Pytester) -> None:
    made(
        pytester,
        """
    @pytest.mark.emu(agent="tone:440:1", settings=QUICK)
    async def test_it(emu_virtual):
        await talk(emu_virtual.url("lokutor"))
        emu_virtual.assert_heard(5.0)
        """,
    )
    result = pytester.runpytest("--emu-trace", "retain-on-failure")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *AssertionError: the user heard 1.00 s of the agent, 4.90 to 5.10 s expected*",
            "*- what the emulator saw -*",
            "recording: emu-traces/test_it-*/lokutor/*",
        ]
    )
    assert "pytest_plugin.py" not in result.stdout.str()
    assert "virtual_loop.py" not in result.stdout.str()


def test_an_error_inside_the_emulator_fails_the_test_on_the_virtual_clock(pytester: pytest.Pytester) -> None:
    made(
        pytester,
        """
    from voxemu.dialogue.session import Session

    async def test_it(emu_virtual, monkeypatch):
        def broken(self, event, now):
            raise RuntimeError("boom")

        monkeypatch.setattr(Session, "receive", broken)
        async with ClientSession() as http:
            phone = await dial(http, "lokutor", emu_virtual.url("lokutor"))
            await phone.hear(None)
        """,
    )
    result = pytester.runpytest()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["1 error inside the emulator", "*RuntimeError: boom"])


@pytest.mark.parametrize(
    ("fixture", "clock", "sentence"),
    [
        ("emu", "virtual", "emu(clock='virtual'): ask for the fixture emu_virtual, in place of emu"),
        ("emu_virtual", "media", "emu(clock='media'): ask for the fixture emu, in place of emu_virtual"),
    ],
)
def test_a_clock_that_is_another_fixtures(
    pytester: pytest.Pytester, fixture: str, clock: str, sentence: str
) -> None:
    made(pytester, f"    @pytest.mark.emu(clock={clock!r})\n    def test_it({fixture}):\n        pass")
    result = pytester.runpytest()
    result.assert_outcomes(errors=1)
    assert sentence in result.stdout.str()


def test_the_media_clock_is_the_markers_to_ask_for(pytester: pytest.Pytester) -> None:
    made(
        pytester,
        """
    @pytest.mark.emu(clock="media", agent="tone:440:5")
    async def test_it(emu):
        async with ClientSession() as http:
            phone = await dial(http, "lokutor", emu.url("lokutor"))
            # All at once, with the silence in which the reply is heard: time is what was sent.
            await phone.speak(1.0, hush=8.0)
            await emu.session.wait_for_async("reply_ended")
            await phone.ws.close()
        emu.assert_heard(5.0)
        """,
    )
    pytester.runpytest().assert_outcomes(passed=1)
