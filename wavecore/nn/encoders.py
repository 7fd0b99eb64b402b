"""Temporal encoders: audio in, one latent vector per hop out.

``waveform`` is the dilated convolution stack of the NSynth and music translation papers.  ``cqt`` starts from log
constant-Q magnitudes, in which the pitch is explicit, and trains in hours where the other takes days.

Both are *valid* operators: a latent frame depends on ``context_frames`` frames of audio on either side, which the
caller supplies, and nothing is padded inside.  Hence an encoding in chunks equals the encoding of the whole.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wavecore.errors import UsageError
from wavecore.nn.config import EncoderConfig
from wavecore.nn.note_bottleneck import N_CODES, NoteBottleneck

FLOOR_DB = -80.0
SPECTRUM_MEAN, SPECTRUM_STD = 0.25, 0.2
"""Typical of spectra of music; they normalize the convolutions' input."""


class Encoder(nn.Module):
    """Base class of the encoders.

    Parameters
    ----------
    config : EncoderConfig

    Attributes
    ----------
    context_frames : int
        Frames of audio on either side that a latent frame depends on.

    Examples
    --------
    >>> import torch
    >>> from wavecore.nn.config import EncoderConfig
    >>> from wavecore.nn.encoders import build_encoder
    >>> config = EncoderConfig("waveform", 16, 512, channels=8, dilation_cycles=1, layers_per_cycle=4)
    >>> build_encoder(config).encode(torch.zeros(1, 16_000)).shape
    torch.Size([1, 32, 16])
    """

    context_frames: int

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config

    def encode(self, audio: Tensor, *, octave_shift: Tensor | int = 0) -> Tensor:
        """Encode whole sounds, with silence before and after them.

        Parameters
        ----------
        audio : Tensor, shape (B, T), float32 in [-1, 1]
            At the encoder's rate, any T > 0.
        octave_shift : int or Tensor of shape (B,) or (B, F), octaves
            Shift of the pitch before encoding; the waveform encoder takes 0 only.

        Returns
        -------
        Tensor, shape (B, F, C), float32
            F = ceil(T / hop_length).

        Raises
        ------
        UsageError
            If the shapes do not fit, or the encoder cannot shift.
        """
        hop_length = self.config.hop_length
        margin = self.context_frames * hop_length
        missing = -audio.shape[1] % hop_length
        return self(nn.functional.pad(audio, (margin, margin + missing)), octave_shift=octave_shift)

    def _check(self, audio: Tensor) -> int:
        """Return F, the number of frames that ``audio`` yields."""
        hop_length = self.config.hop_length
        if audio.ndim != 2 or audio.shape[1] % hop_length:
            raise UsageError(f"audio must have shape (B, T), T a multiple of {hop_length}, not {tuple(audio.shape)}")
        n_frames = audio.shape[1] // hop_length - 2 * self.context_frames
        if n_frames < 1:
            context = f"{self.context_frames} frames of {hop_length} samples"
            raise UsageError(f"{audio.shape[1]} samples leave no frame beside a context of {context} on either side")
        return n_frames


