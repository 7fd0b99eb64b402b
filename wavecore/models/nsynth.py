"""The NSynth autoencoder: a temporal encoder, and a WaveNet that says the sound again.

References
----------
Engel et al., "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders", arXiv:1704.01279.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor, nn

from wavecore.errors import UsageError
from wavecore.models.encoders import EncoderConfig, build_encoder
from wavecore.models.layers import Affine
from wavecore.models.wavenet import WaveNet, WaveNetConfig

N_PITCHES = 128
EXPANSION_WIDTH = 256


@dataclass(frozen=True)
class NSynthConfig:
    """Sizes of an autoencoder.

    Attributes
    ----------
    encoder : EncoderConfig
        Its latent is what is interpolated.
    decoder : WaveNetConfig
        Its ``latent_channels`` are ``condition_channels``, or else the encoder's and ``pitch_channels``.
    pitch_channels : int
        Width of a learned vector for each of 128 pitches that is set beside the latent;
        0 for none, as in the published model.
    condition_channels : int
        How many channels a small network makes of latent and pitch for the decoder; 0 for none,
        as in the published model, whose wide decoder makes what it needs of them by itself.
    """

    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(latent_channels=16, hop_length=512))
    decoder: WaveNetConfig = field(default_factory=lambda: WaveNetConfig(latent_channels=16, hop_length=512))
    pitch_channels: int = 0
    condition_channels: int = 0

    def __post_init__(self):
        for name in ("pitch_channels", "condition_channels"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise UsageError(f"{name} must be a whole number of at least 0, not {value!r}")
        for name in ("hop_length", "sample_rate"):
            if getattr(self.encoder, name) != getattr(self.decoder, name):
                values = f"{getattr(self.encoder, name)} and {getattr(self.decoder, name)}"
                raise UsageError(f"encoder and decoder disagree on {name}: {values}")
        wanted = self.encoder.latent_channels + self.pitch_channels
        if self.condition_channels and self.decoder.latent_channels != self.condition_channels:
            raise UsageError(
                f"the decoder takes {self.decoder.latent_channels} latent channels; condition_channels says "
                f"{self.condition_channels}"
            )
        if not self.condition_channels and self.decoder.latent_channels != wanted:
            raise UsageError(
                f"the decoder takes {self.decoder.latent_channels} latent channels; the encoder's "
                f"{self.encoder.latent_channels} and {self.pitch_channels} of pitch are {wanted}"
            )

    def to_dict(self) -> dict:
        """Return the configuration as plain JSON values.

        Returns
        -------
        dict
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> NSynthConfig:
        """Build a configuration from what ``to_dict`` returned.

        Parameters
        ----------
        values : dict

        Returns
        -------
        NSynthConfig
        """
        return cls(
            EncoderConfig(**values["encoder"]), WaveNetConfig(**values["decoder"]),
            values["pitch_channels"], values["condition_channels"],
        )  # fmt: skip


class Expansion(nn.Module):
    """Says a latent of few channels in many: a linear map, and two hidden layers with ELU beside it.

    A pitch is one direction of a latent and another filter in every layer of the decoder.  A
    narrow decoder that sees the latent through one matrix a layer learns this slowly.

    Parameters
    ----------
    in_channels, out_channels : int
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        width = EXPANSION_WIDTH
        self.linear = Affine(in_channels, out_channels)
        # What is learnt beside the linear map starts from nothing.
        self.hidden = nn.Sequential(
            Affine(in_channels, width, gain=1.4), nn.ELU(), Affine(width, width, gain=1.4), nn.ELU(), Affine(width, out_channels, gain=0.0)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map every frame by itself.

        Parameters
        ----------
        x : Tensor, shape (B, F, in_channels), float

        Returns
        -------
        Tensor, shape (B, F, out_channels), float
        """
        return self.linear(x) + self.hidden(x)


class NSynthNetwork(nn.Module):
    """Encoder and decoder.

    Parameters
    ----------
    config : NSynthConfig
    """

    kind = "nsynth"

    def __init__(self, config: NSynthConfig):
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config.encoder)
        self.decoder = WaveNet(config.decoder)
        if config.pitch_channels:
            self.pitch_embedding = nn.Parameter(torch.randn(N_PITCHES, config.pitch_channels))
        if config.condition_channels:
            told = config.encoder.latent_channels + config.pitch_channels
            self.expansion = Expansion(told, config.condition_channels)

    def forward(
        self, codes: Tensor, latent: Tensor, pitches: Tensor | None = None, *, history: Tensor | None = None
    ) -> Tensor:
        """Predict the codes of sounds (teacher forcing).

        Parameters
        ----------
        codes : Tensor, shape (B, T), integer
            Mu-law codes.
        latent : Tensor, shape (B, F, C), float
        pitches : Tensor, shape (B,), integer, optional
            MIDI note numbers; needed with, and refused without, pitch channels.
        history : Tensor, shape (B, T), integer, optional
            What the decoder is told it has said, if not ``codes``.

        Returns
        -------
        Tensor, shape (B, T, A), float
            Logits.

        Raises
        ------
        UsageError
            If pitches are missing, or given where the network has no use for them.
        """
        return self.decoder(codes if history is None else history, self.condition(latent, pitches))

    def condition(self, latent: Tensor, pitches: Tensor | None = None) -> Tensor:
        """Make of the latent, and the pitch beside it, what the decoder is told.

        Parameters
        ----------
        latent : Tensor, shape (B, F, C), float
        pitches : Tensor, shape (B,), integer, optional

        Returns
        -------
        Tensor, shape (B, F, decoder.latent_channels), float

        Raises
        ------
        UsageError
            If pitches are missing, of no use, out of range, or not one whole number for each sound.
        """
        if not self.config.pitch_channels:
            if pitches is not None:
                raise UsageError("this model has no pitch conditioning; leave the pitch out")
            return self._expand(latent)
        if pitches is None:
            raise UsageError("this model is told the pitch; give a MIDI note number for each sound")
        if pitches.is_floating_point() or pitches.shape != latent.shape[:1]:
            found = f"{pitches.dtype} of shape {tuple(pitches.shape)}"
            raise UsageError(f"pitches must be whole numbers of shape ({len(latent)},), not {found}")
        if int(pitches.min()) < 0 or int(pitches.max()) >= N_PITCHES:
            raise UsageError(f"pitches must be MIDI note numbers, 0 to {N_PITCHES - 1}, not {pitches.tolist()}")
        vectors = self.pitch_embedding[pitches][:, None].expand(-1, latent.shape[1], -1)
        return self._expand(torch.cat([latent, vectors], dim=-1))

    def _expand(self, told: Tensor) -> Tensor:
        return self.expansion(told) if self.config.condition_channels else told

    def decoder_state(self) -> dict[str, Tensor]:
        """Return the state of the WaveNet that generates.

        Returns
        -------
        dict of str to Tensor
            A ``WaveNet(config.decoder)`` state dict.
        """
        return {name: tensor.detach().clone() for name, tensor in self.decoder.state_dict().items()}

    def card(self) -> dict:
        """Say what a model folder's card holds beside the sizes.

        Returns
        -------
        dict
        """
        return {"pitch_conditioned": bool(self.config.pitch_channels)}
