"""Sizes of the networks' parts; this module needs no torch, so that commands can check their arguments quickly."""

from __future__ import annotations

from dataclasses import dataclass, fields

from wavecore.errors import UsageError

ENCODER_KINDS = ("cqt", "waveform")
N_PARTIALS = 64
"""Partials of the oscillator (see ``oscillator``)."""


@dataclass(frozen=True)
class WaveNetConfig:
    """Sizes of a WaveNet.

    Attributes
    ----------
    dilation_cycles, layers_per_cycle : int
        The dilation doubles within a cycle and starts over with the next.
    kernel_size : int
        Taps of every causal filter.
    residual_channels, gate_channels, skip_channels, head_channels : int
        Channel counts R, G, S and H.
    latent_channels : int
        Channels C of the conditioning latent.
    n_classes : int
        Codes A of the mu-law codec.
    hop_length : int
        Samples per latent frame.
    sample_rate : int
        Hz.

    Raises
    ------
    UsageError
        If a size is no integer of at least 1, or `n_classes` is above 256.

    Examples
    --------
    >>> from wavecore.nn.config import WaveNetConfig
    >>> config = WaveNetConfig(dilation_cycles=2, layers_per_cycle=8, hop_length=512)
    >>> config.n_layers, config.receptive_field, config.frame_rate
    (16, 512, 31.25)
    """

    dilation_cycles: int = 3
    layers_per_cycle: int = 10
    kernel_size: int = 2
    residual_channels: int = 64
    gate_channels: int = 64
    skip_channels: int = 64
    head_channels: int = 256
    latent_channels: int = 64
    n_classes: int = 256
    hop_length: int = 800
    sample_rate: int = 16_000

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UsageError(f"WaveNetConfig.{field.name} must be a whole number of at least 1, not {value!r}")
        if self.n_classes > 256:
            raise UsageError(f"WaveNetConfig.n_classes is {self.n_classes}; codes are stored in 8 bits, so 256 at most")

    @property
    def n_layers(self) -> int:
        """Number of gated layers L."""
        return self.dilation_cycles * self.layers_per_cycle

    @property
    def dilations(self) -> tuple[int, ...]:
        """Dilation of every layer, in samples."""
        return tuple(2 ** (i % self.layers_per_cycle) for i in range(self.n_layers))

    @property
    def receptive_field(self) -> int:
        """Number of past samples that one prediction depends on."""
        return (self.kernel_size - 1) * (sum(self.dilations) + 1) + 1

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds per generated sample, without the conditioning, which is computed once per latent frame."""
        streams = self.residual_channels + self.skip_channels
        layer = self.kernel_size * self.residual_channels * 2 * self.gate_channels + self.gate_channels * streams
        head = self.skip_channels * self.head_channels + self.head_channels * self.n_classes
        return self.kernel_size * streams + self.n_layers * layer + head

    @property
    def frame_rate(self) -> float:
        """Latent frames per second."""
        return self.sample_rate / self.hop_length


PRESETS: dict[str, WaveNetConfig] = {
    "tiny": WaveNetConfig(2, 8, 2, 32, 32, 32, 64, latent_channels=16, hop_length=512),
    "small": WaveNetConfig(),
    "small-nsynth": WaveNetConfig(latent_channels=16, hop_length=512),
    "umt": WaveNetConfig(4, 10, 2, 128, 128, 128, 128),
    "nsynth": WaveNetConfig(3, 10, 3, 512, 512, 256, 256, latent_channels=16, hop_length=512),
}


def preset(name: str) -> WaveNetConfig:
    """Look up a named configuration.

    Parameters
    ----------
    name : str
        One of ``PRESETS``.

    Returns
    -------
    WaveNetConfig

    Raises
    ------
    UsageError
        If there is no such preset.

    Examples
    --------
    >>> from wavecore.nn.config import preset
    >>> preset("nsynth").receptive_field
    6141
    """
    if name not in PRESETS:
        raise UsageError(f"there is no preset {name!r}; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


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
        The constant-Q front end; a ``filter_scale`` below 1 shortens the windows.
    dilation_cycles, layers_per_cycle : int
        The dilated stack of the waveform encoder.
    latent_levels : int
        Number of values, evenly from -1 to 1, that each channel is rounded to; 0 for no rounding.  It removes
        differences between instruments below a step.
    bottleneck : {"", "notes"}
        Bottleneck of the constant-Q encoder; see ``note_bottleneck``.
    bottleneck_context : int
        Frames on either side whose decisions contribute to a frame's latent, with a bottleneck.
    hearing_frames : int
        Frames of the spectrum on either side that the constant-Q encoder's convolutions cover, 2 or more.

    Raises
    ------
    UsageError
        If a value is out of range or does not fit the others.

    Examples
    --------
    >>> from wavecore.nn.config import EncoderConfig
    >>> config = EncoderConfig(latent_channels=16, hop_length=512)
    >>> config.sample_rate / config.hop_length  # latent frames per second
    31.25
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
            raise UsageError(f"latent_levels is {self.latent_levels}; it must be 0 (no rounding) or at least 2")
        if self.bottleneck not in ("", "notes") or (self.bottleneck and (self.kind != "cqt" or self.latent_levels)):
            given = f"kind {self.kind!r} and latent_levels {self.latent_levels}"
            raise UsageError(
                f"the bottleneck {self.bottleneck!r} does not fit {given}; 'notes' needs kind 'cqt' and latent_levels 0"
            )
        if self.bottleneck_context < 0 or (self.bottleneck_context and not self.bottleneck):
            raise UsageError(
                f"bottleneck_context is {self.bottleneck_context}; it must be 0, or more with a bottleneck"
            )
        if self.hearing_frames < 2:
            raise UsageError(f"hearing_frames is {self.hearing_frames}; it must be at least 2")
        if self.kind not in ENCODER_KINDS:
            raise UsageError(f"there is no encoder {self.kind!r}; choose one of {', '.join(ENCODER_KINDS)}")
        top_hz = self.fmin_hz * 2 ** ((self.n_bins - 1) / self.bins_per_octave)
        if self.kind == "cqt" and top_hz >= self.sample_rate / 2:
            raise UsageError(f"the highest constant-Q bin, {top_hz:.0f} Hz, is above half of {self.sample_rate} Hz")
