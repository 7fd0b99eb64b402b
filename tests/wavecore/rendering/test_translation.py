"""Lines played by translation networks, and the logits of notes."""

from itertools import islice

import numpy as np
import pytest
import torch

from wavecore.nn.generate import open_generator
from wavecore.nn.note_bottleneck import LOWEST, N_PITCHES, decide
from wavecore.rendering import mixer, translation
from wavecore.rendering.casting import Line
from wavecore.rendering.sketch import sketch
from wavecore.rendering.translation import REFERENCE_LEVEL, note_logits
from wavecore.symbolic.score import Note, Score

OPTIONS = {"seed": 3, "temperature": 1.0}


def lines_of(line):
    return [
        Line("a", "low", line((0.0, 0.3, 55)), 0, 0.0),
        Line("b", "high", line((0.1, 0.4, 72)), 0, 0.0),
        Line("c", "low", line((0.0, 0.2, 40), (0.2, 0.4, 45)), 1, 0.0),
        Line("d", "low", line((0.05, 0.4, 60)), 0, 0.0),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("draws", [True, False])
def test_samples_are_determined_by_the_seed(player, line, draws):
    def generated(seed):
        sections = translation.sections(player, lines_of(line), **(OPTIONS | {"seed": seed}))
        return np.concatenate(list(mixer.play(sections, 5001, sample_rate=16_000, draws=draws)), axis=1)

    sounds = generated(3)
    assert sounds.shape == (4, 5001) and sounds.dtype == np.float32
    assert all(row.std() > 0 for row in sounds)
    np.testing.assert_array_equal(sounds, generated(3))
    assert (sounds != generated(4)).any(axis=1).all()


@pytest.mark.slow
def test_conditioning_does_not_depend_on_the_blocks(player, line, monkeypatch):
    """Up to rounding: the encoder's products depend on the length."""
    conditioned = {}
    for n_samples in (translation.BLOCK_SAMPLES, 1024):
        monkeypatch.setattr(translation, "BLOCK_SAMPLES", n_samples)
        sections = translation.sections(player, lines_of(line), **OPTIONS)
        n_blocks = -(-30 // (n_samples // 512))
        conditioned[n_samples] = [np.concatenate(list(islice(one.conditioning, n_blocks)), axis=1) for one in sections]
    for whole, blocks in zip(*conditioned.values(), strict=True):
        np.testing.assert_allclose(blocks[:, :30], whole[:, :30], atol=1e-4)


@pytest.mark.slow
def test_instruments_and_speeds_have_sections(player, line):
    sections = translation.sections(player, lines_of(line), **OPTIONS)
    assert [(section.indices, section.octave) for section in sections] == [((0, 3), 0), ((1,), 0), ((2,), 1)]


@pytest.mark.slow
def test_line_is_the_stream_of_its_index(player, line):
    """Conditioned on what the encoder gives for the sketch or the notes, as a generator of one stream computes it."""
    lines = lines_of(line)
    section = translation.sections(player, lines, **OPTIONS)[0]
    latent = next(section.conditioning)[:, :8]
    section.generator.feed(latent)
    codes = section.generator.generate(4096)
    network, encoder, index = player.network, player.network.encoder, 3
    alone = open_generator(
        network.decoder_state("low"), network.config.decoder, batch=1, seed=3, streams=[index], temperature=1.0
    )
    row = section.indices.index(index)
    alone.feed(latent[row : row + 1])
    np.testing.assert_array_equal(alone.generate(4096)[0], codes[row])
    with torch.inference_mode():
        if encoder.bottleneck is None:
            sound = sketch(lines[index].score, 0, 16 * 512, sample_rate=16_000, level_db=-20.0)
            expected = encoder.encode(torch.from_numpy(sound)[None])
        else:
            logits = note_logits(lines[index].score, -2, 12, frame_s=512 / 16_000)
            expected = encoder.bottleneck(torch.from_numpy(logits)[None])
    np.testing.assert_allclose(latent[row], expected[0, :8].numpy(), atol=1e-4)


def decided(line, begin, n_frames, **options):
    return decide(torch.from_numpy(note_logits(line, begin, n_frames, frame_s=0.02, **options))).numpy()


def test_decisions_of_notes_onsets_and_levels(line):
    decisions = decided(line((0.04, 0.1, 60), (0.1, 0.16, 64)), 0, 10)
    pitches = [(np.flatnonzero(row[:N_PITCHES]) / 2 + LOWEST).tolist() for row in decisions]
    assert pitches == [[], [], [60], [60], [60], [64], [64], [64], [], []]
    assert np.flatnonzero(decisions[:, N_PITCHES]).tolist() == [2, 5]
    np.testing.assert_allclose(decisions[:, -1] * 7, [0, 0, *[REFERENCE_LEVEL] * 6, 0, 0], atol=1e-6)


def test_logits_of_blocks_equal_the_whole(line):
    tune = line((0.0, 0.21, 60), (0.21, 0.5, 64), (0.7, 0.9, 67))
    whole = note_logits(tune, -3, 60, frame_s=0.02)
    for begin in range(-3, 40, 7):
        np.testing.assert_array_equal(note_logits(tune, begin, 11, frame_s=0.02), whole[begin + 3 : begin + 14])


def test_short_past_and_unreachable_notes(line):
    assert np.count_nonzero(decided(line((0.101, 0.102, 60)), 0, 10)[:, 2 * (60 - LOWEST)]) == 1
    assert not decided(line((0.0, 0.1, 60)), 5, 10).any()
    assert not decided(line((0.0, 0.1, 20), (0.1, 0.2, 110)), 0, 12).any()


@pytest.mark.parametrize(("octave", "pitch", "frames"), [(1, 72, 5), (-1, 48, 20)])
def test_decisions_of_another_octave(line, octave, pitch, frames):
    decisions = decided(line((0.0, 0.2, 60)), 0, 40, octave=octave)
    assert np.count_nonzero(decisions[:, 2 * (pitch - LOWEST)]) == frames
    assert np.count_nonzero(decisions[:, :N_PITCHES]) == frames


def test_levels_of_velocities():
    levels = [decided(Score((Note(0, 0.1, 60, velocity),)), 0, 1)[0, -1] * 7 for velocity in (127, 90, 47, 24, 1)]
    np.testing.assert_allclose(levels, [6, 5, 4, 3, 1], atol=1e-5)
