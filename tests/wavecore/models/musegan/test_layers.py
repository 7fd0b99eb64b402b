"""Products of matrices, against the general convolutions that they stand for."""

import pytest
import torch
from torch.nn import functional as F

from wavecore.models.musegan.layers import QUIET, SLOPE, DrawnOut, Gathered


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize(
    ("kernel", "shape"), [((3, 1), (4, 1)), ((2, 1), (5, 1)), ((1, 7), (6, 1)), ((1, 12), (3, 7)), ((1, 1), (2, 3))]
)
@pytest.mark.parametrize("is_last", [False, True])
def test_drawing_out_is_a_transposed_convolution(kernel, shape, is_last):
    layer = DrawnOut(5, 4, kernel, is_last=is_last).double()
    if is_last:
        assert (layer.convolution.bias == QUIET).all()
        torch.nn.init.normal_(layer.convolution.bias)
    x = torch.randn(3, *shape, 5, dtype=torch.float64)
    plain = layer.convolution(x.permute(0, 3, 1, 2))
    if is_last:
        wanted = plain.tanh()
    else:
        wanted = F.relu(
            (plain - plain.mean((0, 2, 3), keepdim=True))
            / (plain.var((0, 2, 3), correction=0, keepdim=True) + layer.norm.eps).sqrt()
        )
    torch.testing.assert_close(layer(x), wanted.permute(0, 2, 3, 1))


@pytest.mark.parametrize(("axis", "size", "stride", "length", "around"), [
    (0, 2, 1, 4, (0, 0)), (0, 3, 1, 3, (0, 0)), (0, 1, 1, 1, (0, 0)), (2, 12, 12, 24, (0, 0)), (2, 7, 7, 7, (0, 0)),
    (1, 2, 2, 8, (0, 0)), (1, 4, 2, 4, (1, 1)), (1, 3, 2, 2, (0, 1)), (1, 5, 3, 9, (1, 1)), (1, 4, 3, 3, (0, 1)),
])  # fmt: skip
def test_gathering_is_a_convolution_of_three_dimensions(axis, size, stride, length, around):
    kernel, strides, sizes = [1, 1, 1], [1, 1, 1], [2, 3, 4]
    kernel[axis], strides[axis], sizes[axis] = size, stride, length
    layer = Gathered(3, 5, tuple(kernel), stride, around=around).double()
    x = torch.randn(2, *sizes, 3, dtype=torch.float64, requires_grad=True)
    padding = [(0, 0)] * 3
    padding[axis] = around
    padded = F.pad(x.permute(0, 4, 1, 2, 3), [size for pair in reversed(padding) for size in pair])
    wanted = F.leaky_relu(
        F.conv3d(padded, layer.convolution.weight, layer.convolution.bias, tuple(strides)), SLOPE
    ).permute(0, 2, 3, 4, 1)
    found = layer(x.movedim(1 + axis, -2)).movedim(-2, 1 + axis)
    torch.testing.assert_close(found, wanted)
    (got,) = torch.autograd.grad(found.square().sum(), x, retain_graph=True)
    (want,) = torch.autograd.grad(wanted.square().sum(), x)
    torch.testing.assert_close(got, want)
