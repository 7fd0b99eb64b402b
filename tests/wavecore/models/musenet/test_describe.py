"""Costs as computed against networks that are built; the map of styles."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from wavecore.errors import InputError, OutputExistsError, UsageError
from wavecore.models.musenet import describe
from wavecore.models.musenet.config import PRESETS, MuseNetConfig
from wavecore.models.musenet.describe import cost, cost_lines, mean_attended, n_parameters
from wavecore.models.musenet.model import MuseNet, attention_mask

SMALL = MuseNetConfig(n_layers=3, channels=48, n_heads=4, context=64, styles=("a", "b"), dropout=0.1)


@pytest.mark.parametrize(
    "config", [PRESETS["tiny"], SMALL, replace(SMALL, critic=True, embeddings=("time", "part"), styles=())]
)
def test_parameters_are_those_of_the_network(config):
    assert n_parameters(config) == sum(parameter.numel() for parameter in MuseNet(config).parameters())


def test_sizes_of_the_presets():
    assert 3e6 < n_parameters(PRESETS["small"]) < 6e6 and n_parameters(PRESETS["tiny"]) < 1e6
    published = PRESETS["musenet"]
    assert (published.n_layers, published.n_heads, published.context) == (72, 24, 4096)
    assert set(published.patterns) == {"dense"}
    costs = cost(published)
    assert costs.parameters == pytest.approx(2.05e9, rel=0.01) and costs.weight_bytes == 4 * costs.parameters
    assert costs.training_bytes == 20 * costs.parameters and costs.recomputed_bytes < costs.kept_bytes / 10
    assert costs.flops_per_token == pytest.approx(2 * 12 * 72 * 1536**2 + 4 * 72 * 1536 * 2048.5 + 2 * 4139 * 1536)
    text = "\n".join(cost_lines(published))
    for fact in ("72 layers x 1536 channels, 24 heads, 4,096", "7.7 GiB", "38.3 GiB", "30.5 GiB", "2.3 GiB", "4,995.8"):
        assert fact in text
    assert "18.5 MiB" in cost_lines(PRESETS["small"])[1]


@pytest.mark.parametrize("pattern", ["dense", "strided", "fixed"])
def test_positions_attended_to_are_those_of_the_masks(pattern):
    config = replace(SMALL, patterns=(pattern, "dense"), n_layers=2, block=6, summary=2, context=29)
    counts = [float(attention_mask(one, 0, 29).sum(1).float().mean()) for one in config.layer_patterns]
    assert mean_attended(config) == pytest.approx(sum(counts) / 2)


def _inputs(config):
    return torch.zeros(1, config.context, dtype=torch.int64), torch.zeros(1, config.context, 4, dtype=torch.int64)


@pytest.mark.parametrize("n_layers", [1, 4])
def test_operations_are_as_many_as_pytorch_counts(n_layers):
    config = replace(SMALL, n_layers=n_layers)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        MuseNet(config).eval()(*_inputs(config))
    products = {str(name): count for name, count in counter.get_flop_counts()["Global"].items()}
    linear = sum(count for name, count in products.items() if "attention" not in name)
    attention = 4.0 * mean_attended(config) * config.channels * n_layers * config.context
    assert linear == pytest.approx(cost(config).flops_per_token * config.context - attention)


@pytest.mark.parametrize(("recompute", "dropout"), [(False, 0.0), (False, 0.1), (True, 0.1)])
def test_activations_are_as_many_as_pytorch_keeps(recompute, dropout):
    config = replace(SMALL, n_layers=8, dropout=dropout)
    network = MuseNet(config).train()
    network.recompute, kept = recompute, {}
    weights = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}

    def keep(tensor):
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = (tensor, tensor.untyped_storage().nbytes())
        return tensor

    x = network.embed(*_inputs(config), network.tokens())
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network.hidden(x)
    costs, vector = cost(config), 4 * config.context * config.channels
    output = 2 * vector + 4 * config.context * 2 * config.vocabulary.size
    expected = costs.kept_bytes - output
    if recompute:  # the one layer that is recomputed is kept in the backward pass only
        expected = costs.recomputed_bytes - expected / 8 - output
    # And the input of the last norm; logits were not computed.
    assert sum(size for _, size in kept.values()) == pytest.approx(expected + vector, rel=0.03)


def test_cosines_by_hand():
    vectors = np.array([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    cosines = describe.similarities(vectors)
    np.testing.assert_allclose(cosines[0, :4], [1, 0, -1, np.sqrt(0.5)])
    np.testing.assert_allclose(cosines[4], 0)


def distances(x):
    return np.linalg.norm(x[:, None] - x[None], axis=2)


def test_three_styles_in_a_plane_keep_their_distances():
    rng = np.random.default_rng(0)
    unit = rng.standard_normal((3, 2))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    vectors = (unit * rng.uniform(0.5, 3, (3, 1))) @ np.linalg.qr(rng.standard_normal((9, 9)))[0][:2]
    positions = describe.positions(vectors)
    np.testing.assert_allclose(distances(positions), distances(unit), atol=1e-9)
    np.testing.assert_array_equal(describe.positions(vectors), positions)


@pytest.mark.slow
def test_of_many_styles_similar_ones_lie_together():
    rng = np.random.default_rng(0)
    schools = np.repeat(rng.standard_normal((3, 16)), 5, axis=0)
    vectors = (schools + 0.2 * rng.standard_normal((15, 16))) * rng.uniform(0.5, 3, (15, 1))  # lengths do not matter
    positions = describe.positions(vectors)
    assert positions.shape == (15, 2) and np.isfinite(positions).all()
    np.testing.assert_array_equal(describe.positions(vectors), positions)
    nearest = distances(positions)
    np.fill_diagonal(nearest, np.inf)
    assert (nearest.argmin(axis=1) // 5 == np.arange(15) // 5).all()
    assert describe.positions(vectors[:4]).shape == (4, 2)


def test_one_and_two_styles():
    two = describe.positions(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]]))
    assert two.shape == (2, 2) and np.linalg.norm(two[0] - two[1]) == pytest.approx(np.sqrt(2))
    assert np.abs(two[:, 1]).max() < 1e-6
    assert describe.positions(np.ones((1, 4))).tolist() == [[0.0, 0.0]]


@pytest.mark.slow
def test_a_map_is_a_png_that_is_not_replaced(tmp_path):
    vectors = np.random.default_rng(1).standard_normal((3, 8)).astype(np.float32)
    path = describe.draw_styles(vectors, ["bach", "pop", "a $"], tmp_path / "a.png")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(OutputExistsError):
        describe.draw_styles(vectors, ["bach", "pop", "c"], path)
    describe.draw_styles(vectors[:1], ["bach"], path, overwrite=True)
    with pytest.raises(UsageError, match="png"):
        describe.draw_styles(vectors, ["bach", "pop", "c"], tmp_path / "a.jpg")


@pytest.mark.parametrize("vectors", [np.zeros((0, 4)), np.zeros(3), np.full((2, 2), np.inf), np.zeros((3, 2))])
def test_vectors_that_cannot_be_drawn(vectors, tmp_path):
    with pytest.raises(InputError, match="2 styles"):
        describe.draw_styles(vectors, ["a", "b"], tmp_path / "a.png")
