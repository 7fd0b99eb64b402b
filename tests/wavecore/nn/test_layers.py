"""The fused CPU layers against their plain definition."""

import pytest
import torch

from wavecore.nn import layers
from wavecore.nn.config import WaveNetConfig


def _arguments(sizes, *, last=False, seed=0):
    """Draw tensors for n_frames, hop, batch, kernel_size, residual, gate and skip."""
    n_frames, hop, batch, kernel_size, residual, gate, skip = sizes
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()

    return [
        draw(n_frames * hop, batch, residual),
        draw(n_frames * hop, batch, skip),
        draw(n_frames, batch, 2 * gate),
        draw(kernel_size, residual, 2 * gate),
        draw(gate, skip),
        draw(skip),
        None if last else draw(gate, residual),
        None if last else draw(residual),
    ]


def _outputs_and_gradients(run, tensors, dilation, hop):
    """Run a layer on weighted outputs; bfloat16 weights, so that neither type rounds them."""
    # The skip stream is overwritten, so it must not be a leaf.
    x, skip = run(tensors[0], tensors[1] * 1, *tensors[2:], dilation, hop)
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(y.shape, generator=generator).bfloat16().to(y) for y in (x, skip)]
    sum((w * y).sum() for w, y in zip(weights, (x, skip), strict=True)).backward()
    return [x, skip, *(t.grad for t in tensors if t is not None)]


BEYOND_THE_START = (2, 4, 3, 3, 2, 4, 2), 50
ONE_TAP = (1, 9, 2, 1, 4, 3, 3), 1


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    ("sizes", "dilation"),
    [
        ((3, 5, 2, 2, 4, 3, 5), 4),
        ((2, 7, 1, 3, 3, 2, 4), 3),
        BEYOND_THE_START,
        ONE_TAP,
        ((1, 9, 1, 2, 4, 3, 3), 2),
        ((4, 1, 1, 2, 4, 3, 3), 1),
    ],
)
def test_fused_layer_equals_the_plain_one(sizes, dilation, last):
    plain, fused = (
        _outputs_and_gradients(run, _arguments(sizes, last=last), dilation, sizes[1])
        for run in (layers.plain_gated_layer, layers.fused_gated_layer)
    )
    for expected, actual in zip(plain, fused, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    ("sizes", "dilation"),
    [
        ((3, 40, 2, 2, 16, 24, 40), 4),
        ((2, 70, 1, 3, 24, 16, 32), 30),
        BEYOND_THE_START,
        ONE_TAP,
    ],
)
def test_bfloat16_layer_equals_the_plain_one_up_to_rounding(sizes, dilation, last):
    """Eight bits of significand: half a percent per product, in outputs and gradients."""
    results = {}
    for name, run in (("plain", layers.plain_gated_layer), ("bfloat16", layers.fused_gated_layer)):
        # The same values in both, representable in bfloat16.
        tensors = [
            None if t is None else t.detach().mul(0.5).float().bfloat16().float().requires_grad_()
            for t in _arguments(sizes, last=last)
        ]
        with torch.autocast("cpu", torch.bfloat16, enabled=name == "bfloat16"):
            results[name] = _outputs_and_gradients(run, tensors, dilation, sizes[1])
        assert results[name][0].dtype == results[name][1].dtype == torch.float32
    for plain, rounded in zip(results["plain"], results["bfloat16"], strict=True):
        assert rounded.dtype == plain.dtype
        assert float((rounded - plain).detach().norm() / plain.detach().norm()) < 0.012


@pytest.mark.slow
def test_gradcheck_of_the_fused_layer():
    tensors = _arguments((2, 3, 2, 2, 3, 2, 3), seed=2)

    def run(*values):
        return layers.fused_gated_layer(values[0], values[1] * 1, *values[2:], 2, 3)

    assert torch.autograd.gradcheck(run, tensors)


def test_affine():
    affine = layers.Affine(3, 2)
    with torch.no_grad():
        affine.bias.copy_(torch.tensor([1.0, -1.0]))
    x = torch.arange(12.0).view(2, 2, 3)
    torch.testing.assert_close(affine(x), torch.einsum("abi,io->abo", x, affine.weight) + affine.bias)
    assert set(layers.Affine(3, 2, bias=False).state_dict()) == {"weight"}


def test_last_layer_has_no_residual_product():
    config = WaveNetConfig(1, 2, 2, 4, 4, 4, 4, latent_channels=2)
    assert [layers.GatedLayer(config, 1, last=last).residual is None for last in (True, False)] == [True, False]
