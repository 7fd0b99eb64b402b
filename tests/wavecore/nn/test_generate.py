"""Devices and backends, and generation in blocks."""

import numpy as np
import pytest
import torch

from wavecore.errors import DeviceError, UsageError
from wavecore.kernels.cpu import native as native_cpu
from wavecore.kernels.cpu.native import library_path
from wavecore.nn.config import WaveNetConfig
from wavecore.nn.generate import (
    BACKENDS,
    available_backends,
    generate_blocks,
    open_generator,
    resolve_backend,
    resolve_device,
)
from wavecore.nn.wavenet import WaveNet

CONFIG = WaveNetConfig(1, 4, 2, 8, 8, 8, 12, latent_channels=3, hop_length=7)

ON_CPU = tuple(
    pytest.param(name, marks=pytest.mark.skipif(name == "native" and library_path() is None, reason="not built here"))
    for name in BACKENDS
    if name != "triton"
)


def _state(seed=0):
    generator = torch.Generator().manual_seed(seed)
    # Weights that half precision, the native backend's format, holds exactly.
    return {
        name: (0.4 * torch.randn(t.shape, generator=generator)).half().float()
        for name, t in WaveNet(CONFIG).state_dict().items()
    }


def _latent(n_frames=9, batch=2):
    return np.random.default_rng(1).standard_normal((batch, n_frames, 3)).astype(np.float32)


@pytest.fixture
def generator():
    return open_generator(_state(), CONFIG, batch=2, seed=5, backend="numba")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_devices_without_a_gpu():
    assert resolve_device("auto")[0] == resolve_device("cpu")[0] == "cpu"
    for name in ("cuda", "cuda:3"):
        with pytest.raises(DeviceError, match=f"'{name}'"):
            resolve_device(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "", "tpu"])
def test_unknown_devices(name):
    with pytest.raises(UsageError, match=f"'{name}'"):
        resolve_device(name)


def test_backends():
    assert resolve_backend("auto", "cpu")[0] == ("numba" if library_path() is None else "native")
    assert resolve_backend("auto", "cuda:0")[0] == "auto"
    assert resolve_backend("triton", "cuda:0")[0] == "triton"
    for name, device in (("numba", "cuda:0"), ("native", "cuda:0"), ("triton", "cpu")):
        with pytest.raises(DeviceError, match=name):
            resolve_backend(name, device)
    with pytest.raises(UsageError, match="'magic'.*reference, numba"):
        resolve_backend("magic", "cpu")
    there = [name for name in BACKENDS if name != "triton" and (name != "native" or library_path() is not None)]
    assert available_backends("cpu") == [resolve_backend(name, "cpu")[0] for name in there] == there
    assert available_backends("cuda:0") == ["reference", "triton"]


def test_without_the_native_kernel(monkeypatch):
    monkeypatch.setattr(native_cpu, "library_path", lambda: None)
    native_cpu.load_library.cache_clear()
    try:
        backend, reason = resolve_backend("auto", "cpu")
        assert backend == "numba" and "compiler" in reason
        with pytest.raises(DeviceError, match="compiler"):
            resolve_backend("native", "cpu")
    finally:
        native_cpu.load_library.cache_clear()


@pytest.mark.parametrize(
    ("backend", "dtype", "precisions"),
    [("triton", None, ("float16", "float32")), ("triton", "float16", ("float16",)), ("auto", "float32", ("float32",))],
)
def test_kernel_of_a_gpu_is_chosen_by_measurement(backend, dtype, precisions, monkeypatch):
    from wavecore.kernels import gpu

    opened = []
    monkeypatch.setattr(gpu, "open_fastest", lambda packed, allowed, **options: opened.append((allowed, options)))
    open_generator(_state(), CONFIG, batch=3, seed=5, streams=[1, 2, 3], backend=backend, device="cuda:0", dtype=dtype)
    [(allowed, options)] = opened
    assert tuple(allowed) == precisions and options["reference_too"] == (backend == "auto")
    assert (options["device"], options["batch"], options["streams"]) == ("cuda:0", 3, [1, 2, 3])


@pytest.mark.parametrize(("backend", "dtype"), [("numba", "int8"), ("native", "float64"), ("reference", "float16")])
def test_formats_that_a_backend_lacks(backend, dtype):
    if backend == "native" and library_path() is None:
        pytest.skip("not built here")
    with pytest.raises(UsageError, match=f"{backend}.*'{dtype}'"):
        open_generator(_state(), CONFIG, batch=1, seed=0, backend=backend, dtype=dtype)


def test_block_lengths_and_progress(generator):
    progress = []
    blocks = generate_blocks(
        generator, _latent(), block_samples=25, first_samples=4, on_progress=lambda *done: progress.append(done)
    )
    assert next(blocks).shape == (2, 4) and progress == [(4, 63)]
    assert [block.shape[1] for block in blocks] == [25, 25, 9]
    assert progress == [(4, 63), (29, 63), (54, 63), (63, 63)]


def test_closing_the_iterator_cancels_the_rest(generator):
    blocks = generate_blocks(generator, _latent(), block_samples=10, first_samples=10)
    begun = next(blocks)
    blocks.close()
    assert generator.position == 10 and list(blocks) == []
    whole = open_generator(_state(), CONFIG, batch=2, seed=5, backend="numba")
    whole.feed(_latent())
    assert np.array_equal(np.concatenate([begun, generator.generate(53)], axis=1), whole.generate(63))


@pytest.mark.parametrize(("name", "value"), [("block_samples", 0), ("first_samples", -1)])
def test_empty_blocks(generator, name, value):
    with pytest.raises(UsageError, match=f"{name} is {value}"):
        next(generate_blocks(generator, _latent(), **{name: value}))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ON_CPU)
def test_samples_do_not_depend_on_the_blocks(backend):
    state, latent = _state(), _latent()
    sounds = []
    for n in (1, 5, 63, 1000):
        blocks = generate_blocks(
            open_generator(state, CONFIG, batch=2, seed=5, backend=backend), latent, block_samples=n
        )
        sounds.append(np.concatenate(list(blocks), axis=1))
    assert sounds[0].shape == (2, 63) and sounds[0].dtype == np.uint8
    assert all(np.array_equal(sounds[0], other) for other in sounds[1:])


@pytest.mark.parametrize("backend", ON_CPU)
def test_backends_compute_the_logits_of_the_network(backend):
    state, latent = _state(), _latent()
    network = WaveNet(CONFIG)
    network.load_state_dict(state)
    codes = torch.randint(0, 256, (2, 60), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = network(codes, torch.from_numpy(latent)).numpy()
    generator = open_generator(state, CONFIG, batch=2, seed=0, backend=backend, dtype="float32")
    generator.feed(latent)
    forced = generator.force(codes.numpy().astype(np.uint8))
    np.testing.assert_allclose(forced, logits, rtol=1e-4, atol=1e-4)


def test_seed_and_stream_determine_the_samples():
    def run(seed, streams):
        generator = open_generator(_state(), CONFIG, batch=1, seed=seed, streams=streams)
        return np.concatenate(list(generate_blocks(generator, _latent(batch=1))), axis=1)

    assert np.array_equal(run(1, [4]), run(1, [4]))
    assert not np.array_equal(run(1, [4]), run(2, [4]))
    assert not np.array_equal(run(1, [4]), run(1, [5]))
