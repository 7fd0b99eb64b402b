"""An LSTM with attention that predicts the next symbol and the next duration of a melody.

The LSTM turns the embedded symbol and duration of every position into a state, attention averages the states so far,
and two heads predict the next symbol and duration from that average.  One pass predicts at all positions of a sequence,
each from its past alone.

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
    """What the network keeps of the positions so far.

    Attributes
    ----------
    hidden, cell : Tensor, shape (n_layers, B, H), float32
    attended : Tensor, shape (B, K, H + 1), float64
        Weighted states and weights of the last ``window`` - 1 positions; without a window their sum, in one row.
    """

    hidden: Tensor
    cell: Tensor
    attended: Tensor


class LSTM(nn.Module):
    """The network; ``LSTMConfig`` describes it."""

    kind = "lstm"

    def __init__(self, config: LSTMConfig):
        super().__init__()
        self.config = config
        # One row more than there are symbols and durations: that of ``config.start``.
        self.note_embedding = nn.Embedding(len(config.symbols) + 1, config.embedding)
        self.duration_embedding = nn.Embedding(len(config.durations) + 1, config.embedding)
        self.lstm = nn.LSTM(2 * config.embedding, config.hidden, config.n_layers, batch_first=True)
        self.attention = nn.Linear(config.hidden, 1)
        self.note_head = nn.Linear(config.hidden, len(config.symbols))
        self.duration_head = nn.Linear(config.hidden, len(config.durations))

    def forward(
        self, notes: Tensor, durations: Tensor, state: LSTMState | None = None
    ) -> tuple[Tensor, Tensor, LSTMState]:
        """Predict the symbol and the duration after every position.

        Parameters
        ----------
        notes, durations : Tensor, shape (B, T), int64
            Numbers of the vocabulary; ``config.start`` before the first.
        state : LSTMState, optional
            After the positions before these; a line split in any way has the same predictions as the whole.

        Returns
        -------
        note_logits : Tensor, shape (B, T, N), float32
        duration_logits : Tensor, shape (B, T, D), float32
        state : LSTMState
            After the last position.
        """
        x = torch.cat([self.note_embedding(notes), self.duration_embedding(durations)], dim=-1)  # (B, T, 2 E)
        states, (hidden, cell) = self.lstm(x, None if state is None else (state.hidden, state.cell))
        context, attended = self._attend(states, None if state is None else state.attended)
        return self.note_head(context).float(), self.duration_head(context).float(), LSTMState(hidden, cell, attended)

    def _attend(self, states: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the mean of the states of every position's past, weighted by a softmax of their scores.

        Scores lie within -1 and 1, so that their exponentials need no shift; running sums are kept in double precision,
        since those of a window are differences of them.
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
        """Return what a model folder keeps beside the configuration."""
        return {
            "steps_per_beat": self.config.steps_per_beat,
            "n_symbols": len(self.config.symbols),
            "n_durations": len(self.config.durations),
        }
