"""Configuration of an NSynth autoencoder and the settings of its training."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from wavecore.configuration import Config, option
from wavecore.errors import UsageError
from wavecore.nn.config import N_PARTIALS, EncoderConfig, WaveNetConfig, preset
from wavecore.training.config import WaveNetTrainingConfig


@dataclass(frozen=True)
class NSynthConfig(Config):
    """Sizes of an autoencoder.

    Attributes
    ----------
    encoder : EncoderConfig
        Its latent is what is interpolated.
    decoder : WaveNetConfig
        Its ``latent_channels`` are ``condition_channels``, or else ``latent_size`` and ``pitch_channels``, and two for
        each of ``harmonics``.  With these its ``hop_length`` is 1: the oscillator conditions every sample.
    condition_channels : int
        Channels of the conditioning that a small network computes from latent and pitch for the decoder; 0 for none,
        as in the published model, whose decoder is wide.
    harmonics : int
        Bands of partials of an oscillator at the sound's pitch that conditions the decoder sample by sample
        (``nn.oscillator``); 0 for none, as published.  With them the pitch is the last channel of the latent, and every
        sound is encoded as if at one pitch, so that the other channels are timbre.
    """

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(latent_channels=16, hop_length=512))
    decoder: WaveNetConfig = field(default_factory=lambda: WaveNetConfig(latent_channels=16, hop_length=512))
    pitch_channels: int = option(
        0,
        "width of a pitch embedding that conditions the decoder beside the latent (default: 0, as published)",
        least=0,
    )
    condition_channels: int = option(0, "channels computed from latent and pitch for the decoder; 0 for none", least=0)
    harmonics: int = option(
        0,
        "bands of an oscillator that conditions the decoder on pitch and timbre, sample by sample (default: 0, as "
        "published)",
        least=0,
    )

    def __post_init__(self):
        super().__post_init__()
        for name in ("pitch_channels", "condition_channels", "harmonics"):
            if type(getattr(self, name)) is not int:
                raise UsageError(f"{name} must be a whole number, not {getattr(self, name)!r}")
        if self.harmonics > N_PARTIALS:
            raise UsageError(f"harmonics is {self.harmonics}; the oscillator has {N_PARTIALS} partials")
        if self.pitch_channels and self.harmonics:
            raise UsageError("a decoder is conditioned on the pitch by pitch_channels or by harmonics, not by both")
        hop_length = 1 if self.harmonics else self.encoder.hop_length
        if self.decoder.hop_length != hop_length:
            raise UsageError(
                f"the decoder's hop_length must be {hop_length}, not {self.decoder.hop_length}: that of the encoder, "
                "or 1 with an oscillator, which conditions every sample"
            )
        if self.encoder.sample_rate != self.decoder.sample_rate:
            rates = f"{self.encoder.sample_rate} and {self.decoder.sample_rate}"
            raise UsageError(f"encoder and decoder disagree on sample_rate: {rates}")
        channels = (self.condition_channels or self.latent_size + self.pitch_channels) + 2 * self.harmonics
        if self.decoder.latent_channels != channels:
            raise UsageError(f"the decoder takes {self.decoder.latent_channels} latent channels, not {channels}")

    @property
    def latent_size(self) -> int:
        """Channels of the latent that is interpolated: the encoder's, and the pitch if an oscillator needs it."""
        return self.encoder.latent_channels + bool(self.harmonics)

    def with_inputs(self, *, encoder: str = "cqt", pitch_channels: int = 0, harmonics: int = 0) -> Self:
        """Return a preset with another kind of encoder, and a decoder with inputs for the pitch or an oscillator."""
        decoder = replace(
            self.decoder,
            latent_channels=self.decoder.latent_channels + pitch_channels + bool(harmonics) + 2 * harmonics,
            hop_length=1 if harmonics else self.decoder.hop_length,
        )
        return replace(
            self,
            encoder=replace(self.encoder, kind=encoder),
            decoder=decoder,
            pitch_channels=pitch_channels,
            harmonics=harmonics,
        )


def _autoencoder(decoder: WaveNetConfig) -> NSynthConfig:
    sizes = {name: getattr(decoder, name) for name in ("latent_channels", "hop_length", "sample_rate")}
    return NSynthConfig(EncoderConfig(**sizes), decoder)


PRESETS = {
    "tiny": _autoencoder(preset("tiny")),
    "small": _autoencoder(preset("small-nsynth")),
    "nsynth": _autoencoder(preset("nsynth")),
}
"""``nsynth`` has the published decoder."""


@dataclass(frozen=True)
class NSynthTrainingConfig(WaveNetTrainingConfig):
    """Settings of the training of an autoencoder of notes; ``configuration.describe_fields`` lists them."""

    decoder_rate: float = option(
        1.0,
        "learning rate of the decoder relative to learning_rate; below 1 a pretrained decoder changes less",
        least=0,
        most=1,
    )
