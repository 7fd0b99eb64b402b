"""The network: its published sizes, its input, and what it learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from wavecore.errors import UsageError
from wavecore.models.coconet.config import PRESETS, CoconetConfig
from wavecore.models.coconet.model import Coconet, _Depthwise

SMALL = CoconetConfig(n_layers=6, channels=8, dilations=(1, 4))


def build(config=SMALL, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Coconet(config).eval()


def grids(batch=2, n_steps=9, seed=0):
    rng = np.random.default_rng(seed)
    arrays = rng.integers(36, 82, (batch, n_steps, 4)), rng.random((batch, n_steps, 4)) < 0.5
    return tuple(map(torch.from_numpy, arrays))


@pytest.mark.parametrize(("name", "millions"), [("coconet", 9.09), ("doodle", 0.55)])
def test_published_sizes(name, millions):
    n_parameters = sum(parameter.numel() for parameter in Coconet(PRESETS[name]).parameters())
    assert n_parameters / 1e6 == pytest.approx(millions, abs=0.01)


@pytest.mark.parametrize("separable", [True, False])
@pytest.mark.parametrize("n_steps", [1, 9, 33])
def test_logits_have_the_shape_of_the_grid(separable, n_steps):
    config = replace(SMALL, separable=separable, n_pitches=12, lowest=60)
    grid, known = grids(n_steps=n_steps)
    logits = build(config)(grid, known)
    assert logits.shape == (2, n_steps, 4, 12) and logits.dtype == torch.float32 and logits.isfinite().all()


def test_planes_are_rolls_and_masks():
    grid = torch.tensor([[[36, 81, -1, 50], [40, 40, 90, 35]]])
    known = torch.tensor([[[True, True, True, False], [False, True, True, True]]])
    planes = build().planes(grid, known)[0]
    assert planes.shape == (8, 2, 46)
    lit = [tuple(index) for index in planes[:4].nonzero().tolist()]
    assert lit == [(0, 0, 0), (1, 0, 45), (1, 1, 4)], "rests and pitches out of range are empty"
    assert torch.equal(planes[4:], known[0].T[:, :, None].expand(4, 2, 46).float())


def test_pitches_of_hidden_cells_are_not_used():
    network, (grid, known) = build(), grids()
    other = torch.where(known, grid, 36 + (grid - 36 + 7) % 46)
    assert torch.equal(network(grid, known), network(other, known))
    assert not torch.equal(network(grid, known), network(grid, torch.ones_like(known)))


def test_a_known_rest_differs_from_the_end():
    network, (grid, known) = build(), grids(batch=1)
    longer = F.pad(grid, (0, 0, 0, 3), value=-1), F.pad(known, (0, 0, 0, 3), value=False)
    silent = longer[0], F.pad(known, (0, 0, 0, 3), value=True)
    inside = network(*longer)[:, :9]
    assert not torch.allclose(inside, network(*silent)[:, :9])


@pytest.mark.parametrize("size", [3, 2])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 2), (4, 4), (16, 16), (3, 1), (32, 23)])
def test_interleaved_images_convolve_as_the_dilated_whole(dilation, size):
    torch.manual_seed(0)
    layer = _Depthwise(3, size, dilation).double()
    x = torch.randn(2, 3, 19, 46, dtype=torch.float64, requires_grad=True)
    reach = [d * (size - 1) for d in dilation]
    padded = F.pad(x, (reach[1] // 2, reach[1] - reach[1] // 2, reach[0] // 2, reach[0] - reach[0] // 2))
    if size == 2:  # an even kernel has its taps at 0 and d
        padded = F.pad(x, (0, reach[1], 0, reach[0]))
    results = layer(x), F.conv2d(padded, layer.each.weight, dilation=dilation, groups=3)
    torch.testing.assert_close(*results)
    torch.testing.assert_close(*(torch.autograd.grad(result.square().sum(), x)[0] for result in results))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n_layers": 3}, "n_layers.* 3"),
        ({"channels": 0}, "channels"),
        ({"dilations": ()}, "dilations"),
        ({"dilations": (1, 0)}, "dilations"),
        ({"lowest": 100}, "46 pitches from 100"),
        ({"n_pitches": 1}, "n_pitches.* 1"),
    ],
)
def test_sizes_out_of_range(sizes, message):
    with pytest.raises(UsageError, match=message):
        CoconetConfig(**sizes)
