"""On which line a value stands."""

from __future__ import annotations

import pytest

from voxemu.scenario.lines import Lines

TEXT = '''\
schema = "x"

[caller]
key = "a # no comment"  # [not.a.table]
settings.prompt = """
quiet = 1
[[caller.step]]
"""
silence = "continuous"

[[caller.step]]
say = "hello"

[[caller.step]]
say = "stop"
after = "ready"

[agent.dialogue]
think_time = 1
tools = [
    { name = "x" },
    "[expect]",
]
hangover = 2
"quoted key" = 3
'''


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("schema",), 1),
        (("caller",), 3),
        (("caller", "key"), 4),
        (("caller", "settings"), 5),
        (("caller", "settings", "prompt"), 5),
        (("caller", "silence"), 9),
        (("caller", "step"), 11),
        (("caller", "step", 0, "say"), 12),
        (("caller", "step", 1), 14),
        (("caller", "step", 1, "after"), 16),
        (("agent", "dialogue", "think_time"), 19),
        (("agent", "dialogue", "tools", 0, "name"), 20),
        (("agent", "dialogue", "hangover"), 24),
        (("agent", "dialogue", "quoted key"), 25),
    ],
)
def test_a_value_is_found_on_its_line(location: tuple[str | int, ...], line: int) -> None:
    assert Lines(TEXT).of(location) == line


def test_what_is_not_there_stands_where_its_table_does() -> None:
    assert Lines(TEXT).of(("caller", "step", 1, "delay")) == 14


def test_what_has_no_table_stands_at_the_top() -> None:
    assert Lines(TEXT).of(("link", "loss")) == 1
