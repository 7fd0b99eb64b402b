"""The layers backend against the specification: in Triton's interpreter, and on a GPU where there is one.

The interpreter is chosen by an environment variable that must be set before
Triton is imported, so its runs are jobs for a process of their own: this file,
run as a script.  One process does all of them, because it takes longer to
start than most jobs.
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
from wavecore.kernels.triton import layers as triton_layers
from wavecore.kernels.triton.layers import LayersTiling, TritonLayersGenerator, _Sample, choose_layers_tiling

TILE = 16
SEED = 2**63 + 5
# Kernel sizes 1 to 4; channel counts that are padded, to 16, 32 and 128, and some that are not.
SIZES = {
    "kernel1": (1, 5, 3, 3, 6, 1, 11, 1, (1,)),
    "kernel2": (2, 5, 3, 18, 20, 3, 37, 7, (1, 2)),
    "kernel3": (3, 17, 16, 3, 40, 1, 256, 5, (2, 1)),
    "kernel4": (4, 70, 20, 65, 33, 2, 100, 3, (1,)),
}
# Relative to the largest number: float32 has 6e-8 per operation, half precision its rounding.
TOLERANCES = {"float32": 1e-5, "float16": 2e-3}

FORCED = [("kernel1", "float32", 3), ("kernel2", "float32", 8), ("kernel3", "float32", 10), ("kernel4", "float32", 6),
          ("kernel2", "float16", 8), ("kernel4", "float16", 4)]  # fmt: skip
DRAWN = [("kernel1", TILE + 1, 1.0, 8), ("kernel2", 3, 0.7, 12), ("kernel3", 1, 1.0, 8)]
NUMBERS = [TILE + 1, 0, 2**63 + 7]

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def do(job: dict, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Build a generator, feed it, call it; what the calls return, by their number."""
    state = {name[6:]: torch.from_numpy(array) for name, array in arrays.items() if name.startswith("state/")}
    packed = pack(state, SimpleNamespace(**job["config"]))
    latent, codes, done, saved, results = arrays["latent"], arrays["codes"], 0, None, {}
    triton_layers._LAUNCH_BYTES = job["launch_bytes"]
    tiling = LayersTiling(TILE, 32, 32)
    generator = TritonLayersGenerator(packed, batch=len(latent), device="cpu", tiling=tiling, **job["options"])
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
                found = generator.force(codes[:, done : done + n], trace=verb == "trace")
                results |= vars(found) if verb == "trace" else {f"{number}": found}
                done += n
        except WavecoreError as error:
            results[f"{number}/error"] = np.array(str(error))
    return results


def work(folder: str) -> None:
    """Do all jobs of a folder in the interpreter."""
    for path in sorted(Path(folder).glob("*.json")):
        job = json.loads(path.read_text(encoding="utf-8"))
        np.savez(path.with_suffix(".out.npz"), **do(job, dict(np.load(path.with_suffix(".npz")))))


