"""A client that does everything right hears nothing."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lint.calls import (
    LOKUTOR,
    LYZR,
    NOTHING,
    VENDORS,
    WORKBUDDY,
    Floats,
    Timed,
    Vendor,
    codes,
    delayed,
    in_callbacks,
    in_real_time,
    integers,
    prompt,
    prompts,
    speech,
    tone,
)
from voxemu.events import UserAudioSent
from voxemu.lint import Linter
from voxemu.provider import Provider
from voxemu.wire import PROVIDERS

every_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.id)


def spoken(vendor: Vendor, sound: Floats) -> list[Timed]:
    return list(in_real_time(integers(sound), vendor.format.rate, vendor.frame))


@every_vendor
@pytest.mark.parametrize("level", [0.003, 0.05, 0.5, 0.99], ids=["faint", "quiet", "ordinary", "loud"])
def test_speech_in_real_time_is_in_order(vendor: Vendor, level: float) -> None:
    assert codes(vendor, spoken(vendor, speech(vendor.format.rate, 8, level))) == NOTHING


@every_vendor
@pytest.mark.parametrize("hz", [50.0, 440.0, 1000.0, 3999.0, 4000.0], ids=lambda hz: f"{hz:.0f} Hz")
@pytest.mark.parametrize("level", [0.01, 0.5, 1.0])
def test_a_tone_is_in_order(vendor: Vendor, hz: float, level: float) -> None:
    if hz * 2 < vendor.format.rate:
        assert codes(vendor, spoken(vendor, tone(vendor.format.rate, 4, hz, level))) == NOTHING


@every_vendor
@pytest.mark.parametrize("name", prompts())
def test_the_spoken_prompts_are_in_order(vendor: Vendor, name: str) -> None:
    assert codes(vendor, spoken(vendor, prompt(name, vendor.format.rate))) == NOTHING


@every_vendor
def test_noise_is_in_order(vendor: Vendor) -> None:
    noise = np.random.default_rng(3).normal(0, 0.05, vendor.format.rate * 5)
    assert codes(vendor, spoken(vendor, noise)) == NOTHING


@every_vendor
def test_pauses_of_zeros_are_in_order(vendor: Vendor) -> None:
    rate = vendor.format.rate
    sound = np.concatenate([speech(rate, 2), np.zeros(rate * 6), speech(rate, 2), np.zeros(rate * 3)])
    assert codes(vendor, spoken(vendor, sound)) == NOTHING


@every_vendor
@pytest.mark.parametrize("pause", [0.25, 0.7, 1.5, 30.0])
def test_a_client_that_sends_nothing_between_its_words_is_in_order(vendor: Vendor, pause: float) -> None:
    """With a pre-roll of 300 ms in one go whenever its gate opens."""
    rate, stream, now = vendor.format.rate, [], 1.0
    for _ in range(12):
        messages = [event for _, event in spoken(vendor, speech(rate, 1.8))]
        early = round(0.3 * rate / vendor.frame)
        for n, message in enumerate(messages):
            stream.append((now + max(0, n - early) * vendor.frame / rate, message))
        now = stream[-1][0] + pause
    assert codes(vendor, stream) == NOTHING


@pytest.mark.parametrize("callback", [256, 2048, 4096, 8192, 16_384])
def test_the_bursts_of_a_browser_callback_are_in_order_on_workbuddy(callback: int) -> None:
    pcm = integers(speech(16_000, 12))
    assert codes(WORKBUDDY, in_callbacks(pcm, 16_000, 320, callback=callback)) == NOTHING


def test_the_frames_of_lokutors_sdk_are_in_order_once_it_announced_16_khz() -> None:
    pcm = integers(speech(16_000, 8))
    assert codes(LOKUTOR, in_real_time(pcm, 16_000, 320), announces=16_000) == NOTHING


def test_lokutors_input_rate_may_be_a_setting() -> None:
    pcm = integers(speech(16_000, 8))
    assert codes(LOKUTOR, in_real_time(pcm, 16_000, 320), input_rate=16_000) == NOTHING


@pytest.mark.parametrize("samples", [160, 320, 1000, 4096])
def test_lokutors_page_has_no_message_size(samples: int) -> None:
    assert codes(LOKUTOR, in_real_time(integers(speech(44_100, 6)), 44_100, samples)) == NOTHING


@pytest.mark.parametrize("every", [0.2, 1.0, 5.0, 15.0])
def test_zeros_now_and_then_are_a_keep_alive_on_lyzr(every: float) -> None:
    stream = [(1 + n * every, UserAudioSent(bytes(960), 24_000)) for n in range(60)]
    assert codes(LYZR, stream) == NOTHING


def test_zeros_all_the_time_are_nothing_that_lyzrs_page_speaks_against() -> None:
    assert codes(LYZR, spoken(LYZR, np.zeros(24_000 * 90))) == NOTHING


@every_vendor
def test_a_short_last_message_of_every_clip_is_in_order(vendor: Vendor) -> None:
    rate, stream, now = vendor.format.rate, [], 1.0
    for _ in range(12):
        pcm = integers(speech(rate, 1.007))
        stream += list(in_real_time(pcm, rate, vendor.frame, start=now))
        now = stream[-1][0] + 1.5
    assert codes(vendor, stream) == NOTHING


@every_vendor
def test_a_line_that_stalls_for_a_second_and_catches_up_is_not_the_clients_fault(vendor: Vendor) -> None:
    stream = spoken(vendor, speech(vendor.format.rate, 10))
    stalls = [1.0 if 4.0 < due < 4.1 or 7.0 < due < 7.2 else 0.0 for due, _ in stream]
    assert codes(vendor, delayed(stream, stalls)) == NOTHING


@every_vendor
@settings(max_examples=15, deadline=None)
@given(
    delays=st.lists(st.floats(0, 1), min_size=3, max_size=80),
    jitter=st.sampled_from([0.005, 0.05, 0.2, 0.35]),
)
def test_jitter_makes_no_finding(vendor: Vendor, delays: list[float], jitter: float) -> None:
    held = (delay * jitter for delay in cycle(delays))
    assert codes(vendor, delayed(SPOKEN[vendor.id], held)) == NOTHING


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(480, 2400), min_size=5, max_size=60))
def test_chunking_within_the_advice_makes_no_finding(sizes: list[int]) -> None:
    pcm, at = integers(SPEECH), 0
    stream: list[Timed] = []
    while at < len(pcm):
        size = 2 * sizes[len(stream) % len(sizes)]
        at += size
        stream.append((1 + at / 48_000, UserAudioSent(pcm[at - size : at], 24_000)))
    assert codes(LYZR, stream) == NOTHING


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(1, 6000), min_size=5, max_size=60))
def test_any_chunking_is_in_order_on_lokutor(sizes: list[int]) -> None:
    pcm, at = integers(speech(44_100, 3)), 0
    stream: list[Timed] = []
    while at < len(pcm):
        size = 2 * sizes[len(stream) % len(sizes)]
        at += size
        stream.append((1 + at / 88_200, UserAudioSent(pcm[at - size : at])))
    assert codes(LOKUTOR, stream) == NOTHING


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda provider: provider.id)
def test_a_call_as_the_provider_would_have_it_is_in_order(provider: Provider) -> None:
    rate, frame = provider.format.rate, provider.frame_samples
    vendor = Vendor(provider.id, provider.format, frame, provider.ready)
    assert codes(vendor, in_real_time(integers(speech(rate, 6)), rate, frame)) == NOTHING
    assert list(Linter(provider).saw(UserAudioSent(bytes(2 * frame)), 0.0)) == (
        list(Linter(vendor).saw(UserAudioSent(bytes(2 * frame)), 0.0))
    )


SPEECH = speech(24_000, 5)
SPOKEN = {vendor.id: spoken(vendor, speech(vendor.format.rate, 6)) for vendor in VENDORS}
