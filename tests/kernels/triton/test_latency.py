"""The latency backend against the specification: in Triton's interpreter everywhere, on hardware where there is some.

The interpreter must be chosen before triton is imported, so its runs happen in
a Python of their own: this file, run as a script, writes what they made to a
file, and the tests read it.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wavecore.errors import DeviceError, ModelError, WavecoreError
from wavecore.kernels.packing import pack
from wavecore.kernels.reference import ReferenceGenerator
from wavecore.kernels.triton import latency as triton_latency
from wavecore.kernels.triton.latency import FIELDS, KINDS, TritonLatencyGenerator, lay_out

# kernel, residual, gate, skip, head, latent, classes, hop, dilations
SIZES = {
    "kernel1": (1, 5, 3, 3, 6, 1, 11, 1, (1,)),
    "kernel2": (2, 12, 20, 17, 29, 3, 256, 5, (1, 2)),
    "kernel3": (3, 20, 12, 33, 9, 2, 64, 4, (1, 2)),
    "layers3": (2, 16, 16, 16, 16, 3, 256, 5, (1, 2, 4)),
}


def started(backend, packed, latent, **options):
    generator = backend(packed, **{"batch": len(latent), "seed": 5, **options})
    generator.feed(latent)
    return generator


def latent_for(packed, batch, n_frames):
    shape = (batch, n_frames, packed.latent_channels)
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def codes_for(packed, batch, n_samples):
    return np.random.default_rng(4).integers(0, packed.n_classes, (batch, n_samples)).astype(np.uint8)


def assert_close(got, want, tolerance=1e-5):
    """float32 against float64, relative to the largest number: 6e-8 per operation over some hundred."""
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())


# What the script does.


def interpret(path):
    """Run the generator in the interpreter, and write what it makes."""
    spec = importlib.util.spec_from_file_location("conftest_of_kernels", Path(__file__).with_name("conftest.py"))
    conftest = sys.modules["conftest_of_kernels"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    packed = {}
    for name, sizes in SIZES.items():
        config = conftest.Config(*sizes)
        packed[name] = pack(conftest.make_state(config), config)
    found = {}

    p = packed["kernel2"]
    latent = latent_for(p, 2, 3)
    found["kernel2"], found["kernel2_told"] = started(TritonLatencyGenerator, p, latent).generate(12, logits=True)
    alone = started(TritonLatencyGenerator, p, latent[1:], streams=[1], exchange=True)
    first = alone.generate(5)
    state = alone.state()
    found["abandoned"] = alone.force(codes_for(p, 1, 3))
    alone.restore(state)
    found["alone"] = np.concatenate([first, alone.generate(1), alone.generate(6)], axis=1)

    p = packed["kernel3"]
    latent, codes = latent_for(p, 2, 3), codes_for(p, 2, 11)
    trace = started(TritonLatencyGenerator, p, latent).force(codes, trace=True)
    found |= {"logits": trace.logits, "residual": trace.residual, "skip": trace.skip}
    alone = started(TritonLatencyGenerator, p, latent[1:])
    found["logits_alone"] = np.concatenate([alone.force(codes[1:, :6]), alone.force(codes[1:, 6:])], axis=1)
    found["kernel3"] = started(TritonLatencyGenerator, p, latent[:1], temperature=0.7).generate(9)

    p = packed["layers3"]
    found["layers3"] = started(TritonLatencyGenerator, p, latent_for(p, 1, 3)).generate(12)
    p = packed["kernel1"]
    found["kernel1"] = started(TritonLatencyGenerator, p, latent_for(p, 2, 9), temperature=0).generate(9)
    found["kernel1_sharp"] = started(TritonLatencyGenerator, p, latent_for(p, 2, 3), temperature=1e-40).generate(3)
    found["not_finite"] = message(lambda: not_finite(conftest))
    found["lost"] = message(lambda: lost(packed["kernel2"]))
    np.savez(path, **found)


def not_finite(conftest):
    config = conftest.Config(*SIZES["kernel2"])
    state = conftest.make_state(config)
    state["head_condition.weight"] *= 1e30
    latent = np.zeros((2, 3, 3), np.float32)
    latent[1, 1] = latent[0, 2] = 1e9  # overflows from its frame on: samples 5 and 10
    started(TritonLatencyGenerator, pack(state, config), latent).generate(12)


def lost(packed):
    """A word of the past that never comes; then the generator is mended and goes on."""
    triton_latency.LIMIT, limit = 30, triton_latency.LIMIT
    generator = started(TritonLatencyGenerator, packed, latent_for(packed, 1, 1))
    state = generator.state()
    generator._mail.zero_()
    try:
        generator.generate(2)
    finally:
        triton_latency.LIMIT = limit
        generator.restore(state)
        assert generator.generate(1).shape == (1, 1)


def message(function):
    try:
        function()
    except WavecoreError as error:
        return f"{type(error).__name__}: {error}"
    return "nothing was raised"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What the interpreter made, by name."""
    pytest.importorskip("triton")
    path = tmp_path_factory.mktemp("interpreted") / "found.npz"
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", __file__, str(path)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    with np.load(path) as arrays:
        return dict(arrays)


