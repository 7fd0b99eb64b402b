"""The recurrent pair of adversaries: both walk along a line, note by note.

The generator's two layers hear, at every note, fresh noise and the note that they wrote before.  The
discriminator's hear the line in both directions and judge every note; its verdict is the mean.

References
----------
Mogren, "C-RNN-GAN: Continuous recurrent neural networks with adversarial training", NIPS 2016 workshop.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GATES = 4
"""Of an LSTM's cell, whose weights lie one below the other."""
GAIN = 2.0
"""Of what a cell hears, at the start."""


class RecurrentGenerator(nn.Module):
    """Noise to notes.  A tanh keeps them within what numbers of notes can be; the published output is linear.

    Parameters
    ----------
    n_features : int
        Numbers of a note.
    latent : int
        Numbers of noise for a note.
    hidden, n_layers : int
        Width and number of the LSTM's layers.
    """

    def __init__(self, n_features: int, latent: int, hidden: int, n_layers: int):
        super().__init__()
        sizes = [latent + n_features] + [hidden] * (n_layers - 1)
        self.cells = nn.ModuleList(nn.LSTMCell(size, hidden) for size in sizes)
        self.output = nn.Linear(hidden, n_features)
        self._spread()

    @torch.no_grad()
    def _spread(self) -> None:
        """Begin with weights by which noise reaches the notes: from torch's own, hundreds of sequences begin as one and the same, and stay so."""
        for cell in self.cells:
            for heard, kept in zip(cell.weight_ih.chunk(GATES), cell.weight_hh.chunk(GATES), strict=True):
                nn.init.xavier_uniform_(heard, gain=GAIN)
                nn.init.orthogonal_(kept)
        nn.init.xavier_uniform_(self.output.weight)

    def forward(self, noise: Tensor) -> Tensor:
        """Write lines.

        Parameters
        ----------
        noise : Tensor, shape (B, T, latent), float32

        Returns
        -------
        Tensor, shape (B, T, n_features), float32
            -1 to 1.
        """
        states: list[tuple[Tensor, Tensor] | None] = [None] * len(self.cells)
        note, notes = noise.new_zeros(len(noise), self.output.out_features), []
        for heard in noise.unbind(dim=1):
            x = torch.cat([heard, note], dim=1)
            for number, cell in enumerate(self.cells):
                states[number] = cell(x, states[number])
                x = states[number][0]
            note = torch.tanh(self.output(x).float())
            notes.append(note)
        return torch.stack(notes, dim=1)


class BidirectionalDiscriminator(nn.Module):
    """Notes to a verdict.

    Parameters
    ----------
    hidden, n_layers : int
        Width of each direction, and number of the LSTM's layers.
    """

    def __init__(self, n_features: int, hidden: int, n_layers: int):
        super().__init__()
        self.lstm = nn.LSTM(n_features, hidden, n_layers, batch_first=True, bidirectional=True)
        self.output = nn.Linear(2 * hidden, 1)

    def forward(self, notes: Tensor) -> tuple[Tensor, Tensor]:
        """Judge lines.

        Parameters
        ----------
        notes : Tensor, shape (B, T, n_features), float32

        Returns
        -------
        logits : Tensor, shape (B,), float32
            Of the mean over all notes of the probability that they are real.
        heard : Tensor, shape (B, T * 2 * hidden), float32
            What the verdict is made of.
        """
        heard, _ = self.lstm(notes)
        verdicts = self.output(heard).float()[..., 0]  # (B, T)
        # The logit of a mean of probabilities, without leaving their logarithms.
        real, made = (torch.logsumexp(F.logsigmoid(sign * verdicts), dim=1) for sign in (1, -1))
        return real - made, heard.float().flatten(1)
