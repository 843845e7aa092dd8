"""The table of rules, and what people read of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from voxemu.errors import UnknownName
from voxemu.events import FindingMade
from voxemu.lint import all_codes, explain, finding, findings_page, overview
from voxemu.lint.pages import ADVICE, FRAMES, SILENCE, WITHOUT, applies
from voxemu.lint.rules import RULES
from voxemu.lint.unseen import UNSEEN
from voxemu.provider import Provider
from voxemu.wire import PROVIDERS

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_findings_is_current() -> None:
    assert (DOCS / "findings.md").read_text("utf-8") == findings_page()


def test_the_package_prints_the_page() -> None:
    printed = subprocess.run([sys.executable, "-m", "voxemu.lint"], capture_output=True, check=True)
    assert printed.stdout.decode() == findings_page()


@pytest.mark.parametrize("code", all_codes())
def test_every_rule_is_explained_with_its_reason_and_its_fix(code: str) -> None:
    said = " ".join(explain(code).split())
    rule = RULES[code]
    assert [part for part in (code, rule.title, rule.rule, rule.why, rule.fix) if part not in said] == []


@pytest.mark.parametrize("code", all_codes())
def test_no_line_of_an_explanation_is_too_long_for_a_terminal(code: str) -> None:
    assert [line for line in explain(code).splitlines() if len(line) > 100] == []


def test_an_explanation_names_the_page() -> None:
    assert "lyzr-voice-sip page, Audio Pacing & Backpressure" in explain("f-frame-size")


def test_a_mistyped_code_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'F-CLIPPED'"):
        explain("F-CLIPED")


def test_a_code_that_is_begun_is_answered_with_those_that_go_on_so() -> None:
    with pytest.raises(
        UnknownName, match="did you mean 'F-RATE-APPARENT' or 'F-RATE-DECLARED' or 'F-RATE-PLAYBACK'"
    ):
        explain("f-rate")


def test_the_overview_has_a_line_for_every_code() -> None:
    assert [line.split()[0] for line in overview().splitlines()] == list(all_codes())


def test_every_code_is_spelled_the_same_way() -> None:
    assert [code for code in all_codes() if not code.startswith("F-") or code != code.upper()] == []


def test_every_advice_is_for_a_rule_there_is_and_that_its_provider_has() -> None:
    stray = [(who, code) for who, said in ADVICE.items() for code in said if not applies(code, who)]
    assert stray == []


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda provider: provider.id)
def test_what_cannot_be_seen_stands_on_the_providers_own_page(provider: Provider) -> None:
    said = UNSEEN[provider.id]
    assert [each.source for each in said if not each.source.startswith(provider.page)] == []
    named = {code for each in said for code in re.findall(r"F-[A-Z0-9-]+[A-Z0-9]", each.instead)}
    assert named - set(RULES) == set()


def test_every_rule_that_a_provider_is_without_exists() -> None:
    begun = [
        start
        for starts in WITHOUT.values()
        for start in starts
        if not any(c.startswith(start) for c in RULES)
    ]
    assert begun == []


def test_where_there_is_a_figure_there_is_advice() -> None:
    assert sorted(who for who in ADVICE if "F-FRAME-SIZE" in ADVICE[who]) == sorted(FRAMES)
    assert sorted(who for who in ADVICE if "F-SILENCE-FLOOD" in ADVICE[who]) == sorted(SILENCE)


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda provider: provider.id)
def test_advice_stands_on_the_providers_own_page(provider: Provider) -> None:
    said = ADVICE.get(provider.id, {})
    assert [advice.source for advice in said.values() if not advice.source.startswith(provider.page)] == []


def test_a_finding_at_the_desk_carries_the_providers_words() -> None:
    made = finding("F-URL-REUSED", "connected twice", "lyzr-sip")
    assert made == FindingMade(
        "F-URL-REUSED",
        "A closed socket means a new session/start and a new URL; old URLs are not used again.",
        "lyzr-voice-sip page, Connection Lifecycle",
        "connected twice",
    )


def test_a_finding_for_nobody_in_particular_carries_the_general_rule() -> None:
    assert finding("F-NEVER-CONNECTED", "").rule == RULES["F-NEVER-CONNECTED"].rule


def test_a_finding_of_no_known_code_is_refused() -> None:
    with pytest.raises(UnknownName):
        finding("F-NOTHING", "")


def test_leaving_without_the_end_call_is_a_rule_of_livekit_alone() -> None:
    assert [who for who in ADVICE if applies("F-NO-END-CALL", who)] == ["lyzr-livekit"]
