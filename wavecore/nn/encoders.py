"""Temporal encoders: audio in, one latent vector per hop out.

Two kinds share one interface.  ``waveform`` is the dilated convolution stack
of the NSynth and music translation papers.  ``cqt`` starts from log
constant-Q magnitudes instead: pitch is handed over at once, which costs little
and trains in hours where the other takes days.

Both are *valid* operators: a latent frame depends on ``context_frames`` frames
of audio on either side, the caller supplies them, and nothing is padded
inside.  Hence an encoding in chunks equals the encoding of the whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wavecore.errors import UsageError
from wavecore.nn.note_bottleneck import N_CODES, NoteBottleneck

FLOOR_DB = -80.0
TYPICAL_LEVEL, TYPICAL_SPREAD = 0.25, 0.2
"""Of the spectrum's values in music; they bring the convolutions' input to unit scale."""


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of an encoder.

    Attributes
    ----------
    kind : {"cqt", "waveform"}
    latent_channels : int
        Channels C of the latent.
    hop_length : int
        Samples per latent frame.
    sample_rate : int
        Hz.
    channels : int
        Width of the hidden layers.
    fmin_hz, bins_per_octave, n_bins, filter_scale
        The constant-Q front end; ``filter_scale`` below 1 shortens the windows.
    dilation_cycles, layers_per_cycle : int
        The dilated stack of the waveform encoder.
    latent_levels : int
        0, or the number of values that each channel is rounded to, evenly from -1 to 1: what two
        instruments' sounds differ in by less than a step is gone.
    bottleneck : {"", "notes"}
        What the constant-Q encoder's latent passes through: see ``note_bottleneck``.
    bottleneck_context : int
        Frames on either side whose decisions have a part in a frame's latent; for a bottleneck alone.
    hearing_frames : int
        Frames of the spectrum on either side that the constant-Q encoder's convolutions see, 2 or more.
    """

    kind: str = "cqt"
    latent_channels: int = 64
    hop_length: int = 800
    sample_rate: int = 16_000
    channels: int = 128
    fmin_hz: float = 65.40639132514966  # C2
    bins_per_octave: int = 24
    n_bins: int = 162
    filter_scale: float = 0.5
    dilation_cycles: int = 3
    layers_per_cycle: int = 10
    latent_levels: int = 0
    bottleneck: str = ""
    bottleneck_context: int = 0
    hearing_frames: int = 2

    def __post_init__(self):
        if self.latent_levels < 0 or self.latent_levels == 1:
            raise UsageError(f"latent_levels is {self.latent_levels}; 0 leaves the latent as it is, 2 or more round it")
        if self.bottleneck not in ("", "notes") or (self.bottleneck and (self.kind != "cqt" or self.latent_levels)):
            raise UsageError(
                f"the bottleneck {self.bottleneck!r} is not to be had with a {self.kind} encoder and {self.latent_levels} levels; notes are one "
                "for a cqt encoder whose latent is not rounded besides"
            )
        if self.bottleneck_context < 0 or (self.bottleneck_context and not self.bottleneck) or self.hearing_frames < 2:
            sizes = f"bottleneck_context is {self.bottleneck_context}, hearing_frames is {self.hearing_frames}"
            raise UsageError(f"{sizes}; the first is 0 or more, 0 without a bottleneck, the second 2 or more")
        if self.kind not in ENCODERS:
            raise UsageError(f"there is no encoder {self.kind!r}; choose one of {', '.join(ENCODERS)}")
        top_hz = self.fmin_hz * 2 ** ((self.n_bins - 1) / self.bins_per_octave)
        if self.kind == "cqt" and top_hz >= self.sample_rate / 2:
            raise UsageError(f"the highest constant-Q bin, {top_hz:.0f} Hz, is above half of {self.sample_rate} Hz")


