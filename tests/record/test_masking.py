from __future__ import annotations

from urllib.parse import quote

import pytest

from voxemu.record.masking import Mask

SECRET = "k3y/with+odd=chars and more"


@pytest.mark.parametrize(
    "text", [SECRET, quote(SECRET), quote(SECRET, safe=""), quote(SECRET, safe="").lower()]
)
def test_a_secret_is_masked_however_it_is_written(text: str) -> None:
    assert Mask([SECRET]).text(f"ws://host/?x={text}&y=1") == "ws://host/?x=***&y=1"


def test_a_secret_that_was_cut_short_is_masked() -> None:
    assert Mask(["0123456789abcdefghij"]).text('{"t": 0123456789abcdef') == '{"t": ***'


def test_a_short_secret_is_masked_as_a_word_only() -> None:
    assert Mask(["key"]).text("the key opens the keyhole") == "the *** opens the keyhole"


def test_a_secret_inside_of_a_secret_does_not_uncover_it() -> None:
    assert Mask(["abcdef", "abcdef-ghijkl"]).text("<abcdef-ghijkl>") == "<***>"


def test_an_empty_secret_masks_nothing() -> None:
    assert Mask(["", " "]).text("all of this") == "all of this"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer sk-12345678", "Authorization: Bearer ***"),
        ('{"token":"abcdefgh', '{"token":"***'),
        ("/ws/agent?api_key=abcdefgh&agent_id=echo", "/ws/agent?api_key=***&agent_id=echo"),
        ("got eyJhbGciOiJI.eyJzaWQi.c2ln here", "got *** here"),
    ],
)
def test_what_looks_like_a_secret_is_masked_unknown(text: str, masked: str) -> None:
    assert Mask().text(text) == masked


@pytest.mark.parametrize("text", ["my token is lost", "the bearer of news", "a secret garden: roses", "keys"])
def test_ordinary_speech_is_left_alone(text: str) -> None:
    assert Mask().text(text) == text


def test_a_setting_that_is_named_like_a_secret_is_masked() -> None:
    said = {"api_key": "x", "voice": "F1", "nested": [{"livekit_secret": "y"}]}
    assert Mask().plain(said) == {"api_key": "***", "voice": "F1", "nested": [{"livekit_secret": "***"}]}


def test_what_json_cannot_say_is_said_otherwise() -> None:
    assert Mask().plain([float("nan"), float("-inf"), b"ab", {1}]) == ["nan", "-inf", "2 bytes", [1]]


def test_something_nested_without_end_is_cut_off() -> None:
    deep: list[object] = []
    deep.append(deep)
    assert "…" in str(Mask().plain(deep))


@pytest.mark.parametrize(
    "text", ["a-" * 200_000, "token " * 80_000, "token" + " " * 400_000, "eyJaaaaaaaa." * 40_000]
)
def test_no_text_takes_long_to_look_through(text: str) -> None:
    # Quadratic work would take minutes here, and the server's loop with it.
    assert len(Mask(["0123456789abcdef"]).text(text)) > 0
