"""The WaveNet: shapes, causality, receptive field, conditioning, sizes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.errors import UsageError
from wavecore.nn.config import PRESETS, WaveNetConfig, preset
from wavecore.nn.wavenet import WaveNet

SMALL = WaveNetConfig(2, 3, 2, 8, 6, 5, 7, latent_channels=3, n_classes=16, hop_length=5)


def _wavenet(config, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = WaveNet(config).double()
        for parameter in network.parameters():  # the output starts at zero
            torch.nn.init.normal_(parameter, std=0.5)
    return network


def _inputs(config, n_samples, batch=2, seed=1):
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, config.n_classes, (batch, n_samples), generator=generator)
    n_frames = -(-n_samples // config.hop_length)
    latent = torch.randn(batch, n_frames, config.latent_channels, generator=generator, dtype=torch.float64)
    return codes, latent


@pytest.mark.parametrize("n_samples", [1, 4, 5, 6, 23])
def test_shape_of_the_logits(n_samples):
    codes, latent = _inputs(SMALL, n_samples)
    assert _wavenet(SMALL)(codes, latent).shape == (2, n_samples, SMALL.n_classes)


@pytest.mark.slow
@pytest.mark.parametrize("kernel_size", [1, 2, 3])
def test_receptive_field_is_causal(kernel_size):
    config = WaveNetConfig(2, 3, kernel_size, 8, 6, 5, 7, latent_channels=3, n_classes=16, hop_length=5)
    network = _wavenet(config)
    n_samples = config.receptive_field + 12
    codes, latent = _inputs(config, n_samples, batch=1)
    before = network(codes, latent)
    for t in range(n_samples):
        changed = codes.clone()
        changed[0, t] = (codes[0, t] + 7) % config.n_classes
        differs = (network(changed, latent) != before).any(-1)[0].nonzero().squeeze(1)
        if t + 1 == n_samples:
            assert not differs.numel()
        else:
            assert (differs.min(), differs.max()) == (t + 1, min(t + config.receptive_field, n_samples - 1))


def test_latent_conditions_its_frame_and_the_following():
    network = _wavenet(SMALL)
    codes, latent = _inputs(SMALL, 23, batch=1)
    changed = latent.clone()
    changed[0, 2] += 1.0
    differs = (network(codes, changed) != network(codes, latent)).any(-1)[0]
    assert not differs[: 2 * SMALL.hop_length].any()
    assert differs[2 * SMALL.hop_length : 3 * SMALL.hop_length].all()


@pytest.mark.slow
@settings(deadline=None, max_examples=15)
@given(n_samples=st.integers(1, 40), seed=st.integers(0, 10))
def test_prefixes_equal_the_whole(n_samples, seed):
    network = _wavenet(SMALL)
    codes, latent = _inputs(SMALL, 40, seed=seed)
    whole = network(codes, latent)[:, :n_samples]
    torch.testing.assert_close(network(codes[:, :n_samples], latent), whole, rtol=1e-9, atol=1e-9)


def test_rows_of_a_batch_are_independent():
    network = _wavenet(SMALL)
    codes, latent = _inputs(SMALL, 17, batch=3)
    together = network(codes, latent)
    for row in range(3):
        alone = network(codes[row : row + 1], latent[row : row + 1])
        torch.testing.assert_close(alone[0], together[row], rtol=1e-9, atol=1e-9)


def test_new_network_predicts_a_uniform_distribution():
    codes, latent = _inputs(SMALL, 9)
    logits = WaveNet(SMALL)(codes, latent.float())
    assert torch.equal(logits, torch.zeros_like(logits))


def test_sizes_of_the_presets():
    count = {name: sum(p.numel() for p in WaveNet(preset(name)).parameters()) for name in ("umt", "small")}
    assert PRESETS["umt"].receptive_field == 4094  # the paper counts 4,093, without the first convolution
    assert PRESETS["nsynth"].receptive_field == 6141
    assert 4.6e6 < count["umt"] < 4.75e6  # the paper: 4.69 M with biases on the conditions and a last residual
    assert count["small"] == 1_089_728
    assert preset("small").frame_rate == 20.0
    with pytest.raises(UsageError, match="'huge'.*small"):
        preset("huge")


@pytest.mark.parametrize(
    "field, value", [("kernel_size", 0), ("residual_channels", 2.5), ("hop_length", True), ("n_classes", 257)]
)
def test_invalid_sizes(field, value):
    with pytest.raises(UsageError, match=field):
        WaveNetConfig(**{field: value})


def test_inputs_that_do_not_fit():
    network = _wavenet(SMALL)
    codes, latent = _inputs(SMALL, 11)
    for inputs, match in (
        ((codes[0], latent), "codes"),
        ((codes[:, :0], latent), "codes"),
        ((codes, latent[..., :2]), r"latent.*3\), not \(2, 3, 2\)"),
        ((codes, latent[:, :2]), "11 samples"),
    ):
        with pytest.raises(UsageError, match=match):
            network(*inputs)
