from __future__ import annotations

import numpy as np
import pytest

from voxemu.agent import Call, CallBegan, Say, UserTurn
from voxemu.agents import Greeter, chime, known_agents, make_agent, names_an_agent, sine
from voxemu.audio import AudioFormat, sample_count
from voxemu.errors import UnknownName, UsageError

FORMAT = AudioFormat(16000)
CALL = Call(FORMAT)
TURN = UserTurn(
    1, pcm=bytes(2 * 100) + b"\5\0" * 200 + bytes(2 * 50), rate=16000, start=100, end=300, first=0
)


def said(agent: str) -> Say:
    (step,) = make_agent(agent).respond(TURN, CALL)
    assert isinstance(step, Say)
    return step


def test_an_echo_says_the_turn_without_its_hangover() -> None:
    assert said("echo").pcm == bytes(200) + b"\5\0" * 200


@pytest.mark.parametrize(
    ("name", "hertz", "seconds"), [("tone", 440, 2), ("tone:880", 880, 2), ("tone:1000:0.5", 1000, 0.5)]
)
def test_a_tone_has_the_pitch_and_length_of_its_name(name: str, hertz: float, seconds: float) -> None:
    wave = np.frombuffer(said(name).pcm, "<i2").astype(float)
    assert len(wave) == seconds * 16000
    spectrum = np.abs(np.fft.rfft(wave))
    assert np.argmax(spectrum) * 16000 / len(wave) == pytest.approx(hertz, abs=1)


def test_a_tone_is_continuous_and_faded_at_its_ends() -> None:
    wave = np.frombuffer(sine(FORMAT, 440.0, 1.0), "<i2").astype(float)
    assert abs(wave[0]) < 30 > abs(wave[-1])
    steepest = 0.3 * 32768 * 2 * np.pi * 440 / 16000
    assert np.abs(np.diff(wave)).max() <= steepest * 1.05


def test_the_same_tone_is_the_same_bytes() -> None:
    assert sine(FORMAT, 440.0, 0.3) == sine(FORMAT, 440.0, 0.3)


@pytest.mark.parametrize(
    "name", ["", "ech", "tone:", "tone:abc", "tone:440:1:2", "TONE", "tone:4٤0", "../echo"]
)
def test_a_name_that_is_none_is_refused_and_names_the_known_ones(name: str) -> None:
    assert not names_an_agent(name)
    with pytest.raises(UnknownName) as raised:
        make_agent(name)
    assert raised.value.known == sorted(known_agents())


@pytest.mark.parametrize("name", ["tone:5", "tone:9000", "tone:440:0", "tone:440:100"])
def test_a_tone_nobody_could_hear_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="20 to 7000 Hz"):
        make_agent(name)


def test_a_greeter_greets_once_and_then_lets_the_agent_answer() -> None:
    greeter = Greeter(make_agent("echo"), "Hello", chime)
    (greeting,) = greeter.respond(CallBegan(), CALL)
    assert isinstance(greeting, Say)
    assert (greeting.text, sample_count(greeting.pcm)) == ("Hello", 9600)
    assert [step.text for step in greeter.respond(TURN, CALL) if isinstance(step, Say)] == [said("echo").text]


def test_visemes_are_spread_over_the_words() -> None:
    visemes = said("tone:440:1").visemes
    times = [viseme.seconds for viseme in visemes]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] < 1
