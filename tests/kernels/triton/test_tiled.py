"""The throughput and the layers backend against the specification, in Triton's interpreter and on a GPU."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from kernel_networks import (
    Config,
    assert_close,
    assert_same_draws,
    exact_trace,
    make_state,
    network,
    overflowing,
    random_codes,
    random_latent,
    reference_codes,
    started,
)

from wavecore.errors import DeviceError, UsageError, WavecoreError
from wavecore.kernels.packing import pack
from wavecore.kernels.reference import ReferenceGenerator
from wavecore.kernels.triton import tiled
from wavecore.kernels.triton.layers import LayersTiling, LayersWeights, TritonLayersGenerator
from wavecore.kernels.triton.throughput import ThroughputWeights, Tiling, TritonThroughputGenerator

TILE = 16
BACKENDS = {"throughput": TritonThroughputGenerator, "layers": TritonLayersGenerator}
TILINGS = {"throughput": Tiling(TILE, hidden=16), "layers": LayersTiling(TILE, 32, 32)}
# Kernel sizes 1 to 4; channel counts that are padded, to 16, 32 and 128, and some that are not.
SIZES = {
    "kernel1": Config(1, 5, 3, 3, 6, 1, 11, 1, (1,)),
    "kernel2": Config(2, 5, 3, 18, 20, 3, 37, 7, (1, 2)),
    "kernel3": Config(3, 17, 16, 3, 40, 1, 256, 5, (2, 1)),
    "kernel4": Config(4, 70, 20, 65, 33, 2, 100, 3, (1,)),
}
# Relative to the largest number: float32 has 6e-8 per operation, half precision its rounding.
TOLERANCES = {"float32": 1e-5, "float16": 3e-3}
FORCED = [
    ("throughput", "kernel1", "float32", 3), ("throughput", "kernel2", "float32", 6),
    ("throughput", "kernel3", "float32", 5), ("throughput", "kernel2", "float16", 3),
    ("layers", "kernel1", "float32", 3), ("layers", "kernel2", "float32", 6), ("layers", "kernel3", "float32", 5),
    ("layers", "kernel4", "float32", 3), ("layers", "kernel4", "float16", 2),
]  # fmt: skip
NUMBERS = [TILE + 1, 0, 2**63 + 7]

both = pytest.mark.parametrize("backend", BACKENDS)


def opened(backend, packed, latent, *, launch_bytes=1 << 28, precision="float32", **options):
    """Open a generator in the interpreter whose launches are small."""
    kind = type("Cut", (BACKENDS[backend],), {"launch_bytes": launch_bytes})
    return started(kind, packed, latent, device="cpu", tiling=TILINGS[backend], precision=precision, **options)


def force(backend, name, precision, n):
    """Force three streams with traces, cut into several launches, and then without."""
    packed = network(SIZES[name])
    latent, codes = random_latent(packed, 3, n + 2), random_codes(packed, 3, n + 2)
    generator = opened(backend, packed, latent, launch_bytes=30_000, precision=precision)
    trace = generator.force(codes[:, :n], trace=True)
    return {**vars(trace), "more": generator.force(codes[:, n:])}


def generate(backend, name, batch, n, temperature):
    """Generate in three calls, the middle one with logits."""
    packed = network(SIZES[name])
    latent = random_latent(packed, batch, n)
    generator = opened(backend, packed, latent, launch_bytes=20_000, temperature=temperature)
    first = generator.generate(1)
    codes, logits = generator.generate(n - 3, logits=True)
    return {"codes": np.concatenate([first, codes, generator.generate(2)], axis=1), "logits": logits}


def generate_together_and_apart(backend):
    """Generate TILE + 2 streams, then two of them in other rows and chunks, with states restored."""
    packed = network(SIZES["kernel2"])
    latent = random_latent(packed, TILE + 2, 6)
    together = opened(backend, packed, latent, precision="float16").generate(6)
    some = opened(backend, packed, latent[[*NUMBERS[:2], 0]], precision="float16", streams=NUMBERS)
    parts = [some.generate(2), some.generate(1)]
    state = some.state()
    replays = [some.generate(3)]
    some.restore(state)
    replays.append(some.generate(3))
    logits = []
    for _ in range(2):
        some.restore(state)
        logits.append(some.force(np.zeros((3, 2), np.uint8)))  # some codes are the same for other logits
    apart = np.concatenate([*parts, replays[0]], axis=1)
    return {"together": together, "apart": apart, "replays": np.stack(replays), "logits": np.stack(logits)}


def ties():
    """Return a network of which two classes are equally likely, and at times the most likely ones."""
    state = make_state(SIZES["kernel3"])
    state["output.weight"][:, 200] = state["output.weight"][:, 100]
    state["output.bias"][[100, 200]] = 3.5
    packed = pack(state, SIZES["kernel3"])
    return packed, random_latent(packed, 4, 6)


def generate_ties(backend):
    """Take the most likely codes."""
    return {"codes": opened(backend, *ties(), temperature=0).generate(6)}


def overflow(backend):
    """Return the errors of an overflow in frame 1 of one tile, and of continuing after it."""
    packed, latent = overflowing(Config(1, 5, 3, 3, 6, 1, 11, 2, (1,)), TILE + 2)
    generator = opened(backend, packed, latent)
    generator.generate(1)
    errors = {}
    for name, n in (("first", 5), ("second", 1)):
        try:
            generator.generate(n)
        except WavecoreError as error:
            errors |= {name: np.array(type(error).__name__), f"{name} message": np.array(str(error))}
    return errors


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "name", "precision", "n"), FORCED)
def test_every_layer_agrees_with_float64(backend, name, precision, n, interpreter):
    got, want = interpreter.call(force, backend, name, precision, n), exact_trace(SIZES[name], 3, n + 2)
    for key in ("logits", "residual", "skip"):
        assert_close(got[key], getattr(want, key)[:, :n], TOLERANCES[precision])
    assert_close(got["more"], want.logits[:, n:], TOLERANCES[precision])
    if precision == "float16":
        assert np.abs(got["more"] - want.logits[:, n:]).max() > 1e-5, "nothing was rounded"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "batch", "temperature", "n"),
    [("kernel1", TILE + 1, 1.0, 6), ("kernel2", 3, 0.7, 8), ("kernel3", 1, 1.3, 7)],
)
@both
def test_samples_equal_the_reference(backend, name, batch, temperature, n, interpreter):
    """The largest batch is two tiles, the second one not full."""
    packed, got = network(SIZES[name]), interpreter.call(generate, backend, name, batch, n, temperature)
    want, latent = reference_codes(SIZES[name], batch, n, temperature), random_latent(packed, batch, n)
    assert_same_draws(packed, latent, got["codes"], want, temperature=temperature)
    assert np.array_equal(got["codes"][:, :5], want[:, :5])
    assert len(np.unique(want)) > min(want.size, packed.n_classes) // 3
    assert_close(got["logits"], started(ReferenceGenerator, packed, latent).force(got["codes"])[:, 1:-2], 1e-4)


@pytest.mark.slow
@both
def test_batch_and_chunks_change_no_sample(backend, interpreter):
    got = interpreter.call(generate_together_and_apart, backend)
    np.testing.assert_array_equal(*got["replays"])
    np.testing.assert_array_equal(*got["logits"])
    np.testing.assert_array_equal(got["apart"][:2], got["together"][NUMBERS[:2]])
    assert (got["apart"][2] != got["together"][0]).any(), "another stream number draws the same"


@pytest.mark.slow
@both
def test_the_first_of_equal_logits_is_taken(backend, interpreter):
    packed, latent = ties()
    want = started(ReferenceGenerator, packed, latent, temperature=0).generate(6)
    assert (want == 100).any() and not (want == 200).any() and len(np.unique(want)) > 1
    np.testing.assert_array_equal(interpreter.call(generate_ties, backend)["codes"], want)


@pytest.mark.slow
@both
def test_the_earliest_failure_is_reported(backend, interpreter):
    """Of two streams in different tiles and frames; what stopped halfway does not continue."""
    got = interpreter.call(overflow, backend)
    assert got["first"] == "ModelError" and "sample 2 " in str(got["first message"])
    assert got["second"] == "UsageError"


@pytest.mark.parametrize("temperature", [0, 1e-40, 1.0, 1e40])
def test_inverse_temperatures_are_float32(temperature):
    inverse = np.float32(tiled.inverse(temperature))
    assert np.isfinite(inverse) and (inverse == 0) == (temperature == 0)


@pytest.mark.parametrize("weights", [ThroughputWeights, LayersWeights])
def test_a_launch_is_limited_by_its_bytes(weights):
    packed, tiling = network(SIZES["kernel2"]), Tiling(TILE) if weights is ThroughputWeights else LayersTiling(TILE)

    def samples(launch_bytes, *, logits=False, trace=False):
        generator = SimpleNamespace(
            _weights=weights(packed, precision="float32", tiling=tiling, device="meta"), _packed=packed, _rows=TILE,
            block_samples=512, launch_bytes=launch_bytes,
        )  # fmt: skip
        return tiled.TiledGenerator._launch_samples(generator, logits=logits, trace=trace)

    assert samples(1 << 28, logits=True, trace=True) == 512 and samples(1) == 1
    assert samples(50_000, trace=True) < samples(50_000, logits=True) < samples(50_000) < 512


BAD_TILINGS = {
    Tiling: {"tile": [8, 48], "hidden": [24], "warps": [3], "stages": [0]},
    LayersTiling: {"tile": [8, 48], "columns": [128], "depth": [24], "warps": [3], "stages": [0]},
}


@pytest.mark.parametrize(
    ("tiling", "name", "value"),
    [(tiling, name, value) for tiling, bad in BAD_TILINGS.items() for name in bad for value in bad[name]],
)
def test_bad_tilings(tiling, name, value):
    with pytest.raises(UsageError, match=f"{name} is {value}"):
        tiling(**{"tile": 16, name: value})


@both
@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"precision": "int8"}, UsageError, "'int8'"),
        ({"temperature": -1}, UsageError, "-1"),
        ({"streams": [0, 1]}, UsageError, "2 stream numbers"),
        ({"device": "gpu"}, UsageError, "'gpu'"),
        ({"device": "meta"}, DeviceError, "meta"),
        ({"device": "cuda"}, DeviceError, "sees 0"),
    ],
    ids=str,
)
def test_bad_arguments(backend, options, error, match, monkeypatch):
    pytest.importorskip("triton")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(error, match=match):
        BACKENDS[backend](network("few"), **{"batch": 1, "seed": 0, **options})


@both
def test_a_missing_triton_is_named(backend, monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(DeviceError, match="triton"):
        BACKENDS[backend](network("few"), batch=1, seed=0)
