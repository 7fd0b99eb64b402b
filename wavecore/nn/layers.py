"""The layers of a WaveNet, as matrix products.

A dilated causal convolution is a sum of matrix products over shifted views of its input.  With the time axis first,
``(T, B, C)``, a shift is a slice without a copy, and every tap is one large matrix product; on a CPU this trains about
three times faster than ``conv1d``.

All matrices are stored ``(in, out)``: ``y = x @ weight + bias``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from wavecore.nn.config import WaveNetConfig


class Affine(nn.Module):
    """A 1x1 convolution over the last axis; the weights start with standard deviation ``gain / sqrt(in_channels)``."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True, gain: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_channels, out_channels) * (gain / math.sqrt(in_channels)))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., in_channels)`` to ``(..., out_channels)``."""
        y = x @ self.weight
        return y if self.bias is None else y + self.bias


class CausalFilter(nn.Module):
    """The weights of a causal convolution: a matrix for tap ``k``, delayed by ``(K - 1 - k) * dilation`` samples."""

    def __init__(self, kernel_size: int, in_channels: int, out_channels: int):
        super().__init__()
        scale = 1.0 / math.sqrt(kernel_size * in_channels)
        self.weight = nn.Parameter(torch.randn(kernel_size, in_channels, out_channels) * scale)
        self.bias = nn.Parameter(torch.zeros(out_channels))


class GatedLayer(nn.Module):
    """One WaveNet layer: dilated filter, gate, residual and skip products.

    The outputs start ``1 / sqrt(n_layers)`` smaller, so that the sums over all layers start at unit scale.  The last
    layer has no residual product: nothing reads it.
    """

    def __init__(self, config: WaveNetConfig, dilation: int, *, last: bool):
        super().__init__()
        gain = 2.0 / math.sqrt(config.n_layers)
        self.dilation = dilation
        self.filter = CausalFilter(config.kernel_size, config.residual_channels, 2 * config.gate_channels)
        self.condition = Affine(config.latent_channels, 2 * config.gate_channels, bias=False)
        self.skip = Affine(config.gate_channels, config.skip_channels, gain=gain)
        self.residual = None if last else Affine(config.gate_channels, config.residual_channels, gain=gain)

    def forward(self, x: Tensor, skip: Tensor, latent: Tensor, hop_length: int) -> tuple[Tensor, Tensor]:
        """Return the residual stream, (T, B, R), and the skip stream, (T, B, S), after the layer.

        T = F * hop_length for a latent of shape (F, B, C); ``skip`` may be overwritten.
        """
        condition = self.condition(latent) + self.filter.bias  # (F, B, 2G)
        run = fused_gated_layer if x.device.type == "cpu" else plain_gated_layer
        weights = (self.filter.weight, self.skip.weight, self.skip.bias)
        residual = (None, None) if self.residual is None else (self.residual.weight, self.residual.bias)
        return run(x, skip, condition, *weights, *residual, self.dilation, hop_length)


def plain_gated_layer(
    x, skip, condition, filter_weight, skip_weight, skip_bias, residual_weight, residual_bias, dilation, hop_length
):
    """Compute one gated layer, by autograd; the definition that ``fused_gated_layer`` is tested against.

    Shapes: x (T, B, R), skip (T, B, S); condition (F, B, 2G), the projected latent plus the filter's bias,
    T = F * hop_length; filter_weight (K, R, 2G), skip_weight (G, S), skip_bias (S,), residual_weight (G, R) and
    residual_bias (R,), or None.  Returns x and skip after the layer, shapes as given.
    """
    kernel_size = filter_weight.shape[0]
    n_samples = x.shape[0]
    z = condition.repeat_interleave(hop_length, dim=0)  # (T, B, 2G)
    for tap in range(kernel_size):
        delay = min((kernel_size - 1 - tap) * dilation, n_samples)
        past = nn.functional.pad(x[: n_samples - delay], (0, 0, 0, 0, delay, 0))
        z = z + past @ filter_weight[tap]
    tanh_half, sigmoid_half = z.chunk(2, dim=-1)
    gated = torch.tanh(tanh_half) * torch.sigmoid(sigmoid_half)  # (T, B, G)
    skip = skip + gated @ skip_weight + skip_bias
    if residual_weight is not None:
        x = x + gated @ residual_weight + residual_bias
    return x, skip


