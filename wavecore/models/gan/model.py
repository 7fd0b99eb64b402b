"""Adversarial networks of melodies: a generator from noise, and a discriminator of real and generated sequences.

The ``dense`` variant generates all notes at once by dense layers, against recurrent layers that read them one by one.
The ``recurrent`` variant is Mogren's, with LSTMs on both sides.

References
----------
Goodfellow et al., "Generative Adversarial Nets", NIPS 2014.
Mogren, "C-RNN-GAN: Continuous recurrent neural networks with adversarial training", NIPS 2016 workshop.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wavecore.models.gan.config import GANConfig

SLOPE = 0.2
"""Of the leaky rectifiers below zero."""
MOMENTUM = 0.2
"""Of batch norm's running statistics, as torch counts it: the published 0.8 is the share that is kept."""
GATES = 4
"""Of an LSTM cell, whose weights are stacked."""
GAIN = 2.0
"""Of the initial input weights of the recurrent generator."""


class GAN(nn.Module):
    """A generator and its discriminator; ``GANConfig`` describes them."""

    kind = "gan"

    def __init__(self, config: GANConfig):
        super().__init__()
        self.config = config
        if config.variant == "dense":
            self.generator = DenseGenerator(config.latent, config.generator, config.length, config.features)
            self.discriminator = RecurrentDiscriminator(
                config.features, config.hidden, config.discriminator, config.interval_weight
            )
        else:
            self.generator = RecurrentGenerator(config.features, config.latent, config.hidden, config.n_layers)
            self.discriminator = BidirectionalDiscriminator(config.features, config.hidden, config.n_layers)

    def forward(self, noise: Tensor) -> Tensor:
        """Generate sequences.

        Parameters
        ----------
        noise : Tensor, shape (B, latent) or (B, length, latent), float32
            As ``draw_noise`` returns it.

        Returns
        -------
        Tensor, shape (B, length, features), float32
            -1 to 1, as ``NoteEncoding`` has it.
        """
        generated = self.generator(noise)
        if not self.config.rounded:
            return generated
        return generated + (self._rounded(generated) - generated).detach()  # straight-through gradient

    @torch.no_grad()
    def _rounded(self, generated: Tensor) -> Tensor:
        """Return what ``NoteEncoding.decode`` would read, (B, T, 1 or 2)."""
        semitones = self.config.highest - self.config.lowest
        pitches = ((generated[..., :1] + 1) / 2 * semitones).round() / semitones * 2 - 1
        if self.config.features == 1:
            return pitches
        levels = torch.as_tensor(self.config.encoding.levels(), dtype=generated.dtype, device=generated.device)
        return torch.cat([pitches, levels[(generated[..., 1:] - levels).abs().argmin(-1, keepdim=True)]], dim=-1)

    def card(self) -> dict:
        """Return what a model folder keeps beside the configuration."""
        return {
            "variant": self.config.variant,
            "notes": self.config.length,
            "steps_per_beat": self.config.steps_per_beat,
        }


def draw_noise(config: GANConfig, n: int, rng: np.random.Generator) -> Tensor:
    """Draw the noise of ``n`` sequences.

    Returns
    -------
    Tensor, shape (n, latent) or (n, length, latent), float32
        Normal for the dense variant, uniform between 0 and 1 for the recurrent one.
    """
    if config.variant == "dense":
        return torch.from_numpy(rng.standard_normal((n, config.latent), dtype=np.float32))
    return torch.from_numpy(rng.random((n, config.length, config.latent), dtype=np.float32))


class DenseGenerator(nn.Module):
    """Dense layers, with the given hidden widths, from noise to all notes at once."""

    def __init__(self, latent: int, widths: tuple[int, ...], length: int, n_features: int):
        super().__init__()
        layers, before = [], latent
        for width in widths:
            layers += [nn.Linear(before, width), nn.LeakyReLU(SLOPE), nn.BatchNorm1d(width, momentum=MOMENTUM)]
            before = width
        self.layers = nn.Sequential(*layers, nn.Linear(before, length * n_features))
        self.shape = (length, n_features)

    def forward(self, noise: Tensor) -> Tensor:
        """Map noise, shape (B, latent), to sequences, shape (B, length, n_features), -1 to 1."""
        return torch.tanh(self.layers(noise).float()).unflatten(1, self.shape)


