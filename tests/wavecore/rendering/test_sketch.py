"""Plain synthesis and gains of lines: pitch, level, independence of blocks."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio import pitch
from wavecore.metrics.transcription import Notes, note_f1, transcribe
from wavecore.rendering.sketch import CLOSE_S, OPEN_S, REPEAT_S, gate, sketch
from wavecore.symbolic.score import Note, Score

RATE = 16_000
TUNE = Score((Note(0.1, 0.3, 60), Note(0.4, 0.2, 67, 45), Note(0.8, 0.25, 72)))
ONSETS, DURATIONS = (0.1, 0.4, 0.7, 0.74, 1.1, 1.2), (0.3, 0.3, 0.04, 0.2, 0.1, 0.1)
REPEATED = Score(tuple(map(Note, ONSETS, DURATIONS, (60, 60, 60, 60, 60, 62))))
"""A pitch repeated at once, after a short note, and after a rest in which it still fades; then another pitch."""


def rms_db(x):
    return 10 * np.log10(np.mean(np.square(x, dtype=np.float64)))


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(
    tune=st.sampled_from([TUNE, REPEATED]), cuts=st.lists(st.integers(0, 20_000), max_size=5), octave=st.integers(-1, 2)
)
def test_blocks_equal_the_whole(tune, cuts, octave):
    whole = sketch(tune, -500, 20_000, sample_rate=RATE, level_db=-20, octave=octave)
    gains = gate(tune, -500, 20_000, sample_rate=RATE)
    edges = [0, *sorted(cuts), 20_000]
    parts = [(begin - 500, end - begin) for begin, end in pairwise(edges)]
    np.testing.assert_array_equal(
        np.concatenate([sketch(tune, *part, sample_rate=RATE, level_db=-20, octave=octave) for part in parts]), whole
    )
    np.testing.assert_array_equal(np.concatenate([gate(tune, *part, sample_rate=RATE) for part in parts]), gains)


@pytest.mark.slow
@pytest.mark.parametrize(("octave", "speed"), [(0, 1), (1, 2), (2, 4), (-1, 0.5)])
def test_times_pitch_and_level_of_a_note(octave, speed):
    line = Score((Note(0.2, 1.6, 52),))
    sound = sketch(line, 0, int(2.4 * RATE / speed), sample_rate=RATE, level_db=-20, octave=octave)
    loud = np.flatnonzero(np.abs(sound) > 1e-3) / RATE
    assert loud[0] == pytest.approx(0.2 / speed, abs=2e-3)
    assert loud[-1] == pytest.approx(1.8 / speed + 0.03, abs=5e-3)
    middle = sound[int(0.4 * RATE / speed) : int(1.6 * RATE / speed)]
    track = pitch.track_f0(middle, sample_rate=RATE)
    assert np.nanmedian(pitch.hz_to_midi(track.f0_hz)) == pytest.approx(52 + 12 * octave, abs=0.25)
    assert rms_db(middle) == pytest.approx(-20, abs=0.2)


def test_amplitude_follows_the_square_of_the_velocity():
    scores = (Score((Note(0, 1, 60, velocity),)) for velocity in (90, 45))
    loud, soft = (rms_db(sketch(score, 3200, 6400, sample_rate=RATE, level_db=-20)) for score in scores)
    assert loud - soft == pytest.approx(40 * np.log10(2), abs=0.01)


def test_high_notes_are_not_aliased():
    sound = sketch(Score((Note(0, 1, 108),)), 0, RATE, sample_rate=RATE, level_db=-20)
    spectrum = np.abs(np.fft.rfft(sound[4000:12000] * np.hanning(8000)))
    assert np.argmax(spectrum) * 2 == pytest.approx(4186, abs=3)
    assert (spectrum[2200:] < 1e-3 * spectrum.max()).all()


def test_gate_rises_before_notes_and_falls_after_them():
    opened = gate(TUNE, 0, 2 * RATE, sample_rate=RATE)
    t = np.arange(2 * RATE) / RATE
    assert opened.min() == 0 and opened.max() == 1
    assert (opened[(t >= 0.1) & (t <= 0.6)] == 1).all()
    assert (opened[t < 0.1 - OPEN_S - 1e-9] == 0).all() and (opened[t > 1.05 + CLOSE_S + 1e-9] == 0).all()
    assert opened[int(0.7 * RATE)] == pytest.approx(1 - 0.1 / CLOSE_S, abs=1e-3)
    assert np.abs(np.diff(opened)).max() <= 1.01 / (OPEN_S * RATE)


def test_gate_by_velocity():
    opened = gate(TUNE, 0, 2 * RATE, sample_rate=RATE, by_velocity=True)
    assert opened[int(0.2 * RATE)] == opened[int(0.9 * RATE)] == 1
    # The first note has fallen to 0.2 where the second, of a quarter of its gain, sounds.
    assert opened[int(0.59 * RATE)] == pytest.approx(0.25, abs=0.01)


def test_gate_closes_before_a_repeated_note():
    opened = gate(REPEATED, 0, 2 * RATE, sample_rate=RATE)
    t = np.arange(2 * RATE) / RATE
    shut = t[(opened == 0) & (t > 0.1) & (t < 1.3)]
    assert len(shut)
    # After the short note, for a quarter of it.
    for onset, damped in [(0.4, REPEAT_S), (0.7, REPEAT_S), (0.74, 0.01), (1.1, REPEAT_S)]:
        np.testing.assert_allclose(shut[np.abs(shut - onset + damped) < 0.025], onset - damped, atol=2 / RATE)
        assert opened[int(onset * RATE) + 1] == 1 and opened[int((onset - 2.1 * damped) * RATE)] > 0
    assert (opened[(t >= 1.1) & (t <= 1.3)] == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize("octave", [0, 1])
def test_repeated_notes_are_separate(octave):
    line = Score(tuple(Note(0.1 + 0.25 * i, 0.25, 57, 80) for i in range(6)))
    onsets, ends, pitches = np.array([(note.onset_s, note.end_s, note.pitch) for note in line.notes]).T
    expected = Notes(onsets / 2**octave, ends / 2**octave, pitches + 12 * octave)
    sound = sketch(line, 0, 2 * RATE, sample_rate=RATE, level_db=-20, octave=octave)
    assert note_f1(expected, transcribe(sound, sample_rate=RATE)) == 1
    if not octave:  # a tone without an end, as a decoder may hold it
        tone = 0.1 * np.sin(2 * np.pi * 220 * np.arange(2 * RATE) / RATE)
        gated = (tone * gate(line, 0, 2 * RATE, sample_rate=RATE)).astype(np.float32)
        assert note_f1(expected, transcribe(gated, sample_rate=RATE)) == 1


def test_limits():
    assert not sketch(Score(()), 0, 100, sample_rate=RATE, level_db=0).any()
    assert not gate(Score(()), 0, 100, sample_rate=RATE).any()
    assert sketch(TUNE, 0, 0, sample_rate=RATE, level_db=0).shape == (0,)
    assert np.abs(sketch(Score((Note(0, 1, 60, 127),)), 0, RATE, sample_rate=RATE, level_db=0)).max() == 1  # clipped
