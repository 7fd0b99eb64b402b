"""The throughput backend against the specification: in Triton's interpreter, and on a GPU where there is one.

The interpreter is chosen by an environment variable that must be set before
Triton is imported, so its runs are jobs for a process of their own: this file,
run as a script.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wavecore.errors import DeviceError, ModelError, UsageError, WavecoreError
from wavecore.kernels.packing import pack
from wavecore.kernels.reference import ReferenceGenerator
from wavecore.kernels.triton import throughput as triton_throughput
from wavecore.kernels.triton.throughput import Tiling, TritonThroughputGenerator, choose_tiling

TILE = 16
SEED = 2**63 + 5
# Kernel sizes 1 to 3; channel counts that are padded, to 16 and to 32, and some that are not.
SIZES = {
    "kernel1": (1, 5, 3, 3, 6, 1, 11, 1, (1,)),
    "kernel2": (2, 5, 3, 18, 20, 3, 37, 7, (1, 2, 1)),
    "kernel3": (3, 17, 16, 3, 40, 1, 256, 5, (2, 1)),
}
# Relative to the largest number: float32 has 6e-8 per operation, half precision its rounding.
TOLERANCES = {"float32": 1e-5, "float16": 3e-3}

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def work(path: str) -> None:
    """Do a job in the interpreter: build a generator, feed it, call it, store what it returns."""
    job = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
    arrays = np.load(f"{path}.npz")
    state = {name[6:]: torch.from_numpy(arrays[name]) for name in arrays.files if name.startswith("state/")}
    packed = pack(state, SimpleNamespace(**job["config"]))
    latent, codes, done, saved, results = arrays["latent"], arrays["codes"], 0, None, {}
    triton_throughput._LAUNCH_BYTES = job["launch_bytes"]
    generator = TritonThroughputGenerator(
        packed, batch=len(latent), device="cpu", tiling=Tiling(TILE, hidden=16), **job["options"]
    )
    generator.feed(latent)
    for number, (verb, n) in enumerate(job["calls"]):
        try:
            if verb == "save":
                saved = generator.state()
            elif verb == "restore":
                generator.restore(saved)
            elif verb == "generate":
                results[f"{number}"] = generator.generate(n)
            elif verb == "told":
                results[f"{number}"], results[f"{number}/logits"] = generator.generate(n, logits=True)
            else:
                trace = generator.force(codes[:, done : done + n], trace=True)
                results |= {f"{number}/{key}": array for key, array in vars(trace).items()}
                results[f"{number}"] = generator.force(codes[:, done + n : done + 2 * n])
                done += 2 * n
        except WavecoreError as error:
            results[f"{number}/error"] = np.array(str(error))
    np.savez(f"{path}-out.npz", **results)


@pytest.fixture
def interpret(tmp_path):
    """``interpret(config, state, latent, calls, codes=..., **options)``: what the calls return, by their number."""

    def run(config, state, latent, calls, *, codes=None, launch_bytes=1 << 28, **options):
        path = str(tmp_path / "job")
        job = {
            "config": dataclasses.asdict(config),
            "options": {"seed": SEED, **options},
            "calls": calls,
            "launch_bytes": launch_bytes,
        }
        Path(f"{path}.json").write_text(json.dumps(job), encoding="utf-8")
        tensors = {f"state/{name}": tensor.numpy() for name, tensor in state.items()}
        codes = np.zeros((len(latent), 0), np.uint8) if codes is None else codes
        np.savez(f"{path}.npz", latent=latent, codes=codes, **tensors)
        command = [sys.executable, "-P", "-W", "ignore", __file__, path]
        done = subprocess.run(command, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return dict(np.load(f"{path}-out.npz"))

    return run


@pytest.fixture
def network(configs, new_state, new_latent):
    """``network("kernel2", batch, n)``: configuration, weights, packed weights, latent."""

    def build(name, batch, n_samples):
        config = type(configs["odd"])(*SIZES[name])
        state = new_state(config)
        packed = pack(state, config)
        return config, state, packed, new_latent(packed, batch, n_samples)

    return build


def started(backend, packed, latent, **options):
    generator = backend(packed, **{"batch": len(latent), "seed": SEED, **options})
    generator.feed(latent)
    return generator


def random_codes(packed, batch, n_samples):
    return np.random.default_rng(1).integers(0, packed.n_classes, (batch, n_samples)).astype(np.uint8)


def assert_close(got, want, tolerance):
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())


@pytest.mark.slow
@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("name", SIZES)
def test_every_layer_agrees_with_float64(name, precision, network, interpret):
    config, state, packed, latent = network(name, 3, 16)
    codes = random_codes(packed, 3, 16)
    want = started(ReferenceGenerator, packed, latent, dtype=torch.float64).force(codes, trace=True)
    got = interpret(config, state, latent, [["force", 8]], codes=codes, precision=precision)
    for key in ("logits", "residual", "skip"):
        assert_close(got[f"0/{key}"], getattr(want, key)[:, :8], TOLERANCES[precision])
    assert_close(got["0"], want.logits[:, 8:], TOLERANCES[precision])
    if precision == "float16":
        assert np.abs(got["0"] - want.logits[:, 8:]).max() > 1e-5, "nothing was rounded"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "temperature"), [("kernel1", 1.0), ("kernel2", 0.7), ("kernel3", 1.3)])
def test_samples_equal_the_reference(name, temperature, network, interpret, assert_same_draws):
    """Two tiles, the second one not full; three chunks, the middle one cut into several launches."""
    config, state, packed, latent = network(name, TILE + 3, 20)
    want = started(ReferenceGenerator, packed, latent, temperature=temperature).generate(20)
    options = {"precision": "float32", "temperature": temperature}
    calls = [["generate", 1], ["told", 15], ["generate", 4]]
    got = interpret(config, state, latent, calls, launch_bytes=200_000, **options)
    logits = started(ReferenceGenerator, packed, latent).force(want)[:, 1:5]
    np.testing.assert_allclose(got["1/logits"][:, :4], logits, atol=1e-4 * np.abs(logits).max())
    got = np.concatenate([got[key] for key in "012"], axis=1)
    assert_same_draws(packed, latent, got, want, seed=SEED, temperature=temperature)
    assert np.array_equal(got[:, :5], want[:, :5])
    assert len(np.unique(got)) > packed.n_classes // 3


@pytest.mark.slow
def test_batch_and_chunks_never_change_a_sample(network, interpret):
    config, state, _, latent = network("kernel2", TILE + 2, 16)
    want = interpret(config, state, latent, [["generate", 16]])["0"]
    numbers = [TILE + 1, 0, 2**63 + 7]
    calls = [["generate", 8], ["generate", 1], ["save", 0], ["generate", 7], ["restore", 0], ["generate", 7]]
    got = interpret(config, state, latent[numbers[:2] + [0]], calls, streams=numbers)
    np.testing.assert_array_equal(got["3"], got["5"])
    got = np.concatenate([got[key] for key in "013"], axis=1)
    np.testing.assert_array_equal(got[:2], want[numbers[:2]])
    assert (got[2] != want[0]).any(), "another stream number draws the same"


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.0, 1e-40])
def test_likeliest_codes_equal_the_reference(temperature, network, interpret):
    config, state, packed, latent = network("kernel3", 4, 12)
    state["output.weight"][:, 200] = state["output.weight"][:, 100]  # the first of equal logits is taken
    state["output.bias"][[100, 200]] = 4.0
    packed = pack(state, config)
    want = started(ReferenceGenerator, packed, latent, temperature=0).generate(12)
    got = interpret(config, state, latent, [["generate", 12]], precision="float32", temperature=temperature)
    assert (want == 100).any() and len(np.unique(want)) > 1
    if temperature == 0:
        np.testing.assert_array_equal(got["0"], want)
    else:
        np.testing.assert_array_equal(np.where(got["0"] == 200, 100, got["0"])[:, 0], want[:, 0])


@pytest.mark.slow
def test_the_earliest_failure_is_reported(network, interpret):
    config, state, _, _ = network("kernel2", 1, 1)
    state["head_condition.weight"] *= 1e30
    latent = np.zeros((TILE + 2, 3, 3), np.float32)
    latent[-1, 1] = latent[0, 2] = 1e9  # overflows from its frame on: samples 7 and 14
    calls = [["generate", 3], ["generate", 15]]
    got = interpret(config, state, latent, calls, precision="float32", launch_bytes=50_000)
    assert "logits at sample 7 are not finite" in str(got["1/error"])


def small(new_state, configs, **sizes):
    config = dataclasses.replace(configs["even"], **sizes)
    return pack(new_state(config), config)


def test_the_tiling_depends_on_sizes_and_device_alone(configs, new_state):
    narrow = small(new_state, configs, residual_channels=64)
    wide = small(new_state, configs, residual_channels=128, gate_channels=128, skip_channels=128)
    wider = small(new_state, configs, residual_channels=128, gate_channels=128, skip_channels=128, kernel_size=3)
    assert [choose_tiling(packed).tile for packed in (narrow, wide, wider)] == [64, 32, 16]
    assert [choose_tiling(packed, capability=80).tile for packed in (narrow, wide, wider)] == [32, 16, 16]
    assert choose_tiling(wide, "float32").tile == 16


def test_a_network_that_does_not_fit_is_refused(configs, new_state):
    with pytest.raises(DeviceError, match="have 129 channels; the Triton throughput kernel takes 128 at most"):
        choose_tiling(small(new_state, configs, skip_channels=129))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"tile": 8}, "tile is 8"),
        ({"tile": 48}, "tile is 48; it must be a power of two"),
        ({"tile": 16, "hidden": 24}, "hidden is 24"),
        ({"tile": 16, "warps": 3}, "warps is 3"),
        ({"tile": 16, "stages": 0}, "stages is 0"),
    ],
)
def test_bad_tilings(sizes, message):
    with pytest.raises(UsageError, match=message):
        Tiling(**sizes)


def test_bad_arguments(new_packed):
    packed = new_packed("few")
    with pytest.raises(UsageError, match="precision is 'int8'"):
        TritonThroughputGenerator(packed, batch=1, seed=0, precision="int8")
    with pytest.raises(UsageError, match="temperature is -1"):
        TritonThroughputGenerator(packed, batch=1, seed=0, temperature=-1)


def test_a_missing_triton_is_named(new_packed, monkeypatch):
    monkeypatch.delitem(sys.modules, "wavecore.kernels.triton.throughput_ops", raising=False)
    monkeypatch.delattr("wavecore.kernels.triton.throughput_ops", raising=False)
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(DeviceError, match="pip install triton"):
        TritonThroughputGenerator(new_packed("few"), batch=1, seed=0)


def test_a_missing_device_is_named(new_packed, monkeypatch):
    pytest.importorskip("triton")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="PyTorch sees 0 CUDA devices"):
        TritonThroughputGenerator(new_packed("few"), batch=1, seed=0)
    with pytest.raises(DeviceError, match="not on meta"):
        TritonThroughputGenerator(new_packed("few"), batch=1, seed=0, device="meta")
    with pytest.raises(UsageError, match="device is 'gpu'"):
        TritonThroughputGenerator(new_packed("few"), batch=1, seed=0, device="gpu")


@pytest.mark.gpu
@cuda
@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("name", ["odd", "kernel3", "even", "few"])
def test_every_layer_agrees_with_float64_on_a_gpu(name, precision, new_packed, new_latent):
    packed = new_packed(name)
    n_samples = packed.receptive_field + 20
    latent, codes = new_latent(packed, 5, n_samples), random_codes(packed, 5, n_samples)
    want = started(ReferenceGenerator, packed, latent, dtype=torch.float64).force(codes, trace=True)
    got = started(TritonThroughputGenerator, packed, latent, precision=precision).force(codes, trace=True)
    for key in ("residual", "skip", "logits"):
        assert_close(getattr(got, key), getattr(want, key), TOLERANCES[precision])


@pytest.mark.gpu
@cuda
@pytest.mark.parametrize("name", ["odd", "kernel3", "even", "few"])
def test_samples_equal_the_reference_on_a_gpu(name, new_packed, new_latent, assert_same_draws):
    packed = new_packed(name)
    latent = new_latent(packed, 20, 100)
    want = started(ReferenceGenerator, packed, latent).generate(100)
    got = started(TritonThroughputGenerator, packed, latent, precision="float32").generate(100)
    assert_same_draws(packed, latent, got, want, seed=SEED)


@pytest.mark.gpu
@cuda
@pytest.mark.parametrize("precision", TOLERANCES)
def test_batch_and_chunks_never_change_a_bit_on_a_gpu(precision, new_packed, new_latent):
    packed = new_packed("even")
    latent = new_latent(packed, 300, 2000)
    generator = started(TritonThroughputGenerator, packed, latent, precision=precision)
    state = generator.state()
    want = generator.generate(2000)
    generator.restore(state)
    got = np.concatenate([generator.generate(n) for n in (1, 999, 7, 993)], axis=1)
    np.testing.assert_array_equal(got, want)
    some = [299, 3, 64]
    alone = started(TritonThroughputGenerator, packed, latent[some], streams=some, precision=precision)
    np.testing.assert_array_equal(alone.generate(2000), want[some])
    forced = [started(TritonThroughputGenerator, packed, latent, precision=precision).force(want) for _ in range(2)]
    np.testing.assert_array_equal(*forced)


@pytest.mark.gpu
@cuda
def test_the_earliest_failure_is_reported_on_a_gpu(configs, new_state):
    state = new_state(configs["odd"])
    state["head_condition.weight"] *= 1e30
    latent = np.zeros((70, 3, 3), np.float32)
    latent[-1, 1] = latent[0, 2] = 1e9
    with pytest.raises(ModelError, match="logits at sample 7 are not finite"):
        started(TritonThroughputGenerator, pack(state, configs["odd"]), latent).generate(21)


if __name__ == "__main__":
    work(sys.argv[1])
