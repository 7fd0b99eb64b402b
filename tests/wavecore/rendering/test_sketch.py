"""Plain sounds of lines: pitch, level, and nothing that depends on where a block begins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio import pitch
from wavecore.metrics.transcription import Notes, note_f1, transcribe
from wavecore.rendering.sketch import CLOSE_S, OPEN_S, STRUCK_S, gate, sketch
from wavecore.symbolic.score import Note, Score

RATE = 16_000
TUNE = Score((Note(0.1, 0.3, 60), Note(0.4, 0.2, 67, 45), Note(0.8, 0.25, 72)))
REPEATED = Score(
    (
        Note(0.1, 0.3, 60),
        Note(0.4, 0.3, 60),
        Note(0.7, 0.04, 60),
        Note(0.74, 0.2, 60),
        Note(1.1, 0.1, 60),
        Note(1.2, 0.1, 62),
    )
)
"""A pitch struck again at once, after a short note, and after a rest in which it still fades; then another pitch."""


def rms_db(x):
    return 10 * np.log10(np.mean(np.square(x, dtype=np.float64)))


@settings(deadline=None, max_examples=30)
@given(
    tune=st.sampled_from([TUNE, REPEATED]), cuts=st.lists(st.integers(0, 20_000), max_size=5), octave=st.integers(-1, 2)
)
def test_blocks_are_parts_of_the_whole(tune, cuts, octave):
    whole = sketch(tune, -500, 20_000, sample_rate=RATE, level_db=-20, octave=octave)
    heard = gate(tune, -500, 20_000, sample_rate=RATE)
    edges = [0, *sorted(cuts), 20_000]
    parts = [(begin - 500, end - begin) for begin, end in zip(edges, edges[1:], strict=False)]
    np.testing.assert_array_equal(
        np.concatenate([sketch(tune, *part, sample_rate=RATE, level_db=-20, octave=octave) for part in parts]), whole
    )
    np.testing.assert_array_equal(np.concatenate([gate(tune, *part, sample_rate=RATE) for part in parts]), heard)


@pytest.mark.parametrize(("octave", "speed"), [(0, 1), (1, 2), (2, 4), (-1, 0.5)])
def test_notes_lie_where_they_are_written_or_higher_and_faster(octave, speed):
    line = Score((Note(0.2, 1.6, 52),))
    sound = sketch(line, 0, int(2.4 * RATE / speed), sample_rate=RATE, level_db=-20, octave=octave)
    loud = np.flatnonzero(np.abs(sound) > 1e-3) / RATE
    assert loud[0] == pytest.approx(0.2 / speed, abs=2e-3)
    assert loud[-1] == pytest.approx(1.8 / speed + 0.03, abs=5e-3)
    middle = sound[int(0.4 * RATE / speed) : int(1.6 * RATE / speed)]
    track = pitch.track_f0(middle, sample_rate=RATE)
    assert np.nanmedian(pitch.hz_to_midi(track.f0_hz)) == pytest.approx(52 + 12 * octave, abs=0.25)
    assert rms_db(middle) == pytest.approx(-20, abs=0.2)


def test_amplitudes_go_with_the_square_of_the_velocity():
    levels = []
    for velocity in (90, 45):
        sound = sketch(Score((Note(0, 1, 60, velocity),)), 3200, 6400, sample_rate=RATE, level_db=-20)
        levels.append(rms_db(sound))
    assert levels[0] - levels[1] == pytest.approx(40 * np.log10(2), abs=0.01)


def test_high_notes_have_no_partials_beyond_the_rate():
    sound = sketch(Score((Note(0, 1, 108),)), 0, RATE, sample_rate=RATE, level_db=-20)
    spectrum = np.abs(np.fft.rfft(sound[4000:12000] * np.hanning(8000)))
    assert np.argmax(spectrum) * 2 == pytest.approx(4186, abs=3)
    assert (spectrum[2200:] < 1e-3 * spectrum.max()).all(), "one partial, nothing folded back"


def test_a_gate_is_open_while_notes_sound_and_fades():
    opened = gate(TUNE, 0, 2 * RATE, sample_rate=RATE)
    t = np.arange(2 * RATE) / RATE
    assert opened.min() == 0 and opened.max() == 1
    assert (opened[(t >= 0.1) & (t <= 0.6)] == 1).all()
    assert (opened[t < 0.1 - OPEN_S - 1e-9] == 0).all() and (opened[t > 1.05 + CLOSE_S + 1e-9] == 0).all()
    assert opened[int(0.7 * RATE)] == pytest.approx(1 - 0.1 / CLOSE_S, abs=1e-3)
    assert np.abs(np.diff(opened)).max() <= 1.01 / (OPEN_S * RATE)


def test_a_gate_may_let_notes_through_by_their_velocity():
    opened = gate(TUNE, 0, 2 * RATE, sample_rate=RATE, by_velocity=True)
    assert opened[int(0.2 * RATE)] == 1
    assert opened[int(0.9 * RATE)] == 1
    # The first note has faded to 0.2 where the second, a quarter as loud, sounds.
    assert opened[int(0.59 * RATE)] == pytest.approx(0.25, abs=0.01)


def test_a_pitch_struck_anew_is_damped_before():
    opened = gate(REPEATED, 0, 2 * RATE, sample_rate=RATE)
    t = np.arange(2 * RATE) / RATE
    shut = t[(opened == 0) & (t > 0.1) & (t < 1.3)]
    assert len(shut)
    # After the short note, for a quarter of it.
    for onset, damped in [(0.4, STRUCK_S), (0.7, STRUCK_S), (0.74, 0.01), (1.1, STRUCK_S)]:
        np.testing.assert_allclose(shut[np.abs(shut - onset + damped) < 0.025], onset - damped, atol=2 / RATE)
        assert opened[int(onset * RATE) + 1] == 1 and opened[int((onset - 2.1 * damped) * RATE)] > 0
    assert (opened[(t >= 1.1) & (t <= 1.3)] == 1).all(), "another pitch needs no rest"


@pytest.mark.parametrize("octave", [0, 1])
def test_notes_of_one_pitch_are_heard_one_by_one(octave):
    line = Score(tuple(Note(0.1 + 0.25 * i, 0.25, 57, 80) for i in range(6)))
    wanted = Notes(
        *np.array([(note.onset_s, note.end_s, note.pitch + 12 * octave) for note in line.notes]).T
        / np.array([[2**octave], [2**octave], [1]])
    )
    assert (
        note_f1(
            wanted,
            transcribe(sketch(line, 0, 2 * RATE, sample_rate=RATE, level_db=-20, octave=octave), sample_rate=RATE),
        )
        == 1
    )
    if not octave:
        t = np.arange(2 * RATE) / RATE
        held = (0.1 * np.sin(2 * np.pi * 220 * t) * gate(line, 0, 2 * RATE, sample_rate=RATE)).astype(np.float32)
        assert note_f1(wanted, transcribe(held, sample_rate=RATE)) == 1, (
            "a tone without an end, as a decoder may hold it"
        )


def test_silence_without_notes():
    assert not sketch(Score(()), 0, 100, sample_rate=RATE, level_db=0).any()
    assert not gate(Score(()), 0, 100, sample_rate=RATE).any()
    assert sketch(TUNE, 0, 0, sample_rate=RATE, level_db=0).shape == (0,)


def test_nothing_is_louder_than_full_scale():
    chord = Score((Note(0, 1, 60, 127),))
    assert np.abs(sketch(chord, 0, RATE, sample_rate=RATE, level_db=0)).max() == 1
