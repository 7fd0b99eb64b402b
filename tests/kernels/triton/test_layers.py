"""The launches and tilings of the layers backend; test_tiled.py compares its samples with the specification."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from kernel_networks import CONFIGS, network, random_latent, started

from wavecore.errors import UsageError
from wavecore.kernels.triton.layers import LayersTiling, SampleLaunches, TritonLayersGenerator, choose_layers_tiling


@pytest.mark.parametrize("sizes", [(16, 1), (4, 1), (4,), ()])
def test_a_run_is_so_many_samples_replayed_or_not(sizes, monkeypatch):
    """A first launch is never captured, and no graph is captured twice."""
    ran, captured = [], []

    def capture(sample, n):
        captured.append(n)
        return SimpleNamespace(replay=lambda: ran.extend(["replayed"] * n))

    monkeypatch.setattr(SampleLaunches, "_capture", capture)
    sample = SampleLaunches([({(1,): lambda name: ran.append(name)}, (1,), {"name": "launched"})], sizes)
    total = 0
    for n in (0, 1, 1, 37, 5, 100):
        sample.run(n)
        total += n
        assert len(ran) == total
    assert ran[0] == "launched"
    assert sorted(captured) == sorted(sizes)
    assert not sizes or ran.count("launched") == (1 if 1 in sizes else total - ran.count("replayed"))


def test_the_tiling_depends_on_precision_and_device_alone():
    assert choose_layers_tiling().tile == choose_layers_tiling(capability=80).tile == 64
    assert choose_layers_tiling().stages > choose_layers_tiling(capability=80).stages
    assert choose_layers_tiling("float32").tile == 32


@pytest.mark.parametrize(
    ("name", "value"), [("tile", 8), ("tile", 48), ("columns", 128), ("depth", 24), ("warps", 3), ("stages", 0)]
)
def test_bad_tilings(name, value):
    with pytest.raises(UsageError, match=f"{name} is {value}"):
        LayersTiling(**{name: value})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_replayed_graphs_compute_what_launches_do_on_a_gpu(monkeypatch):
    packed = network(CONFIGS["kernel3"])
    latent = random_latent(packed, 70, 200)
    replayed = started(TritonLayersGenerator, packed, latent).generate(200)
    forced = started(TritonLayersGenerator, packed, latent).force(replayed)
    monkeypatch.setattr(TritonLayersGenerator, "graph_samples", ())
    np.testing.assert_array_equal(started(TritonLayersGenerator, packed, latent).generate(200), replayed)
    np.testing.assert_array_equal(started(TritonLayersGenerator, packed, latent).force(replayed), forced)
