"""Spectra: known tones, both libraries, both kinds of array, gradients, bad parameters."""

import warnings

import librosa
import numpy as np
import pytest
import torch

from wavecore.audio import spectra
from wavecore.errors import InputError, UsageError

KINDS = pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
ALL = {
    "stft": lambda x: spectra.stft_magnitude(x),
    "mel": lambda x: spectra.mel_spectrogram(x, sample_rate=16000),
    "cqt": lambda x: spectra.constant_q(x, sample_rate=16000),
}
EVERY = pytest.mark.parametrize("transform", ALL.values(), ids=ALL)


def noise(*shape, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def tone(frequency_hz, n_samples=16000, rate=16000):
    return np.sin(2 * np.pi * frequency_hz * np.arange(n_samples) / rate).astype(np.float32)


@KINDS
@EVERY
@pytest.mark.parametrize("n_samples", [1, 100, 255, 256, 257, 5003])
def test_shapes(kind, transform, n_samples):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = transform(kind(noise(2, 3, n_samples)))
    assert y.shape[:2] == (2, 3) and y.shape[-1] == 1 + n_samples // 256
    assert isinstance(y, np.ndarray if kind is np.asarray else torch.Tensor)
    assert str(y.dtype).endswith("float32") and bool((y >= 0).all())


@EVERY
def test_leading_axes_are_independent(transform):
    x = noise(2, 3, 4001)
    assert np.allclose(transform(x)[1, 2], transform(x[1, 2]), atol=1e-5)
    assert np.allclose(transform(torch.from_numpy(x))[1, 2], transform(torch.from_numpy(x[1, 2])), atol=1e-5)


@EVERY
def test_float64_is_taken_and_float32_given(transform):
    x = noise(3001)
    assert np.allclose(transform(x.astype(np.float64)), transform(x), atol=1e-6)


@KINDS
@pytest.mark.parametrize(("n_fft", "hop_length"), [(1024, 256), (512, 100), (333, 77), (2, 1)])
def test_stft_is_librosas(kind, n_fft, hop_length):
    x = noise(3001)
    expected = np.abs(librosa.stft(x, n_fft=n_fft, hop_length=hop_length))
    y = np.asarray(spectra.stft_magnitude(kind(x), n_fft=n_fft, hop_length=hop_length))
    assert y.shape == expected.shape and np.allclose(y, expected, atol=1e-5)


def test_a_tone_on_a_bin_has_the_documented_magnitude():
    y = spectra.stft_magnitude(0.5 * tone(64 * 16000 / 1024))
    assert y[64, 30] == pytest.approx(0.5 * 1024 / 4, rel=1e-4)
    assert y[:, 30].argmax() == 64


@KINDS
def test_mel_is_librosas(kind):
    x = noise(5003)
    expected = librosa.feature.melspectrogram(
        y=x, sr=22050, n_fft=2048, hop_length=300, n_mels=64, fmin=50, fmax=9000, power=1
    )
    y = spectra.mel_spectrogram(
        kind(x), sample_rate=22050, n_fft=2048, hop_length=300, n_mels=64, fmin_hz=50, fmax_hz=9000
    )
    assert np.allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize("sample_rate", [8000, 9999, 16000, 44100])
@pytest.mark.parametrize(("bins_per_octave", "filter_scale"), [(1, 1.0), (12, 1.0), (24, 0.5), (40, 0.8)])
def test_what_is_let_through_librosa_takes(sample_rate, bins_per_octave, filter_scale):
    options = {"sample_rate": sample_rate, "bins_per_octave": bins_per_octave, "filter_scale": filter_scale}
    n_taken = 0
    for n_bins in range(6 * bins_per_octave, 10 * bins_per_octave):
        try:
            spectra._require_bins(sample_rate, 256, spectra.C2_HZ, n_bins, bins_per_octave, filter_scale)
        except UsageError:
            break
        n_taken = n_bins
    if n_taken:
        assert spectra.constant_q(noise(500), n_bins=n_taken, **options).shape == (n_taken, 2)
    with pytest.raises(UsageError, match="take fewer bins"):
        spectra.constant_q(noise(500), n_bins=max(n_taken + 1, 6 * bins_per_octave), **options)


@KINDS
@pytest.mark.parametrize("midi", [36, 57, 69, 100])
def test_constant_q_finds_the_note(kind, midi):
    frequency_hz = 440.0 * 2 ** ((midi - 69) / 12)
    y = spectra.constant_q(kind(tone(frequency_hz, 32000)), sample_rate=16000)
    assert (np.asarray(y)[:, 20:-20].argmax(axis=0) == midi - 36).all()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_bins": 144, "bins_per_octave": 24, "hop_length": 512},
        {"n_bins": 230, "bins_per_octave": 40, "filter_scale": 0.8},
    ],
)
def test_both_constant_q_agree(options):
    x = noise(20011) + 0.2 * tone(440, 20011)
    ours = spectra.constant_q(x, sample_rate=16000, **options)
    theirs = spectra.constant_q(torch.from_numpy(x), sample_rate=16000, **options).numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 0.06 * ours.max()
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.998


def test_complex_constant_q_has_the_magnitudes_and_turns_with_the_tone():
    x = tone(440.0, 16000)
    transform = spectra.complex_constant_q(x, sample_rate=16000, hop_length=64)
    assert np.allclose(np.abs(transform), spectra.constant_q(x, sample_rate=16000, hop_length=64))
    turn = np.angle(transform[33, 100:150] / transform[33, 99:149])
    assert np.allclose(np.mod(turn, 2 * np.pi), np.mod(2 * np.pi * 440 * 64 / 16000, 2 * np.pi), atol=0.02)


