"""Pieces of any length, what stays and what changes, and the accompaniment of a given track."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.errors import InputError, UsageError
from wavecore.models.musegan.config import MuseGANConfig
from wavecore.models.musegan.model import MuseGAN
from wavecore.models.musegan.rolls import Track
from wavecore.models.musegan.sample import (
    ROWS,
    accompanied_part,
    binarise,
    compose,
    generate,
    given_track,
    phrase_noise,
)
from wavecore.symbolic.song import Event, Meter, Part, Song

SMALL = MuseGANConfig(
    (Track("a"), Track("b", 33), Track("kit", 0, True)), bars=2, steps=8, n_pitches=24, lowest=48, noise=4, channels=8,
    critic_channels=3,
)  # fmt: skip


def build(**changes):
    """A network whose cells lie around one half."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = MuseGAN(replace(SMALL, **changes)).eval()
    for generator in network.generator.bars:
        torch.nn.init.zeros_(generator.layers[-1].convolution.bias)
    return network


@pytest.fixture(scope="module")
def network():
    return build()


@pytest.fixture(scope="module")
def accompanist():
    """A network with a given track."""
    return build(given="b")


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("n_bars", [1, 5, 2 * ROWS + 3])
def test_pieces_have_their_length(network, n_bars):
    calls = []
    cells = compose(network, n_bars, rng=rng(), on_progress=lambda *done: calls.append(done))
    assert cells.shape == (n_bars, 8, 24, 3) and cells.dtype == bool and 0 < cells.mean() < 1
    phrases = -(-n_bars // 2)
    assert calls[-1] == (phrases, phrases) and len(calls) == -(-phrases // ROWS)
    np.testing.assert_array_equal(cells, compose(network, n_bars, rng=rng()))
    np.testing.assert_array_equal(cells, compose(network, 2 * phrases, rng=rng())[:n_bars])


def test_style_stays_and_melodies_change(network):
    noise = phrase_noise(network, 400, rng=rng(), vary=1.0)
    stays = [row in ("style", "groove") for row in SMALL.noise_rows]
    assert (noise == noise[0]).all(axis=(0, 2)).tolist() == stays
    temporal = noise[:, ~np.array(stays)]
    assert abs(np.corrcoef(temporal[:-1].ravel(), temporal[1:].ravel())[0, 1]) < 0.05
    slow = phrase_noise(network, 4000, rng=rng(), vary=0.6)[:, 1]
    assert slow.std() == pytest.approx(1, abs=0.05), "noise keeps its distribution"
    assert np.corrcoef(slow[:-1].ravel(), slow[1:].ravel())[0, 1] == pytest.approx(0.8, abs=0.03)


def test_without_variation_phrases_repeat(network):
    cells, varied = (compose(network, 6, rng=rng(), vary=vary) for vary in (0.0, 1.0))
    np.testing.assert_array_equal(cells[:2], cells[2:4])
    assert (varied[:2] != varied[2:4]).any()


def test_cells_sound_above_one_half(network):
    noise = phrase_noise(network, 3, rng=rng(), vary=1.0)
    with torch.inference_mode():
        cells = network.generator(torch.from_numpy(noise)).numpy()
    np.testing.assert_array_equal(generate(network, noise, rng=rng()), cells > 0)


def test_drawn_cells_sound_with_their_probability():
    cells = np.broadcast_to(np.linspace(-1, 1, 5, dtype=np.float32), (4000, 5))[..., None]
    found = binarise(cells, "bernoulli", rng()).mean(axis=0)[:, 0]
    np.testing.assert_allclose(found, [0, 0.25, 0.5, 0.75, 1], atol=0.03)


def test_the_most_likely_pitch_sounds_alone_where_half_a_note_is_expected():
    probabilities = np.zeros((1, 4, 3, 2), np.float32)  # bars, steps, pitches, tracks
    probabilities[0, 0, :, 0] = 0.2, 0.9, 0.8  # two notes above one half
    probabilities[0, 1, :, 0] = 0.3, 0.15, 0.1  # none above one half, and together enough
    probabilities[0, 2, :, 0] = 0.2, 0.1, 0.1  # not enough: a rest
    probabilities[0, 3, :, 1] = 0.4, 0.4, 0.4  # the lowest of several
    found = binarise(2 * probabilities - 1, "likeliest", rng())
    assert np.argwhere(found).tolist() == [[0, 0, 1, 0], [0, 1, 0, 0], [0, 3, 0, 1]]
    assert binarise(2 * probabilities - 1, "threshold", rng()).sum() == 2


SONG = Song(4, (Part((Event(0, 50, 4), Event(16, 55, 12)), "b", 40), Part((Event(0, 60, 64),), "other")))


def test_a_given_track_is_kept_and_conditions_the_others(accompanist):
    given = given_track(accompanist, SONG)
    assert given.shape == (2, 8, 24) and given[0, :2, 2].all() and given.sum() == 2 + 6
    longer = np.concatenate([given, given[:1]])
    cells = compose(accompanist, 3, rng=rng(), given=longer)
    np.testing.assert_array_equal(cells[..., 1], longer)
    assert cells[..., [0, 2]].any()
    other = compose(accompanist, 3, rng=rng(), given=np.roll(longer, 3, axis=2))
    assert (other[..., [0, 2]] != cells[..., [0, 2]]).any()


def test_the_only_part_of_a_piece_is_the_given_track(accompanist):
    alone = replace(SONG, parts=(replace(SONG.parts[0], name="whistle"),))
    np.testing.assert_array_equal(given_track(accompanist, alone), given_track(accompanist, SONG))
    part = accompanied_part(alone, SMALL.tracks[1])
    assert (part.name, part.program, part.is_drum, part.events) == ("b", 40, False, SONG.parts[0].events)
    twice = replace(SONG, parts=(*SONG.parts, Part((Event(2, 70, 1),), "B")))
    assert len(accompanied_part(twice, SMALL.tracks[1]).events) == 3


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({"parts": (SONG.parts[1], SONG.parts[1])}, "'b'.* 'other', 'other'"),
        ({"meters": (Meter(0, 3, 4),)}, "3 of 3/4.* 4/4"),
        ({"parts": (Part((Event(0, 47, 4), Event(0, 50, 4)), "b"),)}, "1 notes .* 48 to 71"),
        ({"parts": (Part((), "b"),)}, "no notes"),
    ],
)
def test_pieces_that_cannot_be_accompanied(accompanist, changes, value):
    with pytest.raises(InputError, match=value):
        given_track(accompanist, replace(SONG, **changes))


@pytest.mark.parametrize(
    ("call", "value"),
    [
        (lambda network, _: compose(network, 0, rng=rng()), "0"),
        (lambda network, _: compose(network, 2, rng=rng(), vary=1.1), "1.1"),
        (lambda network, _: compose(network, 2, rng=rng(), vary=float("nan")), "nan"),
        (lambda network, _: compose(network, 2, rng=rng(), method="soft"), "'soft'"),
        (lambda network, _: compose(network, 2, rng=rng(), given=np.zeros((2, 8, 24), bool)), "given"),
        (lambda network, _: given_track(network, SONG), "--given"),
        (lambda _, accompanist: compose(accompanist, 2, rng=rng()), "'b'"),
    ],
)
def test_impossible_requests(network, accompanist, call, value):
    with pytest.raises(UsageError, match=value):
        call(network, accompanist)
