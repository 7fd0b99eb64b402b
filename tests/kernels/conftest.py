"""Small networks of awkward sizes, and what it means for two backends to agree."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from wavecore.kernels.packing import PackedWaveNet, pack
from wavecore.kernels.reference import ReferenceGenerator
from wavecore.kernels.sampling import philox_uniform, sample


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


def make_state(config: Config, seed: int = 0) -> dict[str, torch.Tensor]:
    """A state dict of random weights, at the scale at which activations stay near 1."""
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
    for i in range(len(config.dilations)):
        layer = {
            "filter.weight": (k, r, 2 * g),
            "filter.bias": (2 * g,),
            "condition.weight": (c, 2 * g),
            "skip.weight": (g, s),
            "skip.bias": (s,),
            "residual.weight": (g, r),
            "residual.bias": (r,),
        }
        if i == len(config.dilations) - 1:
            del layer["residual.weight"], layer["residual.bias"]
        shapes |= {f"layers.{i}.{name}": shape for name, shape in layer.items()}

    def tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
        fan_in = math.prod(shape[:-1])
        scale = 0.3 if len(shape) == 1 else (1.0 if name == "output.weight" else 1.5) / math.sqrt(fan_in)
        return torch.randn(shape, generator=generator) * scale

    return {name: tensor(name, shape) for name, shape in shapes.items()}


@pytest.fixture(scope="session")
def configs() -> dict[str, Config]:
    return dict(CONFIGS)


@pytest.fixture(scope="session")
def new_state():
    return make_state


@pytest.fixture(scope="session")
def new_packed():
    """``new_packed("odd")``: packed random weights of a named configuration."""

    def build(name: str, seed: int = 0) -> PackedWaveNet:
        return pack(make_state(CONFIGS[name], seed), CONFIGS[name])

    return build


@pytest.fixture(scope="session")
def new_latent():
    """``new_latent(packed, batch, n_samples)``: random frames, just enough for n_samples."""

    def build(packed: PackedWaveNet, batch: int, n_samples: int, seed: int = 0) -> np.ndarray:
        n_frames = -(-n_samples // packed.hop_length)
        shape = (batch, n_frames, packed.latent_channels)
        return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)

    return build


@pytest.fixture(scope="session")
def assert_same_draws():
    """Two backends drew the same codes, up to draws that fall on an edge between codes.

    Two float32 backends differ in the last bits of their logits, so the edges of
    their CDFs differ by some 1e-7, and a draw that falls between two such edges
    gives neighbouring codes; from there on the streams part.  So at the first
    difference of a stream (i) the draw must lie within 1e-5 of an edge of the
    float64 reference's CDF, and (ii) everything before must be equal.
    """

    def check(packed, latent, codes_a, codes_b, *, seed, temperature=1.0):
        assert codes_a.shape == codes_b.shape and codes_a.shape[1] > 0
        batch, n_samples = codes_a.shape
        reference = ReferenceGenerator(packed, batch=batch, seed=seed, dtype=torch.float64)
        reference.feed(latent)
        logits = reference.force(codes_a).astype(np.float64)
        for b in range(batch):
            differs = np.flatnonzero(codes_a[b] != codes_b[b])
            end = differs[0] if len(differs) else n_samples
            uniforms = philox_uniform(seed, b, np.arange(n_samples))
            picked = sample(logits[b], uniforms, temperature)
            weights = np.exp((logits[b] - logits[b].max(-1, keepdims=True)) / temperature)
            edges = np.cumsum(weights, axis=-1) / weights.sum(-1, keepdims=True)
            near = np.abs(edges - uniforms[:, None]).min(-1) < 1e-5
            assert ((picked == codes_a[b]) | near)[:end].all()
            assert end == n_samples or near[end]

    return check
