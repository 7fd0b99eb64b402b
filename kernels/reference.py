"""The specification: WaveNet generation in PyTorch, one stream and one sample at a time.

Every other backend is tested against this one.  It is slow on purpose: what a stream computes must not depend on the
other streams, not even in the last bit, so there is no batched matrix product here.
"""

from __future__ import annotations

from collections import deque
from typing import Unpack

import numpy as np
import torch
from torch import Tensor

from wavecore.errors import DeviceError, UsageError
from wavecore.kernels.base import BaseGenerator, Run, StreamOptions
from wavecore.kernels.packing import PackedWaveNet
from wavecore.kernels.sampling import philox_uniform, sample


class ReferenceGenerator(BaseGenerator):
    """Generate with PyTorch, step by step.

    Parameters
    ----------
    dtype : torch.dtype
        Of all arithmetic: torch.float32 or torch.float64.
    **options
        batch, seed, streams and temperature of `BaseGenerator`.

    Raises
    ------
    UsageError
        If an argument is out of its range.
    DeviceError
        If the device cannot be used.
    """

    def __init__(
        self,
        packed: PackedWaveNet,
        *,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
        **options: Unpack[StreamOptions],
    ):
        super().__init__(packed, **options)
        if dtype not in (torch.float32, torch.float64):
            raise UsageError(f"dtype is {dtype}; the reference computes in torch.float32 or torch.float64")
        try:
            weights = _Weights(packed, dtype, device)
        except (RuntimeError, AssertionError) as error:  # torch raises either for a device that is missing
            raise DeviceError(f"the reference backend cannot use device {device}: {error}") from error
        self._rows = [_Stream(weights) for _ in range(self._batch)]

    def _advance(self, run: Run, latent: np.ndarray, first: int, n_samples: int) -> int:
        hop, times = self._packed.hop_length, self._position + np.arange(n_samples)
        uniforms = philox_uniform(self._seed, self._streams[:, None], times[None])  # (B, n)
        for i, t in enumerate(times.tolist()):
            column = first + i
            for b, row in enumerate(self._rows):
                if t % hop == 0:
                    row.enter_frame(latent[b, t // hop - self._position // hop])
                logits, residual, skip = row.step()
                if not np.isfinite(logits).all():
                    return i
                if run.logits.shape[1]:
                    run.logits[b, column] = logits
                if run.residual.shape[1]:
                    run.residual[b, column] = torch.stack(residual).cpu()
                    run.skip[b, column] = torch.stack(skip).cpu()
                if not run.forced:
                    run.codes[b, column] = sample(logits, uniforms[b, i], self._temperature)
                row.append_sample(int(run.codes[b, column]))
        return -1

    def _save(self) -> list[dict]:
        return [row.memory() for row in self._rows]

    def _load(self, memory: list[dict]) -> None:
        for row, saved in zip(self._rows, memory, strict=True):
            row.set_memory(saved)


class _Weights:
    """The packed weights as tensors, with the sizes."""

    def __init__(self, packed: PackedWaveNet, dtype: torch.dtype, device: str | torch.device):
        def tensor(array: np.ndarray) -> Tensor:
            return torch.tensor(array, dtype=dtype, device=device)

        self.packed = packed
        self.like = {"dtype": dtype, "device": device}
        self.first, self.first_bias = tensor(packed.first_weight), tensor(packed.first_bias)
        self.condition, self.condition_bias = tensor(packed.condition_weight), tensor(packed.condition_bias)
        self.filter = [[tensor(tap) for tap in taps] for taps in packed.filter_weight]
        self.residual_skip = [tensor(weight) for weight in packed.residual_skip_weight]
        self.residual_skip_bias = [tensor(bias) for bias in packed.residual_skip_bias]
        self.head = tensor(packed.head_weight)
        self.output, self.output_bias = tensor(packed.output_weight), tensor(packed.output_bias)


class _Stream:
    """The memory of one stream, and the step from one sample to the next."""

    def __init__(self, weights: _Weights):
        packed, like = weights.packed, weights.like
        self.weights = weights
        # The context before the first sample is zero: the input scalars and the inputs of all layers.
        self.scalars = deque([0.0] * packed.kernel_size, maxlen=packed.kernel_size)
        zeros = torch.zeros(packed.residual_channels, **like)
        self.inputs = [deque([zeros] * slots, maxlen=slots) for slots in packed.ring_slots]
        self.condition = torch.zeros(len(packed.condition_bias), **like)

    def enter_frame(self, latent: np.ndarray) -> None:
        """Project a latent frame (C,) for all layers and the head, once for all of its samples."""
        w = self.weights
        self.condition = torch.tensor(latent, **w.like) @ w.condition + w.condition_bias

    def step(self) -> tuple[np.ndarray, list[Tensor], list[Tensor]]:
        """Compute the next sample's logits (A,), the input of every layer, and the skip stream around each layer."""
        w, packed = self.weights, self.weights.packed
        n_residual, n_gate, n_head = packed.residual_channels, packed.gate_channels, packed.head_channels
        streams = torch.tensor(self.scalars, **w.like) @ w.first + w.first_bias
        trace = [streams]
        for layer, dilation in enumerate(packed.dilations):
            inputs = self.inputs[layer]  # the oldest first
            inputs.append(streams[:n_residual].clone())
            z = self.condition[2 * n_gate * layer : 2 * n_gate * (layer + 1)]
            for k, weight in enumerate(w.filter[layer]):
                z = z + inputs[k * dilation] @ weight
            gated = torch.tanh(z[:n_gate]) * torch.sigmoid(z[n_gate:])
            streams = streams + gated @ w.residual_skip[layer] + w.residual_skip_bias[layer]
            trace.append(streams)
        hidden = torch.relu(streams[n_residual:]) @ w.head + self.condition[-n_head:]
        logits = torch.relu(hidden) @ w.output + w.output_bias
        return logits.cpu().numpy(), [s[:n_residual] for s in trace[:-1]], [s[n_residual:] for s in trace]

    def append_sample(self, code: int) -> None:
        """Make a code the newest input sample."""
        self.scalars.append(code / (self.weights.packed.n_classes - 1) - 0.5)

    def memory(self) -> dict:
        """Return a copy of the memory; the tensors are shared, because none is ever written to."""
        inputs = [inputs.copy() for inputs in self.inputs]
        return {"scalars": self.scalars.copy(), "inputs": inputs, "condition": self.condition}

    def set_memory(self, memory: dict) -> None:
        """Replace the memory by a copy of `memory`."""
        self.scalars, self.condition = memory["scalars"].copy(), memory["condition"]
        self.inputs = [inputs.copy() for inputs in memory["inputs"]]
