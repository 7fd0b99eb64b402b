"""Lines played by translation networks."""

import numpy as np
import pytest

from wavecore.audio import mulaw
from wavecore.nn.generate import open_generator
from wavecore.rendering import mixer as ensemble
from wavecore.rendering import translation
from wavecore.rendering.casting import Line
from wavecore.rendering.sketch import sketch

OPTIONS = {"seed": 3, "temperature": 1.0}


def lines_of(line):
    return [
        Line("a", "low", line((0.0, 0.3, 55)), 0, 0.0),
        Line("b", "high", line((0.1, 0.4, 72)), 0, 0.0),
        Line("c", "low", line((0.0, 0.2, 40), (0.2, 0.4, 45)), 1, 0.0),
        Line("d", "low", line((0.05, 0.4, 60)), 0, 0.0),
    ]


def played(player, lines, n_samples, *, draws=True, **options):
    sections = translation.sections(player, lines, **(OPTIONS | options))
    return np.concatenate(list(ensemble.play(sections, n_samples, sample_rate=16_000, draws=draws)), axis=1)


@pytest.fixture
def unfiltered(monkeypatch):
    """Draws are compared as they were drawn: one that was tipped would be heard in all that is filtered after it."""

    class Passing(ensemble.OffsetFilter):
        def push(self, block):
            return block

    monkeypatch.setattr(ensemble, "OffsetFilter", Passing)


def assert_same_draws(player, found, wanted):
    """What is told without a sound is exactly the same; an encoder's last bit can tip a draw that lies on an edge,
    and all that follows."""
    if player.network.config.encoder.bottleneck:
        np.testing.assert_allclose(found, wanted, atol=1e-6)
        return
    assert (np.abs(found[..., :100] - wanted[..., :100]) > 1e-5).mean() < 0.02


@pytest.mark.parametrize("draws", [True, False])
def test_all_lines_are_played_to_the_length_asked_and_by_the_seed(player, line, draws):
    lines = lines_of(line)
    found = played(player, lines, 5001, draws=draws)
    assert found.shape == (4, 5001) and found.dtype == np.float32
    assert all(row.std() > 0 for row in found)
    np.testing.assert_array_equal(found, played(player, lines, 5001, draws=draws))
    assert (found != played(player, lines, 5001, draws=draws, seed=4)).any(axis=1).all()


def test_blocks_do_not_change_what_is_played(player, line, unfiltered, monkeypatch):
    lines = lines_of(line)
    found = played(player, lines, 5001)
    monkeypatch.setattr(translation, "BLOCK_SAMPLES", 1024)
    assert_same_draws(player, played(player, lines, 5001), found)


def test_instruments_and_speeds_have_sections_of_their_own(player, line):
    sections = translation.sections(player, lines_of(line), **OPTIONS)
    assert [(section.places, section.octave) for section in sections] == [((0, 3), 0), ((1,), 0), ((2,), 1)]


def test_a_line_is_the_stream_of_a_decoder_that_is_told_its_notes(player, line, unfiltered):
    """The reference: what the encoder hears of the sketch, or is decided in its place, said by a generator of one
    stream."""
    import torch

    from wavecore.rendering.decisions import answers

    lines = lines_of(line)
    found = played(player, lines, 4096)
    network, place = player.network, 3
    encoder = network.encoder
    with torch.inference_mode():
        if encoder.bottleneck is None:
            sound = sketch(lines[place].score, 0, 4096 + 8 * 512, sample_rate=16_000, level_db=-20.0)
            latent = encoder.encode(torch.from_numpy(sound)[None])
        else:
            latent = encoder.bottleneck(
                torch.from_numpy(answers(lines[place].score, -2, 12, frame_s=512 / 16_000))[None]
            )
    alone = open_generator(
        network.decoder_state("low"), network.config.decoder, batch=1, seed=3, streams=[place], temperature=1.0
    )
    alone.feed(latent[:, :8].numpy())
    assert_same_draws(player, found[place], mulaw.decode(alone.generate(4096))[0])
