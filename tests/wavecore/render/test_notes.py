"""Lines played by an autoencoder of notes."""

from itertools import islice

import numpy as np
import pytest
import torch

from wavecore.errors import UsageError
from wavecore.render import ensemble, notes
from wavecore.render.casting import Line

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
    first, second, third = (round(at / FRAME_S) for at in (0.1, 0.3, 0.7))
    np.testing.assert_allclose(found[:, -1] * 12 + 60, [60] * second + [67] * (third - second) + [84] * (48 - third), atol=1e-5)
    np.testing.assert_array_equal(found[: first + 1, :-1], np.repeat(pipe[0, :1], first + 1, axis=0), "before it the beginning is held")
    np.testing.assert_array_equal(found[first : second, :-1], bank.note("pipe", 60, second - first, 16)[: second - first])
    length = round(0.36 / FRAME_S) - second
    np.testing.assert_array_equal(found[second + length : second + length + 3, :-1], pipe[1, 4:7], "67 has the timbre of 72")
    np.testing.assert_array_equal(found[second + length + 3 : third, :-1], np.repeat(pipe[1, 6:7], third - second - length - 3, axis=0))


def test_stretches_are_parts_of_the_whole(bank, line):
    for one in lines_of(line):
        whole = notes.frames(bank, one, -2, 50)
        for begin in range(-2, 40, 5):
            np.testing.assert_array_equal(notes.frames(bank, one, begin, 7), whole[begin + 2 : begin + 9])


def test_a_line_that_is_slowed_down_is_written_faster_and_higher(bank, line):
    found = notes.frames(bank, lines_of(line)[2], 0, 30)
    assert found[0, -1] * 12 + 60 == pytest.approx(48)
    held = round(0.4 / FRAME_S)
    np.testing.assert_array_equal(found[:held, :-1], bank.note("drone", 48, held, 0))


def test_notes_shorter_than_a_frame_do_not_hide_their_neighbours(bank, line):
    tune = Line("a", "pipe", line((0.0, 0.001, 60), (0.001, 0.002, 64), (0.05, 0.3, 72)), 0, 0.0)
    assert (notes.frames(bank, tune, 0, 6)[:, -1] * 12 + 60).round().tolist() == [64, 64, 72, 72, 72, 72]


def test_blocks_of_conditions_are_those_of_the_whole(noter, bank, line):
    lines = lines_of(line)[:2]
    blocks = np.concatenate(list(islice(notes.conditions(noter.network, bank, lines), 3)), axis=1)
    n = 3 * notes.BLOCK_FRAMES
    latent = torch.from_numpy(np.stack([notes.frames(bank, one, 0, n + 1) for one in lines]))
    with torch.inference_mode():
        whole = noter.network.condition(latent)[:, : n * 512].numpy()
    np.testing.assert_allclose(blocks, whole, atol=2e-4)


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
