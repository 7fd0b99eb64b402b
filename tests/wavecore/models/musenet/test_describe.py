"""Costs on paper against networks that are built: parameters on the meta device, kept tensors and products on the
CPU."""

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from wavecore.errors import UsageError
from wavecore.models.musenet.config import PRESETS, MuseNetConfig
from wavecore.models.musenet.cost import cost, described, heard, layer_parameters, n_parameters, spread
from wavecore.models.musenet.model import MuseNet

SMALL = MuseNetConfig(n_layers=3, channels=48, n_heads=4, context=64, styles=("a", "b"), dropout=0.1)


@pytest.mark.parametrize(
    "config",
    [*PRESETS.values(), SMALL, replace(SMALL, critic=True, embeddings=("time", "part"), styles=())],
    ids=lambda c: str(c.n_layers),
)
def test_parameters_are_those_of_the_network(config):
    with torch.device("meta"):
        network = MuseNet(config)
    assert n_parameters(config) == sum(parameter.numel() for parameter in network.parameters())
    assert layer_parameters(config) == sum(parameter.numel() for parameter in network.layers[0].parameters())


@pytest.mark.parametrize("pattern", ["dense", "strided", "fixed"])
def test_what_is_heard_is_what_masks_say(pattern):
    config = replace(SMALL, patterns=(pattern, "dense"), n_layers=2, block=6, summary=2, context=29)
    wanted = [float(one.mask(0, 29).sum(1).float().mean()) for one in config.layer_patterns]
    assert heard(config) == pytest.approx(sum(wanted) / 2)


def _given(config, batch=1):
    return torch.zeros(batch, config.context, dtype=torch.int64), torch.zeros(
        batch, config.context, 4, dtype=torch.int64
    )


@pytest.mark.parametrize("n_layers", [1, 4])
def test_products_are_as_many_as_counted(n_layers):
    config = replace(SMALL, n_layers=n_layers)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        MuseNet(config).eval()(*_given(config))
    products = {str(name): count for name, count in counter.get_flop_counts()["Global"].items()}
    linear = sum(count for name, count in products.items() if "attention" not in name)
    attention = 4.0 * heard(config) * config.channels * n_layers * config.context
    assert linear == pytest.approx(cost(config).flops_per_token * config.context - attention)


@pytest.mark.parametrize(("recompute", "dropout"), [(False, 0.0), (False, 0.1), (True, 0.1)])
def test_what_is_kept_is_as_much_as_said(recompute, dropout):
    config = replace(SMALL, n_layers=8, dropout=dropout)
    network = MuseNet(config).train()
    network.recompute, weights = (
        recompute,
        {parameter.untyped_storage().data_ptr() for parameter in network.parameters()},
    )
    kept = {}

    def keep(tensor):
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = (tensor, tensor.untyped_storage().nbytes())
        return tensor

    vectors = network.tokens()
    x = network.embed(*_given(config), vectors)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network.hidden(x)
    found = sum(size for _, size in kept.values())
    costs, vector = cost(config), 4 * config.context * config.channels
    around = 2 * vector + 4 * config.context * 2 * config.vocabulary.size
    said = costs.kept_bytes - around
    if recompute:  # one layer is computed again on the way back only
        said = costs.recomputed_bytes - said / 8 - around
    assert found == pytest.approx(said + vector, rel=0.03), (
        "and what goes into the last norm; logits were not asked for"
    )


def test_the_published_size_needs_many_devices():
    published = PRESETS["musenet"]
    costs = cost(published)
    assert (
        costs.parameters == pytest.approx(2.05e9, rel=0.01)
        and costs.weight_bytes == 4 * costs.parameters
        and costs.training_bytes == 20 * costs.parameters
    )
    assert costs.recomputed_bytes < costs.kept_bytes / 10
    assert costs.flops_per_token == pytest.approx(2 * 12 * 72 * 1536**2 + 4 * 72 * 1536 * 2048.5 + 2 * 4139 * 1536)
    alone, many = spread(published, n_devices=1, gibibytes=16), spread(published, n_devices=32, gibibytes=16)
    assert alone.windows_per_device == 0 and many.windows_per_device >= 1
    assert 1 < many.fewest_devices <= 32
    assert spread(published, n_devices=many.fewest_devices, gibibytes=16).windows_per_device >= 1
    assert spread(published, n_devices=many.fewest_devices - 1, gibibytes=16).windows_per_device == 0
    assert spread(published, n_devices=64, gibibytes=16, recompute=False).windows_per_device == 0


def test_a_device_may_be_too_small_for_any_number():
    assert spread(PRESETS["musenet"], n_devices=4096, gibibytes=0.5).fewest_devices is None
    for n_devices, gibibytes in ((0, 16), (4, 0), (4, float("inf")), (4, float("nan"))):
        with pytest.raises(UsageError, match="are none"):
            spread(SMALL, n_devices=n_devices, gibibytes=gibibytes)


def test_it_is_told_in_words():
    first, weights, kept, work = described(PRESETS["musenet"]).splitlines()
    assert first == "72 layers x 1536 channels, 24 heads, 4,096 tokens: 2,054.8 M parameters"
    assert weights == "weights 7.7 GiB, all that training holds of them 38.3 GiB"
    assert kept == "kept of a window 30.5 GiB, with recomputation 2.3 GiB" and work.startswith("a token 4,995.8 MFLOP")
    assert "weights 18.5 MiB" in described(PRESETS["small"])
