"""The kernels of the layers backend, one by one in the interpreter, and compiled for GPUs that are not here."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from wavecore.kernels import sampling
from wavecore.kernels.triton.layers import ROWS, LayersWeights, allocate, choose_layers_tiling, list_launches

pytest.importorskip("triton")

# Of the model presets; kernel, residual, gate, skip, head, latent.  Layers are all alike, so few are enough.
SIZES = {"nsynth": (3, 512, 512, 256, 256, 16, 5), "small": (2, 64, 64, 64, 256, 64, 5)}
KERNELS = ["begin", "filter_gate", "residual_skip", "dense", "dense", "draw", "project"]
PRODUCTS = KERNELS[1:5]


def check_draws():
    """Two programs, the second with padded rows; the logits of the third sample of a run."""
    from wavecore.kernels.triton.layers_ops import draw

    n, a, batch, t, start = 32, 48, 27, 2**33 + 7, 2**33 + 5
    logits = (np.random.default_rng(0).standard_normal((3, n, a)) * 3).astype(np.float32)
    logits[2, 5, 7] = logits[2, 30, 0] = np.nan  # the second one is padding
    streams = np.random.default_rng(1).integers(0, 2**63, n)
    memory = {
        "codes": torch.full((3, n), 9, dtype=torch.uint8), "history": torch.zeros(3, n),
        "failed": torch.full((2,), 3, dtype=torch.int32), "clock": torch.full((2,), t),
        "logits": torch.from_numpy(logits), "streams": torch.from_numpy(streams),
        "scalars": torch.arange(a) / 8, "call": torch.tensor([11, start, 0]),
    }  # fmt: skip
    sizes = {"batch": batch, "logits_step": n, "n_rows": n, "TAPS": 3, "CLASSES": a, "GROUP": 16, "ROWS": ROWS}
    draw[(2,)](**memory, **sizes, inverse_temperature=1 / 0.7)
    fine = np.isfinite(logits[2]).all(-1)
    uniforms = sampling.philox_uniform(11, streams.astype(np.uint64), t)
    want = sampling.sample(logits[2][fine], uniforms[fine], 0.7)
    np.testing.assert_array_equal(memory["codes"][2][fine], want)
    np.testing.assert_array_equal(memory["history"][t % 3][fine], want / 8)
    assert (memory["codes"][:2] == 9).all() and np.count_nonzero(memory["history"].any(1)) == 1
    assert memory["failed"].tolist() == [2, 3] and memory["clock"].tolist() == [t + 1, t + 1]
    memory["call"][2], memory["codes"][2] = 1, torch.arange(n)  # forced; the third sample once more
    memory["clock"][:] = t
    draw[(2,)](**memory, **sizes, inverse_temperature=0.0)
    np.testing.assert_array_equal(memory["codes"][2], np.arange(n))
    np.testing.assert_array_equal(memory["history"][t % 3], np.arange(n) / 8)
    return {}


def check_filters():
    """Three taps of a ring that the last sample has come round, two frames into the run."""
    from wavecore.kernels.triton.layers_ops import filter_gate

    generator = np.random.default_rng(0)
    taps, r, g, n, dilation, hop, t, start, width = 3, 32, 16, 16, 2, 5, 12, 3, 80
    slots = (taps - 1) * dilation + 1
    ring, weight = generator.standard_normal((slots, n, r)), generator.standard_normal((taps, r, 2, g)) / 8
    condition = generator.standard_normal((3, n, width))
    inputs = [ring[(t - (taps - 1 - k) * dilation) % slots] for k in range(taps)]
    z = sum(np.einsum("nr,rhg->nhg", x, w) for x, w in zip(inputs, weight, strict=True))
    z += condition[t // hop - start // hop, :, 2 * g : 4 * g].reshape(n, g, 2).swapaxes(1, 2)
    gated = torch.full((n, g), torch.nan)
    arrays = {"ring": ring, "weight": weight.swapaxes(2, 3), "condition": condition}
    arrays = {name: torch.tensor(np.ascontiguousarray(array), dtype=torch.float32) for name, array in arrays.items()}
    filter_gate[(1, 1)](
        gated, **arrays, clock=torch.tensor([t]), call=torch.tensor([0, start, 0]), layer=1, slots=slots,
        dilation=dilation, hop=hop, n_rows=n, TAPS=taps, RESIDUAL=r, GATE=g, WIDTH=width, TILE=16, COLUMNS=16,
        DEPTH=16,
    )  # fmt: skip
    np.testing.assert_allclose(gated, np.tanh(z[:, 0]) / (1 + np.exp(-z[:, 1])), rtol=0, atol=2e-6)
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("check", [check_draws, check_filters])
def test_a_kernel_computes_in_the_interpreter_what_numpy_does(check, interpreter):
    interpreter.call(check)


def launches_for(compiler, name, precision, capability, *, trace):
    """List the launches of a sample, on tensors without memory; of the layers only the first one's."""
    from wavecore.kernels.triton.throughput_ops import project

    tiling = choose_layers_tiling(precision, capability)
    weights = LayersWeights(compiler.blank(*SIZES[name]), precision=precision, tiling=tiling, device="meta")
    rows, n = 2 * tiling.tile, 4
    outputs = {
        "logits": (n, rows, weights.classes),
        "residual_trace": (n, weights.n_layers, rows, weights.residual),
        "skip_trace": (n, weights.n_layers + 1, rows, weights.skip),
    }
    memory = allocate(weights, rows, n, "meta")
    memory |= {name: torch.empty(shape, device="meta") for name, shape in outputs.items()}
    launches = list_launches(weights, memory, batch=3, logits_step=rows, inverse_temperature=1.0, trace=trace)
    assert len(launches) == 2 * weights.n_layers + 4
    projection = {
        "latent": torch.empty((1, rows, weights.latent), device="meta"), "weight": weights.condition_weight,
        "bias": weights.condition_bias, "condition": memory["condition"], "TILE": ROWS, "LATENT": weights.latent,
        "WIDTH": weights.width, "COLUMNS": 64,
    }  # fmt: skip
    launches = [*launches[:3], *launches[-3:], (project, (1, 1, 1), projection)]
    assert [kernel.fn.__name__ for kernel, _, _ in launches] == KERNELS
    return launches


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "precision", "capability"),
    [("nsynth", "float16", 90), ("nsynth", "float16", 80), ("small", "float16", 90), ("nsynth", "float32", 90)],
)
def test_the_kernels_fit_gpus_without_spilling(name, precision, capability, compiler):
    for kernel, _, arguments in launches_for(compiler, name, precision, capability, trace=False):
        binary, part = compiler.compile_kernel(kernel, arguments, capability), kernel.fn.__name__
        compiler.assert_fits(binary, capability)
        if part in PRODUCTS and precision == "float16":
            assert re.search(r"wgmma\.mma_async|mma\.sync", binary.asm["ptx"]), f"{part} does not use the tensor cores"
        if part in PRODUCTS and name == "nsynth":
            assert "async_copy_g" in binary.asm["ttgir"], f"the loads of {part} are not pipelined"


@pytest.mark.slow
def test_the_kernels_fit_with_traces(compiler):
    launches = launches_for(compiler, "nsynth", "float16", 90, trace=True)
    traced = [launch for launch in launches if launch[0].fn.__name__ in ("begin", "residual_skip")]
    assert [arguments["TRACE"] for _, _, arguments in traced] == [True, True]
    for kernel, _, arguments in traced:
        compiler.assert_fits(compiler.compile_kernel(kernel, arguments, 90), 90)
