"""NSynth's baseline: a convolutional autoencoder of spectrograms.

It has a latent vector for a whole note, no time in it, and needs Griffin-Lim, or a phase
that it predicts, to become sound.  What the WaveNet autoencoder is worth shows beside it.

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
        """Encode spectrograms.

        Parameters
        ----------
        images : Tensor, shape (B, image_channels, 512, 256), float32
            As ``to_images`` returned them.

        Returns
        -------
        Tensor, shape (B, latent_channels), float32
        """
        return self.encoder(images)[:, :, 0, 0]

    def decode(self, latent: Tensor, pitches: Tensor | None = None) -> Tensor:
        """Say spectrograms.

        Parameters
        ----------
        latent : Tensor, shape (B, latent_channels), float32
        pitches : Tensor, shape (B,), integer, optional
            MIDI note numbers, for a network that is told them.

        Returns
        -------
        Tensor, shape (B, image_channels, 512, 256), float32
            Magnitudes in [0, 1]; phases or frequencies in [-1, 1], parts of pi.

        Raises
        ------
        UsageError
            If pitches are missing, or of no use.
        """
        if bool(self.config.pitch_channels) != (pitches is not None):
            needed = (
                "is told the pitch; give one for each note" if self.config.pitch_channels else "has no use for pitches"
            )
            raise UsageError(f"this network {needed}")
        if pitches is not None:
            latent = torch.cat([latent, self.pitch_embedding(pitches)], dim=1)
        found = self.decoder(latent[:, :, None, None])
        return torch.cat([torch.sigmoid(found[:, :1]), torch.tanh(found[:, 1:])], dim=1)

    def card(self) -> dict:
        """Say what a model folder's card holds beside the sizes."""
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
    """Of a layer: halve both axes; the last one frequency alone, as there are twice as many bins as frames."""
    if index == N_LAYERS - 1:
        return {"kernel_size": (4, 3), "stride": (2, 1), "padding": (1, 1)}
    return {"kernel_size": 4, "stride": 2, "padding": 1}


def to_images(audio: Tensor, config: SpectralConfig) -> Tensor:
    """Turn notes into what the network learns.

    Parameters
    ----------
    audio : Tensor, shape (B, T), float32 in [-1, 1]
        T at most ``n_frames * hop_length``; shorter notes end in silence.

    Returns
    -------
    Tensor, shape (B, image_channels, 512, 256), float32
        Log magnitudes, 120 dB below the note's own largest to it as 0 to 1, without the bin at
        half the rate; then phases, or their differences in time, as parts of pi.

    Raises
    ------
    UsageError
        If a note is too long.
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
    """Turn what the network says into sound.

    Parameters
    ----------
    images : Tensor, shape (B, image_channels, 512, 256), float32
    n_samples : int
        To keep.
    iterations : int
        Of Griffin and Lim's algorithm, for magnitudes without a phase.
    seed : int
        Of the phases it starts from.

    Returns
    -------
    Tensor, shape (B, n_samples), float32
        Peak 1: the level is not part of the representation.

    Raises
    ------
    UsageError
        If more samples are wanted than there are.
    """
    if not 0 < n_samples <= config.n_frames * config.hop_length:
        raise UsageError(f"{n_samples} samples are wanted; 1 to {config.n_frames * config.hop_length} can be had")
    magnitude = nn.functional.pad(10 ** ((images[:, 0].clamp(0, 1) - 1) * RANGE_DB / 20), (0, 0, 0, 1))
    if config.variant == "magnitude":
        audio = _griffin_lim(magnitude, config, iterations, seed)
    else:
        angle = nn.functional.pad(images[:, 1] * math.pi, (0, 0, 0, 1))
        angle = angle if config.variant == "phase" else torch.cumsum(angle, dim=2)
        audio = _istft(torch.polar(magnitude, angle), config)
    audio = audio[:, :n_samples]
    return audio / audio.abs().amax(dim=1, keepdim=True).clamp(min=1e-8)


def loss(said: Tensor, wanted: Tensor, config: SpectralConfig) -> Tensor:
    """Compare spectrograms: squared errors of the levels, ten times heavier at 0 Hz than above 4 kHz.

    Parameters
    ----------
    said, wanted : Tensor, shape (B, image_channels, 512, 256), float32

    Returns
    -------
    Tensor, shape ()
        With a phase, 1 - cos of its error is added, weighted by the level: where there is
        nothing, a phase means nothing.
    """
    hz = torch.arange(said.shape[2], device=said.device) * config.sample_rate / config.n_fft
    weight = 1 + (_HEAVIEST - 1) * (1 - hz / _HEAVY_BELOW_HZ).clamp(min=0)
    found = (weight[:, None] * (said[:, 0] - wanted[:, 0]) ** 2).mean()
    if config.image_channels == 2:
        turned = 1 - torch.cos(math.pi * (said[:, 1] - wanted[:, 1]))
        found = found + 0.01 * (weight[:, None] * wanted[:, 0] ** 4 * turned).mean()
    return found


def _wrapped(angle: Tensor) -> Tensor:
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


def _stft(audio: Tensor, config: SpectralConfig) -> Tensor:
    """(B, 512, n_frames), complex, without the last bin; the frame at the very end is left out."""
    window = torch.hann_window(config.n_fft, device=audio.device)
    spectrum = torch.stft(audio, config.n_fft, config.hop_length, window=window, return_complex=True)
    return spectrum[:, :-1, : config.n_frames]


def _istft(spectrum: Tensor, config: SpectralConfig) -> Tensor:
    """The sound of (B, 513, n_frames)."""
    window = torch.hann_window(config.n_fft, device=spectrum.device)
    return torch.istft(spectrum, config.n_fft, config.hop_length, window=window)


def _griffin_lim(magnitude: Tensor, config: SpectralConfig, iterations: int, seed: int) -> Tensor:
    """Fast Griffin-Lim (Perraudin et al. 2013), from random phases."""
    from torchaudio.functional import griffinlim

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return griffinlim(
            magnitude, torch.hann_window(config.n_fft), config.n_fft, config.hop_length, config.n_fft,
            power=1.0, n_iter=iterations, momentum=0.99, length=None, rand_init=True,
        )  # fmt: skip
