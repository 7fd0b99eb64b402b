"""The oscillator's phase, amplitudes and bands."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from wavecore.nn import oscillator

RATE, HOP = 16_000, 50


def test_midi_to_hz_and_back():
    actual = oscillator.midi_to_hz(torch.tensor([69.0, 57.0, 69.5]))
    torch.testing.assert_close(actual, torch.tensor([440.0, 220.0, 440 * 2 ** (1 / 24)]))
    midi = torch.tensor([[12.0, 60.3], [69.0, 127.0]])
    torch.testing.assert_close(oscillator.hz_to_midi(oscillator.midi_to_hz(midi)), midi)


def test_upsample_interpolates_between_centres():
    frames = torch.tensor([[[0.0, 5.0], [1.0, 5.0], [3.0, 5.0]]])
    actual = oscillator.upsample(frames, 4)[0]
    assert actual.shape == (12, 2) and bool((actual[:, 1] == 5).all())
    expected = np.interp(np.arange(12), [1.5, 5.5, 9.5], [0, 1, 3])
    np.testing.assert_allclose(actual[:, 0], expected, atol=1e-6)
    assert torch.equal(oscillator.upsample(frames, 1), frames)


def test_phase_of_a_steady_pitch_is_exact_for_minutes():
    phase, f0_hz = oscillator.phase_of(torch.full((1, 40_000), 84.0), HOP, RATE)  # 125 s
    assert phase.shape == f0_hz.shape == (1, 40_000 * HOP) and phase.dtype == torch.float32
    assert float(phase.min()) >= 0 and float(phase.max()) <= 2 * math.pi + 1e-6
    hz = 440 * 2 ** (15 / 12)
    for at in (0, 1, 999, 1_999_999):
        expected = 2 * math.pi * hz * at / RATE
        assert abs(np.angle(np.exp(1j * (float(phase[0, at]) - expected)))) < 1e-3
    torch.testing.assert_close(f0_hz, torch.full_like(f0_hz, hz))


def test_phase_of_rows_and_glides():
    midi = torch.tensor([[60.0, 60.0, 60.0], [60.0, 66.0, 72.0]])
    phase, f0_hz = oscillator.phase_of(midi, HOP, RATE)
    alone, _ = oscillator.phase_of(midi[:1], HOP, RATE)
    assert torch.equal(phase[:1], alone)
    octaves = torch.log2(f0_hz[1, HOP // 2 : -HOP // 2])
    assert float(octaves.diff().max()) == pytest.approx(0.5 / HOP, rel=1e-2) and float(octaves.diff().min()) >= 0
    steps = np.unwrap(phase[1].numpy().astype(float))
    np.testing.assert_allclose(np.diff(steps) * RATE / (2 * np.pi), f0_hz[1, 1:], rtol=1e-3)


@pytest.mark.parametrize(
    ("n_bands", "firsts"),
    [
        (1, [1]), (2, [1, 2]), (8, [1, 2, 3, 4, 6, 9, 13, 19]), (12, [1, 2, 3, 4, 6, 9, 13, 19, 28, 42, 63, 64]),
        (13, [1, 2, 3, 4, 6, 9, 13, 19, 28, 42, 62, 63, 64]), (64, list(range(1, 65))),
    ],
)  # fmt: skip
def test_bands_hold_every_partial_once(n_bands, firsts):
    actual = oscillator.bands(n_bands)
    assert [first for first, _ in actual] == firsts and len(actual) == n_bands
    assert [number for first, end in actual for number in range(first, end)] == list(range(1, 65))


def test_bands_are_contiguous_and_not_empty():
    for n_bands in range(1, 65):
        bands = oscillator.bands(n_bands)
        assert len(bands) == n_bands and all(first < end for first, end in bands)
        assert bands[0][0] == 1 and bands[-1][1] == 65
        assert all(end == first for (_, end), (first, _) in pairwise(bands))


def test_amplitudes_of_knots_and_between_them():
    generator = torch.Generator().manual_seed(1)
    levels = torch.rand(2, 3, 16, generator=generator)
    actual = oscillator.amplitudes(levels)
    assert actual.shape == (2, 3, 64) and actual.dtype == levels.dtype
    for k, partial in enumerate(oscillator.KNOTS):
        amplitude = 10 ** ((levels[..., k] - 1) * 80 / 20)  # 0 is -80 dB
        torch.testing.assert_close(actual[..., partial - 1], (amplitude / 0.1).sqrt())
    # Partial 11 lies between the knots 10 and 12.
    share = math.log2(11 / 10) / math.log2(12 / 10)
    between = (1 - share) * actual[..., 9].log() + share * actual[..., 11].log()
    torch.testing.assert_close(actual[..., 10].log(), between)
    bounded, large = (oscillator.amplitudes(torch.full((1, 1, 16), level)) for level in (1.25, 9.0))
    assert torch.equal(bounded, large)


def test_bands_are_sums_of_partials():
    phase = torch.linspace(0, 7, 30)[None]
    sizes = torch.rand(1, 30, 64, generator=torch.Generator().manual_seed(0))
    ahead = torch.rand(1, 30, 64, generator=torch.Generator().manual_seed(1)) * 6
    actual = oscillator.excite(phase, torch.full((1, 30), 100.0), sizes, ahead, 3, RATE)
    assert actual.shape == (1, 30, 6)
    for k, (first, end) in enumerate([(1, 2), (2, 3), (3, 65)]):
        angles = [n * phase[0] + ahead[0, :, n - 1] for n in range(first, end)]
        cosines = sum(sizes[0, :, n - 1] * angle.cos() for n, angle in enumerate(angles, first))
        sines = sum(sizes[0, :, n - 1] * angle.sin() for n, angle in enumerate(angles, first))
        torch.testing.assert_close(actual[0, :, 2 * k], cosines, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(actual[0, :, 2 * k + 1], sines, rtol=1e-3, atol=1e-3)


def test_partials_above_the_limit_are_silent():
    phase = torch.rand(2, 9, generator=torch.Generator().manual_seed(0))
    actual = oscillator.excite(
        phase, torch.tensor([[2500.0], [2600.0]]), torch.ones(2, 9, 64), torch.zeros(64), 64, RATE
    )  # 0.47 * 16 kHz is 7520 Hz
    sounding = (actual.abs().amax(dim=1) > 0).tolist()
    assert sounding == [[True] * 6 + [False] * 122, [True] * 4 + [False] * 124]


def test_default_phases_give_no_pulse_train():
    ahead = oscillator.default_phases()
    assert ahead.shape == (64,) and ahead[0] == 0 and 0 <= float(ahead.min()) <= float(ahead.max()) < 2 * math.pi
    assert torch.equal(ahead, oscillator.default_phases())
    phase = torch.arange(4000.0)[None] * (2 * math.pi / 4000)
    crests = []
    for each in (ahead, torch.zeros(64)):
        x = oscillator.excite(phase, torch.full((1, 1), 100.0), torch.ones(1, 4000, 64), each, 1, RATE)[0, :, 0]
        crests.append(float(x.abs().max() / x.square().mean().sqrt()))
    assert crests[0] < 0.4 * crests[1] and crests[1] == pytest.approx(math.sqrt(2 * 64), rel=1e-3)


def test_gradients_after_inference_mode():
    oscillator._interpolation.cache_clear()
    with torch.inference_mode():
        oscillator.amplitudes(torch.ones(1, 2, len(oscillator.KNOTS)))
    levels = torch.ones(1, 2, len(oscillator.KNOTS), requires_grad=True)
    oscillator.amplitudes(levels).sum().backward()
    assert (levels.grad > 0).all()
