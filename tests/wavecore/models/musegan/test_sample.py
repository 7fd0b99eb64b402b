"""Pieces of any length, what stays and what changes, and what goes with a given track."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.errors import InputError, UsageError
from wavecore.models.musegan.model import MuseGAN, MuseGANConfig
from wavecore.models.musegan.sample import ROWS, accompanied, compose, given_track, lit, phrase_noise, written_phrases
from wavecore.models.musegan.tracks import Track
from wavecore.symbolic.song import Event, Meter, Part, Song

SMALL = MuseGANConfig(
    (Track("a"), Track("b", 33), Track("kit", 0, True)), bars=2, steps=8, n_pitches=24, lowest=48, noise=4, channels=8, critic_channels=3
)  # fmt: skip


def build(**changes):
    """A network whose cells lie around one half."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = MuseGAN(replace(SMALL, **changes)).eval()
    for generator in network.generator.bars:
        torch.nn.init.zeros_(generator.layers[-1].convolution.bias)
    return network


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("n_bars", [1, 2, 5, 2 * ROWS + 3])
def test_pieces_have_the_length_that_is_asked_for(n_bars):
    done = []
    roll = compose(build(), n_bars, rng=rng(), on_progress=lambda *told: done.append(told))
    assert roll.shape == (n_bars, 8, 24, 3) and roll.dtype == bool and 0 < roll.mean() < 1
    phrases = -(-n_bars // 2)
    assert done[-1] == (phrases, phrases) and len(done) == -(-phrases // ROWS)
    np.testing.assert_array_equal(roll, compose(build(), n_bars, rng=rng()))
    np.testing.assert_array_equal(roll[:2], compose(build(), 2 * phrases, rng=rng())[: min(2, n_bars)])


def test_style_stays_and_melodies_change():
    rows = SMALL.noise_rows
    noise = phrase_noise(build(), 400, rng=rng(), vary=1.0)
    for number, row in enumerate(rows):
        still = (noise[:, number] == noise[0, number]).all()
        assert still == (row in ("style", "groove"))
    temporal = noise[:, [number for number, row in enumerate(rows) if row in ("chords", "melody")]]
    assert abs(np.corrcoef(temporal[:-1].ravel(), temporal[1:].ravel())[0, 1]) < 0.05
    slow = phrase_noise(build(), 4000, rng=rng(), vary=0.6)[:, 1]
    assert slow.std() == pytest.approx(1, abs=0.05), "noise stays as wide as the network knows it"
    assert np.corrcoef(slow[:-1].ravel(), slow[1:].ravel())[0, 1] == pytest.approx(0.8, abs=0.03)


def test_without_variation_a_phrase_comes_again():
    roll = compose(build(), 6, rng=rng(), vary=0.0)
    np.testing.assert_array_equal(roll[:2], roll[2:4])
    varied = compose(build(), 6, rng=rng(), vary=1.0)
    assert (varied[:2] != varied[2:4]).any()


def test_cells_are_lit_above_one_half_or_drawn():
    network = build()
    noise = phrase_noise(network, 3, rng=rng(), vary=1.0)
    with torch.inference_mode():
        cells = network.generator(torch.from_numpy(noise)).numpy()
    np.testing.assert_array_equal(written_phrases(network, noise, binarise="threshold", rng=rng()), cells > 0)
    drawn = np.mean(
        [written_phrases(network, noise, binarise="bernoulli", rng=rng(seed)) for seed in range(200)], axis=0
    )
    np.testing.assert_allclose(drawn, (cells + 1) / 2, atol=0.18)


SONG = Song(4, (Part((Event(0, 50, 4), Event(16, 55, 12)), "b", 40), Part((Event(0, 60, 64),), "other")))


def test_a_given_track_is_kept_exactly():
    network = build(given="b")
    given = given_track(network, SONG)
    assert given.shape == (2, 8, 24) and given[0, :2, 2].all() and given.sum() == 2 + 6
    longer = np.concatenate([given, given[:1]])
    roll = compose(network, 3, rng=rng(), given=longer)
    np.testing.assert_array_equal(roll[..., 1], longer)
    assert roll[..., [0, 2]].any()
    other = compose(network, 3, rng=rng(), given=np.roll(longer, 3, axis=2))
    assert (other[..., [0, 2]] != roll[..., [0, 2]]).any(), "the others listen to it"


def test_a_piece_of_one_part_is_what_is_given():
    alone = replace(SONG, parts=(replace(SONG.parts[0], name="whistle"),))
    np.testing.assert_array_equal(given_track(build(given="b"), alone), given_track(build(given="b"), SONG))
    part = accompanied(alone, SMALL.tracks[1])
    assert (part.name, part.program, part.is_drum, part.events) == ("b", 40, False, SONG.parts[0].events)
    twice = replace(SONG, parts=(*SONG.parts, Part((Event(2, 70, 1),), "B")))
    assert len(accompanied(twice, SMALL.tracks[1]).events) == 3


@pytest.mark.parametrize(
    ("song", "message"),
    [
        (
            replace(SONG, parts=(SONG.parts[1], SONG.parts[1])),
            "no part 'b' to accompany; its parts are 'other', 'other'",
        ),
        (replace(SONG, meters=(Meter(0, 3, 4),)), "3 of 3/4.*it knows 4/4"),
        (replace(SONG, parts=(Part((Event(0, 47, 4), Event(0, 50, 4)), "b"),)), "1 notes of .* beyond MIDI 48 to 71"),
        (replace(SONG, parts=(Part((), "b"),)), "no notes to accompany"),
    ],
)
def test_what_cannot_be_accompanied(song, message):
    with pytest.raises(InputError, match=message):
        given_track(build(given="b"), song)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compose(build(), 0, rng=rng()), "0 bars"),
        (lambda: compose(build(), 2, rng=rng(), vary=1.1), "vary is 1.1"),
        (lambda: compose(build(), 2, rng=rng(), vary=float("nan")), "vary is nan"),
        (lambda: compose(build(), 2, rng=rng(), binarise="soft"), "'soft'"),
        (lambda: compose(build(), 2, rng=rng(), given=np.zeros((2, 8, 24), bool)), "none can be given"),
        (lambda: compose(build(given="b"), 2, rng=rng()), "needs the track 'b'"),
        (lambda: compose(build(given="b"), 2, rng=rng(), given=np.zeros((3, 8, 24), bool)), r"\(3, 8, 24\)"),
        (lambda: given_track(build(), SONG), "cannot accompany"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(UsageError, match=message):
        call()


def test_the_likeliest_pitch_sounds_alone_where_half_a_note_is_expected():
    odds = np.zeros((1, 4, 3, 2), np.float32)  # bars, steps, pitches, tracks
    odds[0, 0, :, 0] = 0.2, 0.9, 0.8  # two notes above one half: one is lit
    odds[0, 1, :, 0] = 0.3, 0.15, 0.1  # none above one half, and together enough
    odds[0, 2, :, 0] = 0.2, 0.1, 0.1  # not enough: a rest
    odds[0, 3, :, 1] = 0.4, 0.4, 0.4  # the lowest of several
    found = lit(2 * odds - 1, "likeliest", np.random.default_rng(0))
    assert sorted(zip(*(axis.tolist() for axis in np.nonzero(found)), strict=True)) == [
        (0, 0, 1, 0),
        (0, 1, 0, 0),
        (0, 3, 0, 1),
    ]
    assert lit(2 * odds - 1, "threshold", np.random.default_rng(0)).sum() == 2


def test_drawn_cells_are_lit_as_often_as_they_are_likely():
    cells = np.broadcast_to(np.linspace(-1, 1, 5, dtype=np.float32), (4000, 5))[..., None]
    found = lit(cells, "bernoulli", np.random.default_rng(0)).mean(axis=0)[:, 0]
    np.testing.assert_allclose(found, [0, 0.25, 0.5, 0.75, 1], atol=0.03)
