"""Notes that sound at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.errors import InputError
from wavecore.metrics.contour import jaccard_distance
from wavecore.metrics.multipitch import HIGHEST, HOP_S, LOWEST, sounding_notes

RATE = 16_000


def tone(midi: float, seconds: float = 0.4, partials: int = 6, level: float = 0.1) -> np.ndarray:
    t = np.arange(int(seconds * RATE)) / RATE
    f0_hz = 440 * 2 ** ((midi - 69) / 12)
    audible = range(1, min(partials, int(RATE / 2 / f0_hz)) + 1)
    return level * sum(np.sin(2 * np.pi * k * f0_hz * t + k) / k for k in audible)


def notes_of(x: np.ndarray) -> set[int]:
    """Return the notes of most frames."""
    notes = sounding_notes(x, sample_rate=RATE)[5:-5]
    return set(np.flatnonzero(notes.mean(axis=0) > 0.5).tolist())


@pytest.mark.slow
@given(midi=st.integers(48, 90), partials=st.integers(1, 10))
@settings(deadline=None, max_examples=6)
def test_one_note(midi, partials):
    assert notes_of(tone(midi, partials=partials)) == {midi}


@pytest.mark.slow
@pytest.mark.parametrize("chord", [(60, 64), (62, 69), (57, 64, 73), (60, 67, 76), (55, 71)])
def test_chords(chord):
    assert notes_of(sum(tone(midi) for midi in chord)) == set(chord)


@pytest.mark.slow
def test_quarter_tones_and_levels():
    assert notes_of(tone(60.4)) <= {60, 61}
    x = tone(60) + tone(67)
    assert np.array_equal(sounding_notes(x, sample_rate=RATE), sounding_notes(0.01 * x, sample_rate=RATE))


@pytest.mark.slow
def test_onsets_and_ends():
    x = np.concatenate([tone(60, 1.0), np.zeros(RATE // 2), tone(64, 1.0)])
    notes = sounding_notes(x, sample_rate=RATE)
    assert notes.shape == (1 + len(x) // round(HOP_S * RATE), 128)
    expected = np.zeros_like(notes)
    expected[:50, 60] = expected[75:, 64] = True
    assert jaccard_distance(expected, notes) < 0.15


@pytest.mark.slow
def test_silence_has_no_notes_and_others_are_in_range():
    assert not sounding_notes(np.zeros(4_000, np.float32), sample_rate=RATE).any()
    notes = sounding_notes(tone(50) + tone(62), sample_rate=RATE)
    assert not notes[:, :LOWEST].any() and not notes[:, HIGHEST + 1 :].any()


@pytest.mark.parametrize(
    ("x", "rate", "value"),
    [
        (np.zeros((2, 100)), RATE, r"\(2, 100\)"),
        (np.full(4_000, np.nan), RATE, r"\(4000,\)"),
        (np.zeros(4_000), 4_000, "4000 Hz"),
    ],
)
def test_bad_sounds_are_refused(x, rate, value):
    with pytest.raises(InputError, match=value):
        sounding_notes(x, sample_rate=rate)
