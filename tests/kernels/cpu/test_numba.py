"""The numba backend against the specification: every layer, the logits, then the samples."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from kernel_networks import (
    CONFIGS,
    NAMES,
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
from wavecore.kernels.cpu.numba import NumbaGenerator
from wavecore.kernels.interface import Trace


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("batch", [1, 3, 5])
def test_every_layer_agrees_with_float64(name, batch):
    packed = network(name)
    n = packed.receptive_field + 20
    latent, codes = random_latent(packed, batch, n), random_codes(packed, batch, n)
    got, want = started(NumbaGenerator, packed, latent).force(codes, trace=True), exact_trace(name, 15, n)
    assert_same_trace(got, Trace(want.logits[:batch], want.residual[:batch], want.skip[:batch]))
    np.testing.assert_array_equal(started(NumbaGenerator, packed, latent).force(codes), got.logits)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("batch", "temperature", "n"), [(1, 1.0, 300), (3, 0.7, 100), (9, 1.3, 35), (2, 0, 100)])
def test_samples_equal_the_reference(name, batch, temperature, n):
    packed = network(name)
    latent, want = random_latent(packed, batch, n), reference_codes(name, batch, n, temperature)
    got = started(NumbaGenerator, packed, latent, temperature=temperature).generate(n)
    if temperature == 0:
        np.testing.assert_array_equal(got, want)
    else:
        assert_same_draws(packed, latent, got, want, temperature=temperature)
        assert np.array_equal(got[:, :30], want[:, :30])
        assert len(np.unique(got)) > packed.n_classes // 4


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
def test_threads_never_change_the_samples(threads):
    packed, n = network("kernel3"), 100
    latent = random_latent(packed, 11, n)
    want = np.concatenate(
        [started(NumbaGenerator, packed, latent[b : b + 1], streams=[b], threads=1).generate(n) for b in range(11)]
    )
    np.testing.assert_array_equal(started(NumbaGenerator, packed, latent, threads=threads).generate(n), want)


def test_all_threads_report_the_earliest_failure():
    with pytest.raises(ModelError, match="sample 7 "):
        started(NumbaGenerator, *overflowing(CONFIGS["odd"], 4), threads=4).generate(21)


def test_a_missing_numba_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "wavecore.kernels.cpu.numba_ops", None)  # makes its import fail
    monkeypatch.delattr("wavecore.kernels.cpu.numba_ops", raising=False)
    with pytest.raises(DeviceError, match="numba"):
        NumbaGenerator(network("few"), batch=1, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("writable", [True, False])
def test_cache_on_disk_is_used_and_never_needed(writable, tmp_path):
    """A fresh process with a cache folder of its own, or one where none can be made."""
    folder = tmp_path / "cache"
    if not writable:
        folder = tmp_path / "file" / "cache"
        folder.parent.write_text("not a folder")
    code = (
        "from wavecore.kernels.cpu import numba_ops as ops; import numpy as np;"
        "out = np.zeros(2, np.float32); ops.rectify(np.array([-1, 2], np.float32), out);"
        "print(out.tolist(), sum(ops.rectify.stats.cache_hits.values()))"
    )
    places = {"NUMBA_CACHE_DIR": str(folder), "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
    environment = {**os.environ, **places, "OMP_NUM_THREADS": "1"}
    for hits in (0, 1) if writable else (0,):
        command = [sys.executable, "-P", "-c", code]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["[0.0,", "2.0]", str(hits)]
    assert folder.exists() == writable
