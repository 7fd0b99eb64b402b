"""The native backend against the specification, for every instruction set of this processor."""

from __future__ import annotations

import functools
import os
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from kernel_networks import (
    CONFIGS,
    NAMES,
    Config,
    assert_close,
    assert_same_draws,
    assert_same_trace,
    exact_trace,
    make_state,
    network,
    overflowing,
    random_codes,
    random_latent,
    reference_codes,
    started,
)

from wavecore.errors import DeviceError, ModelError
from wavecore.kernels.cpu import native
from wavecore.kernels.cpu.native import INSTRUCTION_SETS, NativeGenerator, library_path, load_library
from wavecore.kernels.interface import Trace
from wavecore.kernels.packing import pack
from wavecore.kernels.reference import ReferenceGenerator

pytestmark = pytest.mark.skipif(library_path() is None, reason="the native kernel was not built: no C compiler")

HERE = INSTRUCTION_SETS[: load_library().wavecore_isa() + 1] if library_path() is not None else ()
every_isa = pytest.mark.parametrize(
    "isa",
    [
        pytest.param(isa, marks=pytest.mark.skipif(isa not in HERE, reason=f"this processor has no {isa}"))
        for isa in INSTRUCTION_SETS
    ],
)
# Relative to the largest number.  float32: 6e-8 per operation over some hundred; the others are their rounding.
TOLERANCES = {"float32": 1e-5, "float16": 3e-3, "int16": 2e-3, "int8": 5e-2}
STORAGES = list(TOLERANCES)


@pytest.mark.slow
@every_isa
@pytest.mark.parametrize("name", NAMES)
def test_every_layer_agrees_with_float64(isa, name):
    packed = network(name)
    n = packed.receptive_field + 20
    latent, codes, want = random_latent(packed, 15, n), random_codes(packed, 15, n), exact_trace(name, 15, n)
    for batch in (1, 2, 4, 15):  # the sizes of the tiles, 15 being one of each
        generator = started(NativeGenerator, packed, latent[:batch], isa=isa, storage="float32", threads=1)
        expected = Trace(want.logits[:batch], want.residual[:batch], want.skip[:batch])
        assert_same_trace(generator.force(codes[:batch], trace=True), expected)


@pytest.mark.slow
@every_isa
@pytest.mark.parametrize("storage", ["float16", "int16", "int8"])
def test_narrow_weights_err_by_their_rounding(isa, storage):
    packed = network("odd")
    n = packed.receptive_field + 20
    generator = started(NativeGenerator, packed, random_latent(packed, 3, n), isa=isa, storage=storage)
    got, want = generator.force(random_codes(packed, 3, n)), exact_trace("odd", 15, n).logits[:3]
    assert_close(got, want, TOLERANCES[storage])
    assert np.abs(got - want).max() > 1e-5 * np.abs(want).max(), "nothing was rounded"


@functools.cache
def largest(n_inputs):
    """Return a network whose weights and inputs are all at their largest, and its exact logits."""
    config = Config(2, n_inputs, n_inputs, n_inputs, n_inputs, 1, 16, 8, (1, 2))
    state = make_state(config)
    for name, tensor in state.items():
        tensor.fill_(0.75 if name.endswith("weight") else 1.0)
    packed = pack(state, config)
    reference = started(ReferenceGenerator, packed, np.ones((1, 2, 1), np.float32), dtype=torch.float64)
    return packed, reference.force(np.full((1, 12), 15, np.uint8))


@every_isa
@pytest.mark.parametrize("batch", [1, 2, 8])
@pytest.mark.parametrize("n_inputs", [126, 128, 130, 257])
def test_long_sums_of_integers_do_not_overflow(isa, batch, n_inputs):
    """One block of inputs or several."""
    packed, want = largest(n_inputs)
    latent, codes = np.ones((batch, 2, 1), np.float32), np.full((batch, 12), 15, np.uint8)
    for storage in ("int16", "int8"):
        got = started(NativeGenerator, packed, latent, isa=isa, storage=storage).force(codes)
        assert_close(got, np.repeat(want, batch, axis=0), 1e-2)


@every_isa
@pytest.mark.parametrize("storage", STORAGES)
def test_a_sum_that_overflows_inside_reaches_the_logits(isa, storage):
    """A layer whose sums overflow float32, though its weights and its inputs do not."""
    state = make_state(CONFIGS["odd"])
    for layer in range(2):
        state[f"layers.{layer}.residual.bias"][:] = 3e38
    packed = pack(state, CONFIGS["odd"])
    with pytest.raises(ModelError):
        started(NativeGenerator, packed, np.zeros((2, 3, 3), np.float32), isa=isa, storage=storage).generate(20)


@every_isa
def test_weights_that_half_precision_holds_lose_nothing(isa):
    state = {key: tensor.half().float() for key, tensor in make_state(CONFIGS["kernel3"]).items()}
    packed = pack(state, CONFIGS["kernel3"])
    latent, codes = random_latent(packed, 3, 50), random_codes(packed, 3, 50)
    half, full = (
        started(NativeGenerator, packed, latent, isa=isa, storage=storage).force(codes)
        for storage in ("float16", "float32")
    )
    np.testing.assert_array_equal(half, full)


