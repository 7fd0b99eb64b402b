"""An LSTM with attention that goes on with a line of notes and durations.

Of every position's symbol and duration the two layers make a state; attention weighs the states so far,
and of their weighted sum two heads say how likely each next symbol and each next duration is.  All
positions of a sequence are scored in one pass, each from its past alone.

References
----------
Foster, "Generative Deep Learning", O'Reilly 2019, chapter 7: symbols and durations in two embeddings and two heads.
Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and translate", ICLR 2015: attention.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wavecore.models.lstm.config import LSTMConfig


@dataclass(frozen=True)
class LSTMState:
    """What a network remembers of the positions so far.

    Attributes
    ----------
    hidden, cell : Tensor, shape (n_layers, B, H), float32
    attended : Tensor, shape (B, K, H + 1), float64
        Weighted states and weights of the last ``window`` - 1 positions at most; without a window their sum so far, in one row.
    """

    hidden: Tensor
    cell: Tensor
    attended: Tensor


class LSTM(nn.Module):
    """What comes next in a line."""

    kind = "lstm"

    def __init__(self, config: LSTMConfig):
        super().__init__()
        self.config = config
        # One row more than there are symbols: before the first one nothing has come.
        self.note_embedding = nn.Embedding(len(config.symbols) + 1, config.embedding)
        self.duration_embedding = nn.Embedding(len(config.durations) + 1, config.embedding)
        self.lstm = nn.LSTM(2 * config.embedding, config.hidden, config.n_layers, batch_first=True)
        self.attention = nn.Linear(config.hidden, 1)
        self.note_head = nn.Linear(config.hidden, len(config.symbols))
        self.duration_head = nn.Linear(config.hidden, len(config.durations))

    @property
    def start(self) -> tuple[int, int]:
        """The symbol's and the duration's number that stand before a line."""
        return len(self.config.symbols), len(self.config.durations)

    def forward(
        self, notes: Tensor, durations: Tensor, state: LSTMState | None = None
    ) -> tuple[Tensor, Tensor, LSTMState]:
        """Say how likely each symbol and each duration is to come next.

        Parameters
        ----------
        notes, durations : Tensor, shape (B, T), int64
            Numbers of the vocabulary; ``start`` before the first.
        state : LSTMState, optional
            Of the positions before these; none if not given.

        Returns
        -------
        note_logits : Tensor, shape (B, T, N), float32
        duration_logits : Tensor, shape (B, T, D), float32
        state : LSTMState
            After the last position.  A line in pieces, or position by position, gives what it gives whole.
        """
        x = torch.cat([self.note_embedding(notes), self.duration_embedding(durations)], dim=-1)  # (B, T, 2 E)
        states, (hidden, cell) = self.lstm(x, None if state is None else (state.hidden, state.cell))
        context, attended = self._attend(states, None if state is None else state.attended)
        return self.note_head(context).float(), self.duration_head(context).float(), LSTMState(hidden, cell, attended)

    def _attend(self, states: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """The mean of the states of every position's past, weighted by a softmax of their scores.

        Scores lie within -1 and 1, so that their exponentials need no shift; running sums are kept in double
        precision, of which a window is a difference.
        """
        weights = torch.tanh(self.attention(states)).double().exp()  # (B, T, 1)
        rows = torch.cat([weights * states.double(), weights], dim=-1)  # (B, T, H + 1)
        n_new, window = rows.shape[1], self.config.window
        rows = rows if before is None else torch.cat([before, rows], dim=1)
        totals = rows.cumsum(dim=1)
        if window:
            kept = rows[:, max(0, rows.shape[1] - window + 1) :]
            totals = torch.cat([totals[:, :window], totals[:, window:] - totals[:, :-window]], dim=1)
        else:
            kept = totals[:, -1:]
        totals = totals[:, -n_new:]
        return (totals[..., :-1] / totals[..., -1:]).to(states.dtype), kept

    def card(self) -> dict:
        """Say what a model folder tells of the network beside its configuration."""
        return {
            "steps_per_beat": self.config.steps_per_beat,
            "n_symbols": len(self.config.symbols),
            "n_durations": len(self.config.durations),
        }