@dataclasses.dataclass
class Jobs:
    """Adds jobs to a folder, and does them."""

    folder: Path

    def add(self, name, config, state, latent, calls, *, codes=None, launch_bytes=1 << 28, **options):
        job = {
            "config": dataclasses.asdict(config),
            "options": {"seed": SEED, "precision": "float32", **options},
            "calls": calls,
            "launch_bytes": launch_bytes,
        }
        (self.folder / f"{name}.json").write_text(json.dumps(job), encoding="utf-8")
        tensors = {f"state/{key}": tensor.numpy() for key, tensor in state.items()}
        codes = np.zeros((len(latent), 0), np.uint8) if codes is None else codes
        np.savez(self.folder / f"{name}.npz", latent=latent, codes=codes, **tensors)

    def do(self):
        command = [sys.executable, "-P", "-W", "ignore", __file__, str(self.folder)]
        done = subprocess.run(command, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return {path.name[:-8]: dict(np.load(path)) for path in self.folder.glob("*.out.npz")}


@pytest.fixture(scope="module")
def network(configs, new_state, new_latent):
    """``network("kernel2", batch, n)``: configuration, weights, packed weights, latent."""

    def build(name, batch, n_samples):
        config = type(configs["odd"])(*SIZES[name])
        state = new_state(config)
        packed = pack(state, config)
        return config, state, packed, new_latent(packed, batch, n_samples)

    return build


@pytest.fixture(scope="module")
def ties(network):
    """A network of which two classes are the likeliest in turn with others, and equal."""
    config, state, _, latent = network("kernel3", 4, 8)
    state["output.weight"][:, 200] = state["output.weight"][:, 100]
    state["output.bias"][[100, 200]] = 3.5
    return config, state, pack(state, config), latent


@pytest.fixture(scope="module")
def overflow(network):
    """A network and a latent that overflow in frame 1 of the last stream, and in frame 2 of the first."""
    config, state, packed, _ = network("kernel2", 1, 1)
    state["head_condition.weight"] *= 1e30
    latent = np.zeros((TILE + 2, 3, 3), np.float32)
    latent[-1, 1] = latent[0, 2] = 1e9
    return config, state, packed, latent


@pytest.fixture(scope="module")
def results(network, ties, overflow, tmp_path_factory):
    """What the calls of every job return."""
    pytest.importorskip("triton")
    jobs = Jobs(tmp_path_factory.mktemp("jobs"))
    for name, precision, n in FORCED:
        config, state, packed, latent = network(name, 3, n + 2)
        calls, codes = [["trace", n], ["force", 2]], random_codes(packed, 3, n + 2)
        options = {"codes": codes, "launch_bytes": 30_000, "precision": precision}
        jobs.add(f"force-{name}-{precision}", config, state, latent, calls, **options)
    for name, batch, temperature, n in DRAWN:
        config, state, _, latent = network(name, batch, n)
        calls = [["generate", 1], ["told", n - 3], ["generate", 2]]
        jobs.add(f"draw-{name}", config, state, latent, calls, launch_bytes=4_000, temperature=temperature)
    config, state, _, latent = network("kernel2", TILE + 2, 9)
    jobs.add("together", config, state, latent, [["generate", 9]], precision="float16")
    calls = [["generate", 3], ["generate", 1], ["save", 0], ["generate", 5], ["restore", 0], ["generate", 5]]
    calls += [["restore", 0], ["force", 2]] * 2
    options = {"streams": NUMBERS, "precision": "float16", "codes": np.zeros((3, 4), np.uint8)}
    jobs.add("apart", config, state, latent[[*NUMBERS[:2], 0]], calls, **options)
    config, state, _, latent = ties
    jobs.add("ties", config, state, latent, [["generate", 8]], temperature=0)
    config, state, _, latent = overflow
    jobs.add("overflow", config, state, latent, [["generate", 2], ["generate", 16], ["generate", 1]])
    return jobs.do()


def started(backend, packed, latent, **options):
    generator = backend(packed, **{"batch": len(latent), "seed": SEED, **options})
    generator.feed(latent)
    return generator


def random_codes(packed, batch, n_samples):
    return np.random.default_rng(1).integers(0, packed.n_classes, (batch, n_samples)).astype(np.uint8)


def assert_close(got, want, tolerance):
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "precision", "n"), FORCED)
def test_every_layer_agrees_with_float64(name, precision, n, network, results):
    _, _, packed, latent = network(name, 3, n + 2)
    codes, got = random_codes(packed, 3, n + 2), results[f"force-{name}-{precision}"]
    want = started(ReferenceGenerator, packed, latent, dtype=torch.float64).force(codes, trace=True)
    for key in ("logits", "residual", "skip"):
        assert_close(got[key], getattr(want, key)[:, :n], TOLERANCES[precision])
    assert_close(got["1"], want.logits[:, n:], TOLERANCES[precision])
    if precision == "float16":
        assert np.abs(got["1"] - want.logits[:, n:]).max() > 1e-5, "nothing was rounded"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "batch", "temperature", "n"), DRAWN)
def test_samples_equal_the_reference(name, batch, temperature, n, network, results, assert_same_draws):
    """The largest batch is two tiles, the second not full; there are three chunks, cut into several launches."""
    _, _, packed, latent = network(name, batch, n)
    want = started(ReferenceGenerator, packed, latent, temperature=temperature).generate(n)
    got = np.concatenate([results[f"draw-{name}"][key] for key in "012"], axis=1)
    assert_same_draws(packed, latent, got, want, seed=SEED, temperature=temperature)
    np.testing.assert_array_equal(got, want)
    logits = started(ReferenceGenerator, packed, latent).force(want)[:, 1:-2]
    np.testing.assert_allclose(results[f"draw-{name}"]["1/logits"], logits, atol=1e-4 * np.abs(logits).max())
    assert len(np.unique(got)) > min(got.size, packed.n_classes) // 3


