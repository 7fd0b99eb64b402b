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

from dataclasses import asdict, dataclass, fields

import torch
from torch import Tensor, nn

from wavecore.errors import UsageError
from wavecore.models.lstm.vocabulary import NoteVocabulary


@dataclass(frozen=True)
class LSTMConfig:
    """Vocabulary and sizes of an LSTM with attention.

    Attributes
    ----------
    symbols : tuple of str
        As of ``NoteVocabulary``.
    durations : tuple of int
        As of ``NoteVocabulary``.
    chords : bool
        Whether lines are read with their chords.
    embedding : int
        Width of each of the two embeddings.
    hidden, n_layers : int
        Width and number of the LSTM's layers.
    window : int
        Positions that attention sees, the present one among them; 0 for all so far.

    Raises
    ------
    UsageError
        If a size is out of its range, or the vocabulary cannot be.
    """

    symbols: tuple[str, ...]
    durations: tuple[int, ...]
    steps_per_beat: int = 4
    chords: bool = False
    embedding: int = 100
    hidden: int = 256
    n_layers: int = 2
    window: int = 32

    def __post_init__(self):
        vocabulary = self.vocabulary  # says what is wrong with it
        object.__setattr__(self, "symbols", vocabulary.symbols)
        object.__setattr__(self, "durations", vocabulary.durations)
        for name in ("embedding", "hidden", "n_layers"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; at least 1 is needed")
        if self.window < 0:
            raise UsageError(f"window is {self.window}; it is 0 (all the past) or more")

    @property
    def vocabulary(self) -> NoteVocabulary:
        """What the numbers stand for."""
        return NoteVocabulary(self.symbols, self.durations, self.steps_per_beat)

    def to_dict(self) -> dict:
        """Return vocabulary and sizes as JSON has them."""
        return asdict(self) | {"symbols": list(self.symbols), "durations": list(self.durations)}

    @classmethod
    def from_dict(cls, values: dict) -> LSTMConfig:
        """Build a configuration from what ``to_dict`` returned.

        Raises
        ------
        UsageError
            If a name is unknown or missing, or a value out of range.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise UsageError(f"an LSTM with attention has no {', '.join(unknown)}")
        return cls(**values)


PRESETS = {
    "tiny": {"embedding": 24, "hidden": 48, "n_layers": 1, "window": 8},
    "small": {"embedding": 64, "hidden": 160, "n_layers": 2, "window": 8},
    "lstm": {"embedding": 100, "hidden": 256, "n_layers": 2, "window": 32},
}
"""Sizes; the vocabulary is that of the data.  ``lstm`` is the published one.  A mean over fewer states says more of what was
heard last: after 450 steps of ``small`` 8 positions took 4.71 bits a note, 32 took 4.91, all took 5.03."""


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