@pytest.fixture
def packed_of(configs, new_state):
    """``packed_of("kernel2")``: the weights that the script has."""

    def build(name):
        config = type(configs["odd"])(*SIZES[name])
        return pack(new_state(config), config)

    return build


# In the interpreter.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "batch", "n_frames", "temperature"),
    [("kernel2", 2, 3, 1.0), ("kernel3", 2, 3, 0.7), ("layers3", 1, 3, 1.0), ("kernel1", 2, 9, 0.0)],
)
def test_samples_equal_the_reference(name, batch, n_frames, temperature, found, packed_of):
    packed, got = packed_of(name), found[name]
    latent = latent_for(packed, batch, n_frames)[: len(got)]
    want = started(ReferenceGenerator, packed, latent, temperature=temperature).generate(got.shape[1])
    np.testing.assert_array_equal(got, want)
    if f"{name}_told" in found:
        assert_close(found[f"{name}_told"], started(ReferenceGenerator, packed, latent).force(got))
    assert temperature == 0 or len(np.unique(got)) > 5


@pytest.mark.slow
def test_a_temperature_of_almost_nothing_takes_the_likeliest_code(found, packed_of):
    packed = packed_of("kernel1")
    want = started(ReferenceGenerator, packed, latent_for(packed, 2, 3), temperature=0).generate(3)
    np.testing.assert_array_equal(found["kernel1_sharp"], want)


@pytest.mark.slow
def test_every_layer_agrees_with_float64(found, packed_of):
    packed = packed_of("kernel3")
    generator = started(ReferenceGenerator, packed, latent_for(packed, 2, 3), dtype=torch.float64)
    want = generator.force(codes_for(packed, 2, 11), trace=True)
    for layer in range(packed.n_layers):
        assert_close(found["residual"][:, :, layer], want.residual[:, :, layer])
    for layer in range(packed.n_layers + 1):
        assert_close(found["skip"][:, :, layer], want.skip[:, :, layer])
    assert_close(found["logits"], want.logits)


@pytest.mark.slow
def test_batch_chunks_and_states_never_change_a_bit(found):
    # alone: other posts (atomic exchange), chunks of 5, 1 and 6, and a way that was left again
    np.testing.assert_array_equal(found["alone"], found["kernel2"][1:])
    np.testing.assert_array_equal(found["logits_alone"], found["logits"][1:])
    assert np.isfinite(found["abandoned"]).all()


@pytest.mark.slow
def test_the_earliest_failure_is_reported(found):
    assert str(found["not_finite"]).startswith("ModelError: the model's logits at sample 5 are not finite")


@pytest.mark.slow
def test_programs_that_wait_for_ever_are_stopped(found):
    assert str(found["lost"]).startswith("DeviceError: the 9 programs of the latency kernel lost each other at")


# The layout, which needs no triton.


@pytest.mark.parametrize(
    ("sizes", "n_programs"),
    [
        ((2, 64, 64, 64, 256, 64, 256, 800, tuple(2**i for i in range(10)) * 3), 94),
        ((2, 128, 128, 128, 128, 64, 256, 800, tuple(2**i for i in range(10)) * 4), 123),
    ],
    ids=["small", "umt"],
)
def test_the_presets_fit_an_h200(sizes, n_programs, configs, new_state):
    config = type(configs["odd"])(*sizes)
    layout = lay_out(pack(new_state(config), config), 1)
    assert len(layout.plan) == n_programs <= 132


def test_every_program_has_words_of_its_own(packed_of):
    packed, batch = packed_of("kernel3"), 3
    layout = lay_out(packed, batch)
    kinds = [KINDS[kind] for kind in layout.plan[:, FIELDS.index("kind")]]
    assert kinds == ["past", "past", "current", "skip"] * 2 + ["head", "output", "sampler"]
    posts = layout.plan[:, FIELDS.index("post")].tolist()
    extras = layout.plan[:, FIELDS.index("extra")].tolist()
    targets = [target for target in posts + extras if target >= 0]
    # 4 pasts, 1 residual (the last layer has none), 2 gated, 2 skips, hidden, logits, and the sampler's two
    assert len(targets) == len(set(targets)) == 13
    weights = layout.plan[:, FIELDS.index("weights")]
    assert (weights % 16 == 0).all() and (np.diff(weights) > 0).all()


def test_the_past_is_silent_and_no_word_of_the_future_is_there(packed_of):
    packed = packed_of("kernel3")
    mail = lay_out(packed, 2).mail
    stamps = mail >> 32
    assert (mail & 0xFFFFFFFF == 0).all() and stamps.max() == -1
    slots = packed.ring_slots[1]
    ring = stamps[lay_out(packed, 2).plan[6, FIELDS.index("source")] :][: slots * 2 * 32].reshape(slots, 2, 32)
    for t in range(-slots, 0):
        assert (ring[t % slots] == t).all()