class RecurrentDiscriminator(nn.Module):
    """An LSTM, a bidirectional one, and dense layers of the given widths on the last states of both directions."""

    def __init__(self, n_features: int, hidden: int, widths: tuple[int, ...], interval_weight: float = 0.0):
        super().__init__()
        self.interval_weight = interval_weight
        self.first = nn.LSTM(n_features * (2 if interval_weight else 1), hidden, batch_first=True)
        self.second = nn.LSTM(hidden, hidden, batch_first=True, bidirectional=True)
        layers, before = [], 2 * hidden
        for width in widths:
            layers += [nn.Linear(before, width), nn.LeakyReLU(SLOPE)]
            before = width
        self.layers, self.output = nn.Sequential(*layers), nn.Linear(before, 1)

    def forward(self, notes: Tensor) -> tuple[Tensor, Tensor]:
        """Classify sequences of shape (B, T, n_features).

        Returns
        -------
        logits : Tensor, shape (B,), float32
            Of being real.
        activations : Tensor, shape (B, width), float32
            Of the last hidden layer.
        """
        if self.interval_weight:
            intervals = F.pad(notes[:, 1:] - notes[:, :-1], (0, 0, 1, 0))  # none leads to the first note
            notes = torch.cat([notes, self.interval_weight * intervals], dim=-1)
        _, (last, _) = self.second(self.first(notes)[0])  # (2, B, H)
        activations = self.layers(torch.cat([last[0], last[1]], dim=1))
        return self.output(activations).float()[:, 0], activations.float()


class RecurrentGenerator(nn.Module):
    """LSTM cells from fresh noise and the note before to the next note.

    A tanh keeps the notes within -1 to 1; the published output is linear.
    """

    def __init__(self, n_features: int, latent: int, hidden: int, n_layers: int):
        super().__init__()
        sizes = [latent + n_features] + [hidden] * (n_layers - 1)
        self.cells = nn.ModuleList(nn.LSTMCell(size, hidden) for size in sizes)
        self.output = nn.Linear(hidden, n_features)
        self._initialize()

    @torch.no_grad()
    def _initialize(self) -> None:
        """Draw weights by which noise reaches the notes: from torch's own all sequences are alike, and stay so."""
        for cell in self.cells:
            for inputs, recurrent in zip(cell.weight_ih.chunk(GATES), cell.weight_hh.chunk(GATES), strict=True):
                nn.init.xavier_uniform_(inputs, gain=GAIN)
                nn.init.orthogonal_(recurrent)
        nn.init.xavier_uniform_(self.output.weight)

    def forward(self, noise: Tensor) -> Tensor:
        """Map noise, shape (B, T, latent), to sequences, shape (B, T, n_features), -1 to 1."""
        states: list[tuple[Tensor, Tensor] | None] = [None] * len(self.cells)
        note, notes = noise.new_zeros(len(noise), self.output.out_features), []
        for fresh in noise.unbind(dim=1):
            x = torch.cat([fresh, note], dim=1)
            for number, cell in enumerate(self.cells):
                states[number] = cell(x, states[number])
                x = states[number][0]
            note = torch.tanh(self.output(x).float())
            notes.append(note)
        return torch.stack(notes, dim=1)


class BidirectionalDiscriminator(nn.Module):
    """A bidirectional LSTM that classifies every note; a sequence has the mean of the notes' probabilities."""

    def __init__(self, n_features: int, hidden: int, n_layers: int):
        super().__init__()
        self.lstm = nn.LSTM(n_features, hidden, n_layers, batch_first=True, bidirectional=True)
        self.output = nn.Linear(2 * hidden, 1)

    def forward(self, notes: Tensor) -> tuple[Tensor, Tensor]:
        """Classify sequences of shape (B, T, n_features).

        Returns
        -------
        logits : Tensor, shape (B,), float32
            Of being real.
        activations : Tensor, shape (B, T * 2 * hidden), float32
            Of the LSTM at all notes.
        """
        activations, _ = self.lstm(notes)
        logits = self.output(activations).float()[..., 0]  # (B, T)
        # The logit of a mean of probabilities, computed from their logarithms.
        real, generated = (torch.logsumexp(F.logsigmoid(sign * logits), dim=1) for sign in (1, -1))
        return real - generated, activations.float().flatten(1)
