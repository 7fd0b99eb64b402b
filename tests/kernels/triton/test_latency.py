"""The latency backend against the specification: in Triton's interpreter everywhere, on hardware if there is some."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from kernel_interpreter import launch
from kernel_networks import (
    Config,
    assert_close,
    assert_same_trace,
    exact_trace,
    network,
    overflowing,
    random_codes,
    random_latent,
    reference_codes,
    started,
)

from wavecore.errors import DeviceError, ModelError, WavecoreError
from wavecore.kernels.interface import Trace
from wavecore.kernels.reference import ReferenceGenerator
from wavecore.kernels.triton import latency
from wavecore.kernels.triton.latency import FIELDS, KINDS, TritonLatencyGenerator, lay_out

# kernel, residual, gate, skip, head, latent, classes, hop, dilations
SIZES = {
    "kernel1": Config(1, 5, 3, 3, 6, 1, 11, 1, (1,)),
    "kernel2": Config(2, 12, 20, 17, 29, 3, 256, 5, (1, 2)),
    "kernel3": Config(3, 20, 12, 33, 9, 2, 64, 4, (1, 2)),
}


class InterpretedGenerator(TritonLatencyGenerator):
    """The generator in the interpreter, where the programs take turns."""

    def _open_device(self, device, n_programs):
        return torch.device("cpu")

    def _launch(self, arguments, *, trace):
        from wavecore.kernels.triton.latency_ops import advance

        constants = {**self._constants, "TRACE": trace, "SPIN": False, "EXCHANGE": self._exchange}
        launch(advance, self._n_programs, arguments, constants)


def force(name, n_samples):
    """Force two streams, then one of them alone and in two calls."""
    packed = network(SIZES[name])
    latent, codes = random_latent(packed, 2, n_samples), random_codes(packed, 2, n_samples)
    trace = started(InterpretedGenerator, packed, latent).force(codes, trace=True)
    alone = started(InterpretedGenerator, packed, latent[1:])
    parts = [alone.force(codes[1:, :3]), alone.force(codes[1:, 3:])]
    return {**vars(trace), "alone": np.concatenate(parts, axis=1)}


def generate(name, batch, n_samples, temperature):
    """Generate in one call."""
    packed = network(SIZES[name])
    generator = started(InterpretedGenerator, packed, random_latent(packed, batch, n_samples), temperature=temperature)
    codes, logits = generator.generate(n_samples, logits=True)
    return {"codes": codes, "logits": logits}


def generate_again(name, n_samples):
    """Generate the second of two streams alone, with other posts, in chunks, and after a state was restored."""
    packed = network(SIZES[name])
    latent = random_latent(packed, 2, n_samples)
    alone = started(InterpretedGenerator, packed, latent[1:], streams=[1], exchange=True)
    first = alone.generate(3)
    state = alone.state()
    alone.force(random_codes(packed, 1, 2))
    alone.restore(state)
    return {"codes": np.concatenate([first, alone.generate(1), alone.generate(n_samples - 4)], axis=1)}


def overflow():
    """Return the message of an overflow in frame 1, sample 2."""
    packed, latent = overflowing(Config(1, 5, 3, 3, 6, 1, 11, 2, (1,)), 2)
    try:
        started(InterpretedGenerator, packed, latent).generate(6)
    except ModelError as error:
        return {"message": np.array(str(error))}
    return {}


def lose_a_word():
    """Wait for a word of the past that never comes; then restore the generator and continue."""
    packed = network(SIZES["kernel2"])
    latency.LIMIT, limit = 30, latency.LIMIT
    generator = started(InterpretedGenerator, packed, random_latent(packed, 1, 5))
    state, results = generator.state(), {}
    generator._mail.zero_()
    try:
        generator.generate(2)
    except WavecoreError as error:
        results["error"] = np.array(type(error).__name__)
    latency.LIMIT = limit
    generator.restore(state)
    return {**results, "codes": generator.generate(1)}


# In the interpreter.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "batch", "n_samples", "temperature"),
    [("kernel2", 2, 7, 1.0), ("kernel3", 1, 7, 0.7), ("kernel1", 2, 7, 0.0), ("kernel1", 2, 3, 1e-40)],
)
def test_samples_equal_the_reference(name, batch, n_samples, temperature, interpreter):
    packed, got = network(SIZES[name]), interpreter.call(generate, name, batch, n_samples, temperature)
    want = reference_codes(SIZES[name], batch, n_samples, temperature if temperature > 1e-30 else 0)
    np.testing.assert_array_equal(got["codes"], want)
    logits = started(ReferenceGenerator, packed, random_latent(packed, batch, n_samples)).force(want)
    assert_close(got["logits"], logits)
    assert temperature < 0.1 or len(np.unique(want)) > 5


@pytest.mark.slow
def test_every_layer_agrees_with_float64(interpreter):
    got = interpreter.call(force, "kernel3", 7)
    np.testing.assert_array_equal(got.pop("alone"), got["logits"][1:])
    assert_same_trace(Trace(**got), exact_trace(SIZES["kernel3"], 2, 7))


@pytest.mark.slow
def test_batch_chunks_and_states_change_no_bit(interpreter):
    got = interpreter.call(generate_again, "kernel2", 7)
    np.testing.assert_array_equal(got["codes"], reference_codes(SIZES["kernel2"], 2, 7)[1:])


@pytest.mark.slow
def test_the_earliest_failure_is_reported(interpreter):
    assert "sample 2 " in str(interpreter.call(overflow)["message"])


@pytest.mark.slow
def test_programs_that_wait_for_ever_are_stopped(interpreter):
    got = interpreter.call(lose_a_word)
    assert got["error"] == "DeviceError" and got["codes"].shape == (1, 1)


# The layout, which needs no triton.


@pytest.mark.parametrize(
    ("config", "n_programs"),
    [
        (Config(2, 64, 64, 64, 256, 64, 256, 800, tuple(2**i for i in range(10)) * 3), 94),
        (Config(2, 128, 128, 128, 128, 64, 256, 800, tuple(2**i for i in range(10)) * 4), 123),
    ],
    ids=["small", "umt"],
)
def test_the_presets_fit_an_h200(config, n_programs):
    assert len(lay_out(network(config), 1).plan) == n_programs <= 132


def test_every_program_has_words_of_its_own():
    plan = lay_out(network(SIZES["kernel3"]), 3).plan
    kinds = [KINDS[kind] for kind in plan[:, FIELDS.index("kind")]]
    assert kinds == ["past", "past", "current", "skip"] * 2 + ["head", "output", "sampler"]
    targets = plan[:, [FIELDS.index("post"), FIELDS.index("extra")]]
    targets = targets[targets >= 0].tolist()
    # 4 pasts, 1 residual (the last layer has none), 2 gated, 2 skips, hidden, logits, and the sampler's two
    assert len(targets) == len(set(targets)) == 13
    weights = plan[:, FIELDS.index("weights")]
    assert (weights % 16 == 0).all() and (np.diff(weights) > 0).all()


def test_the_context_is_zero_and_no_word_of_the_future_is_there():
    packed = network(SIZES["kernel3"])
    layout, slots = lay_out(packed, 2), packed.ring_slots[1]
    stamps = layout.mail >> 32
    assert (layout.mail & 0xFFFFFFFF == 0).all() and stamps.max() == -1
    ring = stamps[layout.plan[6, FIELDS.index("source")] :][: slots * 2 * 32].reshape(slots, 2, 32)
    for t in range(-slots, 0):
        assert (ring[t % slots] == t).all()


def test_a_network_that_does_not_fit_is_refused():
    with pytest.raises(DeviceError, match="200 .* 100 "):
        lay_out(network(Config(residual_channels=200, gate_channels=100, dilations=(1,))), 1)
    latency._check_programs(108, 108)
    with pytest.raises(DeviceError, match="123 .* 108 "):
        latency._check_programs(123, 108)


def test_a_missing_triton_or_gpu_is_named(monkeypatch):
    pytest.importorskip("triton")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device in ("cpu", "cuda"):
        with pytest.raises(DeviceError, match=device):
            TritonLatencyGenerator(network("few"), batch=1, seed=0, device=device)
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(DeviceError, match="triton"):
        TritonLatencyGenerator(network("few"), batch=1, seed=0)