@pytest.mark.slow
@every_isa
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("batch", "temperature", "n"), [(1, 1.0, 300), (3, 0.7, 100), (9, 1.3, 35)])
def test_samples_equal_the_reference(isa, name, batch, temperature, n):
    packed = network(name)
    latent, want = random_latent(packed, batch, n), reference_codes(name, batch, n, temperature)
    generator = started(NativeGenerator, packed, latent, isa=isa, storage="float32", temperature=temperature)
    got = generator.generate(n)
    assert_same_draws(packed, latent, got, want, temperature=temperature)
    assert np.array_equal(got[:, :30], want[:, :30])
    assert len(np.unique(got)) > packed.n_classes // 4


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.0, 1e-12, 1e-40])
def test_most_likely_codes_equal_the_reference(temperature):
    packed = network("odd")
    generator = started(
        NativeGenerator, packed, random_latent(packed, 2, 100), temperature=temperature, storage="float32"
    )
    np.testing.assert_array_equal(generator.generate(100), reference_codes("odd", 2, 100, 0))


@pytest.mark.slow
@pytest.mark.parametrize("storage", STORAGES)
@every_isa
def test_batch_threads_and_chunks_never_change_a_bit(isa, storage):
    packed, n = network("kernel3"), 100
    latent, options = random_latent(packed, 13, n), {"isa": isa, "storage": storage}
    want = np.concatenate(
        [
            started(NativeGenerator, packed, latent[b : b + 1], streams=[b], threads=1, **options).generate(n)
            for b in range(13)
        ]
    )
    for threads in (1, 2, 5):
        generator = started(NativeGenerator, packed, latent, threads=threads, **options)
        got = np.concatenate([generator.generate(n) for n in (1, 33, 7, 59)], axis=1)
        np.testing.assert_array_equal(got, want)


@every_isa
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("name", NAMES)
def test_two_cores_make_the_same_bits_as_one(isa, storage, name):
    packed = network(name)
    latent = random_latent(packed, 1, 600)
    one, two = (
        started(NativeGenerator, packed, latent, threads=threads, isa=isa, storage=storage) for threads in (1, 2)
    )
    for n in (1, 130, 1, 69, 299):
        np.testing.assert_array_equal(two.generate(n), one.generate(n))
    codes = random_codes(packed, 1, 100)
    np.testing.assert_array_equal(two.force(codes), one.force(codes))
    for one_array, two_array in zip(one.state().memory, two.state().memory, strict=True):
        np.testing.assert_array_equal(one_array, two_array)


@pytest.mark.slow
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core")
def test_a_core_that_is_taken_away_costs_speed_and_nothing_else():
    """More spinning threads than cores: the second core answers late or never."""
    packed, n, block = network("even"), 8_000, 1_000
    latent = random_latent(packed, 1, n)
    want = started(NativeGenerator, packed, latent, threads=1).generate(n)
    library, stop = load_library(), threading.Event()

    def hog():
        while not stop.is_set():
            library.wavecore_multiply_adds(2_000_000, 0)  # releases the interpreter's lock

    hogs = [threading.Thread(target=hog) for _ in range(2 * (os.cpu_count() or 1))]
    for thread in hogs:
        thread.start()
    try:
        generator = started(NativeGenerator, packed, latent, threads=2)
        deadline = time.monotonic() + 60
        got = [generator.generate(block)]
        while generator.available and time.monotonic() < deadline:
            got.append(generator.generate(block))
    finally:
        stop.set()
        for thread in hogs:
            thread.join()
    got = np.concatenate(got, axis=1)
    np.testing.assert_array_equal(got, want[:, : got.shape[1]])
    assert got.shape[1] == want.shape[1] and generator.abandoned > 0


@pytest.mark.parametrize("batch", [1, 4, 9])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_earliest_failure_is_reported(batch, threads):
    with pytest.raises(ModelError, match="sample 7 "):
        started(NativeGenerator, *overflowing(CONFIGS["odd"], batch), threads=threads).generate(21)


@pytest.mark.parametrize("isa", ["neon", "avx1024"])
def test_unknown_instruction_sets_are_refused(isa):
    with pytest.raises(DeviceError, match=f"'{isa}'"):
        NativeGenerator(network("few"), batch=1, seed=0, isa=isa)


def test_an_instruction_set_beyond_the_processor_s_is_refused(monkeypatch):
    monkeypatch.setattr(native, "load_library", lambda: SimpleNamespace(wavecore_isa=lambda: 0))
    with pytest.raises(DeviceError, match="'avx512' .* portable"):
        NativeGenerator(network("few"), batch=1, seed=0, isa="avx512")


@pytest.mark.parametrize("content", [b"not a library", None])
def test_a_library_that_is_missing_or_damaged_is_named(content, tmp_path, monkeypatch):
    path = tmp_path / "_native.so"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(native, "library_path", lambda: path if content is not None else None)
    load_library.cache_clear()
    try:
        with pytest.raises(DeviceError, match="compiler" if content is None else "_native.so"):
            load_library()
    finally:
        load_library.cache_clear()


@every_isa
def test_the_ceilings_are_measured(isa):
    library, number = load_library(), INSTRUCTION_SETS.index(isa)
    memory = np.ones(1 << 16, np.float32)
    assert library.wavecore_read(memory.ctypes.data, memory.nbytes, 10, number) > 0
    assert library.wavecore_multiply_adds(100_000, number) > 0
    assert library.wavecore_dots(100_000, number) > 0
