"""The critic: the reference's sizes, any shape, and what it hears."""

from dataclasses import replace

import pytest
import torch

from wavecore.models.musegan.config import PRESETS
from wavecore.models.musegan.critic import Critic


def build(config, n_tracks=3):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Critic(n_tracks, config)


def test_the_seed_version_has_the_reference_s_layers():
    critic = build(PRESETS["seed"], 4)
    layers = [*critic.over_bars, *critic.over_pitches, *critic.over_steps]
    assert [(layer.convolution.out_channels, layer.convolution.kernel_size, layer.stride) for layer in layers] == [
        (128, (2, 1, 1), 1), (64, (1, 1, 1), 1), (64, (1, 1, 12), 12), (64, (1, 1, 7), 7), (64, (1, 2, 1), 2), (64, (1, 2, 1), 2),
        (128, (1, 4, 1), 2), (256, (1, 3, 1), 2),
    ]  # fmt: skip
    assert [layer.out_features for layer in critic.last if isinstance(layer, torch.nn.Linear)] == [512, 1]
    assert not any(isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm3d) for module in critic.modules())
    assert build(PRESETS["paper"], 5).over_bars[1].convolution.kernel_size == (3, 1, 1), "bars - 1"


@pytest.mark.parametrize(
    ("bars", "steps", "n_pitches"),
    [(2, 16, 84), (4, 96, 84), (3, 12, 13), (5, 5, 20), (2, 9, 37), (2, 2, 24), (2, 1, 1)],
)
def test_any_shape_is_judged_and_every_cell_is_heard(bars, steps, n_pitches):
    config = replace(PRESETS["tiny"], bars=bars, steps=steps, beats=1, n_pitches=n_pitches, lowest=0)
    phrases = torch.randn(2, bars, steps, n_pitches, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    judged = build(config)(phrases)
    assert judged.shape == (2,)
    (slope,) = torch.autograd.grad(judged[0], phrases)
    assert (slope[0] != 0).all() and not slope[1].any(), "one phrase is not judged by another"


def test_bars_are_compared():
    """Neither bar alone says what two together do: the second derivative across bars is not zero."""
    config = replace(PRESETS["tiny"], bars=4)
    critic = build(config)
    phrase = torch.randn(1, *config.shape[:3], 3, generator=torch.Generator().manual_seed(0))
    other = phrase.flip(1)
    for bar in range(4):
        mixed, both = phrase.clone(), other.clone()
        mixed[:, bar], both[:, bar] = other[:, bar], phrase[:, bar]
        left, right = critic(mixed) - critic(phrase), critic(other) - critic(both)
        assert (left - right).abs() > 1e-6, "what a bar is worth depends on the others"
