"""The specification against the parallel WaveNet, and the laws that every backend keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kernel_networks import network, random_latent, reference_codes, started

from wavecore.errors import DeviceError, UsageError
from wavecore.kernels.packing import pack
from wavecore.kernels.reference import ReferenceGenerator
from wavecore.kernels.sampling import philox_uniform, sample
from wavecore.nn.config import WaveNetConfig
from wavecore.nn.wavenet import WaveNet

WAVENETS = {
    "kernel2": WaveNetConfig(2, 4, 2, 24, 40, 17, 29, latent_channels=3, hop_length=7),
    "kernel3": WaveNetConfig(2, 3, 3, 40, 24, 33, 29, latent_channels=3, hop_length=16),
    "kernel1": WaveNetConfig(1, 2, 1, 6, 5, 4, 3, latent_channels=2, n_classes=11, hop_length=5),
}


def wavenet(name: str) -> WaveNet:
    """A WaveNet of random weights, also where a new one has zeros."""
    torch.manual_seed(3)
    network = WaveNet(WAVENETS[name])
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1 or not parameter.any():
                parameter.normal_(0, 0.3)
    return network


@pytest.mark.parametrize("name", list(WAVENETS))
def test_step_by_step_equals_the_parallel_wavenet(name):
    network = wavenet(name).double()
    config = network.config
    rng = np.random.default_rng(1)
    n_samples = 2 * config.receptive_field + 3
    codes = rng.integers(0, config.n_classes, (2, n_samples)).astype(np.uint8)
    n_frames = n_samples // config.hop_length + 1
    latent = rng.standard_normal((2, n_frames, config.latent_channels)).astype(np.float32)
    with torch.no_grad():
        want = network(torch.from_numpy(codes), torch.from_numpy(latent).double()).numpy()
    generator = ReferenceGenerator(pack(network.state_dict(), config), batch=2, seed=0, dtype=torch.float64)
    generator.feed(latent)
    got = generator.force(codes)
    assert want.std() > 0.1
    # The first matrix is packed in float32, and so are the weights, which are float32 numbers here.
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-6 * np.abs(want).max())


@pytest.mark.slow
def test_generated_codes_are_draws_from_the_forced_logits():
    packed = network("odd")
    latent = random_latent(packed, 2, 60)
    generator, teacher = (ReferenceGenerator(packed, batch=2, seed=11, streams=[4, 2**40]) for _ in range(2))
    for one in (generator, teacher):
        one.feed(latent)
    codes = generator.generate(60)
    logits = teacher.force(codes)
    for b, stream in enumerate([4, 2**40]):
        uniforms = philox_uniform(11, stream, np.arange(60))
        np.testing.assert_array_equal(codes[b], sample(logits[b], uniforms, 1.0))
    assert len(np.unique(codes)) > 20


@pytest.mark.parametrize("name", ["odd", "kernel3", "few"])
def test_float32_is_close_to_float64(name):
    packed = network(name)
    n_samples = 40
    codes = np.random.default_rng(2).integers(0, packed.n_classes, (1, n_samples)).astype(np.uint8)
    traces = []
    for dtype in (torch.float32, torch.float64):
        generator = ReferenceGenerator(packed, batch=1, seed=0, dtype=dtype)
        generator.feed(random_latent(packed, 1, n_samples))
        traces.append(generator.force(codes, trace=True))
    for field in ("logits", "residual", "skip"):
        got, want = (getattr(trace, field) for trace in traces)
        assert np.abs(got - want).max() < 1e-5 * np.abs(want).max()


def test_trace_agrees_with_the_weights():
    packed = network("odd")
    generator = ReferenceGenerator(packed, batch=1, seed=0, dtype=torch.float64)
    generator.feed(random_latent(packed, 1, 3))
    trace = generator.force(np.array([[200, 3, 7]], np.uint8), trace=True)
    both = 24
    scalars = np.array([[0.0, 0.0], [0.0, 200 / 255 - 0.5], [200 / 255 - 0.5, 3 / 255 - 0.5]])
    start = scalars @ packed.first_weight + packed.first_bias
    np.testing.assert_allclose(trace.residual[0, :, 0], start[:, :both], atol=1e-6)
    np.testing.assert_allclose(trace.skip[0, :, 0], start[:, both:], atol=1e-6)
    frame = random_latent(packed, 1, 3)[0, 0].astype(np.float64)
    hidden = np.maximum(trace.skip[0, :, -1], 0) @ packed.head_weight
    hidden += frame @ packed.condition_weight[:, -29:] + packed.condition_bias[-29:]
    logits = np.maximum(hidden, 0) @ packed.output_weight + packed.output_bias
    np.testing.assert_allclose(trace.logits[0], logits, atol=1e-5)


def test_zero_temperature_is_the_most_likely_code():
    packed, codes = network("even"), reference_codes("even", 1, 20, 0)
    logits = started(ReferenceGenerator, packed, random_latent(packed, 1, 20)).force(codes)
    np.testing.assert_array_equal(logits.argmax(-1), codes)


def test_bad_dtype_and_device():
    with pytest.raises(UsageError, match="float16"):
        ReferenceGenerator(network("few"), batch=1, seed=0, dtype=torch.float16)
    with pytest.raises(DeviceError, match="no-such-device"):
        ReferenceGenerator(network("few"), batch=1, seed=0, device="no-such-device")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="cuda"):
            ReferenceGenerator(network("few"), batch=1, seed=0, device="cuda")
