"""Scores in the words of a bottleneck of notes."""

import numpy as np
import pytest
import torch

from wavecore.nn.note_bottleneck import LOWEST, N_PITCHES, decide
from wavecore.rendering.decisions import REFERENCE_LEVEL, answers
from wavecore.symbolic.score import Note, Score


def said(line, begin, n_frames, **options):
    return decide(torch.from_numpy(answers(line, begin, n_frames, frame_s=0.02, **options))).numpy()


def test_notes_onsets_and_levels_are_decided_as_written(line):
    found = said(line((0.04, 0.1, 60), (0.1, 0.16, 64)), 0, 10)
    notes = {frame: (np.flatnonzero(row[:N_PITCHES]) / 2 + LOWEST).tolist() for frame, row in enumerate(found)}
    assert notes == {0: [], 1: [], 2: [60], 3: [60], 4: [60], 5: [64], 6: [64], 7: [64], 8: [], 9: []}
    assert np.flatnonzero(found[:, N_PITCHES]).tolist() == [2, 5]
    np.testing.assert_allclose(found[:, -1] * 7, [0, 0, *[REFERENCE_LEVEL] * 6, 0, 0], atol=1e-6)


def test_stretches_are_parts_of_the_whole(line):
    tune = line((0.0, 0.21, 60), (0.21, 0.5, 64), (0.7, 0.9, 67))
    whole = answers(tune, -3, 60, frame_s=0.02)
    for begin in range(-3, 40, 7):
        np.testing.assert_array_equal(answers(tune, begin, 11, frame_s=0.02), whole[begin + 3 : begin + 14])


def test_a_short_note_has_a_frame_and_one_before_the_stretch_none(line):
    assert np.count_nonzero(said(line((0.101, 0.102, 60)), 0, 10)[:, 2 * (60 - LOWEST)]) == 1
    assert not said(line((0.0, 0.1, 60)), 5, 10).any()


@pytest.mark.parametrize(("octave", "pitch", "frames"), [(1, 72, 5), (-1, 48, 20)])
def test_other_octaves_are_faster_or_slower(line, octave, pitch, frames):
    found = said(line((0.0, 0.2, 60)), 0, 40, octave=octave)
    assert np.count_nonzero(found[:, 2 * (pitch - LOWEST)]) == frames
    assert np.count_nonzero(found[:, :N_PITCHES]) == frames


def test_velocities_are_steps_of_the_level_and_none_is_silence():
    levels = [said(Score((Note(0, 0.1, 60, velocity),)), 0, 1)[0, -1] * 7 for velocity in (127, 90, 47, 24, 1)]
    np.testing.assert_allclose(levels, [6, 5, 4, 3, 1], atol=1e-5)


def test_notes_beyond_the_bottleneck_are_left_out(line):
    assert not said(line((0.0, 0.1, 20), (0.1, 0.2, 110)), 0, 12).any()
