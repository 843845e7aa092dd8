"""The rules as people read them: ``emu explain``, and the page docs/findings.md."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from voxemu.errors import UnknownName
from voxemu.events import FindingMade
from voxemu.lint.pages import ADVICE, WITHOUT, Advice, advice, applies, providers_advising
from voxemu.lint.rules import RULES, Rule
from voxemu.lint.unseen import UNSEEN

WIDTH = 100


def all_codes() -> tuple[str, ...]:
    return tuple(RULES)


def finding(code: str, seen: str, provider: str = "") -> FindingMade:
    """A finding that is made outside a session's engine: at the desk, or when a session is left.

    Raises UnknownName.
    """
    said = advice(_rule(code).code, provider)
    return FindingMade(code, said.rule, said.source, seen)


def explain(code: str) -> str:
    """One rule: what it says, why it matters, what to do, and which pages say so. Raises UnknownName."""
    rule = _rule(code.strip().upper())
    parts = [
        f"{rule.code}: {rule.title}",
        _paragraph("Rule", rule.rule),
        _paragraph("Why", rule.why),
        _paragraph("Fix", rule.fix),
        *(
            _paragraph(who, f"{said.rule} ({said.source})")
            for who, said in providers_advising(rule.code).items()
        ),
        _paragraph("Applies to", _reach(rule)),
    ]
    return "\n\n".join(parts) + "\n"


def overview() -> str:
    """Every code with its title, a line each."""
    width = max(map(len, RULES))
    return "".join(f"{rule.code:<{width}}  {rule.title}\n" for rule in RULES.values())


def findings_page() -> str:
    """docs/findings.md, whole."""
    lines = [
        "# Findings",
        "",
        "What the emulator remarks on when a client does something that its provider's page advises",
        "against, or that cannot work live. A finding never changes the call. `emu explain CODE` says more:",
        "why it matters, and what each page says. Those that begin with F-SERVER are about the provider,",
        "and stand in the recordings of `emu client`.",
        "",
        "This page is printed by `python -m voxemu.lint`; a test compares it.",
        "",
        "| code | what was seen | what to do | where |",
        "|---|---|---|---|",
        *(f"| `{rule.code}` | {rule.title} | {rule.fix} | {_reach(rule)} |" for rule in RULES.values()),
        "",
        "## Page by page",
        "",
        "What each page asks of clients, in our words, and where that is found. Rules that are on no page",
        "hold everywhere they make sense.",
        "",
        *(line for provider in ADVICE for line in _page(provider)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _page(provider: str) -> Iterator[str]:
    codes: dict[Advice, list[str]] = {}
    for code, said in ADVICE[provider].items():
        codes.setdefault(said, []).append(f"`{code}`")
    yield from (f"### {provider}", "", "| the page | where | found as |", "|---|---|---|")
    for said, found in codes.items():
        yield f"| {said.rule} | {said.source} | {', '.join(found)} |"
    for each in UNSEEN.get(provider, ()):
        yield f"| {each.rule} | {each.source} | not to be seen from here. {each.instead} |"
    yield ""


def _rule(code: str) -> Rule:
    try:
        return RULES[code]
    except KeyError:
        raise UnknownName("finding", code, RULES) from None


def _paragraph(title: str, text: str) -> str:
    return textwrap.fill(f"{title}: {text}", WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _reach(rule: Rule) -> str:
    if not rule.everywhere:
        return ", ".join(providers_advising(rule.code))
    without = [provider for provider in WITHOUT if not applies(rule.code, provider)]
    return f"all but {', '.join(without)}" if without else "all"
