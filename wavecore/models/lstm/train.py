"""Training an LSTM with attention: crops of melodies, the cross-entropy, the held-out measure.

The published model is trained with RMSprop; here it is Adam, as for all other networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from wavecore.datasets.songs import SongsDataset, read_lines
from wavecore.models.lstm.config import LSTMConfig, LSTMTrainingConfig
from wavecore.models.lstm.model import LSTM
from wavecore.training import losses
from wavecore.training.autocast import autocast
from wavecore.training.batch import TensorBatch
from wavecore.training.task import Task
from wavecore.training.trainer import AveragedTrainer

ROWS = 16
"""Held-out melodies that are measured at once."""
BEGINNINGS = 0.25
"""Share of the crops that begin where their melody does, however long it is.

If all positions were equally likely, beginnings would mostly be those of short melodies, and the network would begin
like them.
"""


@dataclass(frozen=True)
class Crops(TensorBatch):
    """Crops of melodies, in numbers of the vocabulary.

    Attributes
    ----------
    notes, durations : Tensor, shape (B, T + 1), int64
        The position before the crop, then the crop; arbitrary beyond a melody's end.
    inside : Tensor, shape (B, T), bool
        Within the melody.
    """

    notes: Tensor
    durations: Tensor
    inside: Tensor


class LSTMTrainer(AveragedTrainer):
    """One optimiser for all weights."""

    def __init__(self, network: LSTM, config: LSTMTrainingConfig, *, device: str = "cpu"):
        groups = {"lstm": (dict(network.named_parameters()), config.learning_rate)}
        super().__init__(network, config, groups, device=device)

    def loss(self, batch: Crops) -> Tensor:
        """Return the cross-entropy of symbol and duration together, nats per note."""
        with autocast(self.config.precision, self.device):
            note_logits, duration_logits, _ = self.network(batch.notes[:, :-1], batch.durations[:, :-1])
        return total_nats(note_logits, duration_logits, batch).sum() / batch.inside.sum().clamp(min=1)


def total_nats(note_logits: Tensor, duration_logits: Tensor, crops: Crops) -> Tensor:
    """Return the cross-entropy summed over the positions within the melodies, shape (2,): of symbols, of durations."""
    totals = []
    for logits, numbers in ((note_logits, crops.notes), (duration_logits, crops.durations)):
        nats = F.cross_entropy(logits.flatten(0, 1).float(), numbers[:, 1:].flatten(), reduction="none")
        totals.append((nats * crops.inside.flatten()).sum())
    return torch.stack(totals)


@torch.no_grad()
def bits_per_note(network: LSTM, lines: Sequence[np.ndarray], device: str) -> tuple[float, float]:
    """Return the bits per note, of its symbol and of its duration, of whole encoded melodies; rests count as notes."""
    network = network.to(device)
    rows = sorted((_with_start(network.config, line) for line in lines), key=lambda row: row.shape[1])
    nats, n_notes = np.zeros(2), 0
    for begin in range(0, len(rows), ROWS):
        some = rows[begin : begin + ROWS]
        crops = _padded(some, max(row.shape[1] for row in some) - 1).to(torch.device(device))
        note_logits, duration_logits, _ = network(crops.notes[:, :-1], crops.durations[:, :-1])
        nats += total_nats(note_logits, duration_logits, crops).tolist()
        n_notes += int(crops.inside.sum())
    notes, durations = (losses.bits(part / n_notes) for part in nats)
    return notes, durations


class LSTMTask(Task):
    """An LSTM with attention and the melodies that it is trained on.

    A crop has ``crop_notes`` notes and rests, or as many as a shorter melody has left from a position in its first half
    on.

    Raises
    ------
    InputError
        If there are no melodies.
    """

    network_class = LSTM
    trainer_class = LSTMTrainer

    def __init__(
        self,
        dataset: SongsDataset,
        network_config: LSTMConfig,
        training: LSTMTrainingConfig,
        initial: LSTM | None = None,
    ):
        super().__init__(dataset, network_config, training, initial)
        self.samples_per_step = training.batch_size * training.crop_notes
        self.sample_rate = network_config.steps_per_beat
        vocabulary, most = network_config.vocabulary, int(training.transpose_semitones)
        grid = {"steps_per_beat": network_config.steps_per_beat, "chords": network_config.chords}
        self.lines = {
            split: [np.stack(vocabulary.encode(line)) for line in read_lines(dataset, split, **grid)]
            for split in ("train", "valid")
        }
        self.transpositions = [vocabulary.transposition(semitones) for semitones in range(-most, most + 1)]

    def batch(self, step: int) -> Crops:
        """Return the batch of a step: every melody comes once in an epoch."""
        lines, length = self.lines["train"], self.training.crop_notes
        rng = np.random.default_rng((self.training.seed, step))
        rows = []
        for number in self.shuffled(step, len(lines)):
            notes, durations = lines[number]
            transposed = [table[notes] for table in self.transpositions]
            notes = rng.choice([numbers for numbers in transposed if (numbers >= 0).all()])
            last = len(notes) - length if len(notes) > length else len(notes) // 2
            begin = 0 if rng.random() < BEGINNINGS else int(rng.integers(1, last + 1))
            row = _with_start(self.network_config, np.stack([notes, durations]))
            rows.append(row[:, begin : begin + length + 1])
        return _padded(rows, length)

    def validate(self, network: LSTM, device: str) -> dict[str, float]:
        """Measure a network on whole held-out melodies: bits per note, of symbol, duration and both."""
        notes, durations = bits_per_note(network, self.lines["valid"], device)
        return {"valid/bits": notes + durations, "valid/note_bits": notes, "valid/duration_bits": durations}

    def describe(self) -> dict[str, Any]:
        """Return what the model's card keeps of its data."""
        return self.dataset.summary() | {"melodies": {split: len(lines) for split, lines in self.lines.items()}}


def _with_start(config: LSTMConfig, line: np.ndarray) -> np.ndarray:
    """Put the start before a line of shape (2, n)."""
    return np.concatenate([np.array(config.start)[:, None], line], axis=1)


def _padded(rows: list[np.ndarray], length: int) -> Crops:
    """Return crops of one length from rows of shape (2, up to length + 1)."""
    numbers, inside = np.zeros((2, len(rows), length + 1), np.int64), np.zeros((len(rows), length), bool)
    for number, row in enumerate(rows):
        numbers[:, number, : row.shape[1]] = row
        inside[number, : row.shape[1] - 1] = True
    return Crops(*(torch.from_numpy(array) for array in (*numbers, inside)))
