"""The NSynth autoencoder: a temporal encoder, and a WaveNet decoder conditioned on its latent.

References
----------
Engel et al., "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders", arXiv:1704.01279.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from wavecore.errors import UsageError
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.nn import oscillator
from wavecore.nn.encoders import build_encoder
from wavecore.nn.layers import Affine
from wavecore.nn.wavenet import WaveNet

N_PITCHES = 128
MIDDLE_C = 60
"""MIDI note number from which a latent counts its pitch."""
ENCODER_PITCH = 48
"""MIDI note number to which the spectra of a model with an oscillator are moved before they are encoded.

It is low: moving a note up would push its highest partials out of the spectrum."""
EXPANSION_WIDTH = 256


class Expansion(nn.Module):
    """Maps every frame to more channels: a linear map, and two hidden layers with ELU beside it.

    A narrow decoder that reads the latent through one matrix a layer learns slowly to generate pitches, which are one
    direction of the latent and another filter in every layer.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        width = EXPANSION_WIDTH
        self.linear = Affine(in_channels, out_channels)
        # The hidden layers start at zero beside the linear map.
        self.hidden = nn.Sequential(
            Affine(in_channels, width, gain=1.4),
            nn.ELU(),
            Affine(width, width, gain=1.4),
            nn.ELU(),
            Affine(width, out_channels, gain=0.0),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, F, in_channels) to (B, F, out_channels)."""
        return self.linear(x) + self.hidden(x)


class NSynthNetwork(nn.Module):
    """Encoder and decoder."""

    kind = "nsynth"

    def __init__(self, config: NSynthConfig):
        super().__init__()
        self.config = config
        self.encoder = build_encoder(config.encoder)
        self.decoder = WaveNet(config.decoder)
        if config.pitch_channels:
            self.pitch_embedding = nn.Parameter(torch.randn(N_PITCHES, config.pitch_channels))
        if config.condition_channels:
            self.expansion = Expansion(config.latent_size + config.pitch_channels, config.condition_channels)
        if config.harmonics:
            self.levels = Expansion(config.latent_size, len(oscillator.KNOTS))
            nn.init.constant_(self.levels.linear.bias, oscillator.UNIT_LEVEL)

    def forward(
        self, codes: Tensor, latent: Tensor, pitches: Tensor | None = None, *, context: Tensor | None = None
    ) -> Tensor:
        """Compute the logits, (B, T, A), of mu-law codes, (B, T), by teacher forcing.

        ``context``, (B, T), holds the past samples that the decoder receives, if not ``codes``.
        """
        return self.decoder(codes if context is None else context, self.condition(latent, pitches))

    def encode(self, audio: Tensor, midi: Tensor | None = None, *, whole: bool = True) -> Tensor:
        """Encode sounds; with an oscillator the pitch is the latent's last channel.

        Parameters
        ----------
        audio : Tensor, shape (B, T), float32 in [-1, 1]
        midi : Tensor, shape (B, F) or (B, 1), float, optional
            MIDI note numbers, for a model with harmonics.
        whole : bool
            Whether silence surrounds the sounds; if not, ``audio`` carries its own context (``Encoder.forward``).

        Returns
        -------
        Tensor, shape (B, F, ``config.latent_size``), float32

        Raises
        ------
        UsageError
            If the pitch is missing, or the latent has no channel for it, or the encoder refuses the audio.
        """
        encode = self.encoder.encode if whole else self.encoder
        if not self.config.harmonics:
            if midi is not None:
                raise UsageError("this model's latent holds no pitch; leave it out")
            return encode(audio)
        if midi is None:
            raise UsageError("this model's latent holds the pitch; give MIDI note numbers for each sound")
        # A spectrum can be shifted to another pitch; a waveform would change with it.
        shift = (ENCODER_PITCH - midi) / 12 if self.config.encoder.kind == "cqt" else 0
        latent = encode(audio, octave_shift=shift)
        octaves = ((midi - MIDDLE_C) / 12).to(latent).expand(-1, latent.shape[1])
        return torch.cat([latent, octaves[..., None]], dim=-1)

    def condition(self, latent: Tensor, pitches: Tensor | None = None) -> Tensor:
        """Compute the decoder's conditioning.

        Parameters
        ----------
        latent : Tensor, shape (B, F, ``config.latent_size``), float
            With harmonics the last channel is the pitch, in octaves above MIDI note 60.
        pitches : Tensor, shape (B,), integer, optional
            MIDI note numbers, for a model with ``pitch_channels``.

        Returns
        -------
        Tensor, shape (B, F, decoder.latent_channels), float
            With harmonics, a frame for every sample: (B, F * hop_length of the encoder, decoder.latent_channels).

        Raises
        ------
        UsageError
            If pitches are missing, out of range, not one whole number for each sound, or the model has no input for
            them.
        """
        if not self.config.pitch_channels:
            if pitches is not None:
                raise UsageError("this model has no pitch embedding; leave the pitch out")
            if not self.config.harmonics:
                return self.expand(latent)
            return self.sampled_condition(latent, *self.run_oscillator(latent))
        if pitches is None:
            raise UsageError("this model has a pitch embedding; give a MIDI note number for each sound")
        if pitches.is_floating_point() or pitches.shape != latent.shape[:1]:
            given = f"{pitches.dtype} of shape {tuple(pitches.shape)}"
            raise UsageError(f"pitches must be whole numbers of shape ({len(latent)},), not {given}")
        if int(pitches.min()) < 0 or int(pitches.max()) >= N_PITCHES:
            raise UsageError(f"pitches must be MIDI note numbers, 0 to {N_PITCHES - 1}, not {pitches.tolist()}")
        vectors = self.pitch_embedding[pitches][:, None].expand(-1, latent.shape[1], -1)
        return self.expand(torch.cat([latent, vectors], dim=-1))

    def run_oscillator(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Return phase (radians) and frequency (Hz) of the latent's pitch, each (B, F * hop_length of the encoder)."""
        encoder = self.config.encoder
        return oscillator.phase_of(MIDDLE_C + 12 * latent[..., -1], encoder.hop_length, encoder.sample_rate)

    def sampled_condition(self, latent: Tensor, phase: Tensor, f0_hz: Tensor, offsets: Tensor | None = None) -> Tensor:
        """Compute the conditioning of a decoder with an oscillator, for every sample.

        Parameters
        ----------
        latent : Tensor, shape (B, F, ``config.latent_size``), float
        phase : Tensor, shape (B, F * hop_length of the encoder), float, radians
        f0_hz : Tensor, shape (B, F * hop_length) or (B, 1), float
        offsets : Tensor, shape (B, F * hop_length, oscillator.N_PARTIALS), float, radians, optional
            Of the partials, where they are known; otherwise ``oscillator.default_phases``.
        """
        return self._join_oscillator(self.expand(latent), self.levels(latent), phase, f0_hz, offsets)

    def _join_oscillator(
        self, conditioning: Tensor, levels: Tensor, phase: Tensor, f0_hz: Tensor, offsets: Tensor | None = None
    ) -> Tensor:
        hop, rate = self.config.encoder.hop_length, self.config.encoder.sample_rate
        amplitudes = oscillator.upsample(oscillator.amplitudes(levels), hop)
        offsets = oscillator.default_phases().to(phase) if offsets is None else offsets
        bands = oscillator.excite(phase, f0_hz, amplitudes, offsets, self.config.harmonics, rate)
        return torch.cat([oscillator.upsample(conditioning, hop), bands.to(conditioning.dtype)], dim=-1)

    def condition_blocks(self, latent: Tensor, block_frames: int) -> Iterator[Tensor]:
        """Compute ``condition`` in blocks of encoder frames: with harmonics it is many times as large as the sound."""
        if not self.config.harmonics:
            yield self.condition(latent)
            return
        (phase, f0_hz), conditioning, levels = self.run_oscillator(latent), self.expand(latent), self.levels(latent)
        hop, n_frames = self.config.encoder.hop_length, latent.shape[1]
        for first in range(0, n_frames, block_frames):
            last = min(n_frames, first + block_frames)
            # Upsampling interpolates between frames and needs one on either side.
            begin, end = max(0, first - 1), min(n_frames, last + 1)
            samples = slice(begin * hop, end * hop)
            block = self._join_oscillator(
                conditioning[:, begin:end], levels[:, begin:end], phase[:, samples], f0_hz[:, samples]
            )
            yield block[:, (first - begin) * hop : (last - begin) * hop]

    def expand(self, x: Tensor) -> Tensor:
        """Map latent and pitch embedding, (B, F, C), to ``condition_channels``; unchanged where there are none."""
        return self.expansion(x) if self.config.condition_channels else x

    def decoder_state(self) -> dict[str, Tensor]:
        """Return a copy of the decoder's state, that of a ``WaveNet(config.decoder)``."""
        return {name: tensor.detach().clone() for name, tensor in self.decoder.state_dict().items()}

    def card(self) -> dict:
        """Return what a model folder's card holds beside the sizes."""
        conditioned = bool(self.config.pitch_channels or self.config.harmonics)
        # The latent's hop; with an oscillator the decoder's own is 1.
        return {"pitch_conditioned": conditioned, "hop_length": self.config.encoder.hop_length}
