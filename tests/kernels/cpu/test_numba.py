"""The numba backend against the specification: every layer, the logits, then the samples."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from wavecore.errors import DeviceError, UsageError
from wavecore.kernels.cpu.numba import NumbaGenerator
from wavecore.kernels.packing import pack
from wavecore.kernels.reference import ReferenceGenerator

NAMES = ["odd", "kernel3", "even", "few"]


def started(backend, packed, latent, **options):
    generator = backend(packed, **{"batch": len(latent), "seed": 5, **options})
    generator.feed(latent)
    return generator


def assert_close(got, want):
    """Within float32's 6e-8 per operation, summed over some hundred operations."""
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("batch", [1, 3, 5])
def test_every_layer_agrees_with_float64(name, batch, new_packed, new_latent):
    packed = new_packed(name)
    n_samples = packed.receptive_field + 20
    latent = new_latent(packed, batch, n_samples)
    codes = np.random.default_rng(1).integers(0, packed.n_classes, (batch, n_samples)).astype(np.uint8)
    want = started(ReferenceGenerator, packed, latent, dtype=torch.float64).force(codes, trace=True)
    generator = started(NumbaGenerator, packed, latent)
    got = generator.force(codes, trace=True)
    for layer in range(packed.n_layers):
        assert_close(got.residual[:, :, layer], want.residual[:, :, layer])
    for layer in range(packed.n_layers + 1):
        assert_close(got.skip[:, :, layer], want.skip[:, :, layer])
    assert_close(got.logits, want.logits)
    np.testing.assert_array_equal(started(NumbaGenerator, packed, latent).force(codes), got.logits)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("batch", "temperature"), [(1, 1.0), (3, 0.7), (5, 1.3)])
def test_samples_equal_the_reference(name, batch, temperature, new_packed, new_latent, assert_same_draws):
    packed = new_packed(name)
    n_samples = 600 // batch
    latent = new_latent(packed, batch, n_samples)
    options = {"seed": 12, "temperature": temperature}
    want = started(ReferenceGenerator, packed, latent, **options).generate(n_samples)
    got = started(NumbaGenerator, packed, latent, **options).generate(n_samples)
    assert_same_draws(packed, latent, got, want, **options)
    assert np.array_equal(got[:, :50], want[:, :50])
    assert len(np.unique(got)) > packed.n_classes // 3


def test_likeliest_codes_equal_the_reference(new_packed, new_latent):
    packed = new_packed("odd")
    latent = new_latent(packed, 2, 200)
    want = started(ReferenceGenerator, packed, latent, temperature=0).generate(200)
    np.testing.assert_array_equal(started(NumbaGenerator, packed, latent, temperature=0).generate(200), want)


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
def test_threads_never_change_the_samples(threads, new_packed, new_latent):
    packed = new_packed("kernel3")
    latent = new_latent(packed, 11, 300)
    want = np.concatenate(
        [started(NumbaGenerator, packed, latent[b : b + 1], streams=[b], threads=1).generate(300) for b in range(11)]
    )
    got = started(NumbaGenerator, packed, latent, threads=threads).generate(300)
    np.testing.assert_array_equal(got, want)


def test_all_threads_report_the_earliest_failure(configs, new_state):
    state = new_state(configs["odd"])
    state["head_condition.weight"] *= 1e30
    packed = pack(state, configs["odd"])
    latent = np.zeros((4, 3, 3), np.float32)
    latent[3, 1] = latent[1, 2] = 1e9  # overflows from its frame on: samples 7 and 14
    with pytest.raises(Exception, match="logits at sample 7 are not finite"):
        started(NumbaGenerator, packed, latent, threads=4).generate(21)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True])
def test_bad_threads(threads, new_packed):
    with pytest.raises(UsageError, match="threads is"):
        NumbaGenerator(new_packed("few"), batch=2, seed=0, threads=threads)


def test_a_missing_numba_is_named(new_packed, monkeypatch):
    monkeypatch.setitem(sys.modules, "wavecore.kernels.cpu.numba_ops", None)  # makes its import fail
    monkeypatch.delattr("wavecore.kernels.cpu.numba_ops", raising=False)
    with pytest.raises(DeviceError, match="needs numba, which does not load here"):
        NumbaGenerator(new_packed("few"), batch=1, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("writable", [True, False])
def test_cache_on_disk_is_used_and_never_needed(writable, tmp_path):
    """A fresh process with a cache folder of its own, or one where none can be made."""
    folder = tmp_path / "cache"
    if not writable:
        folder = tmp_path / "file" / "cache"
        folder.parent.write_text("not a folder")
    code = (
        "from wavecore.kernels import numba_ops as ops; import numpy as np;"
        "out = np.zeros(2, np.float32); ops.rectify(np.array([-1, 2], np.float32), out);"
        "print(out.tolist(), sum(ops.rectify.stats.cache_hits.values()))"
    )
    places = {"NUMBA_CACHE_DIR": str(folder), "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
    environment = {**os.environ, **places, "OMP_NUM_THREADS": "1"}
    for hits in (0, 1):
        command = [sys.executable, "-P", "-c", code]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["[0.0,", "2.0]", str(hits if writable else 0)]
    assert folder.exists() == writable
