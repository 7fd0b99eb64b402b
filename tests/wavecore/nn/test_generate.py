"""Choosing devices and backends, and generating in blocks."""

import numpy as np
import pytest
import torch

from wavecore.errors import DeviceError, UsageError
from wavecore.kernels.cpu import native as native_cpu
from wavecore.kernels.cpu.native import library_path
from wavecore.nn.generate import (
    BACKENDS,
    available_backends,
    generate_blocks,
    open_generator,
    resolve_backend,
    resolve_device,
)
from wavecore.nn.wavenet import WaveNet, WaveNetConfig

CONFIG = WaveNetConfig(1, 4, 2, 8, 8, 8, 12, latent_channels=3, hop_length=7)

HERE = tuple(
    pytest.param(name, marks=pytest.mark.skipif(name == "native" and library_path() is None, reason="not built here"))
    for name in BACKENDS
    if name != "triton"  # on a GPU alone
)


def _state(seed=0):
    generator = torch.Generator().manual_seed(seed)
    # Half precision, in which the native backend keeps them, holds these weights exactly.
    return {
        name: (0.4 * torch.randn(t.shape, generator=generator)).half().float()
        for name, t in WaveNet(CONFIG).state_dict().items()
    }


def _latent(n_frames=9, batch=2):
    return np.random.default_rng(1).standard_normal((batch, n_frames, 3)).astype(np.float32)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_devices_without_a_gpu():
    assert resolve_device("auto") == ("cpu", "no CUDA device is here")
    assert resolve_device("cpu")[0] == "cpu"
    for name in ("cuda", "cuda:3"):
        with pytest.raises(DeviceError, match=f"'{name}' is not here"):
            resolve_device(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "", "tpu"])
def test_unknown_devices_are_refused(name):
    with pytest.raises(UsageError, match="no device"):
        resolve_device(name)


def test_backends():
    assert resolve_backend("auto", "cpu")[0] == ("numba" if library_path() is None else "native")
    backend, reason = resolve_backend("auto", "cuda:0")
    assert backend == "auto" and "measured once" in reason
    for name in ("numba", "native"):
        with pytest.raises(DeviceError, match=f"{name} backend runs on the CPU"):
            resolve_backend(name, "cuda:0")
    with pytest.raises(UsageError, match="no backend 'magic'.*reference, numba"):
        resolve_backend("magic", "cpu")


def test_the_first_block_comes_early_and_progress_is_told():
    told = []
    generator = open_generator(_state(), CONFIG, batch=2, seed=5, backend="numba")
    blocks = generate_blocks(
        generator, _latent(), block_samples=25, first_samples=4, on_progress=lambda *done: told.append(done)
    )
    assert next(blocks).shape == (2, 4) and told == [(4, 63)]
    assert [block.shape[1] for block in blocks] == [25, 25, 9]
    assert told == [(4, 63), (29, 63), (54, 63), (63, 63)]


def test_who_stops_listening_cancels_the_rest():
    generator = open_generator(_state(), CONFIG, batch=2, seed=5, backend="numba")
    blocks = generate_blocks(generator, _latent(), block_samples=10, first_samples=10)
    begun = next(blocks)
    blocks.close()
    assert generator.position == 10 and list(blocks) == []
    whole = open_generator(_state(), CONFIG, batch=2, seed=5, backend="numba")
    whole.feed(_latent())
    assert np.array_equal(np.concatenate([begun, generator.generate(53)], axis=1), whole.generate(63))


@pytest.mark.parametrize("sizes", [{"block_samples": 0}, {"first_samples": -1}])
def test_blocks_without_samples_are_refused(sizes):
    generator = open_generator(_state(), CONFIG, batch=2, seed=5, backend="numba")
    with pytest.raises(UsageError, match="at least 1 is needed"):
        next(generate_blocks(generator, _latent(), **sizes))


