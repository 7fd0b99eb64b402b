"""NSynth's baseline: a convolutional autoencoder of spectrograms.

A whole note becomes one latent vector without a time axis; magnitudes become sound by Griffin and Lim's algorithm, or
with the phases that the network predicts.

References
----------
Engel et al., "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders",
arXiv:1704.01279, section 2.2 and its appendix.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wavecore.errors import UsageError
from wavecore.models.spectral.config import N_LAYERS, SpectralConfig

RANGE_DB = 120.0
N_PITCHES = 128
_HEAVIEST, _HEAVY_BELOW_HZ = 10.0, 4000.0


class SpectralNetwork(nn.Module):
    """Encoder and decoder of spectrograms."""

    kind = "spectral"

    def __init__(self, config: SpectralConfig):
        super().__init__()
        self.config = config
        widths = [config.base_channels * factor for factor in (1, 1, 1, 2, 2, 2, 4, 4, 4)]
        wide = 8 * config.base_channels
        down: list[nn.Module] = []
        before = config.image_channels
        for index, width in enumerate(widths):
            down += [nn.Conv2d(before, width, **_geometry(index)), nn.LeakyReLU(0.1), nn.BatchNorm2d(width)]
            before = width
        down += [nn.Conv2d(before, wide, 1), nn.LeakyReLU(0.1), nn.BatchNorm2d(wide)]
        self.encoder = nn.Sequential(*down, nn.Conv2d(wide, config.latent_channels, 1))
        if config.pitch_channels:
            self.pitch_embedding = nn.Embedding(N_PITCHES, config.pitch_channels)
        up: list[nn.Module] = [nn.Conv2d(config.latent_channels + config.pitch_channels, wide, 1), nn.LeakyReLU(0.1)]
        up += [nn.BatchNorm2d(wide), nn.Conv2d(wide, widths[-1], 1), nn.LeakyReLU(0.1), nn.BatchNorm2d(widths[-1])]
        before = widths[-1]
        for index in range(N_LAYERS - 1, 0, -1):
            width = widths[index - 1]
            up += [nn.ConvTranspose2d(before, width, **_geometry(index)), nn.LeakyReLU(0.1), nn.BatchNorm2d(width)]
            before = width
        self.decoder = nn.Sequential(*up, nn.ConvTranspose2d(before, config.image_channels, **_geometry(0)))

    def encode(self, images: Tensor) -> Tensor:
        """Encode spectrograms, (B, image_channels, 512, 256) as ``to_images`` returns them, to (B, latent_channels)."""
        return self.encoder(images)[:, :, 0, 0]

    def decode(self, latent: Tensor, pitches: Tensor | None = None) -> Tensor:
        """Decode spectrograms, (B, image_channels, 512, 256): magnitudes in [0, 1], phases in [-1, 1] as parts of pi.

        Raises UsageError if pitches, (B,) integer MIDI note numbers, are missing, or the network has no input for them.
        """
        if bool(self.config.pitch_channels) != (pitches is not None):
            needed = "needs the pitch of every note" if self.config.pitch_channels else "has no input for pitches"
            raise UsageError(f"this network {needed}")
        if pitches is not None:
            latent = torch.cat([latent, self.pitch_embedding(pitches)], dim=1)
        images = self.decoder(latent[:, :, None, None])
        return torch.cat([torch.sigmoid(images[:, :1]), torch.tanh(images[:, 1:])], dim=1)

    def card(self) -> dict:
        """Return what a model folder's card holds beside the sizes."""
        config = self.config
        return {
            "sample_rate": config.sample_rate,
            "codec": f"log magnitudes, {RANGE_DB:.0f} dB",
            "hop_length": config.hop_length,
            "receptive_field": config.n_frames * config.hop_length,
            "variant": config.variant,
            "pitch_conditioned": bool(config.pitch_channels),
        }


def _geometry(index: int) -> dict:
    """Return a layer's geometry, which halves both axes; the last layer's halves frequency alone."""
    if index == N_LAYERS - 1:
        return {"kernel_size": (4, 3), "stride": (2, 1), "padding": (1, 1)}
    return {"kernel_size": 4, "stride": 2, "padding": 1}