class ConstantQEncoder(Encoder):
    """Log constant-Q magnitudes (nnAudio's kernels) and three small convolutions.

    The kernels have unit response to a unit sinusoid in every octave, so an octave shift is an exact shift of bins.

    Attributes
    ----------
    reach : int
        Frames of the spectrum on either side that a latent frame depends on.
    """

    def __init__(self, config: EncoderConfig):
        super().__init__(config)
        kernels = _constant_q_kernels(config)  # (2 * n_bins, 1, W)
        self.register_buffer("kernels", kernels, persistent=False)
        half = kernels.shape[-1] // 2
        spectral_context = max(0, math.ceil((half - config.hop_length / 2) / config.hop_length))
        self._start = spectral_context * config.hop_length + config.hop_length // 2 - half
        width = config.channels
        self.convolutions = nn.Sequential(
            nn.Conv1d(config.n_bins, width, 3),
            nn.ELU(),
            nn.Conv1d(width, width, 2 * config.hearing_frames - 1),
            nn.ELU(),
            nn.Conv1d(width, N_CODES if config.bottleneck else config.latent_channels, 1),
        )
        sizes = (config.latent_channels, config.bottleneck_context)
        self.bottleneck = NoteBottleneck(*sizes) if config.bottleneck else None
        # The latent starts at unit scale: with a small one, decoders learn to do without it.
        for layer in self.convolutions[::2]:
            nn.init.normal_(layer.weight, std=1.4 / math.sqrt(layer.in_channels * layer.kernel_size[0]))
            nn.init.zeros_(layer.bias)
        self.reach = config.hearing_frames + config.bottleneck_context
        self.context_frames = spectral_context + self.reach

    def forward(self, audio: Tensor, *, octave_shift: Tensor | int = 0) -> Tensor:
        """Encode audio with its own context, shape (B, (F + 2 * context_frames) * hop_length); see ``encode``."""
        n_frames = self._check(audio)
        octaves = torch.as_tensor(octave_shift, device=audio.device)
        if octaves.ndim == 2:
            if octaves.shape not in ((len(audio), 1), (len(audio), n_frames)):
                raise UsageError(f"octave_shift must have shape ({len(audio)}, {n_frames}), not {tuple(octaves.shape)}")
            # The frames of context move with the first and the last.
            before, after = (octaves[:, edge : edge + 1 or None].expand(-1, self.reach) for edge in (0, -1))
            octaves = torch.cat([before, octaves.expand(-1, n_frames), after], dim=1)
        spectrum = self.spectrum(audio)[..., : n_frames + 2 * self.reach]
        return self.encode_spectrum(shift_octaves(spectrum, octaves, self.config.bins_per_octave))

    def encode_spectrum(self, spectrum: Tensor) -> Tensor:
        """Map spectra, shape (B, n_bins, F + 2 * reach), in [0, 1] to latents, shape (B, F, C)."""
        features = self.features(spectrum)
        if self.bottleneck is None:
            return round_latent(features, self.config.latent_levels)
        return self.bottleneck(features)

    def features(self, spectrum: Tensor) -> Tensor:
        """Apply the convolutions alone to spectra, shape (B, n_bins, F + 2 * hearing_frames), in [0, 1].

        They give unrounded latents, (B, F, C), or the logits of the bottleneck, (B, F, ``note_bottleneck.N_CODES``).
        """
        return self.convolutions((spectrum - SPECTRUM_MEAN) / SPECTRUM_STD).transpose(1, 2)

    def spectrum(self, audio: Tensor) -> Tensor:
        """Compute log constant-Q magnitudes, shape (B, n_bins, F + 2 * reach), of audio with its own context, (B, T).

        0 is -80 dB or less, 1 is a sinusoid at full scale.
        """
        signal = audio[:, None, self._start :]
        parts = nn.functional.conv1d(signal, self.kernels, stride=self.config.hop_length)
        power = sum(part.square() for part in parts.chunk(2, dim=1))
        level_db = 10 * torch.log10(power.clamp_min(10 ** (FLOOR_DB / 10)))
        return 1 - level_db.clamp_max(0) / FLOOR_DB


class WaveformEncoder(Encoder):
    """The papers' encoder: a non-causal dilated stack on the waveform, then average pooling over each hop.

    Conv1d 1 -> channels, kernel 3; residual layers ReLU, dilated kernel 3, ReLU, 1x1; 1x1 to the latent; no
    normalization.
    """

    def __init__(self, config: EncoderConfig):
        super().__init__(config)
        width = config.channels
        dilations = [2**i for i in range(config.layers_per_cycle)] * config.dilation_cycles
        self.first, self.last = nn.Conv1d(1, width, 3), nn.Conv1d(width, config.latent_channels, 1)
        self.dilated = nn.ModuleList(nn.Conv1d(width, width, 3, dilation=d) for d in dilations)
        self.pointwise = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in dilations)
        self._reach = 1 + sum(dilations)
        self.context_frames = math.ceil(self._reach / config.hop_length)

    def forward(self, audio: Tensor, *, octave_shift: Tensor | int = 0) -> Tensor:
        """Encode audio with its own context, shape (B, (F + 2 * context_frames) * hop_length), without a shift."""
        if torch.as_tensor(octave_shift).any():
            raise UsageError("the waveform encoder cannot shift octaves; shift the audio, or use a cqt model")
        self._check(audio)
        surplus = self.context_frames * self.config.hop_length - self._reach
        x = self.first(audio[:, None, surplus : audio.shape[1] - surplus])
        for dilated, pointwise in zip(self.dilated, self.pointwise, strict=True):
            y = pointwise(torch.relu(dilated(torch.relu(x))))
            reach = dilated.dilation[0]
            x = x[..., reach : x.shape[-1] - reach] + y
        latent = nn.functional.avg_pool1d(self.last(x), self.config.hop_length).transpose(1, 2)
        return round_latent(latent, self.config.latent_levels)


