"""The measured choice: parity before speed, the fastest wins, and it is remembered."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from wavecore.errors import DeviceError
from wavecore.kernels import choice
from wavecore.kernels.choice import Choice, cache_path, measure_choice, recall, remember
from wavecore.kernels.cpu.numba import NumbaGenerator
from wavecore.kernels.reference import ReferenceGenerator


class Clock:
    """Time that passes when somebody works."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def paced(generator, clock, seconds_per_sample, first_s=0.0):
    """The generator, whose samples take a fixed time; what its first call takes beside that is its compiler's."""
    plain, waits = generator.generate, [first_s]

    def generate(n):
        clock.now += n * seconds_per_sample + (waits.pop() if waits else 0)
        return plain(min(n, 4))

    generator.generate = generate
    return generator


@pytest.fixture
def chosen(new_packed):
    """``chosen({"name": opener})``: run the choice over two streams of a small network."""
    packed = new_packed("odd")

    def run(candidates, clock):
        return measure_choice(
            {name: lambda build=build: build(packed) for name, build in candidates.items()},
            lambda n: ReferenceGenerator(packed, batch=n, seed=0, dtype=torch.float64),
            batch=2, latent_channels=packed.latent_channels, hop_length=packed.hop_length,
            n_classes=packed.n_classes, clock=clock,
        )  # fmt: skip

    return run


def test_the_fastest_is_chosen_and_compiling_does_not_count(chosen):
    clock = Clock()
    found = chosen(
        {
            "slow": lambda packed: paced(NumbaGenerator(packed, batch=2, seed=0), clock, 1e-2),
            "fast": lambda packed: paced(NumbaGenerator(packed, batch=2, seed=0), clock, 1e-3, first_s=60),
        },
        clock,
    )
    assert found.name == "fast" and not found.refused
    assert found.samples_per_s == {"slow": pytest.approx(200), "fast": pytest.approx(2000)}


def test_a_kernel_that_errs_has_no_speed(chosen):
    clock = Clock()

    def wrong(packed):
        generator = paced(NumbaGenerator(packed, batch=2, seed=0), clock, 1e-9)
        plain = generator.force
        generator.force = lambda codes: plain(codes) * 1.01
        return generator

    def silent(packed):
        generator = wrong(packed)
        generator.force = lambda codes: np.full((*codes.shape, packed.n_classes), np.nan, np.float32)
        return generator

    def broken(packed):
        raise RuntimeError("out of registers")

    right = {"right": lambda packed: paced(NumbaGenerator(packed, batch=2, seed=0), clock, 1e-3)}
    found = chosen({"wrong": wrong, "silent": silent, "broken": broken, **right}, clock)
    assert found.name == "right" and list(found.samples_per_s) == ["right"]
    assert "differ from the reference by 0.01" in found.refused["wrong"] and "nan" in found.refused["silent"]
    assert found.refused["broken"] == "RuntimeError: out of registers"
    with pytest.raises(DeviceError, match="no kernel runs this model here.*broken: RuntimeError: out of registers"):
        chosen({"broken": broken, "wrong": wrong}, clock)


def test_real_generators_are_told_apart(new_packed):
    """The specification takes its time, on purpose; the compiled backend is tens of times faster."""
    packed = new_packed("odd")
    found = measure_choice(
        {
            "reference": lambda: ReferenceGenerator(packed, batch=3, seed=0),
            "numba": lambda: NumbaGenerator(packed, batch=3, seed=0),
        },
        lambda n: ReferenceGenerator(packed, batch=n, seed=0, dtype=torch.float64),
        batch=3, latent_channels=packed.latent_channels, hop_length=packed.hop_length, n_classes=packed.n_classes,
    )  # fmt: skip
    assert found.name == "numba" and set(found.samples_per_s) == {"reference", "numba"}


def test_choices_are_remembered_side_by_side(tmp_path):
    path = tmp_path / "new" / "choices.json"
    first, second = Choice("a", {"a": 2.0, "b": 1.0}, {}), Choice("b", {"b": 5.0}, {"a": "too wide"})
    remember("one", first, path)
    remember("two", second, path)
    assert recall("one", ["b", "a"], path) == first and recall("two", ["a", "b"], path) == second
    assert sorted(file.name for file in path.parent.iterdir()) == ["choices.json"]


def test_what_does_not_fit_is_measured_again(tmp_path):
    path = tmp_path / "choices.json"
    assert recall("one", ["a"], path) is None
    remember("one", Choice("a", {"a": 2.0}), path)
    assert recall("other", ["a"], path) is None
    assert recall("one", ["a", "newer"], path) is None, "a candidate that was not there then"
    for damaged in (
        "",
        "{",
        "[]",
        json.dumps({"one": 3}),
        json.dumps({"one": {"name": "a"}}),
        json.dumps({"one": {"x": 1}}),
    ):
        path.write_text(damaged)
        assert recall("one", ["a"], path) is None
        remember("one", Choice("a", {"a": 2.0}), path)
        assert recall("one", ["a"], path) == Choice("a", {"a": 2.0})


def test_choices_lie_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(choice.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_path() == tmp_path / "wavecore" / "choices.json"
    monkeypatch.setattr(choice.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_path() == tmp_path / "local" / "wavecore" / "choices.json"
    monkeypatch.setattr(choice.sys, "platform", "darwin")
    assert cache_path().parts[-4:] == ("Library", "Caches", "wavecore", "choices.json")
