"""Makes the helpers of these tests importable, and starts one interpreter for all of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wavecore.kernels.packing import PackedWaveNet, pack
from wavecore.kernels.reference import ReferenceGenerator
from wavecore.kernels.sampling import philox_uniform, sample

sys.path.insert(0, str(Path(__file__).parent))

from kernel_networks import CONFIGS, Config, make_state


@pytest.fixture(scope="session")
def interpreter(tmp_path_factory):
    """``interpreter.call(job, ...)``: what a job returns that runs in Triton's interpreter."""
    pytest.importorskip("triton")
    from kernel_interpreter import Interpreter

    worker = Interpreter(tmp_path_factory.mktemp("interpreter"))
    yield worker
    worker.close()


@pytest.fixture(scope="session")
def compiler(tmp_path_factory):
    """The functions of kernel_compiler, with a cache of this session's own."""
    pytest.importorskip("triton")
    if os.environ.get("TRITON_INTERPRET") == "1":
        pytest.skip("the interpreter compiles nothing")
    import kernel_compiler

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_CACHE_DIR", str(tmp_path_factory.mktemp("triton")))
        yield kernel_compiler


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