def fused_gated_layer(
    x, skip, condition, filter_weight, skip_weight, skip_bias, residual_weight, residual_bias, dilation, hop_length
):
    """Compute ``plain_gated_layer`` on a CPU with a written-out backward pass; ``skip`` is overwritten.

    Products accumulate in place and nothing is padded or copied.  tanh(z) = 2 sigmoid(2z) - 1, since the vectorized
    sigmoid is three times cheaper.  Under CPU autocast the products read bfloat16; the two streams keep their type.
    """
    arguments = (x, skip, condition, filter_weight, skip_weight, skip_bias, residual_weight, residual_bias)
    layer = _Bfloat16GatedLayer if torch.is_autocast_enabled("cpu") else _FusedGatedLayer
    out, skip = layer.apply(*arguments, dilation, hop_length)
    return (x if residual_weight is None else out), skip


class _FusedGatedLayer(torch.autograd.Function):
    """Forward and backward of one gated layer as in-place matrix products."""

    @staticmethod
    def forward(
        ctx, x, skip, condition, filter_weight, skip_weight, skip_bias, residual_weight, residual_bias, dilation, hop
    ):
        n_samples, batch, _ = x.shape
        n_frames, _, width = condition.shape  # width = 2G
        gate = width // 2
        doubled = torch.cat([2 * condition[..., :gate], condition[..., gate:]], dim=-1)
        # A copy even where a view would do: the sums are accumulated in it.
        z = doubled.unsqueeze(1).expand(n_frames, hop, batch, width).contiguous().view(n_samples * batch, width)
        taps = torch.cat([2 * filter_weight[..., :gate], filter_weight[..., gate:]], dim=-1)
        rows = x.reshape(n_samples * batch, -1)
        for past, delay in _taps(rows, taps.shape[0], dilation, batch):
            tap = taps.shape[0] - 1 - delay // (dilation * batch)
            z[delay:].addmm_(past, taps[tap])
        z.sigmoid_()
        z[:, :gate].mul_(2).sub_(1)  # now tanh | sigmoid
        gated = z[:, :gate] * z[:, gate:]
        skip_rows = skip.view(n_samples * batch, -1)
        skip_rows.addmm_(gated, skip_weight).add_(skip_bias)
        ctx.mark_dirty(skip)
        if residual_weight is None:
            out = x.new_empty(0)
        else:
            out = torch.addmm(rows, gated, residual_weight).add_(residual_bias).view_as(x)
        ctx.save_for_backward(x, z, gated, filter_weight, skip_weight, residual_weight)
        ctx.sizes = (dilation, hop, n_frames)
        return out, skip

    @staticmethod
    def backward(ctx, grad_out, grad_skip):
        x, z, gated, filter_weight, skip_weight, residual_weight = ctx.saved_tensors
        dilation, hop, n_frames = ctx.sizes
        n_samples, batch, _ = x.shape
        skip_rows = grad_skip.reshape(n_samples * batch, -1)
        d_gated = skip_rows @ skip_weight.t()
        d_skip_weight = gated.t() @ skip_rows
        d_residual_weight = d_residual_bias = None
        d_rows = torch.zeros_like(x).view(n_samples * batch, -1)
        if residual_weight is not None:
            out_rows = grad_out.reshape(n_samples * batch, -1)
            d_gated.addmm_(out_rows, residual_weight.t())
            d_residual_weight = gated.t() @ out_rows
            d_residual_bias = out_rows.sum(0)
            d_rows.copy_(out_rows)
        d_z = _gate_backward(d_gated, z)
        rows = x.reshape(n_samples * batch, -1)
        d_filter = torch.zeros_like(filter_weight)
        kernel_size = filter_weight.shape[0]
        for past, delay in _taps(rows, kernel_size, dilation, batch):
            tap = kernel_size - 1 - delay // (dilation * batch)
            d_filter[tap] = past.t() @ d_z[delay:]
            d_rows[: len(past)].addmm_(d_z[delay:], filter_weight[tap].t())
        d_condition = d_z.view(n_frames, hop, batch, -1).sum(1)
        d_skip, d_residual = (d_skip_weight, skip_rows.sum(0)), (d_residual_weight, d_residual_bias)
        return d_rows.view_as(x), grad_skip, d_condition, d_filter, *d_skip, *d_residual, None, None


