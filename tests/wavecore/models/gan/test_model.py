"""Both variants: sizes, the definition of each network, noise, configuration."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from wavecore.errors import UsageError
from wavecore.models.gan.config import PRESETS, GANConfig
from wavecore.models.gan.model import (
    GAN,
    BidirectionalDiscriminator,
    RecurrentDiscriminator,
    RecurrentGenerator,
    draw_noise,
)


def build(network_class, *sizes):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network_class(*sizes)


def normal(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["tiny", "small", "mogren-tiny", "mogren-small"])
@pytest.mark.parametrize("training", [True, False])
def test_noise_to_notes_to_logits(name, training):
    config = PRESETS[name]
    network = build(GAN, config).train(training)
    notes = network(draw_noise(config, 3, np.random.default_rng(0)))
    assert notes.shape == (3, config.length, config.features) and notes.dtype == torch.float32
    assert (notes.abs() <= 1).all()
    logits, activations = network.discriminator(notes)
    assert logits.shape == (3,) and activations.shape[0] == 3
    (logits.sum() + activations.sum()).backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())
    assert sum(parameter.numel() for parameter in network.parameters()) * 2 <= 4 * 2**20


def test_the_published_dense_variant():
    network = GAN(PRESETS["gan"])
    of_generator, of_discriminator = network.generator.layers, network.discriminator.layers

    def widths(layers):
        return [(layer.in_features, layer.out_features) for layer in layers if isinstance(layer, nn.Linear)]

    assert widths(of_generator) == [(1000, 256), (256, 512), (512, 1024), (1024, 100)]
    norms = [layer for layer in of_generator if isinstance(layer, nn.BatchNorm1d)]
    assert [(norm.num_features, round(norm.momentum, 9)) for norm in norms] == [(256, 0.2), (512, 0.2), (1024, 0.2)]
    first, second = network.discriminator.first, network.discriminator.second
    assert (first.input_size, first.hidden_size) == (1, 512)
    assert (second.hidden_size, second.bidirectional) == (512, True)
    assert widths(of_discriminator) == [(1024, 512), (512, 256)]
    rectifiers = [layer for layer in [*of_generator, *of_discriminator] if isinstance(layer, nn.LeakyReLU)]
    assert {layer.negative_slope for layer in rectifiers} == {0.2}
    assert network.card() == {"variant": "dense", "notes": 100, "steps_per_beat": 4}


def test_the_published_recurrent_variant():
    network = GAN(PRESETS["mogren"])
    assert [cell.hidden_size for cell in network.generator.cells] == [350, 350] and network.config.feature_matching
    lstm = network.discriminator.lstm
    assert (lstm.hidden_size, lstm.num_layers, lstm.bidirectional) == (350, 2, True)


def test_the_dense_variants_logits_are_of_the_last_states_of_both_directions():
    discriminator, notes = build(RecurrentDiscriminator, 2, 6, (5, 4)), normal(3, 8, 2)
    states, _ = discriminator.second(discriminator.first(notes)[0])
    expected = discriminator.layers(torch.cat([states[:, -1, :6], states[:, 0, 6:]], dim=1))
    logits, activations = discriminator(notes)
    torch.testing.assert_close(activations, expected)
    torch.testing.assert_close(logits, discriminator.output(expected)[:, 0])


def test_intervals_are_received_beside_notes():
    plain, weighted = RecurrentDiscriminator(2, 6, (4,)), RecurrentDiscriminator(2, 6, (4,), 8.0)
    assert plain.first.input_size == 2 and weighted.first.input_size == 4
    inputs, notes = [], normal(3, 5, 2)
    weighted.first.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    weighted(notes)
    torch.testing.assert_close(inputs[0][..., :2], notes)
    torch.testing.assert_close(inputs[0][:, 1:, 2:], 8 * (notes[:, 1:] - notes[:, :-1]))
    assert not inputs[0][:, 0, 2:].any()


@pytest.mark.parametrize("features", [1, 2])
def test_rounded_notes_are_those_that_are_decoded(features):
    network = build(GAN, replace(PRESETS["tiny"], features=features, rounded=True)).eval()
    noise = draw_noise(network.config, 40, np.random.default_rng(0)).requires_grad_()
    generated, raw, encoding = network(noise), network.generator(noise), network.config.encoding
    for values, before in zip(generated.detach().numpy(), raw.detach().numpy(), strict=True):
        decoded = encoding.decode(before)
        assert encoding.decode(values) == decoded
        np.testing.assert_allclose(encoding.encode(decoded, features)[:, 0], values[:, 0], atol=1e-5)
        if features == 2:
            assert np.abs(values[:, 1:] - encoding.levels()).min(axis=1).max() < 1e-6
    assert not torch.equal(generated, raw)
    (expected,) = torch.autograd.grad(raw.square().sum(), noise, retain_graph=True)
    (found,) = torch.autograd.grad((generated * 2 * raw.detach()).sum(), noise)
    torch.testing.assert_close(found, expected)  # the gradient passes as if nothing were rounded


def test_noise_is_normal_or_uniform():
    rng = np.random.default_rng(0)
    dense = draw_noise(replace(PRESETS["tiny"], latent=500), 40, rng)
    assert dense.shape == (40, 500) and abs(float(dense.mean())) < 0.03
    assert float(dense.std()) == pytest.approx(1, abs=0.03)
    recurrent = draw_noise(PRESETS["mogren-tiny"], 40, rng)
    assert recurrent.shape == (40, 16, 8) and recurrent.min() >= 0 and recurrent.max() < 1
    assert float(recurrent.mean()) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("name", ["small", "mogren-small"])
def test_noise_reaches_the_notes_from_the_start(name):
    config = replace(PRESETS[name], length=16)
    notes = build(GAN, config)(draw_noise(config, 32, np.random.default_rng(0)))
    assert float(notes.detach().std(0).mean()) > 0.03


@pytest.mark.parametrize("n_layers", [1, 3])
def test_recurrent_notes_depend_on_the_noise_so_far(n_layers):
    generator, given = build(RecurrentGenerator, 4, 5, 6, n_layers), normal(3, 7, 5)
    found = generator(given)
    assert found.shape == (3, 7, 4) and (found.abs() <= 1).all() and len(generator.cells) == n_layers
    other = given.clone()
    other[:, 4] += 1
    changed = generator(other)
    assert torch.equal(found[:, :4], changed[:, :4]) and not torch.isclose(found[:, 4:], changed[:, 4:]).all(-1).any()


def test_a_recurrent_note_depends_on_the_one_before():
    """By the definition: two cells, fed by hand."""
    generator = build(RecurrentGenerator, 2, 5, 6, 2)
    given, note, states = normal(3, 7, 5), torch.zeros(3, 2), [None, None]
    for position, generated in enumerate(generator(given).unbind(1)):
        states[0] = generator.cells[0](torch.cat([given[:, position], note], 1), states[0])
        states[1] = generator.cells[1](states[0][0], states[1])
        note = torch.tanh(generator.output(states[1][0]))
        torch.testing.assert_close(generated, note)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_the_recurrent_variants_probability_is_the_mean_over_notes(scale):
    discriminator = build(BidirectionalDiscriminator, 4, 6, 2)
    with torch.no_grad():
        discriminator.output.weight.mul_(scale)
    logits, activations = discriminator(normal(3, 7, 4))
    assert logits.isfinite().all() and activations.shape == (3, 7 * 12)
    each = torch.sigmoid(discriminator.output(activations.view(3, 7, 12)).double())[..., 0]
    torch.testing.assert_close(torch.sigmoid(logits.double()), each.mean(1), rtol=1e-4, atol=1e-6)


def test_the_recurrent_variant_reads_in_both_directions():
    discriminator = build(BidirectionalDiscriminator, 4, 6, 1)
    notes = normal(1, 5, 4).requires_grad_()
    activations = discriminator(notes)[1].view(5, 12)
    (of_first,) = torch.autograd.grad(activations[0].sum(), notes, retain_graph=True)
    (of_last,) = torch.autograd.grad(activations[4].sum(), notes)
    assert of_first[0, 4].any() and of_last[0, 0].any()


def test_names_of_earlier_versions_are_read():
    config = PRESETS["small"]
    values = config.to_dict()
    values["judge"], values["steps_heard"] = list(values.pop("discriminator")), values.pop("interval_weight")
    assert GANConfig.from_dict(values) == config


@pytest.mark.parametrize(
    ("preset", "changes"),
    [
        *(("tiny", changes) for changes in (
            {"variant": "hybrid"}, {"features": 4}, {"length": 1}, {"latent": 0}, {"hidden": 0}, {"n_layers": 0},
            {"generator": ()}, {"discriminator": (4, 0)}, {"label_smoothing": 0.5}, {"instance_noise": -0.1},
            {"instance_noise": float("nan")}, {"durations": (1,)}, {"interval_weight": -1.0},
            {"interval_weight": float("inf")},
        )),
        ("mogren-tiny", {"interval_weight": 8.0}), ("mogren-tiny", {"rounded": True}), ("mogren-tiny", {"features": 2}),
    ],
)  # fmt: skip
def test_values_out_of_range(preset, changes):
    (name,) = changes
    with pytest.raises(UsageError, match=name):
        replace(PRESETS[preset], **changes)
