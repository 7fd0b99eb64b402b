"""The measured choice of a kernel: agreement before speed, the fastest wins, and it is cached.

The GPU's own kernels need a GPU; the choice does not depend on what it chooses from, so here it chooses among
generators that run on the CPU.
"""

from __future__ import annotations

import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from kernel_networks import network, random_latent, started

from wavecore.errors import DeviceError
from wavecore.kernels import gpu
from wavecore.kernels.cpu.numba import NumbaGenerator
from wavecore.kernels.gpu import Choice, cache_path, measure_choice, read_choice, write_choice
from wavecore.kernels.reference import ReferenceGenerator

pytest.importorskip("triton")

BOTH = ("float16", "float32")


def paced(clock, seconds_per_sample, first_s=0.0, change=lambda logits: logits):
    """Open a generator whose samples take a fixed time, the first call more, and whose logits are changed."""

    def build():
        generator = NumbaGenerator(network("odd"), batch=2, seed=0)
        plain, waits, force = generator.generate, [first_s], generator.force

        def generate(n):
            clock.now += n * seconds_per_sample + (waits.pop() if waits else 0)
            return plain(min(n, 4))

        generator.generate, generator.force = generate, lambda codes: change(force(codes))
        return generator

    return build


def choose(openers, clock):
    """Choose among openers of two streams."""

    def reference(n):
        return ReferenceGenerator(network("odd"), batch=n, seed=0, dtype=torch.float64)

    return measure_choice(openers, reference, network("odd"), 2, clock=lambda: clock.now)


def test_the_fastest_is_chosen_and_compiling_does_not_count():
    clock = SimpleNamespace(now=0.0)
    choice = choose({"slow": paced(clock, 1e-2), "fast": paced(clock, 1e-3, first_s=60)}, clock)
    assert choice.name == "fast" and not choice.refused
    assert choice.samples_per_s == {"slow": pytest.approx(200), "fast": pytest.approx(2000)}


def test_a_kernel_that_errs_is_refused():
    def broken():
        raise RuntimeError("out of registers")

    clock = SimpleNamespace(now=0.0)
    wrong = {
        "wrong": paced(clock, 1e-9, change=lambda logits: logits * 1.01),
        "silent": paced(clock, 1e-9, change=lambda logits: np.full_like(logits, np.nan)),
        "broken": broken,
    }
    choice = choose({**wrong, "right": paced(clock, 1e-3)}, clock)
    assert choice.name == "right" and list(choice.samples_per_s) == ["right"]
    assert "0.01" in choice.refused["wrong"] and "nan" in choice.refused["silent"]
    assert choice.refused["broken"] == "RuntimeError: out of registers"
    with pytest.raises(DeviceError, match="broken: RuntimeError: out of registers"):
        choose(wrong, clock)


def test_choices_are_cached_side_by_side(tmp_path):
    path = tmp_path / "new" / "choices.json"
    first, second = Choice("a", {"a": 2.0, "b": 1.0}, {}), Choice("b", {"b": 5.0}, {"a": "too wide"})
    write_choice("one", first, path)
    write_choice("two", second, path)
    assert read_choice("one", ["b", "a"], path) == first and read_choice("two", ["a", "b"], path) == second
    assert [file.name for file in path.parent.iterdir()] == ["choices.json"]
    assert read_choice("three", ["a"], path) is None
    assert read_choice("one", ["a", "b", "newer"], path) is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", *map(json.dumps, ({"one": 3}, {"one": {"name": "a"}}, {"one": {"x": 1}}))]
)
def test_a_damaged_file_is_replaced(content, tmp_path):
    path = tmp_path / "choices.json"
    path.write_text(content)
    assert read_choice("one", ["a"], path) is None
    write_choice("one", Choice("a", {"a": 2.0}), path)
    assert read_choice("one", ["a"], path) == Choice("a", {"a": 2.0})