def to_images(audio: Tensor, config: SpectralConfig) -> Tensor:
    """Compute the spectrograms of notes, (B, T) float32, as (B, image_channels, 512, 256) float32.

    T is at most ``n_frames * hop_length``; shorter notes end in silence.  The first channel holds log magnitudes
    relative to the note's largest, -120 to 0 dB as 0 to 1, without the bin at half the rate; the second phases, or
    their differences in time, as parts of pi.  Raises UsageError for another shape.
    """
    longest = config.n_frames * config.hop_length
    if audio.ndim != 2 or audio.shape[1] > longest:
        raise UsageError(f"notes have shape {tuple(audio.shape)}; (B, T) with T at most {longest} is needed")
    spectrum = _stft(nn.functional.pad(audio, (0, longest - audio.shape[1])), config)
    magnitude = spectrum.abs()
    largest = magnitude.amax(dim=(1, 2), keepdim=True).clamp(min=1e-8)
    level = 20 * torch.log10((magnitude / largest).clamp(min=10 ** (-RANGE_DB / 20)))
    images = [1 + level / RANGE_DB]
    if config.variant == "phase":
        images.append(spectrum.angle() / math.pi)
    elif config.variant == "instantaneous":
        images.append(
            _wrapped(torch.diff(spectrum.angle(), dim=2, prepend=torch.zeros_like(magnitude[:, :, :1]))) / math.pi
        )
    return torch.stack(images, dim=1)


def to_audio(images: Tensor, config: SpectralConfig, n_samples: int, *, iterations: int = 200, seed: int = 0) -> Tensor:
    """Synthesize sounds, (B, n_samples) float32 with peak 1, from spectrograms, (B, image_channels, 512, 256).

    Without a phase, ``iterations`` of Griffin and Lim's algorithm run from random phases of ``seed``.  Raises
    UsageError if ``n_samples`` is out of range.
    """
    if not 0 < n_samples <= config.n_frames * config.hop_length:
        raise UsageError(f"n_samples must lie between 1 and {config.n_frames * config.hop_length}, not {n_samples}")
    magnitude = nn.functional.pad(10 ** ((images[:, 0].clamp(0, 1) - 1) * RANGE_DB / 20), (0, 0, 0, 1))
    if config.variant == "magnitude":
        audio = _griffin_lim(magnitude, config, iterations, seed)
    else:
        angle = nn.functional.pad(images[:, 1] * math.pi, (0, 0, 0, 1))
        angle = angle if config.variant == "phase" else torch.cumsum(angle, dim=2)
        audio = _istft(torch.polar(magnitude, angle), config)
    audio = audio[:, :n_samples]
    return audio / audio.abs().amax(dim=1, keepdim=True).clamp(min=1e-8)


@torch.inference_mode()
def reconstruct(network: SpectralNetwork, sounds: Tensor, pitches: Tensor | None, *, seed: int = 0) -> Tensor:
    """Encode and decode sounds, (B, T) to (B, T) with peak 1; pitches (B,) for a network with pitch channels."""
    images = network.decode(network.encode(to_images(sounds, network.config)), pitches)
    return to_audio(images, network.config, sounds.shape[1], seed=seed)


def loss(images: Tensor, target: Tensor, config: SpectralConfig) -> Tensor:
    """Return the squared error of the levels, weighted ten times at 0 Hz, falling to once at 4 kHz, shape ().

    With a phase, 1 - cos of its error is added, weighted by the target's level.
    """
    hz = torch.arange(images.shape[2], device=images.device) * config.sample_rate / config.n_fft
    weight = 1 + (_HEAVIEST - 1) * (1 - hz / _HEAVY_BELOW_HZ).clamp(min=0)
    error = (weight[:, None] * (images[:, 0] - target[:, 0]) ** 2).mean()
    if config.image_channels == 2:
        turned = 1 - torch.cos(math.pi * (images[:, 1] - target[:, 1]))
        error = error + 0.01 * (weight[:, None] * target[:, 0] ** 4 * turned).mean()
    return error


def _wrapped(angle: Tensor) -> Tensor:
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


def _stft(audio: Tensor, config: SpectralConfig) -> Tensor:
    """Return the STFT, (B, 512, n_frames) complex, without the last bin and the frame at the very end."""
    window = torch.hann_window(config.n_fft, device=audio.device)
    spectrum = torch.stft(audio, config.n_fft, config.hop_length, window=window, return_complex=True)
    return spectrum[:, :-1, : config.n_frames]


def _istft(spectrum: Tensor, config: SpectralConfig) -> Tensor:
    """Return the sounds of STFTs, (B, 513, n_frames)."""
    window = torch.hann_window(config.n_fft, device=spectrum.device)
    return torch.istft(spectrum, config.n_fft, config.hop_length, window=window)


def _griffin_lim(magnitude: Tensor, config: SpectralConfig, iterations: int, seed: int) -> Tensor:
    """Run the fast Griffin-Lim algorithm (Perraudin et al. 2013) from random phases."""
    from torchaudio.functional import griffinlim

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return griffinlim(
            magnitude,
            torch.hann_window(config.n_fft),
            config.n_fft,
            config.hop_length,
            config.n_fft,
            power=1.0,
            n_iter=iterations,
            momentum=0.99,
            length=None,
            rand_init=True,
        )
