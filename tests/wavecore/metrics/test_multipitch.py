"""Which notes sound at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.errors import InputError
from wavecore.metrics.contour import jaccard_distance
from wavecore.metrics.multipitch import HIGHEST, HOP_S, LOWEST, sounding_notes

RATE = 16_000


def tone(midi: float, seconds: float = 1.0, partials: int = 6, level: float = 0.1) -> np.ndarray:
    t = np.arange(int(seconds * RATE)) / RATE
    f0_hz = 440 * 2 ** ((midi - 69) / 12)
    return level * sum(
        np.sin(2 * np.pi * k * f0_hz * t + k) / k for k in range(1, partials + 1) if k * f0_hz < RATE / 2
    )


def notes_of(x: np.ndarray) -> set[int]:
    """That sound in most of the frames."""
    found = sounding_notes(x, sample_rate=RATE)[5:-5]
    return set(np.flatnonzero(found.mean(axis=0) > 0.5).tolist())


@given(midi=st.integers(48, 90), partials=st.integers(1, 10))
@settings(deadline=None, max_examples=15)
def test_one_note_is_one_note(midi, partials):
    assert notes_of(tone(midi, partials=partials)) == {midi}


@pytest.mark.parametrize("chord", [(60, 64), (62, 69), (57, 64, 73), (60, 67, 76), (55, 71)])
def test_notes_at_once_are_found_one_by_one(chord):
    assert notes_of(sum(tone(midi) for midi in chord)) == set(chord)


def test_it_is_no_matter_how_loud_it_is():
    x = tone(60) + tone(67)
    assert np.array_equal(sounding_notes(x, sample_rate=RATE), sounding_notes(0.01 * x, sample_rate=RATE))


def test_notes_come_and_go_when_they_do():
    x = np.concatenate([tone(60), np.zeros(RATE), tone(64)])
    found = sounding_notes(x, sample_rate=RATE)
    assert found.shape == (1 + len(x) // round(HOP_S * RATE), 128)
    wanted = np.zeros_like(found)
    wanted[:50, 60] = wanted[100:, 64] = True
    assert jaccard_distance(wanted, found) < 0.15


def test_a_quarter_tone_beside_is_one_of_two():
    assert notes_of(tone(60.4)) <= {60, 61}


def test_silence_has_no_notes_and_those_out_of_reach_are_not_invented():
    assert not sounding_notes(np.zeros(4_000, np.float32), sample_rate=RATE).any()
    found = sounding_notes(tone(50) + tone(62), sample_rate=RATE)
    assert not found[:, :LOWEST].any() and not found[:, HIGHEST + 1 :].any()


@pytest.mark.parametrize(
    ("x", "rate", "message"),
    [
        (np.zeros((2, 100)), RATE, "one channel"),
        (np.full(4_000, np.nan), RATE, "finite"),
        (np.zeros(4_000), 4_000, "8,000 Hz"),
    ],
)
def test_what_cannot_be_heard_is_refused(x, rate, message):
    with pytest.raises(InputError, match=message):
        sounding_notes(x, sample_rate=rate)
