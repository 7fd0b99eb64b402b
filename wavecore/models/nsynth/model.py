"""The NSynth autoencoder: a temporal encoder, and a WaveNet that says the sound again.

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
HEARD_AT = 48
"""MIDI note number at which the encoder hears every sound, where an oscillator knows the pitch: so low that
no note of the usual instruments' middle octaves is moved up, which would push its highest partials out of hearing."""
EXPANSION_WIDTH = 256


class Expansion(nn.Module):
    """Says a latent of few channels in many: a linear map, and two hidden layers with ELU beside it.

    A pitch is one direction of a latent and another filter in every layer of the decoder.  A
    narrow decoder that sees the latent through one matrix a layer learns this slowly.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        width = EXPANSION_WIDTH
        self.linear = Affine(in_channels, out_channels)
        # What is learnt beside the linear map starts from nothing.
        self.hidden = nn.Sequential(
            Affine(in_channels, width, gain=1.4),
            nn.ELU(),
            Affine(width, width, gain=1.4),
            nn.ELU(),
            Affine(width, out_channels, gain=0.0),
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
            nn.init.constant_(self.levels.linear.bias, oscillator.USUAL)

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

    def encode(self, audio: Tensor, midi: Tensor | None = None, *, whole: bool = True) -> Tensor:
        """Encode sounds, and set their pitch beside it where the latent holds one.

        Parameters
        ----------
        audio : Tensor, shape (B, T), float32 in [-1, 1]
        midi : Tensor, shape (B, F) or (B, 1), float, optional
            MIDI note numbers; needed with, and refused without, harmonics.
        whole : bool
            Whether silence lies before and after the sounds; if not, ``audio`` carries its own context
            (``Encoder.forward``).

        Returns
        -------
        Tensor, shape (B, F, ``config.latent_size``), float32

        Raises
        ------
        UsageError
            If the pitch is missing or of no use, or the encoder refuses the audio.
        """
        listen = self.encoder.encode if whole else self.encoder
        if not self.config.harmonics:
            if midi is not None:
                raise UsageError("this model's latent holds no pitch; leave it out")
            return listen(audio)
        if midi is None:
            raise UsageError("this model's latent holds the pitch; give MIDI note numbers for each sound")
        # A waveform cannot be moved without changing it.
        moved = (HEARD_AT - midi) / 12 if self.config.encoder.kind == "cqt" else 0
        latent = listen(audio, octave_shift=moved)
        octaves = ((midi - MIDDLE_C) / 12).to(latent).expand(-1, latent.shape[1])
        return torch.cat([latent, octaves[..., None]], dim=-1)

    def condition(self, latent: Tensor, pitches: Tensor | None = None) -> Tensor:
        """Make of the latent, and the pitch beside or in it, what the decoder is told.

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
            If pitches are missing, of no use, out of range, or not one whole number for each sound.
        """
        if not self.config.pitch_channels:
            if pitches is not None:
                raise UsageError("this model is told no pitch beside the latent; leave the pitch out")
            if not self.config.harmonics:
                return self.expand(latent)
            phase, f0_hz = self.run_oscillator(latent)
            return self.sampled_condition(latent, phase, f0_hz)
        if pitches is None:
            raise UsageError("this model is told the pitch; give a MIDI note number for each sound")
        if pitches.is_floating_point() or pitches.shape != latent.shape[:1]:
            found = f"{pitches.dtype} of shape {tuple(pitches.shape)}"
            raise UsageError(f"pitches must be whole numbers of shape ({len(latent)},), not {found}")
        if int(pitches.min()) < 0 or int(pitches.max()) >= N_PITCHES:
            raise UsageError(f"pitches must be MIDI note numbers, 0 to {N_PITCHES - 1}, not {pitches.tolist()}")
        vectors = self.pitch_embedding[pitches][:, None].expand(-1, latent.shape[1], -1)
        return self.expand(torch.cat([latent, vectors], dim=-1))

    def run_oscillator(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Run the oscillator along the pitch that a latent ends in.

        Parameters
        ----------
        latent : Tensor, shape (B, F, ``config.latent_size``), float

        Returns
        -------
        phase, f0_hz : Tensor, shape (B, F * hop_length of the encoder), float32
            Radians, and Hz.
        """
        encoder = self.config.encoder
        return oscillator.phase_of(MIDDLE_C + 12 * latent[..., -1], encoder.hop_length, encoder.sample_rate)

    def sampled_condition(self, latent: Tensor, phase: Tensor, f0_hz: Tensor, offsets: Tensor | None = None) -> Tensor:
        """Set the oscillator beside the latent, for every sample.

        Parameters
        ----------
        latent : Tensor, shape (B, F, ``config.latent_size``), float
        phase : Tensor, shape (B, F * hop_length of the encoder), float, radians
        f0_hz : Tensor, shape (B, F * hop_length) or (B, 1), float
        offsets : Tensor, shape (B, F * hop_length, oscillator.N_PARTIALS), float, radians, optional
            Of the partials, where they are known; otherwise ``oscillator.usual_offsets``.

        Returns
        -------
        Tensor, shape (B, F * hop_length, decoder.latent_channels), float
        """
        return self._beside_oscillator(self.expand(latent), self.levels(latent), phase, f0_hz, offsets)

    def _beside_oscillator(
        self, told: Tensor, levels: Tensor, phase: Tensor, f0_hz: Tensor, offsets: Tensor | None = None
    ) -> Tensor:
        hop, rate = self.config.encoder.hop_length, self.config.encoder.sample_rate
        sizes = oscillator.upsample(oscillator.amplitudes(levels), hop)
        offsets = oscillator.usual_offsets().to(phase) if offsets is None else offsets
        draft = oscillator.excite(phase, f0_hz, sizes, offsets, self.config.harmonics, rate)
        return torch.cat([oscillator.upsample(told, hop), draft.to(told.dtype)], dim=-1)

    def condition_blocks(self, latent: Tensor, block_frames: int) -> Iterator[Tensor]:
        """Say the condition in pieces: with harmonics the whole is many times as large as the sound.

        Parameters
        ----------
        latent : Tensor, shape (B, F, ``config.latent_size``), float
        block_frames : int
            Of the encoder.

        Yields
        ------
        Tensor, shape (B, n, decoder.latent_channels), float
            One after the other they are what ``condition`` returns.
        """
        if not self.config.harmonics:
            yield self.condition(latent)
            return
        (phase, f0_hz), told, levels = self.run_oscillator(latent), self.expand(latent), self.levels(latent)
        hop, n_frames = self.config.encoder.hop_length, latent.shape[1]
        for first in range(0, n_frames, block_frames):
            last = min(n_frames, first + block_frames)
            # A frame on either side: straight lines lead there.
            begin, end = max(0, first - 1), min(n_frames, last + 1)
            samples = slice(begin * hop, end * hop)
            found = self._beside_oscillator(
                told[:, begin:end], levels[:, begin:end], phase[:, samples], f0_hz[:, samples]
            )
            yield found[:, (first - begin) * hop : (last - begin) * hop]

    def expand(self, told: Tensor) -> Tensor:
        """Say the latent, and a pitch's vector beside it, in the channels of the condition.

        Parameters
        ----------
        told : Tensor, shape (B, F, C), float
            C is ``config.latent_size`` and ``pitch_channels``.

        Returns
        -------
        Tensor, shape (B, F, ``condition_channels``), float
            ``told`` itself where there are none.
        """
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
        """Say what a model folder's card holds beside the sizes."""
        conditioned = bool(self.config.pitch_channels or self.config.harmonics)
        # Of the latent, whatever the decoder's own is.
        return {"pitch_conditioned": conditioned, "hop_length": self.config.encoder.hop_length}
