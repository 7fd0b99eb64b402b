"""Small networks of awkward sizes, their inputs and reference outputs, and what it means for two backends to agree."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch

from wavecore.kernels.interface import Trace
from wavecore.kernels.packing import PackedWaveNet, pack
from wavecore.kernels.reference import ReferenceGenerator
from wavecore.kernels.sampling import philox_uniform, sample

SEED = 5


@dataclass(frozen=True)
class Config:
    """The attributes of a WaveNet's configuration that the kernels read."""

    kernel_size: int = 2
    residual_channels: int = 24
    gate_channels: int = 40
    skip_channels: int = 17
    head_channels: int = 29
    latent_channels: int = 3
    n_classes: int = 256
    hop_length: int = 7
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4, 8)


CONFIGS = {
    "odd": Config(),
    "kernel3": Config(3, 40, 24, 33, 29, 3, 256, 7, (1, 2, 4, 1, 2)),
    "even": Config(residual_channels=32, gate_channels=32, skip_channels=32, head_channels=64, hop_length=16),
    "few": Config(1, 5, 3, 3, 6, 1, 11, 1, (1,)),
}
NAMES = list(CONFIGS)


def make_state(config: Config, seed: int = 0) -> dict[str, torch.Tensor]:
    """Draw a state dict of random weights, at the scale at which activations stay near 1."""
    generator = torch.Generator().manual_seed(seed)
    k, r, g, s = config.kernel_size, config.residual_channels, config.gate_channels, config.skip_channels
    h, c, a = config.head_channels, config.latent_channels, config.n_classes
    shapes = {
        "first.weight": (k, r),
        "first.bias": (r,),
        "first_skip.weight": (r, s),
        "first_skip.bias": (s,),
        "head.weight": (s, h),
        "head.bias": (h,),
        "head_condition.weight": (c, h),
        "output.weight": (h, a),
        "output.bias": (a,),
    }
    layer = {
        "filter.weight": (k, r, 2 * g),
        "filter.bias": (2 * g,),
        "condition.weight": (c, 2 * g),
        "skip.weight": (g, s),
        "skip.bias": (s,),
        "residual.weight": (g, r),
        "residual.bias": (r,),
    }
    last = len(config.dilations) - 1
    for i in range(last + 1):
        shapes |= {f"layers.{i}.{name}": layer[name] for name in layer if i < last or "residual" not in name}

    def tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
        fan_in = math.prod(shape[:-1])
        scale = 0.3 if len(shape) == 1 else (1.0 if name == "output.weight" else 1.5) / math.sqrt(fan_in)
        return torch.randn(shape, generator=generator) * scale

    return {name: tensor(name, shape) for name, shape in shapes.items()}


@functools.cache
def network(config: str | Config) -> PackedWaveNet:
    """Return packed random weights of a configuration, or of a named one."""
    config = CONFIGS[config] if isinstance(config, str) else config
    return pack(make_state(config), config)


def overflowing(config: Config, batch: int) -> tuple[PackedWaveNet, np.ndarray]:
    """Return a network and three frames that overflow in frame 1 of the last stream, and in frame 2 of the first."""
    state = make_state(config)
    state["head_condition.weight"] *= 1e30
    latent = np.zeros((batch, 3, config.latent_channels), np.float32)
    latent[-1, 1] = latent[0, 2] = 1e9
    return pack(state, config), latent


def random_latent(packed: PackedWaveNet, batch: int, n_samples: int) -> np.ndarray:
    """Draw frames just enough for n_samples; a stream's do not depend on the batch."""
    shape = (-(-n_samples // packed.hop_length), packed.latent_channels)
    return np.stack([np.random.default_rng(b).standard_normal(shape).astype(np.float32) for b in range(batch)])


def random_codes(packed: PackedWaveNet, batch: int, n_samples: int) -> np.ndarray:
    """Draw codes; a stream's do not depend on the batch."""
    streams = [np.random.default_rng(100 + b).integers(0, packed.n_classes, n_samples) for b in range(batch)]
    return np.stack(streams).astype(np.uint8)


def started(backend, packed: PackedWaveNet, latent: np.ndarray, **options):
    """Open a generator and feed it."""
    generator = backend(packed, **{"batch": len(latent), "seed": SEED, **options})
    generator.feed(latent)
    return generator


@functools.cache
def exact_trace(config: str | Config, batch: int, n_samples: int) -> Trace:
    """Force `random_codes` on the float64 reference; computed once for all backends."""
    packed = network(config)
    generator = started(ReferenceGenerator, packed, random_latent(packed, batch, n_samples), dtype=torch.float64)
    return generator.force(random_codes(packed, batch, n_samples), trace=True)


@functools.cache
def reference_codes(config: str | Config, batch: int, n_samples: int, temperature: float = 1.0) -> np.ndarray:
    """Generate with the float32 reference; computed once for all backends."""
    packed = network(config)
    latent = random_latent(packed, batch, n_samples)
    return started(ReferenceGenerator, packed, latent, temperature=temperature).generate(n_samples)


def assert_close(got: np.ndarray, want: np.ndarray, tolerance: float = 1e-5) -> None:
    """Compare relative to the largest number: float32 has 6e-8 per operation, summed over some hundred."""
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())


def assert_same_trace(got: Trace, want: Trace, tolerance: float = 1e-5) -> None:
    """Compare all activations, each layer relative to its own largest number."""
    for layer in range(want.residual.shape[2]):
        assert_close(got.residual[:, :, layer], want.residual[:, :, layer], tolerance)
    for layer in range(want.skip.shape[2]):
        assert_close(got.skip[:, :, layer], want.skip[:, :, layer], tolerance)
    assert_close(got.logits, want.logits, tolerance)


def assert_same_draws(packed, latent, got, want, *, temperature=1.0, seed=SEED) -> None:
    """Two backends drew the same codes, up to draws that fall on an edge between codes.

    Two float32 backends differ in the last bits of their logits, so the edges of their CDFs differ by some 1e-7, and a
    draw that falls between two such edges gives neighbouring codes; from there on the streams part.  So at the first
    difference of a stream (i) the draw must lie within 1e-5 of an edge of the float64 reference's CDF, and (ii)
    everything before must be equal.
    """
    assert got.shape == want.shape and got.shape[1] > 0
    differs = got != want
    if not differs.any():
        return
    n_samples = got.shape[1]
    logits = started(ReferenceGenerator, packed, latent, seed=seed, dtype=torch.float64).force(got).astype(np.float64)
    for b in np.flatnonzero(differs.any(axis=1)):
        first = int(differs[b].argmax())
        uniforms = philox_uniform(seed, int(b), np.arange(n_samples))
        weights = np.exp((logits[b] - logits[b].max(-1, keepdims=True)) / temperature)
        edges = np.cumsum(weights, axis=-1) / weights.sum(-1, keepdims=True)
        near = np.abs(edges - uniforms[:, None]).min(-1) < 1e-5
        assert ((sample(logits[b], uniforms, temperature) == got[b]) | near)[:first].all()
        assert near[first]