class _Bfloat16GatedLayer(torch.autograd.Function):
    """The same with bfloat16 products, few and wide: one for all taps, one for skip and residual together.

    Processors with bfloat16 units compute these several times faster.  What accumulates over the layers (both streams
    and their gradients) stays in float32, as do the activation functions.
    """

    @staticmethod
    def forward(
        ctx, x, skip, condition, filter_weight, skip_weight, skip_bias, residual_weight, residual_bias, dilation, hop
    ):
        n_samples, batch, _ = x.shape
        n_frames, _, width = condition.shape  # width = 2G
        gate, n_skip = width // 2, skip.shape[-1]
        rows = x.reshape(n_samples * batch, -1)
        taps = _stacked_taps(rows, filter_weight.shape[0], dilation, batch)  # (T * B, K * R)
        half = condition.to(torch.bfloat16).unsqueeze(1).expand(n_frames, hop, batch, width).contiguous()
        half = half.view(n_samples * batch, width).addmm_(taps, filter_weight.flatten(0, 1).to(torch.bfloat16))
        z = half.float()
        z[:, :gate].mul_(2)
        z.sigmoid_()
        z[:, :gate].mul_(2).sub_(1)  # now tanh | sigmoid
        gated = (z[:, :gate] * z[:, gate:]).to(torch.bfloat16)
        half.copy_(z)
        weight, bias = skip_weight, skip_bias
        if residual_weight is not None:
            weight, bias = torch.cat([weight, residual_weight], 1), torch.cat([bias, residual_bias])
        weight = weight.to(torch.bfloat16)
        both = torch.addmm(bias.to(torch.bfloat16), gated, weight)
        skip.view(n_samples * batch, -1).add_(both[:, :n_skip])
        ctx.mark_dirty(skip)
        out = x.new_empty(0) if residual_weight is None else (rows + both[:, n_skip:]).view_as(x)
        ctx.save_for_backward(taps, half, gated, filter_weight, weight)
        ctx.sizes = (dilation, hop, n_frames, x.shape, n_skip)
        return out, skip

    @staticmethod
    def backward(ctx, grad_out, grad_skip):
        taps, activations, gated, filter_weight, weight = ctx.saved_tensors
        dilation, hop, n_frames, shape, n_skip = ctx.sizes
        kernel_size, residual, _ = filter_weight.shape
        batch = shape[1]
        has_residual = weight.shape[1] > n_skip
        d_both = gated.new_empty(len(gated), weight.shape[1])
        d_both[:, :n_skip].copy_(grad_skip.reshape(len(gated), -1))
        d_rows = grad_skip.new_zeros(len(gated), residual)
        if has_residual:
            d_rows.copy_(grad_out.reshape(len(gated), -1))
            d_both[:, n_skip:].copy_(d_rows)
        d_gated = d_both @ weight.t()
        d_weight = (gated.t() @ d_both).float()
        d_bias = d_both.sum(0, dtype=torch.float32)
        d_z = _gate_backward(d_gated, activations)
        d_filter = (taps.t() @ d_z).float().view_as(filter_weight)
        d_taps = d_z @ filter_weight.flatten(0, 1).to(torch.bfloat16).t()
        for tap in range(kernel_size):
            delay = (kernel_size - 1 - tap) * dilation * batch
            if delay < len(d_rows):
                d_rows[: len(d_rows) - delay].add_(d_taps[delay:, tap * residual : (tap + 1) * residual])
        d_condition = d_z.view(n_frames, hop, batch, -1).sum(1, dtype=torch.float32)
        d_skip = (d_weight[:, :n_skip], d_bias[:n_skip])
        d_residual = (d_weight[:, n_skip:], d_bias[n_skip:]) if has_residual else (None, None)
        return d_rows.view(shape), grad_skip, d_condition, d_filter, *d_skip, *d_residual, None, None


def _gate_backward(d_gated: Tensor, activations: Tensor) -> Tensor:
    """Return the gradient of the gate's input, (T * B, 2G), from that of its output and from tanh | sigmoid."""
    gate = d_gated.shape[1]
    tanh_half, sigmoid_half = activations[:, :gate], activations[:, gate:]
    d_z = torch.empty_like(activations)
    torch.mul(d_gated, sigmoid_half, out=d_z[:, :gate])
    torch.mul(d_gated, tanh_half, out=d_z[:, gate:])
    torch.ops.aten.tanh_backward.grad_input(d_z[:, :gate], tanh_half, grad_input=d_z[:, :gate])
    torch.ops.aten.sigmoid_backward.grad_input(d_z[:, gate:], sigmoid_half, grad_input=d_z[:, gate:])
    return d_z


def _stacked_taps(rows: Tensor, kernel_size: int, dilation: int, batch: int) -> Tensor:
    """Return the inputs of all taps side by side, in bfloat16: (T * B, K * R)."""
    n_rows, channels = rows.shape
    stacked = rows.new_empty((n_rows, kernel_size, channels), dtype=torch.bfloat16)
    for tap in range(kernel_size):
        delay = min((kernel_size - 1 - tap) * dilation * batch, n_rows)
        stacked[:delay, tap].zero_()
        stacked[delay:, tap].copy_(rows[: n_rows - delay])
    return stacked.view(n_rows, kernel_size * channels)


def _taps(rows: Tensor, kernel_size: int, dilation: int, batch: int):
    """Yield (past rows, delay in rows) for every tap that reaches into the sequence."""
    for tap in range(kernel_size):
        delay = (kernel_size - 1 - tap) * dilation * batch
        if delay < len(rows):
            yield rows[: len(rows) - delay], delay
