"""Spectra: known tones, librosa's values, arrays and tensors, gradients, bad parameters."""

import warnings

import librosa
import numpy as np
import pytest
import torch

from wavecore.audio import spectra
from wavecore.errors import InputError, UsageError

KINDS = pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
BOTH = {"stft": spectra.stft_magnitude, "mel": lambda x: spectra.mel_spectrogram(x, sample_rate=16000)}
EACH = pytest.mark.parametrize("transform", BOTH.values(), ids=BOTH)
ALL = BOTH | {"cqt": lambda x: spectra.constant_q(x, sample_rate=16000)}
EVERY = pytest.mark.parametrize("transform", ALL.values(), ids=ALL)


def noise(*shape, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def tone(frequency_hz, n_samples=16000, rate=16000):
    return np.sin(2 * np.pi * frequency_hz * np.arange(n_samples) / rate).astype(np.float32)


@EVERY
@pytest.mark.parametrize("n_samples", [1, 100, 255, 256, 257, 5003])
def test_shapes(transform, n_samples):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = transform(noise(2, 3, n_samples))
    assert y.shape[:2] == (2, 3) and y.shape[-1] == 1 + n_samples // 256
    assert y.dtype == (np.complex64 if np.iscomplexobj(y) else np.float32)


@EACH
@pytest.mark.parametrize("n_samples", [1, 257, 5003])
def test_tensors_and_arrays_agree(transform, n_samples):
    x = noise(2, 3, n_samples)
    y = transform(torch.from_numpy(x))
    assert isinstance(y, torch.Tensor) and y.dtype == torch.float32 and bool((y >= 0).all())
    assert np.allclose(y, transform(x), atol=1e-6)


@EVERY
def test_leading_axes_are_independent_and_float64_becomes_float32(transform):
    x = noise(2, 3, 4001)
    assert np.allclose(transform(x)[1, 2], transform(x[1, 2].astype(np.float64)), atol=1e-5)


@pytest.mark.parametrize(("n_fft", "hop_length"), [(1024, 256), (512, 100), (333, 77), (2, 1)])
def test_stft_is_librosas(n_fft, hop_length):
    x = noise(3001)
    expected = np.abs(librosa.stft(x, n_fft=n_fft, hop_length=hop_length))
    y = spectra.stft_magnitude(x, n_fft=n_fft, hop_length=hop_length)
    assert y.shape == expected.shape and np.allclose(y, expected, atol=1e-5)


def test_a_tone_on_a_bin_has_the_documented_magnitude():
    y = spectra.stft_magnitude(0.5 * tone(64 * 16000 / 1024))
    assert y[64, 30] == pytest.approx(0.5 * 1024 / 4, rel=1e-4)
    assert y[:, 30].argmax() == 64


def test_mel_is_librosas():
    x = noise(5003)
    expected = librosa.feature.melspectrogram(
        y=x, sr=22050, n_fft=2048, hop_length=300, n_mels=64, fmin=50, fmax=9000, power=1
    )
    options = {"n_fft": 2048, "hop_length": 300, "n_mels": 64, "fmin_hz": 50, "fmax_hz": 9000}
    assert np.allclose(spectra.mel_spectrogram(x, sample_rate=22050, **options), expected, atol=1e-5)


@pytest.mark.parametrize("sample_rate", [8000, 9999, 44100])
@pytest.mark.parametrize(("bins_per_octave", "filter_scale"), [(1, 1.0), (12, 1.0), (24, 0.5), (40, 0.8)])
def test_librosa_accepts_what_is_accepted_here(sample_rate, bins_per_octave, filter_scale):
    options = {"sample_rate": sample_rate, "bins_per_octave": bins_per_octave, "filter_scale": filter_scale}
    for n_bins in range(5 * bins_per_octave, 10 * bins_per_octave):
        try:
            spectra._require_bins(sample_rate, 256, spectra.C2_HZ, n_bins, bins_per_octave, filter_scale)
        except UsageError:
            break
    assert spectra.constant_q(noise(500), n_bins=n_bins - 1, **options).shape == (n_bins - 1, 2)
    with pytest.raises(UsageError, match=f"{sample_rate} Hz"):
        spectra.constant_q(noise(500), n_bins=n_bins, **options)


@pytest.mark.parametrize("midi", [36, 57, 69, 100])
def test_constant_q_peaks_at_the_note(midi):
    y = np.abs(spectra.constant_q(tone(440.0 * 2 ** ((midi - 69) / 12), 32000), sample_rate=16000))
    assert (y[:, 20:-20].argmax(axis=0) == midi - 36).all()


def test_the_phase_of_constant_q_advances_with_the_tone():
    transform = spectra.constant_q(tone(440.0), sample_rate=16000, hop_length=64)
    advance = np.angle(transform[33, 100:150] / transform[33, 99:149])
    assert np.allclose(np.mod(advance, 2 * np.pi), np.mod(2 * np.pi * 440 * 64 / 16000, 2 * np.pi), atol=0.02)


@EACH
@pytest.mark.parametrize("silent", [True, False])
def test_gradients_are_finite_even_in_silence_and_after_inference(transform, silent):
    spectra._mel_bands.cache_clear()
    with torch.inference_mode():
        transform(torch.zeros(4000))
    x = torch.zeros(4000) if silent else torch.from_numpy(noise(4000))
    transform(x.requires_grad_()).sum().backward()
    assert torch.isfinite(x.grad).all() and bool(x.grad.abs().sum() > 0) != silent
    magnitude = torch.tensor([[0.0, 1.0]], requires_grad=True)
    spectra.log_magnitude(magnitude).sum().backward()
    assert torch.isfinite(magnitude.grad).all()


@KINDS
def test_log_magnitude_values(kind):
    magnitude = np.array([[1.0, 0.1, 0.0], [1e-3, 1e-7, 10.0]], np.float32)
    relative = np.asarray(spectra.log_magnitude(kind(magnitude)))
    assert np.allclose(relative, [[-20, -40, -120], [-80, -120, 0]], atol=1e-4)
    fixed = np.asarray(spectra.log_magnitude(kind(magnitude), reference=1.0, range_db=60))
    assert np.allclose(fixed, [[0, -20, -60], [-60, -60, 20]], atol=1e-4)
    two = spectra.log_magnitude(kind(np.stack([magnitude, 100 * magnitude])))
    assert np.allclose(two, relative, atol=1e-4)  # each has its own maximum


@pytest.mark.parametrize("range_db", [20.0, 70.0, 200.0])
def test_log_magnitude_of_silence(range_db):
    for reference in (None, 1.0):
        y = spectra.log_magnitude(np.zeros((3, 4), np.float32), reference=reference, range_db=range_db)
        assert np.allclose(y, -range_db, atol=1e-3)


@pytest.mark.parametrize("transform", [*ALL.values(), spectra.log_magnitude])
@pytest.mark.parametrize(
    ("x", "value"),
    [
        (np.zeros((2, 0), np.float32), r"\(2, 0\)"),
        (np.zeros((1, 2000), np.int16), "int16"),
        (np.where(np.arange(2000) == 7, np.nan, 0)[None], r"index \(0, 7\)"),
    ],
)
def test_bad_arrays(transform, x, value):
    with pytest.raises(InputError, match=value):
        transform(x)


@KINDS
@pytest.mark.parametrize(("magnitude", "value"), [(np.zeros(3), r"\(3,\)"), (np.full((2, 2), -1.0), "-1")])
def test_bad_magnitudes(kind, magnitude, value):
    with pytest.raises(InputError, match=value):
        spectra.log_magnitude(kind(magnitude))


BAD_OPTIONS = {
    spectra.log_magnitude: [{"reference": 0.0}, {"reference": -1.0}, {"range_db": 0.0}],
    spectra.stft_magnitude: [{"n_fft": 1}, {"hop_length": 0}],
    spectra.mel_spectrogram: [{"sample_rate": 0}, {"n_mels": 0}, {"fmin_hz": -1.0}, {"fmax_hz": 8001.0}]
    + [{"fmin_hz": 900.0, "fmax_hz": 800.0}],
    spectra.constant_q: [{"sample_rate": 16000.0}, {"hop_length": 0}, {"n_bins": 0}, {"bins_per_octave": 0}]
    + [{"fmin_hz": 0.0}, {"filter_scale": 0.0}, {"n_bins": 96}, {"sample_rate": 8000}],
}


@pytest.mark.parametrize("function", BAD_OPTIONS)
def test_bad_parameters(function):
    rate = {"sample_rate": 16000} if function in (spectra.mel_spectrogram, spectra.constant_q) else {}
    for options in BAD_OPTIONS[function]:
        with pytest.raises(UsageError):
            function(np.ones((2, 2000), np.float32), **rate | options)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@EACH
def test_gpu_equals_cpu(transform):
    x = torch.from_numpy(noise(2, 8001))
    y = transform(x.cuda())
    assert y.is_cuda and torch.allclose(y.cpu(), transform(x), atol=1e-3 * float(y.max()))