@pytest.mark.slow
def test_batch_and_chunks_never_change_a_sample(results):
    want, got = results["together"]["0"], results["apart"]
    np.testing.assert_array_equal(got["3"], got["5"])
    np.testing.assert_array_equal(got["7"], got["9"])  # some draws are the same for other logits
    got = np.concatenate([got[key] for key in "013"], axis=1)
    np.testing.assert_array_equal(got[:2], want[NUMBERS[:2]])
    assert (got[2] != want[0]).any(), "another stream number draws the same"


@pytest.mark.slow
def test_likeliest_codes_equal_the_reference(ties, results):
    """The first of equal logits is taken."""
    _, _, packed, latent = ties
    want = started(ReferenceGenerator, packed, latent, temperature=0).generate(8)
    assert (want == 100).any() and not (want == 200).any() and len(np.unique(want)) > 1
    np.testing.assert_array_equal(results["ties"]["0"], want)


@pytest.mark.slow
def test_the_earliest_failure_is_reported(results):
    """Of two streams in different tiles and frames; what stopped halfway does not go on."""
    assert "logits at sample 7 are not finite" in str(results["overflow"]["1/error"])
    assert "interrupted or failed halfway" in str(results["overflow"]["2/error"])


@pytest.mark.parametrize("sizes", [(16, 1), (4, 1), (4,), ()])
def test_a_run_is_so_many_samples_replayed_or_not(sizes, monkeypatch):
    """A first launch is never captured, and no graph is captured twice."""
    ran, captured = [], []

    def capture(sample, n):
        captured.append(n)
        return SimpleNamespace(replay=lambda: ran.extend(["replayed"] * n))

    monkeypatch.setattr(_Sample, "_capture", capture)
    sample = _Sample([({(1,): lambda name: ran.append(name)}, (1,), {"name": "launched"})], sizes)
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
    ("sizes", "message"),
    [
        ({"tile": 8}, "tile is 8"),
        ({"tile": 48}, "tile is 48; it must be a power of two"),
        ({"columns": 128}, "columns is 128"),
        ({"depth": 24}, "depth is 24; it must be a power of two"),
        ({"warps": 3}, "warps is 3"),
        ({"stages": 0}, "stages is 0"),
    ],
)
def test_bad_tilings(sizes, message):
    with pytest.raises(UsageError, match=message):
        LayersTiling(**sizes)


def test_bad_arguments(new_packed):
    packed = new_packed("few")
    with pytest.raises(UsageError, match="precision is 'int8'"):
        TritonLayersGenerator(packed, batch=1, seed=0, precision="int8")
    with pytest.raises(UsageError, match="temperature is -1"):
        TritonLayersGenerator(packed, batch=1, seed=0, temperature=-1)
    with pytest.raises(UsageError, match="2 stream numbers for a batch of 1"):
        TritonLayersGenerator(packed, batch=1, seed=0, streams=[0, 1])


def test_a_missing_triton_is_named(new_packed, monkeypatch):
    for name in ("throughput_ops", "layers_ops"):
        monkeypatch.delitem(sys.modules, f"wavecore.kernels.triton.{name}", raising=False)
        monkeypatch.delattr(f"wavecore.kernels.triton.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(DeviceError, match="pip install triton"):
        TritonLayersGenerator(new_packed("few"), batch=1, seed=0)


def test_a_missing_device_is_named(new_packed, monkeypatch):
    pytest.importorskip("triton")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="PyTorch sees 0 CUDA devices"):
        TritonLayersGenerator(new_packed("few"), batch=1, seed=0)
    with pytest.raises(DeviceError, match="not on meta"):
        TritonLayersGenerator(new_packed("few"), batch=1, seed=0, device="meta")
    with pytest.raises(UsageError, match="device is 'gpu'"):
        TritonLayersGenerator(new_packed("few"), batch=1, seed=0, device="gpu")