def test_a_layer_that_no_program_can_hold_is_refused(configs, new_state):
    config = type(configs["odd"])(residual_channels=200, gate_channels=100, dilations=(1,))
    with pytest.raises(DeviceError, match="200 residual and 100 gate channels"):
        lay_out(pack(new_state(config), config), 1)


def test_a_network_with_too_many_programs_is_refused():
    triton_latency._check_programs(108, 108)
    with pytest.raises(DeviceError, match="takes 123 programs .* 108 multiprocessors"):
        triton_latency._check_programs(123, 108)


def test_a_missing_triton_is_named(packed_of, monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(DeviceError, match="pip install triton"):
        TritonLatencyGenerator(packed_of("kernel1"), batch=1, seed=0)


def test_a_device_that_is_no_gpu_is_refused(packed_of):
    pytest.importorskip("triton")
    with pytest.raises(DeviceError, match="needs a CUDA device and not cpu"):
        TritonLatencyGenerator(packed_of("kernel1"), batch=1, seed=0, device="cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_gpu_is_named(packed_of):
    pytest.importorskip("triton")
    with pytest.raises(DeviceError, match="torch finds none here; take the native or numba backend"):
        TritonLatencyGenerator(packed_of("kernel1"), batch=1, seed=0)


# On hardware.

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@on_gpu
@pytest.mark.gpu
@pytest.mark.parametrize("name", ["odd", "kernel3", "even", "few"])
@pytest.mark.parametrize("batch", [1, 3])
def test_every_layer_agrees_with_float64_on_a_gpu(name, batch, new_packed, new_latent):
    packed = new_packed(name)
    n_samples = packed.receptive_field + 20
    latent, codes = new_latent(packed, batch, n_samples), codes_for(packed, batch, n_samples)
    want = started(ReferenceGenerator, packed, latent, dtype=torch.float64).force(codes, trace=True)
    got = started(TritonLatencyGenerator, packed, latent).force(codes, trace=True)
    assert_close(got.residual, want.residual)
    assert_close(got.skip, want.skip)
    assert_close(got.logits, want.logits)


@on_gpu
@pytest.mark.gpu
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("name", ["odd", "kernel3", "even", "few"])
def test_samples_equal_the_reference_on_a_gpu(name, temperature, new_packed, new_latent, assert_same_draws):
    packed = new_packed(name)
    latent = new_latent(packed, 2, 600)
    options = {"seed": 12, "temperature": temperature}
    want = started(ReferenceGenerator, packed, latent, **options).generate(600)
    got = started(TritonLatencyGenerator, packed, latent, **options).generate(600)
    if temperature == 0:
        np.testing.assert_array_equal(got, want)
    else:
        assert_same_draws(packed, latent, got, want, **options)
        assert np.array_equal(got[:, :50], want[:, :50])


@on_gpu
@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize("exchange", [False, True])
def test_reruns_batches_and_chunks_are_bit_identical_on_a_gpu(exchange, new_packed, new_latent):
    packed, n_samples = new_packed("even"), 200_000
    latent = new_latent(packed, 2, n_samples)
    generator = started(TritonLatencyGenerator, packed, latent, exchange=exchange)
    state = generator.state()
    want = generator.generate(n_samples)
    generator.restore(state)
    np.testing.assert_array_equal(generator.generate(n_samples), want)
    alone = started(TritonLatencyGenerator, packed, latent[1:], streams=[1], exchange=exchange)
    got = np.concatenate([alone.generate(n) for n in (1, 999, 4_000, n_samples - 5_000)], axis=1)
    np.testing.assert_array_equal(got, want[1:])


@on_gpu
@pytest.mark.gpu
def test_the_earliest_failure_is_reported_on_a_gpu(configs, new_state):
    state = new_state(configs["odd"])
    state["head_condition.weight"] *= 1e30
    latent = np.zeros((2, 3, 3), np.float32)
    latent[1, 1] = latent[0, 2] = 1e9
    with pytest.raises(ModelError, match="logits at sample 7 are not finite"):
        started(TritonLatencyGenerator, pack(state, configs["odd"]), latent).generate(21)


@on_gpu
@pytest.mark.gpu
def test_programs_that_wait_for_ever_are_stopped_on_a_gpu(new_packed, new_latent, monkeypatch):
    monkeypatch.setattr(triton_latency, "LIMIT", 10_000)
    generator = started(TritonLatencyGenerator, new_packed("odd"), new_latent(new_packed("odd"), 1, 20))
    generator._mail.zero_()
    with pytest.raises(DeviceError, match="lost each other"):
        generator.generate(10)


if __name__ == "__main__":
    interpret(sys.argv[1])
