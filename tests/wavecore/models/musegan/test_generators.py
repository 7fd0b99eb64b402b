"""Generators: the reference's sizes, any shape, and which noise reaches what."""

from dataclasses import replace

import pytest
import torch

from wavecore.errors import UsageError
from wavecore.models.musegan.config import PRESETS, VARIANTS, MuseGANConfig
from wavecore.models.musegan.generators import BarGenerator, Encoder, Generator, TemporalNetwork
from wavecore.models.musegan.tracks import Track

TRACKS = (Track("a"), Track("b"), Track("c"))
SMALL = MuseGANConfig(TRACKS, bars=3, steps=6, beats=2, n_pitches=20, noise=5, channels=8, critic_channels=3)


def build(config=SMALL):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Generator(config).eval()


def noise_for(config, n=2, seed=0):
    return torch.randn(n, len(config.noise_rows), config.noise, generator=torch.Generator().manual_seed(seed))


def test_the_seed_version_has_the_reference_s_layers():
    config = PRESETS["seed"]
    temporal = [
        layer.weight.shape for layer in TemporalNetwork(config).layers if isinstance(layer, torch.nn.ConvTranspose2d)
    ]
    assert temporal == [(32, 512, 2, 1), (512, 32, 1, 1)]
    bars = BarGenerator(4 * 32, 1, config)
    assert bars.first[0].weight.shape == (1024, 128) and bars.begin == (2, 1, 512)
    assert [layer.convolution.weight.shape for layer in bars.layers] == [
        (512, 512, 2, 1), (512, 256, 2, 1), (256, 256, 2, 1), (256, 256, 1, 7), (256, 1, 1, 12),
    ]  # fmt: skip
    norms = [module for module in bars.modules() if isinstance(module, torch.nn.BatchNorm1d)]
    assert len(norms) == 5 and all(norm.momentum == pytest.approx(1 - 0.9) for norm in norms), "a memory of 0.9"
    generator = Generator(config)
    assert len(generator.bars) == 4 and len(generator.temporal) == 5, "four bar generators; chords and four melodies"


def test_the_paper_s_shape_draws_time_out_six_times():
    bars = BarGenerator(4 * 32, 1, PRESETS["paper"])
    assert bars.begin == (2, 1, 512) and [layer.convolution.kernel_size for layer in bars.layers] == [(2, 1)] * 4 + [
        (3, 1),
        (1, 7),
        (1, 12),
    ]
    assert TemporalNetwork(PRESETS["paper"])(torch.zeros(2, 32)).shape == (2, 4, 32)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("bars", "steps", "n_pitches"), [(2, 16, 84), (4, 12, 13), (3, 5, 20), (2, 1, 1)])
def test_any_shape_is_written(variant, bars, steps, n_pitches):
    config = replace(SMALL, variant=variant, bars=bars, steps=steps, beats=1, n_pitches=n_pitches)
    cells = build(config)(noise_for(config))
    assert cells.shape == (2, bars, steps, n_pitches, 3) and cells.abs().max() <= 1 and cells.isfinite().all()


def reached(config, row):
    """Which (bar, track) changes with a row of the noise."""
    generator, noise = build(config), noise_for(config)
    other = noise.clone()
    other[:, row] = noise_for(config, seed=1)[:, row]
    given = torch.ones(2, *config.shape[:3]) if config.given else None
    return (generator(noise, given) != generator(other, given)).any(dim=3).any(dim=2).any(dim=0)


@pytest.mark.parametrize("given", ["", "b"])
def test_noise_reaches_the_tracks_that_it_is_for(given):
    for variant in VARIANTS:
        config = replace(SMALL, variant=variant, given=given)
        seen = {"groove": 0, "melody": 0}
        for number, row in enumerate(config.noise_rows):
            tracks = reached(config, number).any(dim=0).tolist()
            if row in seen:
                assert tracks == [place == seen[row] for place in range(config.n_written)], (variant, row)
                seen[row] += 1
            else:
                assert all(tracks), (variant, row)


def test_style_is_the_same_in_every_bar_and_melodies_are_not():
    config = replace(SMALL, variant="jamming", tracks=TRACKS[:1])
    generator, noise = build(config), noise_for(config)
    unrolled = generator.temporal[0](noise[:, 1])
    assert (unrolled[:, 0] != unrolled[:, 1]).any() and (unrolled[:, 1] != unrolled[:, 2]).any()
    for parameter in generator.temporal.parameters():
        torch.nn.init.zeros_(parameter)
    cells = generator(noise)
    assert (
        torch.equal(cells[:, 0], cells[:, 1])
        and torch.equal(cells[:, 0], cells[:, 2])
        and not torch.equal(cells[0], cells[1])
    )


def test_a_given_track_is_heard_bar_by_bar():
    config = replace(SMALL, given="b")
    generator, noise = build(config), noise_for(config)
    given = torch.full((2, 3, 6, 20), -1.0)
    other = given.clone()
    other[:, 1, 2, 7] = 1
    changed = (generator(noise, given) != generator(noise, other)).any(dim=3).any(dim=2).any(dim=0)
    assert changed.tolist() == [[False, False], [True, True], [False, False]]
    assert Encoder(config)(given).shape == (2, 3, 5)
    assert Encoder(PRESETS["paper"])(torch.zeros(1, 4, 96, 84)).shape == (1, 4, 32)


def test_a_given_track_that_is_missing_or_unwanted():
    with pytest.raises(UsageError, match="needs the track 'b'"):
        build(replace(SMALL, given="b"))(noise_for(replace(SMALL, given="b")))
    with pytest.raises(UsageError, match="none can be given"):
        build()(noise_for(SMALL), torch.zeros(2, 3, 6, 20))
