"""Settings: where they come from, who wins, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from voxemu.dialogue.settings import DialogueSettings
from voxemu.errors import Refused, SettingsError
from voxemu.provider import Key
from voxemu.server.config import Config, ConfiguredKey, load
from voxemu.server.run import check_ahead
from voxemu.server.schema import Settings, settings_types
from voxemu.tables import checked, field_names, hints_of, table_in
from voxemu.wire import PROVIDERS


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(toml: str = "", env: dict[str, str] | None = None, **flags: Any) -> Config:
    Path("emu.toml").write_text(toml)
    return load(None, env or {}, flags)


def problems(toml: str = "", env: dict[str, str] | None = None, **flags: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        told(toml, env, **flags)
    return str(caught.value).splitlines()


# --- the ladder -----------------------------------------------------------------------------------------


def test_nothing_set_is_the_defaults() -> None:
    config = load(None, {}, {})
    assert (config.settings.host, config.settings.port, config.default_agent) == ("127.0.0.1", 8090, "echo")
    assert list(config.providers) == list(PROVIDERS)


def test_flags_win_over_variables_over_the_file() -> None:
    toml, env = "port = 1\nseed = 1\nagent = 'tone:100'", {"EMU_PORT": "2", "EMU_SEED": "2"}
    config = told(toml, env, port="3")
    assert (config.settings.port, config.settings.seed, config.default_agent) == (3, 2, "tone:100")


def test_pyproject_is_read_where_there_is_no_emu_toml() -> None:
    Path("pyproject.toml").write_text("[project]\nname = 'x'\n[tool.emu]\nport = 7\n")
    assert load(None, {}, {}).settings.port == 7
    assert told("port = 8").settings.port == 8


def test_a_pyproject_without_a_table_of_ours_sets_nothing() -> None:
    Path("pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert load(None, {}, {}).settings.port == 8090


def test_config_names_the_file(here: Path) -> None:
    other = here / "other.toml"
    other.write_text("port = 9")
    assert load(str(other), {}, {}).settings.port == 9
    assert load(None, {"EMU_CONFIG": str(other)}, {}).settings.port == 9


def test_paths_in_a_file_are_relative_to_it(here: Path) -> None:
    (here / "sub").mkdir()
    (here / "sub" / "emu.toml").write_text('record = "calls"')
    assert load("sub/emu.toml", {}, {}).settings.record == "sub/calls"


def test_variables_reach_into_tables() -> None:
    env = {
        "EMU_LOKUTOR__INPUT_RATE": "16000",
        "EMU_DIALOGUE__THINK_TIME": "0.05",
        "EMU_LYZR_SIP__IDLE_LIMIT": "off",
        "EMU_LOKUTOR__BURST": "true",
        "EMU_KEYS": "a, b",
    }
    config = told(env=env)
    lokutor = config.effective("lokutor", "", Key()).dialogue
    assert (lokutor.input_rate, lokutor.think_time, lokutor.burst) == (16000, 0.05, True)
    assert config.effective("lyzr-sip", "", Key()).dialogue.idle_limit is None
    assert config.secrets() == ("a", "b")


def test_the_clients_variables_are_left_alone() -> None:
    assert told(env={"EMU_KEY": "k", "EMU_URL": "u", "EMUX": "1"}).settings.port == 8090


# --- what is wrong --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("prot = 1", "emu.toml: prot: there is no such setting; did you mean 'port'?"),
        ("[lokutr]\nburst = true", "emu.toml: lokutr: there is no such setting; did you mean 'lokutor'?"),
        (
            "[lokutor]\ninputrate = 1",
            "emu.toml: lokutor.inputrate: there is no such setting; did you mean 'input_rate'?",
        ),
        (
            "[[key]]\nvalue = 'a'\nagnet = 'echo'",
            "emu.toml: key[0].agnet: there is no such setting; did you mean 'agent'?",
        ),
        (
            "[[agent]]\nname = 'a'\n[agent.lokutor]\nbrust = true",
            "emu.toml: agent[0].lokutor.brust: there is no such setting; did you mean 'burst'?",
        ),
        ("port = '8090'", "emu.toml: port: must be a whole number, not '8090'"),
        ("port = 70000", "emu.toml: port: must be less than or equal to 65535, not 70000"),
        ("dialogue = 3", "emu.toml: dialogue: must be a table"),
        ("[dialogue]\nburst = 1", "emu.toml: dialogue.burst: must be a boolean, not 1"),
        (
            "[dialogue]\nthink_time = 99.0",
            "emu.toml: dialogue.think_time: think_time must be 0 to 60 seconds, not 99.0",
        ),
        (
            "[workbuddy]\nhangover = 20.0",
            "emu.toml: workbuddy.hangover: hangover must lie between 0.02 and 10, not 20.0",
        ),
        (
            "[[key]]\nvalue = 'a'\n[key.lyzr_sip]\nurl_life = -1",
            "emu.toml: key[0].lyzr_sip.url_life: url_life must be 0 to 86400 seconds, not -1",
        ),
        ("agent = 'ecko'", "emu.toml: agent: there is no agent 'ecko'; did you mean 'echo'?"),
        ("[[key]]\nagent = 'echo'", "emu.toml: key[0]: 'value' is missing"),
        ("[[key]]\nvalue = 'a'\n[[key]]\nvalue = 'a'", "emu.toml: key: the same value stands there twice"),
        (
            "provider = ['lokuter']",
            "emu.toml: provider: there is no provider 'lokuter'; did you mean 'lokutor'?",
        ),
        ("tls_port = 1", "TLS needs all three of tls_port, tls_cert and tls_key"),
        (
            "livekit = 'nope'",
            "emu.toml: livekit: must be auto, embedded, server, or the URL of a LiveKit server",
        ),
        (
            "livekit_url = 'rooms.example.com'",
            "emu.toml: livekit_url: must be the URL of a LiveKit server, like wss://rooms.example.com",
        ),
        ("[limits]\nmessage = 3", "emu.toml: limits.message: must be greater than or equal to 1024, not 3"),
    ],
)
def test_a_wrong_setting_is_named_with_its_place_and_what_was_meant(toml: str, sentence: str) -> None:
    (said,) = problems(toml)
    assert said.startswith(sentence)


def test_a_wrong_variable_or_flag_is_named() -> None:
    said = problems(env={"EMU_PROT": "1", "EMU_PORT": "x", "EMU_LOKUTOR__BURTS": "1"}, seed="y")
    assert [line.partition(":")[0] for line in said] == [
        "EMU_LOKUTOR__BURTS",
        "EMU_PORT",
        "EMU_PROT",
        "--seed",
    ]
    assert "did you mean 'burst'?" in said[0]
    assert "did you mean 'port'?" in said[2]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    said = problems("[dialogue]\nthink_time = 99\nmax_context = 0\n[lokutor]\ninput_rate = 1\nframe_ms = 1")
    assert {line.split(": ")[1] for line in said} == {
        "dialogue.think_time",
        "dialogue.max_context",
        "lokutor.input_rate",
        "lokutor.frame_ms",
    }


def test_wrong_types_ranges_and_names_are_said_together() -> None:
    toml = "prot = 1\n[dialogue]\nthink_time = 99\nburst = 1\n[limits]\nmessage = 3\n[[key]]\nlabel = 'x'"
    said = problems(toml)
    assert sorted(line.split(": ")[1] for line in said) == [
        "dialogue.burst",
        "dialogue.think_time",
        "key[0]",
        "limits.message",
        "prot",
    ]


@pytest.mark.parametrize("table", ["dialogue", *settings_types()])
def test_every_setting_has_a_type_that_can_be_checked(table: str) -> None:
    for name, hint in hints_of(table_in(hints_of(Settings)[table])).items():
        (problem,) = checked(hint, object())[1]
        assert problem.text.startswith("must be "), name


def test_a_number_in_quotes_is_one_in_a_variable_alone() -> None:
    assert told("", {"EMU_LYZR_LIVEKIT__END_STATUS": "204"}).settings.lyzr_livekit == {"end_status": 204}
    assert problems("[lyzr_livekit]\nend_status = '204'") == [
        "emu.toml: lyzr_livekit.end_status: must be 204 or 200, not '204'"
    ]


def test_a_number_that_is_none_is_shown_as_it_was_written() -> None:
    assert problems(env={"EMU_LIMITS__BODY": "1O"}) == ["EMU_LIMITS__BODY: must be a number, not '1O'"]


def test_what_is_shown_of_a_scope_is_what_it_says() -> None:
    toml = "[dialogue]\nidle_limit = 'off'\n[[key]]\nvalue = 'a'\nlokutor.burst = true"
    shown = {each["name"]: each["value"] for each in told(toml).shown()}
    assert shown["dialogue.idle_limit"] is None
    assert [name for name in shown if name.startswith("key")] == [
        "key[0].value",
        "key[0].agent",
        "key[0].label",
        "key[0].disabled",
        "key[0].fault",
        "key[0].lokutor.burst",
    ]


def test_broken_toml_names_the_line() -> None:
    assert problems("port = 1\nhost =\n") == ["emu.toml: no valid TOML: Invalid value (at line 2, column 7)"]


def test_a_default_agent_beside_agent_tables_is_explained() -> None:
    (said,) = problems("agent = 'echo'\n[[agent]]\nname = 'a'")
    assert '[agents] default = "…"' in said
    assert told("[agents]\ndefault = 'loopback'\n[[agent]]\nname = 'a'").default_agent == "loopback"


def test_a_missing_file_is_named() -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: cannot be read: No such file"):
        load("nowhere.toml", {}, {})


def test_a_key_is_never_in_a_complaint() -> None:
    toml = "[auth]\nkeys = ['sesame-1', 3]\n[[key]]\nvalue = 'sesame-2'\nlabel = 3\n[[key]]\nvalue = 12345678"
    said = "\n".join(problems(toml))
    assert "sesame" not in said
    assert "12345678" not in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.9", "example.com"])
def test_a_host_that_others_can_reach_needs_keys(host: str) -> None:
    (said,) = problems(host=host)
    assert "any key would pass" in said
    assert told("[auth]\nkeys = ['a']", host=host).is_public


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.1.2.3"])
def test_a_loopback_host_needs_none(host: str) -> None:
    assert not told(host=host).is_public


def test_a_greeting_that_cannot_be_read_is_found_at_the_start() -> None:
    config = told("[lokutor]\ngreeting = 'hello.wav'")
    with pytest.raises(SettingsError, match=r"emu.toml: lokutor.greeting: hello.wav is not there"):
        check_ahead(config)


def test_a_directory_for_recordings_that_cannot_be_written_is_found_at_the_start(here: Path) -> None:
    (here / "file").write_text("")
    with pytest.raises(SettingsError, match=r"--record: .*file is no folder"):
        check_ahead(told(record=str(here / "file")))


# --- what they come to for a call -----------------------------------------------------------------------


def test_scopes_win_in_order() -> None:
    config = told(
        """
        [dialogue]
        think_time = 1
        pre_roll = 1
        hangover = 1
        threshold = 0.5
        [lokutor]
        think_time = 2
        pre_roll = 2
        hangover = 2
        [[agent]]
        name = "desk"
        agent = "echo"
        dialogue.think_time = 9
        [agent.lokutor]
        think_time = 3
        pre_roll = 3
        [[key]]
        value = "k"
        lokutor.think_time = 4
        """
    )
    found = config.effective("lokutor", "desk", ConfiguredKey(number=0))
    dialogue = found.dialogue
    assert (dialogue.think_time, dialogue.pre_roll, dialogue.hangover, dialogue.threshold) == (4, 3, 2, 0.5)
    assert found.origins["think_time"] == "emu.toml: key[0].lokutor.think_time"
    assert found.origins["echo_guard"] == "the provider's default"
    assert config.effective("workbuddy", "desk", Key()).dialogue.think_time == 9


def test_a_providers_own_settings_and_the_dialogues_share_its_table() -> None:
    config = told("[workbuddy]\nready_delay = 0.5\ntoken_life = 7")
    found = config.effective("workbuddy", "", Key())
    assert (found.dialogue.ready_delay, found.wire.token_life) == (0.5, 7)


@pytest.mark.parametrize("table", settings_types())
def test_no_provider_setting_is_named_like_one_of_the_dialogue(table: str) -> None:
    assert field_names(settings_types()[table]) & field_names(DialogueSettings) == set()


def test_livekit_settings_are_accepted_and_checked() -> None:
    told(
        "[lyzr_livekit]\nuser_identity = 'required'\nend_status = 200",
        {"EMU_LYZR_LIVEKIT__END_STATUS": "204"},
    )
    config = told(
        "[lyzr_livekit]\nmalformed_json = 500\nagent_config = {prompt = 'Be brief.'}\nrejoin_wait = 3.5",
        {"EMU_LYZR_LIVEKIT__END_STATUS": "200"},
    )
    wire = config.effective("lyzr-livekit", "", Key()).wire
    assert (wire.end_status, wire.malformed_json, wire.rejoin_wait) == (200, 500, 3.5)
    assert wire.agent_config == {"prompt": "Be brief."}
    assert len(problems("[lyzr_livekit]\nuser_identity = 'maybe'\nend_status = 201")) == 2


# --- agents ---------------------------------------------------------------------------------------------


def test_a_tone_that_nobody_can_hear_is_refused_as_an_agent() -> None:
    with pytest.raises(Refused, match="20 to 7000 Hz"):
        told().resolve_agent("lokutor", "tone:1", Key())


def test_an_agent_without_one_of_ours_behind_it_is_served_by_the_default() -> None:
    config = told("[[agent]]\nname = 'desk'\n[[agent]]\nname = 'bell'\nagent = 'tone:700'", agent="bell")
    behind = [config.agent_behind(name) for name in ("desk", "bell", "loopback")]
    assert behind == ["tone:700", "tone:700", "loopback"]


def test_the_example_of_the_docs_is_valid() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text("utf-8")
    example = page.partition("```toml\n")[2].partition("```")[0]
    config = told(example)
    assert (
        config.effective("workbuddy", "", ConfiguredKey(number=0)).wire.session_closed_reason == "room_closed"
    )
    assert config.effective("lyzr-sip", "front-desk", Key()).wire.transcript_shape == "content"
