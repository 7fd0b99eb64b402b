"""The fused CPU layer against its plain definition."""

import pytest
import torch

from wavecore.nn import layers


def _arguments(seed, *, n_frames, hop, batch, kernel_size, residual, gate, skip, last=False):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()

    n_samples = n_frames * hop
    tensors = [
        draw(n_samples, batch, residual),
        draw(n_samples, batch, skip),
        draw(n_frames, batch, 2 * gate),
        draw(kernel_size, residual, 2 * gate),
        draw(gate, skip),
        draw(skip),
        None if last else draw(gate, residual),
        None if last else draw(residual),
    ]
    return tensors


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    "sizes, dilation",
    [
        (dict(n_frames=3, hop=5, batch=2, kernel_size=2, residual=4, gate=3, skip=5), 4),
        (dict(n_frames=2, hop=7, batch=1, kernel_size=3, residual=3, gate=2, skip=4), 3),
        (dict(n_frames=2, hop=4, batch=3, kernel_size=3, residual=2, gate=4, skip=2), 50),  # reaches beyond the start
        (dict(n_frames=1, hop=9, batch=2, kernel_size=1, residual=4, gate=3, skip=3), 1),
        (dict(n_frames=1, hop=9, batch=1, kernel_size=2, residual=4, gate=3, skip=3), 2),
        (dict(n_frames=4, hop=1, batch=1, kernel_size=2, residual=4, gate=3, skip=3), 1),
    ],
)
def test_fused_layer_equals_the_plain_one(sizes, dilation, last):
    found = {}
    for run in (layers.plain_gated_layer, layers.fused_gated_layer):
        tensors = _arguments(0, **sizes, last=last)
        # The skip stream is overwritten, so it must not be a leaf.
        x, skip = run(tensors[0], tensors[1] * 1, *tensors[2:], dilation, sizes["hop"])
        generator = torch.Generator().manual_seed(1)
        weights = [torch.randn(y.shape, dtype=torch.float64, generator=generator) for y in (x, skip)]
        (sum((w * y).sum() for w, y in zip(weights, (x, skip)))).backward()
        gradients = [t.grad for t in tensors if t is not None]
        found[run.__name__] = [x, skip, *gradients]
    for plain, fused in zip(found["plain_gated_layer"], found["fused_gated_layer"], strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    "sizes, dilation",
    [
        (dict(n_frames=3, hop=40, batch=2, kernel_size=2, residual=16, gate=24, skip=40), 4),
        (dict(n_frames=2, hop=70, batch=1, kernel_size=3, residual=24, gate=16, skip=32), 30),
        (dict(n_frames=2, hop=4, batch=3, kernel_size=3, residual=2, gate=4, skip=2), 50),
        (dict(n_frames=1, hop=9, batch=2, kernel_size=1, residual=4, gate=3, skip=3), 1),
    ],
)
def test_the_bfloat16_layer_is_the_plain_one_but_for_rounding(sizes, dilation, last):
    """Eight bits of significand: half a percent at every product, in outputs and gradients."""
    found = {}
    for name in ("plain", "bfloat16"):
        # The same values in both, already representable where the products read them.
        tensors = [
            None if t is None else t.detach().mul(0.5).float().bfloat16().float().requires_grad_()
            for t in _arguments(0, **sizes, last=last)
        ]
        with torch.autocast("cpu", torch.bfloat16, enabled=name == "bfloat16"):
            run = layers.plain_gated_layer if name == "plain" else layers.fused_gated_layer
            x, skip = run(tensors[0], tensors[1] * 1, *tensors[2:], dilation, sizes["hop"])
        assert x.dtype == skip.dtype == torch.float32
        generator = torch.Generator().manual_seed(1)
        weights = [torch.randn(y.shape, generator=generator).bfloat16().float() for y in (x, skip)]
        (sum((w * y).sum() for w, y in zip(weights, (x, skip)))).backward()
        found[name] = [x, skip, *(t.grad for t in tensors if t is not None)]
    for plain, rounded in zip(found["plain"], found["bfloat16"], strict=True):
        assert rounded.dtype == plain.dtype
        error = float((rounded - plain).detach().norm() / plain.detach().norm())
        assert error < 0.012, error


def test_fused_layer_passes_gradcheck():
    tensors = _arguments(2, n_frames=2, hop=3, batch=2, kernel_size=2, residual=3, gate=2, skip=3)

    def run(*values):
        return layers.fused_gated_layer(values[0], values[1] * 1, *values[2:], 2, 3)

    assert torch.autograd.gradcheck(run, tensors)


def test_affine_is_a_matrix_product_over_the_last_axis():
    affine = layers.Affine(3, 2)
    with torch.no_grad():
        affine.bias.copy_(torch.tensor([1.0, -1.0]))
    x = torch.arange(12.0).view(2, 2, 3)
    torch.testing.assert_close(affine(x), torch.einsum("abi,io->abo", x, affine.weight) + affine.bias)


def test_affine_without_bias_has_none():
    assert layers.Affine(3, 2, bias=False).bias is None
    assert set(layers.Affine(3, 2, bias=False).state_dict()) == {"weight"}


def test_the_last_layer_has_no_residual_product():
    sizes = dict(kernel_size=2, dilation=1, residual_channels=4, gate_channels=4, skip_channels=4, latent_channels=2)
    assert layers.GatedLayer(**sizes, n_layers=2, last=True).residual is None
    assert layers.GatedLayer(**sizes, n_layers=2, last=False).residual is not None
