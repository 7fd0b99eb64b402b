"""Measuring: parity decides, figures hang together, and what does not exist is said."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore import benchmark as measure
from wavecore.benchmark import Case
from wavecore.errors import DeviceError, UsageError
from wavecore.kernels.packing import pack
from wavecore.nn import generate
from wavecore.nn.config import PRESETS, preset

NUMBA = Case("tiny", "numba", "cpu", "float32", 2, 1)
HERE = [
    pytest.param(
        backend, dtype,
        marks=pytest.mark.skipif(backend not in generate.available_backends("cpu"), reason=f"{backend} was not built"),
    )
    for backend, dtypes in generate.DTYPES.items()
    if backend != "triton"  # on a GPU alone
    for dtype in dtypes
]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "nsynth"])
def test_a_configuration_knows_its_multiply_adds(name):
    config = preset(name)
    packed = pack(measure.random_state(config), config)
    assert config.multiply_adds == packed.n_weights


def test_random_networks_are_of_the_scale_of_trained_ones():
    config = preset("tiny")
    state = measure.random_state(config)
    generator = generate.open_generator(state, config, batch=1, seed=0, backend="reference")
    generator.feed(np.random.default_rng(0).standard_normal((1, 1, config.latent_channels)))
    logits = generator.force(np.random.default_rng(1).integers(0, 256, (1, 100)).astype(np.uint8))
    assert 0.5 < logits.std() < 20
    before = torch.random.get_rng_state()
    assert all(
        torch.equal(tensor, again)
        for tensor, again in zip(state.values(), measure.random_state(config).values(), strict=True)
    )
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "dtype"), HERE)
def test_every_backend_agrees_within_its_format(backend, dtype):
    case = Case("tiny", backend, "cpu", dtype, 3, 1)
    error = measure.logit_error(measure.random_state(preset("tiny")), preset("tiny"), case)
    assert error <= measure.TOLERANCES[dtype]


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 3])
def test_a_case_is_measured(batch):
    case = replace(NUMBA, batch=batch)
    result = measure.measure(case, seconds=0.2)
    assert (result.preset, result.backend, result.dtype, result.batch) == ("tiny", "numba", "float32", batch)
    assert result.parity < 1e-5
    assert result.samples_per_s > 1000 and result.median_s > 0 and result.spread >= 0 and result.first_sample_ms > 0
    assert result.realtime_factor == pytest.approx(result.samples_per_s / batch / 16_000)
    assert result.peak_memory_bytes > 5e7
    if result.roofline_samples_per_s is not None:
        assert result.roofline_fraction == pytest.approx(result.samples_per_s / result.roofline_samples_per_s)


def test_a_backend_that_differs_has_no_speed(monkeypatch):
    genuine = generate.open_generator

    def faulty(state, config, *, backend, **options):
        if backend == "numba":
            state = {name: tensor * 1.01 for name, tensor in state.items()}
        return genuine(state, config, backend=backend, **options)

    monkeypatch.setattr(generate, "open_generator", faulty)
    result = measure.measure(NUMBA, seconds=0.1)
    assert result.parity > 1e-3
    assert result.samples_per_s is None and result.roofline_fraction is None and result.first_sample_ms is None


@pytest.mark.slow
def test_cases_run_in_processes_of_their_own():
    (result,) = measure.measure_all([NUMBA], seconds=0.1)
    assert result.samples_per_s > 0


def test_the_plan_lists_what_exists():
    cases, skipped = measure.plan(["tiny", "small"], ["reference", "numba"], [1, 8], ["float32", "int8"], "cpu", 2)
    assert len(cases) == 2 * 2 * 2 and all(case.dtype == "float32" for case in cases)
    assert skipped == ["reference does not run in int8", "numba does not run in int8"]
    usual, _ = measure.plan(["tiny"], ["reference"], [1], None, "cpu", 1)
    assert usual == [Case("tiny", "reference", "cpu", "float32", 1, 1)]


def test_plans_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="no preset 'huge'.*tiny, small"):
        measure.plan(["huge"], ["reference"], [1], None, "cpu", 1)
    with pytest.raises(UsageError, match="no backend 'magic'"):
        measure.plan(["tiny"], ["magic"], [1], None, "cpu", 1)
    with pytest.raises(DeviceError):
        measure.plan(["tiny"], ["numba"], [1], None, "cuda:0", 1)
    with pytest.raises(UsageError, match="nothing to measure: numba does not run in int8"):
        measure.plan(["tiny"], ["numba"], [1], ["int8"], "cpu", 1)


@pytest.mark.slow
def test_the_machine_is_described():
    found = measure.machine("cpu")
    assert found["cores"] >= 1 and found["processor"] and found["torch"] == torch.__version__
    if found["native"] is not None:
        assert found["multiply_adds_per_s"] > 1e9
        assert [int(size) for size in found["read_bytes_per_s"]] == sorted(int(s) for s in found["read_bytes_per_s"])