def test_choices_lie_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_path() == tmp_path / "wavecore" / "choices.json"
    monkeypatch.setattr(gpu.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_path() == tmp_path / "local" / "wavecore" / "choices.json"
    monkeypatch.setattr(gpu.sys, "platform", "darwin")
    assert cache_path().parts[-4:] == ("Library", "Caches", "wavecore", "choices.json")


@pytest.mark.parametrize(
    ("batch", "precisions", "reference_too", "names"),
    [
        (1, BOTH, True, {"latency float32", "throughput float16", "throughput float32", "layers float16",
                         "layers float32", "reference float32"}),
        (4, ("float16",), True, {"throughput float16", "layers float16"}),
        (4, ("float32",), False, {"latency float32", "throughput float32", "layers float32"}),
        (5, BOTH, False, {"throughput float16", "throughput float32", "layers float16", "layers float32"}),
    ],
)  # fmt: skip
def test_candidates_follow_from_batch_and_format(batch, precisions, reference_too, names):
    options = {"device": "cuda:0", "reference_too": reference_too, "batch": batch, "seed": 0}
    openers = gpu.candidates(network("few"), precisions, **options)
    assert {name.removeprefix("triton ") for name in openers} == names


def test_the_key_names_what_the_choice_holds_for():
    few, odd = network("few"), network("odd")
    calls = [(few, 1, "cpu", ["a"]), (few, 2, "cpu", ["a"]), (few, 1, "cpu", ["a", "b"]), (odd, 1, "cpu", ["a"])]
    keys = {gpu.choice_key(*call) for call in calls}
    assert len(keys) == 4 and all("triton" in key and "torch" in key for key in keys)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """A cache of the test's own."""
    path = tmp_path / "cache" / "choices.json"
    monkeypatch.setattr(gpu, "cache_path", lambda: path)
    return path


@pytest.fixture
def opens(cache, monkeypatch):
    """Candidates that run on the CPU; lists the names and stream numbers with which they are opened."""
    opens = []

    def candidates(packed, precisions, *, device, reference_too, **options):
        def opener(name, build):
            return lambda: opens.append((name, options.get("streams"))) or build()

        def lame():
            raise RuntimeError("no such instruction")

        openers = {"numba": opener("numba", lambda: NumbaGenerator(packed, **options)), "lame": opener("lame", lame)}
        if reference_too:
            openers["reference"] = opener("reference", lambda: ReferenceGenerator(packed, device=device, **options))
        return openers

    monkeypatch.setattr(gpu, "candidates", candidates)
    monkeypatch.setattr(gpu, "TIMED_S", 0.01)
    return opens


@pytest.mark.slow
def test_the_choice_is_measured_once_and_reported(opens):
    """The reference is slow by design, the compiled backend tens of times faster."""
    packed = network("odd")
    options = {"batch": 2, "seed": 9, "streams": [7, 3], "temperature": 0.8}
    with pytest.warns(RuntimeWarning, match="cpu, lame .*RuntimeError: no such instruction"):
        first = gpu.open_fastest(packed, BOTH, device="cpu", reference_too=True, **options)
    assert opens == [("numba", None), ("lame", None), ("reference", None), ("numba", [7, 3])]
    opens.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = gpu.open_fastest(packed, BOTH, device="cpu", reference_too=True, **options)
    assert opens == [("numba", [7, 3])], "the second time it is known"
    latent = random_latent(packed, 2, 40)
    codes = started(NumbaGenerator, packed, latent, **options).generate(40)
    for generator in (first, second):
        generator.feed(latent)
        np.testing.assert_array_equal(generator.generate(40), codes)


def test_a_cache_that_cannot_be_written_is_reported(opens, cache):
    cache.parent.write_text("not a folder")
    with pytest.warns(RuntimeWarning) as reported:
        gpu.open_fastest(network("odd"), BOTH, device="cpu", reference_too=False, batch=1, seed=0)
    assert any(str(cache.parent) in str(warning.message) for warning in reported)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_every_reason_is_named(cache):
    with pytest.raises(DeviceError, match="latency.*layers"):
        gpu.open_fastest(network("few"), BOTH, device="cpu", reference_too=False, batch=1, seed=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("batch", [1, 8])
def test_a_gpu_finds_its_kernel(batch, cache):
    packed = network("odd")
    generator = gpu.open_fastest(packed, BOTH, device="cuda:0", reference_too=True, batch=batch, seed=0)
    generator.feed(random_latent(packed, batch, 50))
    assert generator.generate(50).shape == (batch, 50)
