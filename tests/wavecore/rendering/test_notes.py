"""Lines played by an autoencoder of notes."""

from itertools import islice

import numpy as np
import pytest
import torch

from wavecore.errors import UsageError
from wavecore.rendering import mixer as ensemble
from wavecore.rendering import notes
from wavecore.rendering.casting import Line

FRAME_S = 512 / 16_000


def lines_of(line):
    return [
        Line("a", "pipe", line((0.1, 0.3, 60), (0.3, 0.36, 67), (0.7, 1.2, 84)), 0, 0.0),
        Line("b", "drone", line((0.0, 0.2, 40)), 0, 0.0),
        Line("c", "drone", line((0.0, 0.8, 36)), 1, 0.0),
    ]


def test_a_line_is_written_note_by_note(bank, line):
    found = notes.frames(bank, lines_of(line)[0], 0, 48)
    pipe = bank.instruments["pipe"].latents
    middles = (np.arange(48) + 0.5) * FRAME_S
    np.testing.assert_allclose(
        found[:, -1] * 12 + 60, np.select([middles < 0.3, middles < 0.7], [60, 67], 84), atol=1e-5
    )
    np.testing.assert_array_equal(found[:3, :-1], np.repeat(pipe[0, :1], 3, axis=0), "before it the beginning is held")
    # The fifth frame's middle lies 0.044 s after the first note's onset: 0.875 frames beyond the first frame's middle.
    age = (middles[4] - 0.1) / FRAME_S - 0.5
    assert age == pytest.approx(0.875)
    np.testing.assert_allclose(found[4, :-1], (1 - age) * pipe[0, 0] + age * pipe[0, 1], atol=1e-5)
    # Two frames of the second note are held, with the timbre of 72; three of release follow, and the last of these
    # stays.
    second = (middles >= 0.3) & (middles < 0.7)
    np.testing.assert_allclose(found[second, :-1][-3:], np.repeat(pipe[1, 6:7], 3, axis=0), atol=1e-6)
    age = (middles[second][2] - 0.3) / FRAME_S - 0.5
    short = np.concatenate([pipe[1, :2], pipe[1, 4:7]])
    np.testing.assert_allclose(found[second, :-1][2], [np.interp(age, range(5), track) for track in short.T], atol=1e-5)


def test_stretches_are_parts_of_the_whole(bank, line):
    for one in lines_of(line):
        whole, heard = notes.frames(bank, one, -2, 50), notes.pitches(one, -100, 5000, sample_rate=16_000)
        for begin in range(-2, 40, 5):
            np.testing.assert_array_equal(notes.frames(bank, one, begin, 7), whole[begin + 2 : begin + 9])
            np.testing.assert_array_equal(
                notes.pitches(one, 100 * begin, 700, sample_rate=16_000)[:500],
                np.pad(heard, (200, 0), mode="edge")[100 * begin + 300 : 100 * begin + 800],
            )


def test_pitches_change_where_notes_begin(line):
    found = notes.pitches(lines_of(line)[0], 0, 16_000, sample_rate=16_000)
    assert (found[:4801] == 60).all() and (found[4800 + 64 : 11_200] == 67).all() and (found[11_200 + 64 :] == 84).all()
    assert (np.diff(found) >= 0).all() and np.diff(found).max() < 0.3, "a glide of 4 ms"
    higher = notes.pitches(
        Line("c", "drone", line((0.0, 0.8, 36), (0.8, 1.0, 40)), 1, 0.0), 0, 16_000, sample_rate=16_000
    )
    assert (higher[:6400] == 48).all() and (higher[6400 + 64 :] == 52).all(), "an octave higher and twice as fast"


def test_a_line_that_is_slowed_down_is_written_faster_and_higher(bank, line):
    found = notes.frames(bank, lines_of(line)[2], 0, 30)
    assert found[0, -1] * 12 + 60 == pytest.approx(48)
    held = round(0.4 / FRAME_S)
    np.testing.assert_allclose(found[:held, :-1], bank.note("drone", 48, held, 0), atol=1e-5)


def test_notes_shorter_than_a_frame_do_not_hide_their_neighbours(bank, line):
    tune = Line("a", "pipe", line((0.0, 0.001, 60), (0.001, 0.002, 64), (0.05, 0.3, 72)), 0, 0.0)
    assert (notes.frames(bank, tune, 0, 6)[:, -1] * 12 + 60).round().tolist() == [64, 64, 72, 72, 72, 72]


def test_a_held_note_is_told_as_the_network_tells_it(noter, bank, line):
    one = Line("a", "pipe", line((0.0, 9.0, 67)), 0, 0.0)
    blocks = np.concatenate(list(islice(notes.conditions(noter.network, bank, [one]), 3)), axis=1)
    n = 3 * notes.BLOCK_FRAMES
    with torch.inference_mode():
        whole = noter.network.condition(torch.from_numpy(notes.frames(bank, one, 0, n + 1))[None])[:, : n * 512].numpy()
    # Frequencies differ in the last digit of a float32, phases by what that comes to in 1.5 s.
    np.testing.assert_allclose(blocks, whole, atol=0.02 * np.abs(whole).max())
    assert np.abs(blocks - whole).mean() < 1e-3 * np.abs(whole).mean()


def test_conditions_do_not_depend_on_their_blocks(noter, bank, line, monkeypatch):
    lines = lines_of(line)[:2]
    whole = np.concatenate(list(islice(notes.conditions(noter.network, bank, lines), 3)), axis=1)
    monkeypatch.setattr(notes, "BLOCK_FRAMES", 5)
    blocks = np.concatenate(list(islice(notes.conditions(noter.network, bank, lines), 9)), axis=1)
    np.testing.assert_allclose(blocks, whole[:, : blocks.shape[1]], atol=1e-3)


def test_lines_are_played_by_the_seed(noter, bank, line):
    def played(seed):
        sections = notes.sections(noter, bank, lines_of(line), seed=seed, temperature=1.0)
        assert [section.places for section in sections] == [(0, 1), (2,)]
        return np.concatenate(list(ensemble.play(sections, 5001, sample_rate=16_000, draws=True)), axis=1)

    found = played(3)
    assert found.shape == (3, 5001) and all(row.std() > 0 for row in found)
    np.testing.assert_array_equal(found, played(3))
    assert (found != played(4)).any(axis=1).all()


def test_a_latent_without_a_pitch_is_refused(nsynth_without_pitch, bank, line):
    with pytest.raises(UsageError, match="has no pitch in its latent"):
        notes.sections(nsynth_without_pitch, bank, lines_of(line), seed=0, temperature=1.0)