class Encoder(nn.Module):
    """What both encoders share: context, padding, shapes."""

    context_frames: int
    """Frames of audio on either side that a latent frame depends on."""

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
            Moves the perceived pitch before encoding.

        Returns
        -------
        Tensor, shape (B, F, C), float32
            F = ceil(T / hop_length).
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
    """Log constant-Q magnitudes (nnAudio's kernels), then three small convolutions.

    The kernels are normalised to unit response, so a sinusoid of a given amplitude looks alike in every
    octave; an octave shift is then a shift of the bins, exact and without an artefact.

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
        self.bottleneck = (
            NoteBottleneck(config.latent_channels, config.bottleneck_context) if config.bottleneck else None
        )
        # The latent starts at unit scale.  A small one is learnt from slowly, and by
        # then the decoders have come to do without it.
        for layer in self.convolutions[::2]:
            nn.init.normal_(layer.weight, std=1.4 / math.sqrt(layer.in_channels * layer.kernel_size[0]))
            nn.init.zeros_(layer.bias)
        self.reach = config.hearing_frames + config.bottleneck_context
        self.context_frames = spectral_context + self.reach

    def forward(self, audio: Tensor, *, octave_shift: Tensor | int = 0) -> Tensor:
        """Encode audio that carries its own context.

        Parameters
        ----------
        audio : Tensor, shape (B, (F + 2 * context_frames) * hop_length), float32
        octave_shift : int or Tensor of shape (B,) or (B, F), octaves

        Returns
        -------
        Tensor, shape (B, F, C), float32

        Raises
        ------
        UsageError
            If the length is not a multiple of the hop or leaves no frame, or the shifts do not fit.
        """
        n_frames = self._check(audio)
        octaves = torch.as_tensor(octave_shift, device=audio.device)
        if octaves.ndim == 2:
            if octaves.shape not in ((len(audio), 1), (len(audio), n_frames)):
                raise UsageError(f"octave_shift must have shape ({len(audio)}, {n_frames}), not {tuple(octaves.shape)}")
            # The frames of context move with the first and the last.
            around = [octaves[:, edge : edge + 1 or None].expand(-1, self.reach) for edge in (0, -1)]
            octaves = torch.cat([around[0], octaves.expand(-1, n_frames), around[1]], dim=1)
        return self.read(
            shift_octaves(self.spectrum(audio)[..., : n_frames + 2 * self.reach], octaves, self.config.bins_per_octave)
        )

    def read(self, spectrum: Tensor) -> Tensor:
        """Encode what ``spectrum`` returned.

        Parameters
        ----------
        spectrum : Tensor, shape (B, n_bins, F + 2 * reach), float32 in [0, 1]

        Returns
        -------
        Tensor, shape (B, F, C), float32
        """
        heard = self.hear(spectrum)
        return round_latent(heard, self.config.latent_levels) if self.bottleneck is None else self.bottleneck(heard)

    def hear(self, spectrum: Tensor) -> Tensor:
        """Encode what ``spectrum`` returned, without bounding, rounding or a bottleneck.

        Parameters
        ----------
        spectrum : Tensor, shape (B, n_bins, F + 2 * hearing_frames), float32 in [0, 1]

        Returns
        -------
        Tensor, shape (B, F, C), float32
            Before a bottleneck of notes, C is ``note_bottleneck.N_CODES``.
        """
        return self.convolutions((spectrum - TYPICAL_LEVEL) / TYPICAL_SPREAD).transpose(1, 2)

    def spectrum(self, audio: Tensor) -> Tensor:
        """Log constant-Q magnitudes of audio that carries its own context.

        Parameters
        ----------
        audio : Tensor, shape (B, T), float32

        Returns
        -------
        Tensor, shape (B, n_bins, F + 2 * reach), float32 in [0, 1]
            0 is -80 dB or less, 1 is a sinusoid at full scale; ``reach`` frames of
            context for what follows on either side.
        """
        hop_length = self.config.hop_length
        signal = audio[:, None, self._start :]
        parts = nn.functional.conv1d(signal, self.kernels, stride=hop_length)
        power = sum(part.square() for part in parts.chunk(2, dim=1))
        level_db = 10 * torch.log10(power.clamp_min(10 ** (FLOOR_DB / 10)))
        return 1 - level_db.clamp_max(0) / FLOOR_DB


class WaveformEncoder(Encoder):
    """The papers' encoder: a non-causal dilated stack on the waveform, then pooling over each hop.

    Conv1d 1 -> channels, kernel 3; residual layers ReLU, dilated kernel 3, ReLU, 1x1; 1x1 to the latent; no normalisation.
    """

    def __init__(self, config: EncoderConfig):
        super().__init__(config)
        width = config.channels
        dilations = [
            2 ** (i % config.layers_per_cycle) for i in range(config.dilation_cycles * config.layers_per_cycle)
        ]
        self.first, self.last = nn.Conv1d(1, width, 3), nn.Conv1d(width, config.latent_channels, 1)
        self.dilated = nn.ModuleList(nn.Conv1d(width, width, 3, dilation=d) for d in dilations)
        self.pointwise = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in dilations)
        self._reach = 1 + sum(dilations)
        self.context_frames = math.ceil(self._reach / config.hop_length)

    def forward(self, audio: Tensor, *, octave_shift: Tensor | int = 0) -> Tensor:
        """Encode audio that carries its own context.

        Parameters
        ----------
        audio : Tensor, shape (B, (F + 2 * context_frames) * hop_length), float32
        octave_shift : int or Tensor of shape (B,), octaves
            Only 0: a waveform has no bins to shift.

        Returns
        -------
        Tensor, shape (B, F, C), float32

        Raises
        ------
        UsageError
            If an octave shift is asked for, or the length does not fit.
        """
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
    """Bound a latent and round it to a few values; gradients pass as if it were not rounded.

    Parameters
    ----------
    latent : Tensor, any shape, float
    levels : int
        0 returns it as it is.

    Returns
    -------
    Tensor, the same shape, float
        In [-1, 1], of so many values.

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
    """Move a log-frequency spectrum; what enters is silence.

    Parameters
    ----------
    spectrum : Tensor, shape (B, n_bins, F), float in [0, 1]
    octaves : int or Tensor of shape (B,) or (B, F), octaves
        Positive is up; rounded to whole bins.

    Returns
    -------
    Tensor, shape (B, n_bins, F), float in [0, 1]
    """
    octaves = torch.as_tensor(octaves, device=spectrum.device)
    bins = torch.round(octaves * bins_per_octave).long()
    return shift_bins(spectrum, bins if bins.ndim == 2 else bins.expand(len(spectrum)))


def shift_bins(spectrum: Tensor, bins: Tensor) -> Tensor:
    """Move every log-frequency spectrum, or every frame, by its own number of bins; what enters is silence.

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
    """nnAudio's windowed exponentials, trimmed, scaled to unit response to a unit sinusoid."""
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
    sounding = kernels.abs().amax(dim=(0, 1)).nonzero().squeeze(1)
    centre = kernels.shape[-1] // 2
    half = int((sounding - centre).abs().max()) + 1
    # A kernel of unit L1 norm answers a unit cosine with 1/2.
    return 2 * kernels[..., centre - half : centre + half].contiguous()