@EVERY
@pytest.mark.parametrize("silent", [True, False])
def test_gradients_are_finite_even_in_silence(transform, silent):
    x = torch.zeros(4000) if silent else torch.from_numpy(noise(4000))
    x.requires_grad_()
    transform(x).sum().backward()
    assert torch.isfinite(x.grad).all() and bool(x.grad.abs().sum() > 0) != silent


@EVERY
def test_filters_made_under_inference_serve_training(transform):
    spectra._mel_bands.cache_clear()
    spectra._constant_q_filters.cache_clear()
    with torch.inference_mode():
        transform(torch.zeros(4000))
    x = torch.from_numpy(noise(4000)).requires_grad_()
    transform(x).sum().backward()
    assert x.grad is not None


def test_constructing_filters_prints_nothing(capsys):
    spectra._constant_q_filters.cache_clear()
    spectra.constant_q(torch.zeros(4000), sample_rate=16000)
    assert capsys.readouterr() == ("", "")


@KINDS
def test_log_magnitude_values(kind):
    magnitude = np.array([[1.0, 0.1, 0.0], [1e-3, 1e-7, 10.0]], np.float32)
    own = np.asarray(spectra.log_magnitude(kind(magnitude)))
    assert np.allclose(own, [[-20, -40, -120], [-80, -120, 0]], atol=1e-4)
    fixed = np.asarray(spectra.log_magnitude(kind(magnitude), reference=1.0, range_db=60))
    assert np.allclose(fixed, [[0, -20, -60], [-60, -60, 20]], atol=1e-4)


@KINDS
@pytest.mark.parametrize("range_db", [20.0, 70.0, 200.0])
def test_log_magnitude_of_silence(kind, range_db):
    for reference in (None, 1.0):
        y = spectra.log_magnitude(kind(np.zeros((3, 4), np.float32)), reference=reference, range_db=range_db)
        assert np.allclose(y, -range_db, atol=1e-3)


def test_log_magnitude_takes_each_maximum_apart():
    magnitude = np.stack([np.eye(3), 100 * np.eye(3)]).astype(np.float32)
    assert spectra.log_magnitude(magnitude).max(axis=(1, 2)).tolist() == [0.0, 0.0]


def test_log_magnitude_has_a_finite_gradient_at_zero():
    x = torch.tensor([[0.0, 1.0]], requires_grad=True)
    spectra.log_magnitude(x).sum().backward()
    assert torch.isfinite(x.grad).all()


@KINDS
@EVERY
def test_bad_arrays(kind, transform):
    with pytest.raises(InputError, match="no samples"):
        transform(kind(np.zeros((2, 0), np.float32)))
    with pytest.raises(InputError, match="int16"):
        transform(kind(np.zeros(2000, np.int16)))
    with pytest.raises(InputError, match="index 7"):
        x = noise(2000)
        x[7] = np.nan
        transform(kind(x))


@KINDS
@pytest.mark.parametrize(
    ("magnitude", "error", "message"),
    [
        (np.zeros(3, np.float32), InputError, r"wanted \(\.\.\., bins, frames\)"),
        (np.zeros((0, 3), np.float32), InputError, "no magnitudes"),
        (np.full((2, 2), -1, np.float32), InputError, "smallest of these is -1"),
        (np.full((2, 2), np.nan, np.float32), InputError, "not finite"),
        (np.zeros((2, 2), np.int32), InputError, "int32"),
    ],
)
def test_bad_magnitudes(kind, magnitude, error, message):
    with pytest.raises(error, match=message):
        spectra.log_magnitude(kind(magnitude))


@pytest.mark.parametrize("options", [{"reference": 0.0}, {"reference": -1.0}, {"range_db": 0.0}])
def test_bad_levels(options):
    with pytest.raises(UsageError, match="wanted values above 0"):
        spectra.log_magnitude(np.ones((2, 2), np.float32), **options)


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (spectra.stft_magnitude, {"n_fft": 1}),
        (spectra.stft_magnitude, {"hop_length": 0}),
        (spectra.mel_spectrogram, {"sample_rate": 0}),
        (spectra.mel_spectrogram, {"sample_rate": 16000, "n_mels": 0}),
        (spectra.mel_spectrogram, {"sample_rate": 16000, "fmin_hz": -1.0}),
        (spectra.mel_spectrogram, {"sample_rate": 16000, "fmin_hz": 900.0, "fmax_hz": 800.0}),
        (spectra.mel_spectrogram, {"sample_rate": 16000, "fmax_hz": 8001.0}),
        (spectra.constant_q, {"sample_rate": 16000.0}),
        (spectra.constant_q, {"sample_rate": 16000, "hop_length": 0}),
        (spectra.constant_q, {"sample_rate": 16000, "n_bins": 0}),
        (spectra.constant_q, {"sample_rate": 16000, "bins_per_octave": 0}),
        (spectra.constant_q, {"sample_rate": 16000, "fmin_hz": 0.0}),
        (spectra.constant_q, {"sample_rate": 16000, "filter_scale": 0.0}),
        (spectra.constant_q, {"sample_rate": 16000, "n_bins": 96}),
        (spectra.constant_q, {"sample_rate": 8000}),
        (spectra.complex_constant_q, {"sample_rate": 8000}),
    ],
)
def test_bad_parameters(function, options):
    with pytest.raises(UsageError):
        function(noise(2000), **options)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@EVERY
def test_gpu_equals_cpu(transform):
    x = torch.from_numpy(noise(2, 8001))
    y = transform(x.cuda())
    assert y.is_cuda and torch.allclose(y.cpu(), transform(x), atol=1e-3 * float(y.max()))
