"""The Triton backends, and PyTorch, against the specification on a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kernel_networks import (
    NAMES,
    Config,
    assert_same_draws,
    assert_same_trace,
    exact_trace,
    network,
    overflowing,
    random_codes,
    random_latent,
    reference_codes,
    started,
)

from wavecore.errors import DeviceError, ModelError
from wavecore.kernels.reference import ReferenceGenerator
from wavecore.kernels.triton import latency
from wavecore.kernels.triton.latency import TritonLatencyGenerator
from wavecore.kernels.triton.layers import TritonLayersGenerator
from wavecore.kernels.triton.roofline import measure_gpu
from wavecore.kernels.triton.throughput import TritonThroughputGenerator

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]

# Too wide for the other two backends, and of sizes that no block divides.
WIDE = Config(3, 200, 168, 130, 100, 16, 256, 64, (1, 2, 4, 8))
# A backend, its options, and its tolerance.
FLOAT32 = [
    pytest.param(TritonLatencyGenerator, {}, 1e-5, id="latency"),
    pytest.param(TritonThroughputGenerator, {"precision": "float32"}, 1e-5, id="throughput float32"),
    pytest.param(TritonLayersGenerator, {"precision": "float32"}, 1e-5, id="layers float32"),
]
FLOAT16 = [
    pytest.param(TritonThroughputGenerator, {"precision": "float16"}, 3e-3, id="throughput float16"),
    pytest.param(TritonLayersGenerator, {"precision": "float16"}, 2e-3, id="layers float16"),
]
FLOAT64 = pytest.param(ReferenceGenerator, {"device": "cuda", "dtype": torch.float64}, 1e-6, id="reference float64")
in_float32 = pytest.mark.parametrize(("backend", "options", "tolerance"), FLOAT32)
in_all = pytest.mark.parametrize(("backend", "options", "tolerance"), [*FLOAT32, *FLOAT16, FLOAT64])


@pytest.mark.parametrize("config", [*NAMES, WIDE], ids=[*NAMES, "wide"])
@pytest.mark.parametrize("batch", [1, 5])
@in_all
def test_every_layer_agrees_with_float64(backend, options, tolerance, batch, config):
    if config is WIDE and backend in (TritonLatencyGenerator, TritonThroughputGenerator):
        pytest.skip("too wide")
    packed = network(config)
    n_samples = packed.receptive_field + 20
    codes = random_codes(packed, batch, n_samples)
    generator = started(backend, packed, random_latent(packed, batch, n_samples), **options)
    state, got = generator.state(), generator.force(codes, trace=True)
    assert_same_trace(got, exact_trace(config, batch, n_samples), tolerance)
    generator.restore(state)
    np.testing.assert_array_equal(generator.force(codes), got.logits)  # without traces, and replayed where graphs are


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("batch", "n_samples"), [(2, 600), (20, 100)])
@in_float32
def test_samples_equal_the_reference(backend, options, tolerance, batch, n_samples, name, temperature):
    packed, want = network(name), reference_codes(name, batch, n_samples, temperature)
    latent = random_latent(packed, batch, n_samples)
    got = started(backend, packed, latent, temperature=temperature, **options).generate(n_samples)
    if temperature:
        assert_same_draws(packed, latent, got, want, temperature=temperature)
    else:
        assert (got == want).all(axis=1).mean() > 0.9  # the two largest logits of some sample may be all but equal


@pytest.mark.parametrize(
    ("backend", "config", "options", "batch", "n_samples"),
    [
        (TritonLatencyGenerator, "even", {"exchange": False}, 2, 200_000),
        (TritonLatencyGenerator, "even", {"exchange": True}, 2, 200_000),
        (TritonThroughputGenerator, "even", {"precision": "float16"}, 300, 2000),
        (TritonThroughputGenerator, "even", {"precision": "float32"}, 300, 2000),
        (TritonLayersGenerator, WIDE, {"precision": "float16"}, 300, 1000),
        (TritonLayersGenerator, WIDE, {"precision": "float32"}, 300, 1000),
    ],
)
def test_reruns_batches_and_chunks_change_no_bit(backend, config, options, batch, n_samples):
    packed = network(config)
    latent = random_latent(packed, batch, n_samples)
    generator = started(backend, packed, latent, **options)
    state = generator.state()
    want = generator.generate(n_samples)
    for chunks in ([n_samples], [1, n_samples // 2 - 1, 7, n_samples - n_samples // 2 - 7]):
        generator.restore(state)
        np.testing.assert_array_equal(np.concatenate([generator.generate(n) for n in chunks], axis=1), want)
    some = [batch - 1, 0, 64][: min(batch, 3)]
    alone = started(backend, packed, latent[some], streams=some, **options)
    np.testing.assert_array_equal(alone.generate(n_samples), want[some])
    n = min(n_samples, 2000)
    forced = [started(backend, packed, latent, **options).force(want[:, :n]) for _ in range(2)]
    np.testing.assert_array_equal(*forced)
    alone = started(backend, packed, latent[some], streams=some, **options)
    np.testing.assert_array_equal(alone.force(want[some, :n]), forced[0][some])


@pytest.mark.parametrize("batch", [2, 70])
@in_float32
def test_the_earliest_failure_is_reported(backend, options, tolerance, batch):
    with pytest.raises(ModelError, match="sample 7 "):
        started(backend, *overflowing(Config(), batch), **options).generate(21)


def test_programs_that_wait_for_ever_are_stopped(monkeypatch):
    monkeypatch.setattr(latency, "LIMIT", 10_000)
    generator = started(TritonLatencyGenerator, network("odd"), random_latent(network("odd"), 1, 20))
    generator._mail.zero_()
    with pytest.raises(DeviceError):
        generator.generate(10)


def test_replayed_graphs_compute_what_launches_do(monkeypatch):
    packed = network(WIDE)
    latent = random_latent(packed, 70, 200)
    replayed = started(TritonLayersGenerator, packed, latent).generate(200)
    forced = started(TritonLayersGenerator, packed, latent).force(replayed)
    monkeypatch.setattr(TritonLayersGenerator, "graph_samples", ())
    np.testing.assert_array_equal(started(TritonLayersGenerator, packed, latent).generate(200), replayed)
    np.testing.assert_array_equal(started(TritonLayersGenerator, packed, latent).force(replayed), forced)


def test_the_ceilings_are_measured():
    ceilings = measure_gpu("cuda:0")
    assert min(ceilings.copy_bytes_per_s, ceilings.multiply_adds_per_s, ceilings.hop_s) > 0
