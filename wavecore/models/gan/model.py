"""Adversarial networks for one line: a generator that writes it from noise, a discriminator that judges it.

Two variants.  ``dense``: layers that write all notes at once, against recurrent layers that read them
one by one.  ``recurrent``: Mogren's, recurrent on both sides (see ``gan_mogren``).

References
----------
Goodfellow et al., "Generative Adversarial Nets", NIPS 2014.
Mogren, "C-RNN-GAN: Continuous recurrent neural networks with adversarial training", NIPS 2016 workshop.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from wavecore.models.gan.config import GANConfig
from wavecore.models.gan.recurrent import BidirectionalDiscriminator, RecurrentGenerator

SLOPE = 0.2
"""Of the leaky rectifiers below zero."""
MOMENTUM = 0.2
"""Of batch norm's running statistics: what is new; the published 0.8 is what stays."""


class GAN(nn.Module):
    """A generator and its discriminator."""

    kind = "gan"

    def __init__(self, config: GANConfig):
        super().__init__()
        self.config = config
        if config.variant == "dense":
            self.generator = DenseGenerator(config.latent, config.generator, config.length, config.features)
            self.discriminator = RecurrentDiscriminator(
                config.features, config.hidden, config.judge, config.steps_heard
            )
        else:
            self.generator = RecurrentGenerator(config.features, config.latent, config.hidden, config.n_layers)
            self.discriminator = BidirectionalDiscriminator(config.features, config.hidden, config.n_layers)

    def forward(self, noise: Tensor) -> Tensor:
        """Write sequences.

        Parameters
        ----------
        noise : Tensor, shape (B, latent) or (B, length, latent), float32
            As ``draw_noise`` returns it.

        Returns
        -------
        Tensor, shape (B, length, features), float32
            -1 to 1, as ``NoteScale`` has it.
        """
        written = self.generator(noise)
        return written + (self._nearest(written) - written).detach() if self.config.rounded else written

    @torch.no_grad()
    def _nearest(self, written: Tensor) -> Tensor:
        """What ``NoteScale.decode`` would read, (B, T, 1 or 2)."""
        semitones = self.config.highest - self.config.lowest
        pitches = ((written[..., :1] + 1) / 2 * semitones).round() / semitones * 2 - 1
        if self.config.features == 1:
            return pitches
        levels = torch.as_tensor(self.config.scale.levels(), dtype=written.dtype, device=written.device)
        return torch.cat([pitches, levels[(written[..., 1:] - levels).abs().argmin(-1, keepdim=True)]], dim=-1)

    def card(self) -> dict:
        """Say what a model folder tells of the network beside its configuration."""
        return {
            "variant": self.config.variant,
            "notes": self.config.length,
            "steps_per_beat": self.config.steps_per_beat,
        }


def draw_noise(config: GANConfig, n: int, rng: np.random.Generator) -> Tensor:
    """Draw what sequences are made of.

    Parameters
    ----------
    n : int
        Sequences.

    Returns
    -------
    Tensor, shape (n, latent) or (n, length, latent), float32
        Normal for the dense variant, even between 0 and 1 for the recurrent one.
    """
    if config.variant == "dense":
        return torch.from_numpy(rng.standard_normal((n, config.latent), dtype=np.float32))
    return torch.from_numpy(rng.random((n, config.length, config.latent), dtype=np.float32))


class DenseGenerator(nn.Module):
    """Noise to all notes at once.

    Parameters
    ----------
    widths : tuple of int
        Of the hidden layers.
    length, n_features : int
        Notes, and numbers of a note.
    """

    def __init__(self, latent: int, widths: tuple[int, ...], length: int, n_features: int):
        super().__init__()
        layers, before = [], latent
        for width in widths:
            layers += [nn.Linear(before, width), nn.LeakyReLU(SLOPE), nn.BatchNorm1d(width, momentum=MOMENTUM)]
            before = width
        self.layers = nn.Sequential(*layers, nn.Linear(before, length * n_features))
        self.shape = (length, n_features)

    def forward(self, noise: Tensor) -> Tensor:
        """Write lines.

        Parameters
        ----------
        noise : Tensor, shape (B, latent), float32

        Returns
        -------
        Tensor, shape (B, length, n_features), float32
            -1 to 1.
        """
        return torch.tanh(self.layers(noise).float()).unflatten(1, self.shape)


class RecurrentDiscriminator(nn.Module):
    """Notes to a verdict: an LSTM, one in both directions, dense layers on their last states.

    Parameters
    ----------
    hidden : int
        Width of the LSTMs.
    widths : tuple of int
        Of the dense hidden layers.
    steps_heard : float
        As of ``GANConfig``.
    """

    def __init__(self, n_features: int, hidden: int, widths: tuple[int, ...], steps_heard: float = 0.0):
        super().__init__()
        self.steps_heard = steps_heard
        self.first = nn.LSTM(n_features * (2 if steps_heard else 1), hidden, batch_first=True)
        self.second = nn.LSTM(hidden, hidden, batch_first=True, bidirectional=True)
        layers, before = [], 2 * hidden
        for width in widths:
            layers += [nn.Linear(before, width), nn.LeakyReLU(SLOPE)]
            before = width
        self.layers, self.output = nn.Sequential(*layers), nn.Linear(before, 1)

    def forward(self, notes: Tensor) -> tuple[Tensor, Tensor]:
        """Judge lines.

        Parameters
        ----------
        notes : Tensor, shape (B, T, n_features), float32

        Returns
        -------
        logits : Tensor, shape (B,), float32
            That they are real.
        heard : Tensor, shape (B, width), float32
            What the verdict is made of.
        """
        if self.steps_heard:
            steps = nn.functional.pad(notes[:, 1:] - notes[:, :-1], (0, 0, 1, 0))  # none leads to the first note
            notes = torch.cat([notes, self.steps_heard * steps], dim=-1)
        _, (last, _) = self.second(self.first(notes)[0])  # (2, B, H)
        heard = self.layers(torch.cat([last[0], last[1]], dim=1))
        return self.output(heard).float()[:, 0], heard.float()
