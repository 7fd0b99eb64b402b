"""The network: layers against torch's, published sizes, any shape, which noise and track reaches what."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from wavecore.errors import UsageError
from wavecore.models.musegan.config import PRESETS, VARIANTS, MuseGANConfig
from wavecore.models.musegan.model import (
    SILENT,
    SLOPE,
    AxisConvolution,
    BarGenerator,
    Critic,
    Encoder,
    Generator,
    MuseGAN,
    TemporalNetwork,
    Upsampling,
    apply_neurons,
)
from wavecore.models.musegan.rolls import Track

SMALL = MuseGANConfig(
    (Track("a"), Track("b", 33), Track("kit", 0, True)), bars=3, steps=6, beats=2, n_pitches=20, lowest=48, noise=5,
    channels=8, critic_channels=3,
)  # fmt: skip
SHAPES = [(2, 16, 84), (3, 12, 13), (5, 5, 20), (2, 9, 37), (2, 1, 1)]
"""Bars, steps and pitches."""


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def shaped(shape, **changes):
    bars, steps, n_pitches = shape
    return replace(SMALL, bars=bars, steps=steps, beats=1, n_pitches=n_pitches, lowest=0, **changes)


def noise_for(config, n=2, seed=0):
    return torch.randn(n, len(config.noise_rows), config.noise, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("kernel", "shape"), [((3, 1), (4, 1)), ((2, 1), (5, 1)), ((1, 7), (6, 1)), ((1, 12), (3, 7)), ((1, 1), (2, 3))]
)
@pytest.mark.parametrize("is_last", [False, True])
def test_upsampling_is_a_transposed_convolution(kernel, shape, is_last):
    layer = Upsampling(5, 4, kernel, is_last=is_last).double()
    if is_last:
        assert (layer.convolution.bias == SILENT).all()
        nn.init.normal_(layer.convolution.bias)
    x = torch.randn(3, *shape, 5, dtype=torch.float64)
    plain = layer.convolution(x.permute(0, 3, 1, 2))
    variance, mean = torch.var_mean(plain, (0, 2, 3), correction=0, keepdim=True)
    expected = plain.tanh() if is_last else F.relu((plain - mean) / (variance + layer.norm.eps).sqrt())
    torch.testing.assert_close(layer(x), expected.permute(0, 2, 3, 1))


@pytest.mark.parametrize(("axis", "size", "stride", "length", "padding"), [
    (0, 2, 1, 4, (0, 0)), (0, 3, 1, 3, (0, 0)), (0, 1, 1, 1, (0, 0)), (2, 12, 12, 24, (0, 0)), (2, 7, 7, 7, (0, 0)),
    (1, 2, 2, 8, (0, 0)), (1, 4, 2, 4, (1, 1)), (1, 3, 2, 2, (0, 1)), (1, 5, 3, 9, (1, 1)), (1, 4, 3, 3, (0, 1)),
])  # fmt: skip
def test_an_axis_convolution_is_one_of_three_dimensions(axis, size, stride, length, padding):
    kernel, strides, sizes, around = [1, 1, 1], [1, 1, 1], [2, 3, 4], [(0, 0)] * 3
    kernel[axis], strides[axis], sizes[axis], around[axis] = size, stride, length, padding
    layer = AxisConvolution(3, 5, tuple(kernel), stride, padding=padding).double()
    x = torch.randn(2, *sizes, 3, dtype=torch.float64, requires_grad=True)
    padded = F.pad(x.permute(0, 4, 1, 2, 3), [size for pair in reversed(around) for size in pair])
    plain = F.conv3d(padded, layer.convolution.weight, layer.convolution.bias, tuple(strides))
    expected = F.leaky_relu(plain, SLOPE).permute(0, 2, 3, 4, 1)
    found = layer(x.movedim(1 + axis, -2)).movedim(-2, 1 + axis)
    torch.testing.assert_close(found, expected)
    (got,) = torch.autograd.grad(found.square().sum(), x, retain_graph=True)
    torch.testing.assert_close(got, *torch.autograd.grad(expected.square().sum(), x))


def test_the_generator_of_the_seed_preset_has_the_published_layers():
    config = PRESETS["seed"]
    temporal = [layer.weight.shape for layer in TemporalNetwork(config).layers if isinstance(layer, nn.ConvTranspose2d)]
    assert temporal == [(32, 512, 2, 1), (512, 32, 1, 1)]
    bars = BarGenerator(4 * 32, 1, config)
    assert bars.first[0].weight.shape == (1024, 128) and bars.begin == (2, 1, 512)
    assert [layer.convolution.weight.shape for layer in bars.layers] == [
        (512, 512, 2, 1), (512, 256, 2, 1), (256, 256, 2, 1), (256, 256, 1, 7), (256, 1, 1, 12),
    ]  # fmt: skip
    norms = [module for module in bars.modules() if isinstance(module, nn.BatchNorm1d)]
    assert len(norms) == 5 and all(norm.momentum == pytest.approx(1 - 0.9) for norm in norms), "a memory of 0.9"
    generator = Generator(config)
    assert len(generator.bars) == 4 and len(generator.temporal) == 5, "four bar generators; chords and four melodies"


def test_the_critic_of_the_seed_preset_has_the_published_layers():
    critic = Critic(4, PRESETS["seed"])
    layers = [*critic.over_bars, *critic.over_pitches, *critic.over_steps]
    assert [(layer.convolution.out_channels, layer.convolution.kernel_size, layer.stride) for layer in layers] == [
        (128, (2, 1, 1), 1), (64, (1, 1, 1), 1), (64, (1, 1, 12), 12), (64, (1, 1, 7), 7), (64, (1, 2, 1), 2),
        (64, (1, 2, 1), 2), (128, (1, 4, 1), 2), (256, (1, 3, 1), 2),
    ]  # fmt: skip
    assert [layer.out_features for layer in critic.last if isinstance(layer, nn.Linear)] == [512, 1]
    assert not any("BatchNorm" in type(module).__name__ for module in critic.modules())


def test_the_shape_of_the_paper():
    config = PRESETS["paper"]
    bars = BarGenerator(4 * 32, 1, config)
    kernels = [layer.convolution.kernel_size for layer in bars.layers]
    assert bars.begin == (2, 1, 512) and kernels == [(2, 1)] * 4 + [(3, 1), (1, 7), (1, 12)]
    assert TemporalNetwork(config)(torch.zeros(2, 32)).shape == (2, 4, 32)
    assert Encoder(config)(torch.zeros(1, 4, 96, 84)).shape == (1, 4, 32)
    assert Critic(5, config).over_bars[1].convolution.kernel_size == (3, 1, 1), "bars - 1"


@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape_is_scored_by_all_its_cells(shape):
    phrases = torch.randn(2, *shape, 3, requires_grad=True)
    scores = Critic(3, shaped(shape))(phrases)
    assert scores.shape == (2,)
    (slope,) = torch.autograd.grad(scores[0], phrases)
    assert (slope[0] != 0).all() and not slope[1].any(), "one phrase does not depend on another"


def test_bars_are_compared():
    """The second derivative across bars is not zero."""
    config = replace(SMALL, bars=4)
    critic, phrase = Critic(3, config), torch.randn(1, 4, 6, 20, 3)
    other = phrase.flip(1)
    for bar in range(4):
        mixed, both = phrase.clone(), other.clone()
        mixed[:, bar], both[:, bar] = other[:, bar], phrase[:, bar]
        left, right = critic(mixed) - critic(phrase), critic(other) - critic(both)
        assert (left - right).abs() > 1e-6, "the score of a bar depends on the others"


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("given", ["", "b"])
def test_noise_reaches_the_tracks_that_it_is_for(variant, given):
    config = replace(SMALL, variant=variant, given=given)
    generator, noise, seen = Generator(config).eval(), noise_for(config), {"groove": 0, "melody": 0}
    track = torch.ones(2, *config.shape[:3]) if given else None
    for number, row in enumerate(config.noise_rows):
        other = noise.clone()
        other[:, number] = noise_for(config, seed=1)[:, number]
        changed = (generator(noise, track) != generator(other, track)).any(dim=3).any(dim=2).any(dim=1).any(dim=0)
        if row in seen:
            assert changed.tolist() == [index == seen[row] for index in range(config.n_generated)], row
            seen[row] += 1
        else:
            assert changed.all(), row


def test_style_is_the_same_in_every_bar_and_melodies_are_not():
    config = replace(SMALL, variant="jamming", tracks=SMALL.tracks[:1])
    generator, noise = Generator(config).eval(), noise_for(config)
    unrolled = generator.temporal[0](noise[:, 1])
    assert (unrolled[:, 0] != unrolled[:, 1]).any() and (unrolled[:, 1] != unrolled[:, 2]).any()
    for parameter in generator.temporal.parameters():
        nn.init.zeros_(parameter)
    cells = generator(noise)
    assert torch.equal(cells[:, :1].expand_as(cells), cells) and not torch.equal(cells[0], cells[1])


def test_a_given_track_conditions_bar_by_bar():
    config = replace(SMALL, given="b")
    generator, noise, given = Generator(config).eval(), noise_for(config), torch.full((2, 3, 6, 20), -1.0)
    other = given.clone()
    other[:, 1, 2, 7] = 1
    changed = (generator(noise, given) != generator(noise, other)).any(dim=3).any(dim=2).any(dim=0)
    assert changed.tolist() == [[False, False], [True, True], [False, False]]


@pytest.mark.parametrize("given", ["", "b"])
@pytest.mark.parametrize(
    ("variant", "n_generators", "inputs"),
    [("jamming", 3, [[0], [1], [2]]), ("composer", 1, [[0, 1, 2]]), ("hybrid", 3, [[0, 1, 2]])],
)
def test_variants_have_generators_and_critics_of_their_own(variant, n_generators, inputs, given):
    network = MuseGAN(replace(SMALL, variant=variant, given=given))
    track = torch.where(torch.rand(4, *SMALL.shape[:3]) < 0.5, -1.0, 1.0) if given else None
    assert len(network.generator.bars) == n_generators - (bool(given) and n_generators > 1)
    phrases = network(noise_for(network.config, 4), track)
    assert phrases.shape == (4, *SMALL.shape) and (not given or torch.equal(phrases[..., 1], track))
    if given and variant == "jamming":
        inputs = [[0, 1], [1, 2]]
    leaf = phrases.detach().requires_grad_()
    for number, tracks in enumerate(inputs):
        (slope,) = torch.autograd.grad(network.scores(leaf)[0, number], leaf)
        assert [index for index in range(3) if slope[..., index].any()] == tracks
    scores = network.scores(phrases)
    assert scores.shape == (4, len(inputs))
    scores.mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert network.card() == {"variant": variant, "tracks": ["a", "b", "kit"], "given": given}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_any_shape_is_generated(variant, shape):
    config = shaped(shape, variant=variant)
    cells = Generator(config).eval()(noise_for(config))
    assert cells.shape == (2, *config.shape) and cells.abs().max() <= 1 and cells.isfinite().all()


def test_neurons_make_cells_binary_and_pass_gradients():
    cells = torch.tensor([-0.9, -0.1, 0.0, 0.2, 0.8], requires_grad=True)
    assert apply_neurons(cells, "real") is cells
    thresholded = apply_neurons(cells, "threshold")
    drawn = apply_neurons(cells, "bernoulli", torch.tensor([0.04, 0.5, 0.49, 0.61, 0.0]))
    assert thresholded.tolist() == [-1, -1, -1, 1, 1]
    assert drawn.tolist() == [1, -1, 1, -1, 1], "with the probability (x + 1) / 2"
    for found in (thresholded, drawn):
        (slope,) = torch.autograd.grad((found * torch.arange(5)).sum(), cells, retain_graph=True)
        assert slope.tolist() == [0, 1, 2, 3, 4]


def test_the_neurons_are_those_of_the_configuration():
    phrases = {}
    for neurons in ("real", "threshold", "bernoulli"):
        torch.manual_seed(0)
        network = MuseGAN(replace(SMALL, neurons=neurons)).eval()
        phrases[neurons] = network(noise_for(SMALL), uniform=torch.full((2, *SMALL.shape), 0.5))
    assert torch.equal(phrases["threshold"], torch.where(phrases["real"] > 0, 1.0, -1.0))
    assert torch.equal(phrases["bernoulli"], phrases["threshold"])


def test_a_given_track_that_is_missing_or_superfluous():
    with pytest.raises(UsageError, match="'b'"):
        MuseGAN(replace(SMALL, given="b"))(noise_for(replace(SMALL, given="b")))
    with pytest.raises(UsageError, match="given"):
        MuseGAN(SMALL)(noise_for(SMALL), torch.zeros(2, 3, 6, 20))