@pytest.mark.parametrize("name", HERE)
def test_a_backend_that_is_asked_for_is_taken(name):
    assert resolve_backend(name, "cpu") == (name, "as asked")


def test_triton_runs_on_a_gpu_alone():
    with pytest.raises(DeviceError, match="CUDA device, not on the CPU"):
        resolve_backend("triton", "cpu")
    assert resolve_backend("triton", "cuda:0") == ("triton", "as asked")
    assert "triton" not in available_backends("cpu") and "triton" in available_backends("cuda:0")


@pytest.mark.parametrize(
    ("backend", "dtype", "precisions"),
    [("triton", None, ("float16", "float32")), ("triton", "float16", ("float16",)), ("auto", "float32", ("float32",))],
)
def test_a_gpu_s_kernel_is_chosen_by_measurement(backend, dtype, precisions, monkeypatch):
    from wavecore.kernels import gpu

    opened = []
    monkeypatch.setattr(gpu, "open_fastest", lambda packed, allowed, **options: opened.append((allowed, options)))
    open_generator(_state(), CONFIG, batch=3, seed=5, streams=[1, 2, 3], backend=backend, device="cuda:0", dtype=dtype)
    [(allowed, options)] = opened
    assert tuple(allowed) == precisions and options["reference_too"] == (backend == "auto")
    assert (options["device"], options["batch"], options["streams"]) == ("cuda:0", 3, [1, 2, 3])


@pytest.mark.parametrize(("backend", "dtype"), [("numba", "int8"), ("native", "float64"), ("reference", "float16")])
def test_formats_that_a_backend_lacks_are_refused(backend, dtype):
    if backend == "native" and library_path() is None:
        pytest.skip("not built here")
    with pytest.raises(UsageError, match=f"{backend} backend does not run in '{dtype}'"):
        open_generator(_state(), CONFIG, batch=1, seed=0, backend=backend, dtype=dtype)


def test_without_a_compiler_numba_is_taken_and_native_refused(monkeypatch):
    monkeypatch.setattr(native_cpu, "library_path", lambda: None)
    native_cpu.load_library.cache_clear()
    try:
        backend, reason = resolve_backend("auto", "cpu")
        assert backend == "numba" and "compiler" in reason
        with pytest.raises(DeviceError, match="needs a C compiler"):
            resolve_backend("native", "cpu")
    finally:
        native_cpu.load_library.cache_clear()


@pytest.mark.parametrize("backend", HERE)
def test_blocks_of_any_size_make_the_same_sound(backend):
    state, latent = _state(), _latent()
    found = [
        np.concatenate(
            list(
                generate_blocks(
                    open_generator(state, CONFIG, batch=2, seed=5, backend=backend), latent, block_samples=n
                )
            ),
            axis=1,
        )
        for n in (1, 5, 63, 1000)
    ]
    assert found[0].shape == (2, 63) and found[0].dtype == np.uint8
    assert all(np.array_equal(found[0], other) for other in found[1:])


@pytest.mark.parametrize("backend", HERE)
def test_every_backend_predicts_what_the_network_predicts(backend):
    state, latent = _state(), _latent()
    network = WaveNet(CONFIG)
    network.load_state_dict(state)
    codes = torch.randint(0, 256, (2, 60), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network(codes, torch.from_numpy(latent)).numpy()
    generator = open_generator(state, CONFIG, batch=2, seed=0, backend=backend, dtype="float32")
    generator.feed(latent)
    found = generator.force(codes.numpy().astype(np.uint8))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_seed_and_stream_decide_the_draws():
    def run(seed, streams):
        generator = open_generator(_state(), CONFIG, batch=1, seed=seed, streams=streams)
        return np.concatenate(list(generate_blocks(generator, _latent(batch=1))), axis=1)

    assert np.array_equal(run(1, [4]), run(1, [4]))
    assert not np.array_equal(run(1, [4]), run(2, [4]))
    assert not np.array_equal(run(1, [4]), run(1, [5]))
