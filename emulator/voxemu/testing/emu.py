"""The emulator of one test: where it is, who answers, and what became of the calls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from voxemu.errors import SettingsError, UsageError
from voxemu.fault import fault_of
from voxemu.provider import Provider
from voxemu.server.config import Config
from voxemu.server.exports import exported, key_of
from voxemu.testing.claims import counted, shown
from voxemu.testing.events import Finding
from voxemu.testing.journal import Witnessed
from voxemu.testing.looks import Looks
from voxemu.testing.session import TIMEOUT, EmuSession
from voxemu.testing.settings import FOR_GOOD, Rung, leaves, settled
from voxemu.testing.stage import Stage
from voxemu.wire import provider_named


class Emu(Looks):
    """What the fixture ``emu`` gives a test. ``rungs`` are the settings below those the test makes itself."""

    def __init__(
        self,
        stage: Stage | None,
        errors: list[str],
        *,
        file: Path | None = None,
        rungs: Sequence[Rung] = (),
        provider: str | None = None,
    ) -> None:
        self._errors = errors
        self._playing = stage
        self._file = file
        self._rungs = list(rungs)
        self._provider = provider
        self._handed_out: set[str] = set()
        self._known: dict[str, EmuSession] = {}

    def __repr__(self) -> str:
        count = len(self._stage.journal.sessions)
        return f"<emu at {self.base_url}, {count} session{'s' * (count != 1)}>"

    # --- where it is ------------------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """Scheme, host and port."""
        return self._stage.url

    @property
    def key(self) -> str:
        """An API key that passes."""
        return key_of(self._config)

    @property
    def env(self) -> Mapping[str, str]:
        """The variables that an app needs: ``EMU_URL``, ``EMU_KEY``, and each provider's own."""
        return exported(self._config, self.base_url, self.key)

    def url(self, provider: str | None = None) -> str:
        """What an app calls to start a session of this provider, by default the marker's."""
        return self._named(provider).start_url(self.base_url)

    def _named(self, provider: str | None) -> Provider:
        name = provider or self._provider
        served = self._config.providers
        if name is None and len(served) == 1:
            (name,) = served
        if name is None:
            raise UsageError(
                f"which provider? emu.url({next(iter(served))!r}), or "
                f"@pytest.mark.emu(provider={next(iter(served))!r}); served: {', '.join(served)}"
            )
        found = provider_named(name)
        if name not in served:
            raise UsageError(f"{name} is not served here (provider = {list(served)})")
        return found

    @property
    def _stage(self) -> Stage:
        if self._playing is None:
            raise UsageError(
                "nothing has run on the virtual clock yet: let the test be `async def`, or give what is to "
                "run to emu_virtual.run(…)"
            )
        return self._playing

    # --- who answers ------------------------------------------------------------------------------------

    @property
    def _config(self) -> Config:
        return self._stage.server.config

    @property
    def agent(self) -> str:
        """Who answers calls that ask for nobody in particular: ``echo``, ``tone:440``, ``loopback``."""
        return self._config.default_agent

    @agent.setter
    def agent(self, name: str) -> None:
        self._say("emu", {"agent": name})

    def set(self, **tables: Any) -> None:
        """Settings for the calls to come, as in ``emu.toml``: ``emu.set(dialogue={"think_time": 0.1})``."""
        self._say("emu.set()", tables)

    def _say(self, source: str, tables: Mapping[str, Any]) -> None:
        __tracebackhide__ = True
        config = self._settled(source, tables)
        self._stage.run(lambda: self._stage.server.adopt(config))

    def _settled(self, source: str, tables: Mapping[str, Any]) -> Config:
        """What the settings come to with these above all others."""
        __tracebackhide__ = True
        for path, _ in leaves(tables):
            name = ".".join(path)
            if any(name == fixed or name.startswith(fixed + ".") for fixed in FOR_GOOD):
                raise SettingsError(
                    f"{source}: {name!r} is settled before the test begins; say it in @pytest.mark.emu"
                    "(settings=…), in the fixture emu_settings, or in emu.toml"
                )
        rungs = [*self._rungs, Rung(source, tables)]
        record = self._config.settings.record
        config = settled(self._file, rungs, record=Path(record) if record else None)
        self._rungs = rungs
        return config

    @property
    def has_run(self) -> bool:
        """Whether there is anything to ask; always, but before a run on the virtual clock."""
        return self._playing is not None

    def fault(self, kind: str, **more: Any) -> None:
        """Something goes wrong with the starts and sessions to come, or with those of one ``label``."""
        __tracebackhide__ = True
        fault = fault_of({"kind": kind, **more}, anchored=True)
        self._stage.run(lambda: self._stage.server.book.ask(fault))

    # --- the sessions -----------------------------------------------------------------------------------

    @property
    def sessions(self) -> list[EmuSession]:
        """In the order in which they were opened, those that are over among them."""
        self._stage.catch_up()
        return [self._session(witnessed) for witnessed in list(self._stage.journal.sessions)]

    def chosen(self, provider: str = "", label: str = "", live: bool | None = None) -> list[EmuSession]:
        """The sessions of this provider, with this label, that are live or over."""
        return [
            session
            for session in self.sessions
            if provider in ("", session.provider)
            and label in ("", session.label)
            and live in (None, session.live)
        ]

    def labelled(self, label: str) -> EmuSession:
        """The only one with this label."""
        __tracebackhide__ = True
        found = [session for session in self.sessions if session.label == label]
        if len(found) != 1:
            labels = sorted({session.label for session in self.sessions})
            raise AssertionError(
                f"one session labelled {label!r} expected, not {len(found)}; there are {labels}"
            )
        return found[0]

    @property
    def session(self) -> EmuSession:
        """The only one."""
        __tracebackhide__ = True
        found = self.sessions
        if len(found) != 1:
            problem = (
                f"{len(found)} sessions were opened: emu.sessions has them" if found else self._why_none()
            )
            raise AssertionError(f"one session expected; {problem}")
        return found[0]

    def wait_for_session(self, provider: str | None = None, *, timeout: float = TIMEOUT) -> EmuSession:
        """The next session of this provider, or of any: each is handed out once, as soon as it is open."""
        __tracebackhide__ = True
        return self._come(self._stage.waited(self._next(provider), timeout), provider, timeout)

    async def wait_for_session_async(
        self,
        provider: str | None = None,
        *,
        timeout: float = TIMEOUT,  # noqa: ASYNC109
    ) -> EmuSession:
        """As ``wait_for_session``; the test's loop goes on meanwhile."""
        __tracebackhide__ = True
        return self._come(await self._stage.awaited(self._next(provider), timeout), provider, timeout)

    def _come(self, witnessed: Witnessed | None, provider: str | None, timeout: float) -> EmuSession:
        __tracebackhide__ = True
        if witnessed is None:
            raise AssertionError(self._not_come(provider, timeout))
        return self._session(witnessed)

    def _next(self, provider: str | None) -> Callable[[], Witnessed | None]:
        if provider is not None:
            provider = self._named(provider).id

        def found() -> Witnessed | None:
            for witnessed in self._stage.journal.sessions:
                record = witnessed.record
                if record.id not in self._handed_out and provider in (None, record.admission.provider):
                    self._handed_out.add(record.id)
                    return witnessed
            return None

        return found

    def _session(self, witnessed: Witnessed) -> EmuSession:
        return self._known.setdefault(witnessed.record.id, EmuSession(witnessed, self._stage))

    def _not_come(self, provider: str | None, timeout: float) -> str:
        what = f"session of {provider}" if provider else "session"
        more = "another " if self._handed_out else "a "
        return f"waited {timeout:g} s for {more}{what}; {self._why_none()}"

    def _why_none(self) -> str:
        away = self._stage.journal.turned_away_ones + self._stage.journal.remarks
        if away:
            return "\n".join(["the app was turned away:", *(f"  {line}" for line in away)])
        if self._stage.journal.sessions:
            return "none came beside those in emu.sessions"
        return f"nobody called {self.base_url}; does the app use emu.url(…) or emu.env?"

    @property
    def errors(self) -> list[str]:
        """Of the emulator itself. They fail the test; one that expects them empties the list."""
        if self._playing is not None:
            self._playing.catch_up()
        return self._errors

    def judge(self, session: EmuSession, check: Callable[[], None]) -> None:
        """Runs a check that needs the whole session, when that is over."""
        __tracebackhide__ = True
        session.wait_until_over()
        check()

    # --- claims -----------------------------------------------------------------------------------------

    def assert_turns(self, expected: int) -> None:
        """See EmuSession; so for each of these."""
        __tracebackhide__ = True
        self.session.assert_turns(expected)

    def assert_barge_in(self, within_ms: float | None = None) -> None:
        __tracebackhide__ = True
        self.session.assert_barge_in(within_ms)

    def assert_no_barge_in(self) -> None:
        __tracebackhide__ = True
        self.session.assert_no_barge_in()

    def assert_heard(
        self, seconds: float | tuple[float, float] | None = None, *, tone: float | None = None
    ) -> None:
        __tracebackhide__ = True
        self.session.assert_heard(seconds, tone=tone)

    def assert_heard_nothing(self) -> None:
        __tracebackhide__ = True
        self.session.assert_heard_nothing()

    def assert_transcript(self, text: str, speaker: str = "agent") -> None:
        __tracebackhide__ = True
        self.session.assert_transcript(text, speaker)

    def assert_played(
        self, pcm: bytes | Sequence[bytes], rate: int | None = None, *, tolerance: float = 0.25
    ) -> None:
        __tracebackhide__ = True
        self.session.assert_played(pcm, rate, tolerance=tolerance)

    def assert_closed(self, code: int | None = None, by: str | None = None) -> None:
        __tracebackhide__ = True
        self.session.assert_closed(code, by)

    def assert_no_findings(self, *, except_for: Collection[str] = ()) -> None:
        """In none of the sessions, nor beside them."""
        __tracebackhide__ = True
        for session in self.sessions:
            session.assert_no_findings(except_for=except_for)
        found = [each for each in self.findings if each.code not in except_for]
        if found:
            raise AssertionError(
                "\n".join([f"{counted(len(found), 'finding')} of no session", *map(shown, found)])
            )

    @property
    def findings(self) -> list[Finding]:
        """Those that belong to no session: one that was started and never connected to."""
        self._stage.catch_up()
        return [
            Finding(0.0, each["code"], each["rule"], each["page"], each["seen"])
            for each in list(self._stage.server.registry.findings)
        ]

    @property
    def story(self) -> str:
        """What the emulator saw, for people."""
        if self._playing is None:
            return "nothing ran on the virtual clock"
        away = self._stage.journal.turned_away_ones + self._stage.journal.remarks
        stories = [session.story for session in self.sessions]
        return "\n\n".join([*stories, *away]) or f"nobody called {self.base_url}"
