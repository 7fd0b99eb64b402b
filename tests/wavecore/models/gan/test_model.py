"""Both variants: sizes, shapes, noise, what can be configured."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from wavecore.errors import UsageError
from wavecore.models.gan.config import PRESETS, GANConfig
from wavecore.models.gan.model import GAN, RecurrentDiscriminator, draw_noise


def build(config, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GAN(config)


@pytest.mark.parametrize("name", ["tiny", "small", "mogren-tiny", "mogren-small"])
@pytest.mark.parametrize("training", [True, False])
def test_noise_to_notes_to_verdicts(name, training):
    config = PRESETS[name]
    network = build(config).train(training)
    notes = network(draw_noise(config, 3, np.random.default_rng(0)))
    assert (
        notes.shape == (3, config.length, config.features) and (notes.abs() <= 1).all() and notes.dtype == torch.float32
    )
    logits, heard = network.discriminator(notes)
    assert logits.shape == (3,) and heard.shape[0] == 3
    (logits.sum() + heard.sum()).backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


def test_the_published_dense_variant():
    network = GAN(PRESETS["gan"])
    widths = [
        (layer.in_features, layer.out_features) for layer in network.generator.layers if isinstance(layer, nn.Linear)
    ]
    assert widths == [(1000, 256), (256, 512), (512, 1024), (1024, 100)]
    norms = [layer for layer in network.generator.layers if isinstance(layer, nn.BatchNorm1d)]
    assert [norm.num_features for norm in norms] == [256, 512, 1024] and all(
        norm.momentum == pytest.approx(1 - 0.8) for norm in norms
    )
    judge = network.discriminator
    assert (judge.first.input_size, judge.first.hidden_size, judge.second.hidden_size, judge.second.bidirectional) == (
        1,
        512,
        512,
        True,
    )
    assert [(layer.in_features, layer.out_features) for layer in judge.layers if isinstance(layer, nn.Linear)] == [
        (1024, 512),
        (512, 256),
    ]
    assert {
        layer.negative_slope for layer in [*network.generator.layers, *judge.layers] if isinstance(layer, nn.LeakyReLU)
    } == {0.2}


def test_the_published_recurrent_variant():
    network = GAN(PRESETS["mogren"])
    assert [cell.hidden_size for cell in network.generator.cells] == [350, 350] and network.config.feature_matching
    assert (
        network.discriminator.lstm.hidden_size,
        network.discriminator.lstm.num_layers,
        network.discriminator.lstm.bidirectional,
    ) == (350, 2, True)


@pytest.mark.parametrize("name", ["small", "mogren-small"])
def test_small_models_are_small(name):
    assert sum(parameter.numel() for parameter in build(PRESETS[name]).parameters()) * 2 <= 4 * 2**20


def test_a_verdict_is_of_the_last_states_of_both_directions():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        judge = RecurrentDiscriminator(2, 6, (5, 4))
    notes = torch.randn(3, 8, 2, generator=torch.Generator().manual_seed(1))
    states, _ = judge.second(judge.first(notes)[0])
    heard = judge.layers(torch.cat([states[:, -1, :6], states[:, 0, 6:]], dim=1))
    logits, found = judge(notes)
    torch.testing.assert_close(found, heard)
    torch.testing.assert_close(logits, judge.output(heard)[:, 0])


def test_steps_are_heard_beside_notes():
    torch.manual_seed(0)
    plain, helped = RecurrentDiscriminator(2, 6, (4,)), RecurrentDiscriminator(2, 6, (4,), 8.0)
    assert plain.first.input_size == 2 and helped.first.input_size == 4
    heard = []
    helped.first.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    notes = torch.randn(3, 5, 2)
    helped(notes)
    torch.testing.assert_close(heard[0][..., :2], notes)
    torch.testing.assert_close(heard[0][:, 1:, 2:], 8 * (notes[:, 1:] - notes[:, :-1]))
    assert not heard[0][:, 0, 2:].any()


@pytest.mark.parametrize("features", [1, 2])
def test_rounded_notes_are_those_that_are_read(features):
    torch.manual_seed(0)
    network = GAN(replace(PRESETS["tiny"], features=features, rounded=True)).eval()
    noise = draw_noise(network.config, 40, np.random.default_rng(0)).requires_grad_()
    written = network(noise)
    raw, scale = network.generator(noise), network.config.scale
    for values, before in zip(written.detach().numpy(), raw.detach().numpy(), strict=True):
        np.testing.assert_allclose(scale.encode(scale.decode(before), features)[:, 0], values[:, 0], atol=1e-5)
        assert scale.decode(values) == scale.decode(before)
        if features == 2:
            assert np.abs(values[:, 1:] - scale.levels()).min(axis=1).max() < 1e-6
    assert not torch.equal(written, raw)
    wanted, found = (
        torch.autograd.grad(x.square().sum() if x is raw else (x * 2 * raw.detach()).sum(), noise, retain_graph=True)[0]
        for x in (raw, written)
    )
    torch.testing.assert_close(found, wanted)  # the gradient passes as if nothing were rounded


def test_noise_is_what_the_variant_wants():
    rng = np.random.default_rng(0)
    normal = draw_noise(replace(PRESETS["tiny"], latent=500), 40, rng)
    assert (
        normal.shape == (40, 500)
        and abs(float(normal.mean())) < 0.03
        and float(normal.std()) == pytest.approx(1, abs=0.03)
    )
    even = draw_noise(PRESETS["mogren-tiny"], 40, rng)
    assert (
        even.shape == (40, 16, 8)
        and 0 <= even.min()
        and even.max() < 1
        and float(even.mean()) == pytest.approx(0.5, abs=0.03)
    )
    again = draw_noise(PRESETS["mogren-tiny"], 4, np.random.default_rng(7))
    assert torch.equal(again, draw_noise(PRESETS["mogren-tiny"], 4, np.random.default_rng(7)))


def test_noise_reaches_the_notes_from_the_start():
    for name in ("small", "mogren-small"):
        config = replace(PRESETS[name], length=16)
        notes = build(config)(draw_noise(config, 32, np.random.default_rng(0)))
        assert float(notes.detach().std(0).mean()) > 0.03, name


def test_a_configuration_survives_json():
    for config in PRESETS.values():
        assert GANConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(UsageError, match="no width"):
        GANConfig.from_dict({"width": 3})
    assert build(PRESETS["tiny"]).card() == {"variant": "dense", "notes": 16, "steps_per_beat": 4}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variant": "hybrid"}, "'hybrid'"), ({"features": 4}, "1 or 2 features, not 4"), ({"variant": "recurrent"}, "4 features, not 2"),
        ({"length": 1}, "length is 1"), ({"latent": 0}, "latent is 0"), ({"hidden": 0}, "hidden is 0"), ({"n_layers": 0}, "n_layers is 0"),
        ({"generator": ()}, "generator is"), ({"judge": (4, 0)}, "judge is"), ({"label_smoothing": 0.5}, "label_smoothing"),
        ({"instance_noise": -0.1}, "instance_noise"), ({"instance_noise": float("nan")}, "instance_noise"), ({"lowest": 80}, "no octave"),
        ({"durations": (1,)}, "durations"), ({"steps_heard": -1.0}, "steps_heard is -1"), ({"steps_heard": float("inf")}, "steps_heard is inf"),
    ],
)  # fmt: skip
def test_what_is_out_of_range(changes, message):
    with pytest.raises(UsageError, match=message):
        replace(PRESETS["tiny"], **changes)


@pytest.mark.parametrize("changes", [{"steps_heard": 8.0}, {"rounded": True}])
def test_help_that_the_recurrent_variant_cannot_have(changes):
    with pytest.raises(UsageError, match="belong to the dense variant"):
        replace(PRESETS["mogren-tiny"], **changes)
