"""The native backend against the specification, for every instruction set that is here."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
import torch

from wavecore.errors import DeviceError, ModelError, UsageError
from wavecore.kernels.cpu import native as native_cpu
from wavecore.kernels.cpu.native import INSTRUCTION_SETS, NativeGenerator, library_path, load_library
from wavecore.kernels.packing import pack
from wavecore.kernels.reference import ReferenceGenerator
from wavecore.nn.wavenet import WaveNet, WaveNetConfig

pytestmark = pytest.mark.skipif(library_path() is None, reason="the native kernel was not built: no C compiler")

NAMES = ["odd", "kernel3", "even", "few"]
HERE = INSTRUCTION_SETS[: load_library().wavecore_isa() + 1] if library_path() is not None else ()
ISAS = [
    pytest.param(isa, marks=pytest.mark.skipif(isa not in HERE, reason=f"this processor has no {isa}"))
    for isa in INSTRUCTION_SETS
]
# Relative to the largest number.  float32: 6e-8 per operation over some hundred; the others are their rounding.
TOLERANCES = {"float32": 1e-5, "float16": 3e-3, "int16": 2e-3, "int8": 5e-2}
STORAGES = ["float32", "float16", "int16", "int8"]


def started(backend, packed, latent, **options):
    generator = backend(packed, **{"batch": len(latent), "seed": 5, **options})
    generator.feed(latent)
    return generator


def assert_close(got, want, tolerance=1e-5):
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())


@pytest.fixture
def halved(configs, new_state):
    """``halved("odd")``: weights that half precision holds exactly."""

    def build(name, seed=0):
        state = {key: tensor.half().float() for key, tensor in new_state(configs[name], seed).items()}
        return pack(state, configs[name])

    return build


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("batch", [1, 2, 4, 8, 15])
def test_every_layer_agrees_with_float64(isa, name, batch, new_packed, new_latent):
    packed = new_packed(name)
    n_samples = packed.receptive_field + 20
    latent = new_latent(packed, batch, n_samples)
    codes = np.random.default_rng(1).integers(0, packed.n_classes, (batch, n_samples)).astype(np.uint8)
    want = started(ReferenceGenerator, packed, latent, dtype=torch.float64).force(codes, trace=True)
    got = started(NativeGenerator, packed, latent, isa=isa, storage="float32").force(codes, trace=True)
    for layer in range(packed.n_layers):
        assert_close(got.residual[:, :, layer], want.residual[:, :, layer])
    for layer in range(packed.n_layers + 1):
        assert_close(got.skip[:, :, layer], want.skip[:, :, layer])
    assert_close(got.logits, want.logits)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("storage", ["float16", "int16", "int8"])
def test_narrow_weights_err_by_their_rounding(isa, storage, new_packed, new_latent):
    packed = new_packed("odd")
    latent = new_latent(packed, 3, 100)
    codes = np.random.default_rng(1).integers(0, packed.n_classes, (3, 100)).astype(np.uint8)
    want = started(ReferenceGenerator, packed, latent, dtype=torch.float64).force(codes)
    got = started(NativeGenerator, packed, latent, isa=isa, storage=storage).force(codes)
    assert_close(got, want, TOLERANCES[storage])
    assert np.abs(got - want).max() > 1e-5 * np.abs(want).max(), "nothing was rounded"


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("batch", [1, 2, 8])
@pytest.mark.parametrize("n_inputs", [126, 128, 130, 257])
def test_long_sums_of_whole_numbers_do_not_overflow(isa, batch, n_inputs):
    """The hardest case: every weight and every input at its largest, all of one sign, one block of inputs or
    several."""
    config = WaveNetConfig(
        dilation_cycles=1, layers_per_cycle=2, kernel_size=2, residual_channels=n_inputs, gate_channels=n_inputs,
        skip_channels=n_inputs, head_channels=n_inputs, latent_channels=1, n_classes=16, hop_length=8,
    )  # fmt: skip
    state = {name: torch.zeros_like(tensor) for name, tensor in WaveNet(config).state_dict().items()}
    for name, tensor in state.items():
        tensor.fill_(0.75 if name.endswith("weight") else 1.0)
    packed = pack(state, config)
    latent = np.ones((batch, 5, 1), np.float32)
    codes = np.full((batch, 40), 15, np.uint8)
    want = started(ReferenceGenerator, packed, latent, dtype=torch.float64).force(codes)
    for storage in ("int16", "int8"):
        got = started(NativeGenerator, packed, latent, isa=isa, storage=storage).force(codes)
        assert_close(got, want, 1e-2)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("storage", STORAGES)
def test_what_is_not_finite_inside_is_found_in_the_logits(isa, storage, configs, new_state):
    """A layer whose sums overflow float32, though its weights and its inputs do not."""
    state = new_state(configs["odd"])
    for layer in range(2):
        state[f"layers.{layer}.residual.bias"][:] = 3e38
    packed = pack(state, configs["odd"])
    latent = np.zeros((2, 3, packed.latent_channels), np.float32)
    with pytest.raises(ModelError, match="not finite"):
        started(NativeGenerator, packed, latent, isa=isa, storage=storage).generate(20)


@pytest.mark.parametrize("isa", ISAS)
def test_weights_that_half_precision_holds_lose_nothing(isa, halved, new_latent):
    packed = halved("kernel3")
    latent = new_latent(packed, 3, 80)
    codes = np.random.default_rng(2).integers(0, packed.n_classes, (3, 80)).astype(np.uint8)
    half, full = (
        started(NativeGenerator, packed, latent, isa=isa, storage=storage).force(codes)
        for storage in ("float16", "float32")
    )
    np.testing.assert_array_equal(half, full)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("batch", "temperature"), [(1, 1.0), (3, 0.7), (9, 1.3)])
def test_samples_equal_the_reference(isa, name, batch, temperature, new_packed, new_latent, assert_same_draws):
    packed = new_packed(name)
    n_samples = 600 // batch
    latent = new_latent(packed, batch, n_samples)
    options = {"seed": 12, "temperature": temperature}
    want = started(ReferenceGenerator, packed, latent, **options).generate(n_samples)
    got = started(NativeGenerator, packed, latent, isa=isa, storage="float32", **options).generate(n_samples)
    assert_same_draws(packed, latent, got, want, **options)
    assert np.array_equal(got[:, :50], want[:, :50])
    assert len(np.unique(got)) > packed.n_classes // 3


@pytest.mark.parametrize("temperature", [0.0, 1e-12, 1e-40])
def test_likeliest_codes_equal_the_reference(temperature, new_packed, new_latent):
    packed = new_packed("odd")
    latent = new_latent(packed, 2, 200)
    want = started(ReferenceGenerator, packed, latent, temperature=0).generate(200)
    got = started(NativeGenerator, packed, latent, temperature=temperature, storage="float32").generate(200)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("isa", ISAS)
def test_batch_threads_and_chunks_never_change_a_bit(isa, storage, new_packed, new_latent):
    packed = new_packed("kernel3")
    latent = new_latent(packed, 13, 300)
    options = {"isa": isa, "storage": storage}
    want = np.concatenate(
        [
            started(NativeGenerator, packed, latent[b : b + 1], streams=[b], threads=1, **options).generate(300)
            for b in range(13)
        ]
    )
    for threads in (1, 2, 5):
        generator = started(NativeGenerator, packed, latent, threads=threads, **options)
        got = np.concatenate([generator.generate(n) for n in (1, 106, 7, 100, 86)], axis=1)
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("name", NAMES)
def test_two_cores_make_the_same_bits_as_one(isa, storage, name, new_packed, new_latent):
    packed = new_packed(name)
    latent = new_latent(packed, 1, 1200)
    one, two = (
        started(NativeGenerator, packed, latent, threads=threads, isa=isa, storage=storage) for threads in (1, 2)
    )
    for n in (1, 130, 1, 69, 999):
        np.testing.assert_array_equal(two.generate(n), one.generate(n))
    again = [generator.state().memory for generator in (one, two)]
    for mine, others in zip(*again, strict=True):
        np.testing.assert_array_equal(mine, others)


def test_two_cores_force_as_one_does(new_packed, new_latent):
    packed = new_packed("odd")
    latent = new_latent(packed, 1, 400)
    codes = np.random.default_rng(3).integers(0, 256, (1, 400)).astype(np.uint8)
    found = [started(NativeGenerator, packed, latent, threads=threads).force(codes) for threads in (1, 2)]
    np.testing.assert_array_equal(*found)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core")
def test_a_core_that_is_taken_away_costs_speed_and_nothing_else(new_packed, new_latent):
    """More spinning threads than cores: the second core answers late or never."""
    packed = new_packed("even")
    latent = new_latent(packed, 1, 20_000)
    want = started(NativeGenerator, packed, latent, threads=1).generate(20_000)
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
        got = [generator.generate(2_000)]
        while generator.available and time.monotonic() < deadline:
            got.append(generator.generate(2_000))
    finally:
        stop.set()
        for thread in hogs:
            thread.join()
    got = np.concatenate(got, axis=1)
    np.testing.assert_array_equal(got, want[:, : got.shape[1]])
    assert got.shape[1] == want.shape[1] and generator.abandoned > 0


def test_states_go_back(new_packed, new_latent):
    packed = new_packed("odd")
    latent = new_latent(packed, 3, 200)
    generator = started(NativeGenerator, packed, latent)
    generator.generate(60)
    state = generator.state()
    first = generator.generate(140)
    generator.restore(state)
    np.testing.assert_array_equal(generator.generate(140), first)


@pytest.mark.parametrize("batch", [1, 4, 9])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_earliest_failure_is_reported(batch, threads, configs, new_state):
    state = new_state(configs["odd"])
    state["head_condition.weight"] *= 1e30
    packed = pack(state, configs["odd"])
    latent = np.zeros((batch, 3, 3), np.float32)
    latent[-1, 1] = latent[0, 2] = 1e9  # overflows from its frame on: samples 7 and 14
    with pytest.raises(ModelError, match="logits at sample 7 are not finite"):
        started(NativeGenerator, packed, latent, threads=threads).generate(21)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True])
def test_bad_threads(threads, new_packed):
    with pytest.raises(UsageError, match="threads is"):
        NativeGenerator(new_packed("few"), batch=2, seed=0, threads=threads)


@pytest.mark.parametrize("isa", ["neon", "avx1024"])
def test_unknown_instruction_sets_are_refused(isa, new_packed):
    with pytest.raises(DeviceError, match=f"'{isa}' is not here"):
        NativeGenerator(new_packed("few"), batch=1, seed=0, isa=isa)


def test_an_instruction_set_beyond_the_processor_s_is_refused(new_packed, monkeypatch):
    class Older:
        @staticmethod
        def wavecore_isa():
            return 0

    monkeypatch.setattr(native_cpu, "load_library", lambda: Older)
    with pytest.raises(DeviceError, match="'avx512' is not here; this processor offers portable"):
        NativeGenerator(new_packed("few"), batch=1, seed=0, isa="avx512")


def test_a_library_that_does_not_load_is_named(tmp_path, monkeypatch):
    broken = tmp_path / "_native.so"
    broken.write_bytes(b"not a library")
    monkeypatch.setattr(native_cpu, "library_path", lambda: broken)
    native_cpu.load_library.cache_clear()
    try:
        with pytest.raises(DeviceError, match="does not load"):
            native_cpu.load_library()
    finally:
        native_cpu.load_library.cache_clear()


@pytest.mark.parametrize("isa", ISAS)
def test_the_ceilings_are_measured(isa):
    library, number = load_library(), INSTRUCTION_SETS.index(isa)
    memory = np.ones(1 << 16, np.float32)
    assert 0 < library.wavecore_read(memory.ctypes.data, memory.nbytes, 10, number) < 1
    assert library.wavecore_multiply_adds(100_000, number) > 1e7
