"""Encoders: chunked equals whole, octave shifts, unit response, receptive field, rounding."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.errors import UsageError
from wavecore.nn.config import EncoderConfig
from wavecore.nn.encoders import build_encoder, round_latent, shift_bins, shift_octaves

CQT = EncoderConfig(latent_channels=5, hop_length=400, channels=8)
WAVEFORM = EncoderConfig(
    "waveform", latent_channels=5, hop_length=40, channels=4, dilation_cycles=2, layers_per_cycle=4
)


def _encoder(config):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_encoder(config).eval()


ENCODERS = {config.kind: _encoder(config) for config in (CQT, WAVEFORM)}


@pytest.fixture(scope="module")
def large():
    """A constant-Q encoder of the default sizes."""
    return _encoder(EncoderConfig())


def _noise(n_samples, batch=1, seed=0):
    return 0.1 * torch.randn(batch, n_samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("n_samples", [1, 399, 400, 401, 5003])
def test_number_of_frames(kind, n_samples):
    encoder = ENCODERS[kind]
    latent = encoder.encode(_noise(n_samples, batch=2))
    assert latent.shape == (2, math.ceil(n_samples / encoder.config.hop_length), 5)


@pytest.mark.parametrize("kind", ENCODERS)
@settings(deadline=None, max_examples=8)
@given(chunk_frames=st.integers(1, 9))
def test_chunks_equal_the_whole(kind, chunk_frames):
    encoder = ENCODERS[kind]
    hop, context = encoder.config.hop_length, encoder.context_frames
    audio = _noise(13 * hop)
    padded = torch.nn.functional.pad(audio, (context * hop, context * hop))
    with torch.no_grad():
        whole = encoder.encode(audio)
        chunks = [
            encoder(padded[:, start * hop : (min(start + chunk_frames, 13) + 2 * context) * hop])
            for start in range(0, 13, chunk_frames)
        ]
    torch.testing.assert_close(torch.cat(chunks, dim=1), whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ENCODERS)
def test_receptive_field_is_the_context(kind):
    encoder = ENCODERS[kind]
    hop, context = encoder.config.hop_length, encoder.context_frames
    audio = _noise((2 * context + 3) * hop).requires_grad_()
    encoder(audio)[0, 1].sum().backward()
    touched = audio.grad[0].nonzero().squeeze(1)
    assert touched.min() >= hop and touched.max() < (2 * context + 2) * hop
    assert audio.grad[0, (context + 1) * hop : (context + 2) * hop].abs().max() > 0


@pytest.mark.parametrize("frequency_hz", [100.0, 261.63, 1000.0, 4000.0])
def test_response_to_a_sinusoid_is_alike_in_every_octave(large, frequency_hz):
    t = torch.arange(16_000) / 16_000
    audio = (0.5 * torch.sin(2 * math.pi * frequency_hz * t))[None]
    margin = large.context_frames * 800
    spectrum = large.spectrum(torch.nn.functional.pad(audio, (margin, margin)))[0, :, 12]
    peak = int(spectrum.argmax())
    assert peak == round(24 * math.log2(frequency_hz / large.config.fmin_hz))
    assert spectrum[peak] == pytest.approx(1 + 20 * math.log10(0.5) / 80, abs=0.01)


def test_octave_shift_of_a_sinusoid(large):
    t = torch.arange(16_000) / 16_000
    low, high = (0.3 * torch.sin(2 * math.pi * f * t)[None] for f in (440.0, 880.0))
    moved, encoded = large.encode(high, octave_shift=-1), large.encode(low)
    # Windows are longer in a lower octave, so only the steady middle is alike.
    middle = slice(8, 12)
    torch.testing.assert_close(moved[:, middle], encoded[:, middle], rtol=0, atol=0.1)
    assert (large.encode(high)[:, middle] - encoded[:, middle]).abs().max() > 1.0


def test_shift_octaves_of_spectra_and_of_frames():
    spectrum = torch.rand(3, 10, 4, generator=torch.Generator().manual_seed(0))
    octaves = torch.tensor([0, 1, -1])
    assert torch.equal(shift_octaves(spectrum, octaves, 3), shift_bins(spectrum, 3 * octaves))
    octaves = torch.tensor([[0.0, 1 / 3, -1 / 3, 1.0], [-9.0, 0.35, 0.3, 0.5], [0.0, 0.0, 0.0, 0.0]])  # rounded to bins
    moved = shift_octaves(spectrum, octaves, 3)
    for row, bins in enumerate([[0, 1, -1, 3], [-27, 1, 1, 2], [0, 0, 0, 0]]):
        for frame, n in enumerate(bins):
            alone = shift_bins(spectrum[row : row + 1, :, frame : frame + 1], torch.tensor([n]))
            assert torch.equal(moved[row, :, frame], alone[0, :, 0])


def test_shift_bins_of_spectra():
    spectrum = torch.arange(1.0, 6).reshape(1, 5, 1).expand(4, 5, 2)
    moved = shift_bins(spectrum, torch.tensor([0, 2, -1, 7]))
    assert moved[..., 0].tolist() == [[1, 2, 3, 4, 5], [0, 0, 1, 2, 3], [2, 3, 4, 5, 0], [0, 0, 0, 0, 0]]
    assert torch.equal(moved[..., 0], moved[..., 1])


def test_frames_of_context_move_with_their_neighbours():
    encoder = ENCODERS["cqt"]
    audio = _noise(7 * encoder.config.hop_length, batch=2)
    shifts = torch.tensor([0.5, -1.0])
    whole = encoder.encode(audio, octave_shift=shifts)
    assert torch.equal(encoder.encode(audio, octave_shift=shifts[:, None]), whole)
    assert torch.equal(encoder.encode(audio, octave_shift=shifts[:, None].expand(-1, 7)), whole)
    other = shifts[:, None].repeat(1, 7)
    other[:, -1] = 2.0
    assert not torch.equal(encoder.encode(audio, octave_shift=other)[:, -1], whole[:, -1])
    with pytest.raises(UsageError, match=r"octave_shift.*\(2, 7\), not \(2, 6\)"):
        encoder.encode(audio, octave_shift=torch.zeros(2, 6))


def test_range_of_the_spectrum():
    encoder = ENCODERS["cqt"]
    length = (2 * encoder.context_frames + 2) * 400
    assert not encoder.spectrum(torch.zeros(1, length)).any()
    assert 0 < encoder.spectrum(torch.sign(_noise(length))).max() <= 1


def test_published_size_of_the_waveform_encoder():
    encoder = build_encoder(EncoderConfig("waveform"))
    assert sum(p.numel() for p in encoder.parameters()) == pytest.approx(1.98e6, rel=0.005)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"kind": "mfcc"}, "'mfcc'.*cqt, waveform"),
        ({"sample_rate": 8000}, "8000 Hz"),
        ({"latent_levels": -1}, "latent_levels is -1"),
        ({"latent_levels": 1}, "latent_levels is 1"),
    ],
)
def test_invalid_configurations(changes, match):
    with pytest.raises(UsageError, match=match):
        EncoderConfig(**changes)


def test_inputs_that_do_not_fit():
    with pytest.raises(UsageError, match="octave"):
        ENCODERS["waveform"].encode(_noise(200), octave_shift=1)
    for encoder in ENCODERS.values():
        hop = encoder.config.hop_length
        with pytest.raises(UsageError, match=f"multiple of {hop}"):
            encoder(_noise(hop * 30 + 1))
        with pytest.raises(UsageError, match=f"{2 * hop} samples"):
            encoder(_noise(2 * hop))


@given(st.integers(2, 9), st.integers(0, 100))
def test_rounded_values_are_even_and_monotonic(levels, seed):
    latent = 4 * torch.randn(500, generator=torch.Generator().manual_seed(seed))
    rounded = round_latent(latent, levels)
    steps = (rounded + 1) * (levels - 1) / 2
    assert torch.allclose(steps, steps.round(), atol=1e-5)
    assert rounded.min() >= -1 - 1e-6 and rounded.max() <= 1 + 1e-6
    assert (rounded[torch.argsort(latent)].diff() >= -1e-6).all()


def test_rounding_has_straight_through_gradients():
    latent = torch.linspace(-2, 2, 9, requires_grad=True)
    assert round_latent(latent, 0) is latent
    round_latent(latent, 3).sum().backward()
    assert torch.allclose(latent.grad, 1 - torch.tanh(latent.detach()) ** 2)


@pytest.mark.parametrize("kind", ["cqt", "waveform"])
def test_encoders_with_rounding(kind):
    config = EncoderConfig(
        kind, 4, 160, channels=4, n_bins=96, fmin_hz=130.8, dilation_cycles=1, layers_per_cycle=3, latent_levels=5
    )
    with torch.no_grad():
        latent = _encoder(config).encode(3 * _noise(8_000, seed=1))
    assert set((2 * latent).unique().tolist()) <= {-2.0, -1.0, 0.0, 1.0, 2.0}