@pytest.fixture
def wide(configs, new_state):
    """Too wide for the other Triton backends, and of sizes that no block divides."""
    config = type(configs["odd"])(3, 200, 168, 130, 100, 16, 256, 64, (1, 2, 4, 8))
    return pack(new_state(config), config)


@pytest.mark.gpu
@cuda
@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("name", ["odd", "kernel3", "even", "few", "wide"])
def test_every_layer_agrees_with_float64_on_a_gpu(name, precision, new_packed, new_latent, wide):
    packed = wide if name == "wide" else new_packed(name)
    n_samples = packed.receptive_field + 20
    latent, codes = new_latent(packed, 5, n_samples), random_codes(packed, 5, n_samples)
    want = started(ReferenceGenerator, packed, latent, dtype=torch.float64).force(codes, trace=True)
    generator = started(TritonLayersGenerator, packed, latent, precision=precision)
    state, got = generator.state(), generator.force(codes, trace=True)
    for key in ("residual", "skip", "logits"):
        assert_close(getattr(got, key), getattr(want, key), TOLERANCES[precision])
    generator.restore(state)
    np.testing.assert_array_equal(generator.force(codes), got.logits)  # replayed, and without traces


@pytest.mark.gpu
@cuda
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("name", ["odd", "kernel3", "even", "few"])
def test_samples_equal_the_reference_on_a_gpu(name, temperature, new_packed, new_latent, assert_same_draws):
    packed = new_packed(name)
    latent, options = new_latent(packed, 20, 100), {"temperature": temperature}
    want = started(ReferenceGenerator, packed, latent, **options).generate(100)
    got = started(TritonLayersGenerator, packed, latent, precision="float32", **options).generate(100)
    if temperature:
        assert_same_draws(packed, latent, got, want, seed=SEED, temperature=temperature)
    else:
        assert (got == want).all(axis=1).mean() > 0.9  # the two largest logits of some sample may be all but equal


@pytest.mark.gpu
@cuda
@pytest.mark.parametrize("precision", TOLERANCES)
def test_batch_and_chunks_never_change_a_bit_on_a_gpu(precision, wide, new_latent):
    latent = new_latent(wide, 300, 1000)
    generator = started(TritonLayersGenerator, wide, latent, precision=precision)
    state = generator.state()
    want = generator.generate(1000)
    generator.restore(state)
    got = np.concatenate([generator.generate(n) for n in (1, 499, 7, 493)], axis=1)
    np.testing.assert_array_equal(got, want)
    some = [299, 3, 64]
    alone = started(TritonLayersGenerator, wide, latent[some], streams=some, precision=precision)
    np.testing.assert_array_equal(alone.generate(1000), want[some])
    forced = [started(TritonLayersGenerator, wide, latent, precision=precision).force(want) for _ in range(2)]
    np.testing.assert_array_equal(*forced)
    alone = started(TritonLayersGenerator, wide, latent[some], streams=some, precision=precision)
    np.testing.assert_array_equal(alone.force(want[some]), forced[0][some])


@pytest.mark.gpu
@cuda
def test_replayed_graphs_do_what_launches_do_on_a_gpu(wide, new_latent, monkeypatch):
    latent = new_latent(wide, 70, 200)
    replayed = started(TritonLayersGenerator, wide, latent).generate(200)
    forced = started(TritonLayersGenerator, wide, latent).force(replayed)
    monkeypatch.setattr(triton_layers, "_GRAPH_SAMPLES", ())
    np.testing.assert_array_equal(started(TritonLayersGenerator, wide, latent).generate(200), replayed)
    np.testing.assert_array_equal(started(TritonLayersGenerator, wide, latent).force(replayed), forced)


@pytest.mark.gpu
@cuda
def test_the_earliest_failure_is_reported_on_a_gpu(configs, new_state):
    state = new_state(configs["odd"])
    state["head_condition.weight"] *= 1e30
    latent = np.zeros((70, 3, 3), np.float32)
    latent[-1, 1] = latent[0, 2] = 1e9
    with pytest.raises(ModelError, match="logits at sample 7 are not finite"):
        started(TritonLayersGenerator, pack(state, configs["odd"]), latent).generate(21)


if __name__ == "__main__":
    work(sys.argv[1])
