from __future__ import annotations

from voxemu.dialogue.intake import Intake
from voxemu.events import InputGapped, InputStarted


def test_the_first_samples_lie_where_they_arrived() -> None:
    intake = Intake(16000, opened=10.0, patience=0.7)
    assert intake.arrived(320, 10.5) == [InputStarted(8000)]
    assert intake.position == 8320


def test_later_samples_follow_without_a_hole_whatever_the_clock_says() -> None:
    intake = Intake(16000, opened=0.0, patience=0.7)
    intake.arrived(320, 0.1)
    assert intake.arrived(320, 0.7) == []
    assert intake.position == 1600 + 640


def test_a_gap_is_due_a_patience_after_the_last_sample_sounded() -> None:
    intake = Intake(16000, opened=0.0, patience=0.7)
    assert intake.deadline is None
    intake.arrived(16000, 1.0)
    assert intake.deadline == 1.0 + 1.0 + 0.7


def test_a_gap_is_open_until_audio_resumes() -> None:
    intake = Intake(16000, opened=0.0, patience=0.7)
    intake.arrived(1600, 0.0)
    assert intake.missed(0.8) == InputGapped(1600, 11200, open=True)
    assert intake.deadline is None
    assert intake.arrived(320, 2.0) == [InputGapped(1600, 32000 - 1600, open=False)]
    assert intake.position == 32320


def test_a_gap_open_at_the_end_is_closed_there() -> None:
    intake = Intake(16000, opened=0.0, patience=0.7)
    intake.arrived(1600, 0.0)
    intake.missed(0.8)
    assert intake.ended(1.0) == [InputGapped(1600, 14400, open=False)]
    assert intake.ended(2.0) == []
