"""Which kernels are candidates, and that the choice among them is measured once.

The GPU's own kernels need a GPU; the choice does not mind what it chooses from, so here it
chooses among generators that run on the CPU.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from wavecore.errors import DeviceError
from wavecore.kernels import choice, gpu
from wavecore.kernels.cpu.numba import NumbaGenerator
from wavecore.kernels.reference import ReferenceGenerator

pytest.importorskip("triton")

BOTH = ("float16", "float32")


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
def test_candidates_follow_from_batch_and_format(batch, precisions, reference_too, names, new_packed):
    found = gpu.candidates(
        new_packed("few"), precisions, device="cuda:0", reference_too=reference_too, batch=batch, seed=0
    )
    assert {name.removeprefix("triton ") for name in found} == names


def test_the_key_names_what_the_choice_holds_for(new_packed):
    packed, other = new_packed("few"), new_packed("odd")
    keys = {
        gpu.choice_key(packed, 1, "cpu", ["a"]), gpu.choice_key(packed, 2, "cpu", ["a"]),
        gpu.choice_key(packed, 1, "cpu", ["a", "b"]), gpu.choice_key(other, 1, "cpu", ["a"]),
    }  # fmt: skip
    assert len(keys) == 4 and all("triton" in key and "torch" in key for key in keys)


@pytest.fixture
def here(monkeypatch, tmp_path):
    """Candidates that run on the CPU, and a cache of the test's own; counts what is opened."""
    opened = []

    def candidates(packed, precisions, *, device, reference_too, **shared):
        def opener(name, build):
            def run():
                opened.append((name, shared["streams"]))
                return build()

            return run

        def lame():
            raise RuntimeError("no such instruction")

        found = {
            "numba": opener("numba", lambda: NumbaGenerator(packed, **shared)),
            "lame": opener("lame", lame),
        }
        if reference_too:
            found["reference"] = opener("reference", lambda: ReferenceGenerator(packed, device=device, **shared))
        return found

    monkeypatch.setattr(gpu, "candidates", candidates)
    monkeypatch.setattr(choice, "cache_path", lambda: tmp_path / "cache" / "choices.json")
    return opened


def test_the_choice_is_measured_once_and_told(here, new_packed, new_latent):
    packed = new_packed("odd")
    latent = new_latent(packed, 2, 40)
    options = {"device": "cpu", "reference_too": True, "batch": 2, "seed": 9, "streams": [7, 3], "temperature": 0.8}
    with pytest.warns(RuntimeWarning, match="on cpu, lame is not taken: RuntimeError: no such instruction"):
        first = gpu.open_fastest(packed, BOTH, **options)
    assert [name for name, _ in here] == ["numba", "lame", "reference", "numba"]
    assert here[-1] == ("numba", [7, 3]) and here[0] == ("numba", None)
    here.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = gpu.open_fastest(packed, BOTH, **options)
    assert here == [("numba", [7, 3])], "the second time it is known"
    want = NumbaGenerator(packed, batch=2, seed=9, streams=[7, 3], temperature=0.8)
    for generator in (first, second, want):
        generator.feed(latent)
    codes = want.generate(40)
    np.testing.assert_array_equal(first.generate(40), codes)
    np.testing.assert_array_equal(second.generate(40), codes)


def test_a_cache_that_cannot_be_written_is_told(here, monkeypatch, tmp_path, new_packed):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(choice, "cache_path", lambda: blocked / "choices.json")
    with pytest.warns(RuntimeWarning) as told:
        gpu.open_fastest(new_packed("odd"), BOTH, device="cpu", reference_too=False, batch=1, seed=0)
    assert any("cannot be remembered" in str(warning.message) for warning in told)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_every_reason_is_named(monkeypatch, tmp_path, new_packed):
    monkeypatch.setattr(choice, "cache_path", lambda: tmp_path / "choices.json")
    with pytest.raises(DeviceError, match="no kernel runs this model here.*latency.*layers"):
        gpu.open_fastest(new_packed("few"), BOTH, device="cpu", reference_too=False, batch=1, seed=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("batch", [1, 8])
def test_a_gpu_finds_its_kernel(batch, monkeypatch, tmp_path, new_packed, new_latent):
    monkeypatch.setattr(choice, "cache_path", lambda: tmp_path / "choices.json")
    packed = new_packed("odd")
    generator = gpu.open_fastest(packed, BOTH, device="cuda:0", reference_too=True, batch=batch, seed=0)
    generator.feed(new_latent(packed, batch, 50))
    assert generator.generate(50).shape == (batch, 50)
