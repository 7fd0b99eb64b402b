"""The launches and tilings of the layers backend; test_tiled.py compares its samples with the specification."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from wavecore.kernels.triton.layers import SampleLaunches, choose_layers_tiling


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
