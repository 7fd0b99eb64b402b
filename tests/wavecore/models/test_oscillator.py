"""An oscillator's phase and partials."""

import math

import numpy as np
import pytest
import torch

from wavecore.models import oscillator

RATE, HOP = 16_000, 50


def test_pitches_are_frequencies():
    found = oscillator.midi_to_hz(torch.tensor([69.0, 57.0, 69.5]))
    torch.testing.assert_close(found, torch.tensor([440.0, 220.0, 440 * 2 ** (1 / 24)]))


def test_frames_are_joined_by_straight_lines_between_their_middles():
    frames = torch.tensor([[[0.0, 5.0], [1.0, 5.0], [3.0, 5.0]]])
    found = oscillator.upsample(frames, 4)[0]
    assert found.shape == (12, 2) and bool((found[:, 1] == 5).all())
    expected = np.interp(np.arange(12), [1.5, 5.5, 9.5], [0, 1, 3])
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-6)
    assert torch.equal(oscillator.upsample(frames, 1), frames)


def test_a_steady_pitch_turns_evenly_for_minutes():
    phase, f0_hz = oscillator.phase_of(torch.full((1, 40_000), 84.0), HOP, RATE)  # 125 s
    assert phase.shape == f0_hz.shape == (1, 40_000 * HOP) and phase.dtype == torch.float32
    assert float(phase.min()) >= 0 and float(phase.max()) <= 2 * math.pi + 1e-6
    hz = 440 * 2 ** (15 / 12)
    for at in (0, 1, 999, 1_999_999):
        wanted = 2 * math.pi * hz * at / RATE
        assert abs(np.angle(np.exp(1j * (float(phase[0, at]) - wanted)))) < 1e-3
    torch.testing.assert_close(f0_hz, torch.full_like(f0_hz, hz))


def test_rows_have_pitches_of_their_own_and_glides_are_steady():
    midi = torch.tensor([[60.0, 60.0, 60.0], [60.0, 66.0, 72.0]])
    phase, f0_hz = oscillator.phase_of(midi, HOP, RATE)
    alone, _ = oscillator.phase_of(midi[:1], HOP, RATE)
    assert torch.equal(phase[:1], alone)
    octaves = torch.log2(f0_hz[1, HOP // 2 : -HOP // 2])
    assert float(octaves.diff().max()) == pytest.approx(0.5 / HOP, rel=1e-2) and float(octaves.diff().min()) >= 0
    steps = np.unwrap(phase[1].numpy().astype(float))
    np.testing.assert_allclose(np.diff(steps) * RATE / (2 * np.pi), f0_hz[1, 1:], rtol=1e-3)


def test_partials_are_cosines_and_sines_of_multiples():
    phase = torch.linspace(0, 7, 30)[None]
    found = oscillator.partials(phase, torch.full((1, 30), 100.0), 3, RATE)
    assert found.shape == (1, 30, 6)
    for k in range(3):
        torch.testing.assert_close(found[0, :, 2 * k], torch.cos((k + 1) * phase[0]))
        torch.testing.assert_close(found[0, :, 2 * k + 1], torch.sin((k + 1) * phase[0]))


def test_partials_that_lie_too_high_are_silent():
    phase = torch.rand(2, 9, generator=torch.Generator().manual_seed(0))
    found = oscillator.partials(phase, torch.tensor([[2500.0], [2600.0]]), 4, RATE)  # 0.47 * 16 kHz is 7520 Hz
    sounding = found.abs().amax(dim=1) > 0
    assert sounding.tolist() == [[True] * 6 + [False] * 2, [True] * 4 + [False] * 4]