ENCODERS = {"cqt": ConstantQEncoder, "waveform": WaveformEncoder}


def build_encoder(config: EncoderConfig) -> Encoder:
    """Build the encoder that a configuration names."""
    return ENCODERS[config.kind](config)


def round_latent(latent: Tensor, levels: int) -> Tensor:
    """Bound a latent of any shape by tanh and round it to `levels` values, with straight-through gradients.

    0 levels return it unchanged.

    References
    ----------
    Mentzer et al., "Finite scalar quantization: VQ-VAE made simple", arXiv:2309.15505.
    """
    if not levels:
        return latent
    bounded = torch.tanh(latent)
    # Every value has an equal share of [-1, 1]; the outermost ones are its ends.
    whole = torch.floor((bounded + 1) * (levels / 2)).clamp_max(levels - 1)
    rounded = whole * (2 / (levels - 1)) - 1
    return bounded + (rounded - bounded).detach()


def shift_octaves(spectrum: Tensor, octaves: Tensor | int, bins_per_octave: int) -> Tensor:
    """Shift log-frequency spectra by octaves, rounded to whole bins; see ``shift_bins``."""
    octaves = torch.as_tensor(octaves, device=spectrum.device)
    bins = torch.round(octaves * bins_per_octave).long()
    return shift_bins(spectrum, bins if bins.ndim == 2 else bins.expand(len(spectrum)))


def shift_bins(spectrum: Tensor, bins: Tensor) -> Tensor:
    """Shift log-frequency spectra, each or each of its frames by its own number of bins; silence enters.

    Parameters
    ----------
    spectrum : Tensor, shape (B, n_bins, F), float in [0, 1]
    bins : Tensor, shape (B,) or (B, F), integer
        Positive is up.

    Returns
    -------
    Tensor, shape (B, n_bins, F), float in [0, 1]
    """
    n_bins = spectrum.shape[1]
    shifts = bins[:, None, None] if bins.ndim == 1 else bins[:, None]  # (B, 1, 1) or (B, 1, F)
    source = torch.arange(n_bins, device=spectrum.device)[:, None] - shifts  # (B, n_bins, 1 or F)
    inside = (source >= 0) & (source < n_bins)
    return spectrum.gather(1, source.clamp(0, n_bins - 1).expand_as(spectrum)) * inside


def _constant_q_kernels(config: EncoderConfig) -> Tensor:
    """Return nnAudio's windowed exponentials, trimmed, with unit response to a unit sinusoid: (2 * n_bins, 1, W)."""
    from nnAudio.features.cqt import CQT1992v2

    transform = CQT1992v2(
        sr=config.sample_rate,
        hop_length=config.hop_length,
        fmin=config.fmin_hz,
        n_bins=config.n_bins,
        bins_per_octave=config.bins_per_octave,
        filter_scale=config.filter_scale,
        norm=1,
        verbose=False,
    )
    kernels = torch.cat([transform.cqt_kernels_real, transform.cqt_kernels_imag]).detach().clone()
    support = kernels.abs().amax(dim=(0, 1)).nonzero().squeeze(1)
    centre = kernels.shape[-1] // 2
    half = int((support - centre).abs().max()) + 1
    # A kernel of unit L1 norm has a response of 1/2 to a unit cosine.
    return 2 * kernels[..., centre - half : centre + half].contiguous()
