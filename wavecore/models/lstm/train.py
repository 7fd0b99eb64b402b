"""What trains an LSTM with attention: crops of melodies, its one update, its held-out measure.

The published model takes RMSprop; here it is Adam, as for every other network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from wavecore.datasets.melodies import read_lines
from wavecore.datasets.songs import SongsDataset
from wavecore.errors import UsageError
from wavecore.models.lstm.config import LSTMConfig, LSTMTrainingConfig
from wavecore.models.lstm.model import LSTM
from wavecore.models.lstm.vocabulary import NoteVocabulary
from wavecore.symbolic.note_sequence import STEPS_PER_BEAT
from wavecore.training import losses
from wavecore.training.autocast import autocast
from wavecore.training.batch import TensorBatch
from wavecore.training.trainer import AveragedTrainer

ROWS = 16
"""Held-out melodies that are measured at once."""
LEAST = 5
"""How often a chord or a duration comes in the data that the vocabulary takes up."""
BEGINNINGS = 0.25
"""Share of the crops that begin where their melody does.  Of every melody it is the same: were all places equally likely, short melodies
would be seen from their first note far more often than long ones, and what is written from nothing would be like them."""


@dataclass(frozen=True)
class Crops(TensorBatch):
    """Parts of melodies, in numbers of the vocabulary.

    Attributes
    ----------
    notes, durations : Tensor, shape (B, T + 1), int64
        First what stands before the crop, then the crop; anything where a melody has ended.
    inside : Tensor, shape (B, T), bool
        Before that.
    """

    notes: Tensor
    durations: Tensor
    inside: Tensor


class LSTMTrainer(AveragedTrainer):
    """One optimiser for all weights."""

    def __init__(self, network: LSTM, config: LSTMTrainingConfig, *, device: str = "cpu"):
        super().__init__(
            network, config, {"lstm": (dict(network.named_parameters()), config.learning_rate)}, device=device
        )

    def update(self, batch: Crops) -> dict[str, float]:
        """Do one step.

        Returns
        -------
        dict of str to float
            ``bits`` per note, those of its symbol and of its duration together, ``gradient_norm``, ``learning_rate``.

        Raises
        ------
        ModelError
            If the loss is not finite.
        """
        batch = batch.to(self.device)
        with autocast(self.config.precision, self.device):
            note_logits, duration_logits, _ = self.network(batch.notes[:, :-1], batch.durations[:, :-1])
        nats = torch.stack(surprise(note_logits, duration_logits, batch)).sum() / batch.inside.sum().clamp(min=1)
        found = {"bits": losses.bits(nats.detach())} | self.descend("lstm", nats)
        self.finish_step()
        return found


def surprise(note_logits: Tensor, duration_logits: Tensor, crops: Crops) -> tuple[Tensor, Tensor]:
    """Surprise at what came, of symbols and of durations.

    Parameters
    ----------
    note_logits : Tensor, shape (B, T, N), float
    duration_logits : Tensor, shape (B, T, D), float

    Returns
    -------
    notes, durations : Tensor, shape (), float32
        Nats, the sum over all positions of the melodies.
    """
    found = []
    for logits, numbers in ((note_logits, crops.notes), (duration_logits, crops.durations)):
        nats = F.cross_entropy(logits.flatten(0, 1).float(), numbers[:, 1:].flatten(), reduction="none")
        found.append((nats * crops.inside.flatten()).sum())
    return found[0], found[1]


@torch.no_grad()
def bits_per_note(network: LSTM, lines: Sequence[np.ndarray], device: str) -> tuple[float, float]:
    """Measure a network on whole melodies.

    Parameters
    ----------
    lines : sequence of ndarray, shape (2, n), int64
        Numbers of symbols and of durations.

    Returns
    -------
    notes, durations : float
        Bits per note, of its symbol and of its duration; rests count as notes.
    """
    network = network.to(device)
    rows = sorted((_begun(network, line) for line in lines), key=lambda row: row.shape[1])
    nats, n_notes = np.zeros(2), 0
    for begin in range(0, len(rows), ROWS):
        some = rows[begin : begin + ROWS]
        crops = _padded(some, max(row.shape[1] for row in some) - 1).to(torch.device(device))
        note_logits, duration_logits, _ = network(crops.notes[:, :-1], crops.durations[:, :-1])
        nats += [float(part) for part in surprise(note_logits, duration_logits, crops)]
        n_notes += int(crops.inside.sum())
    notes, durations = (losses.bits(part / n_notes) for part in nats)
    return notes, durations


def _begun(network: LSTM, line: np.ndarray) -> np.ndarray:
    """A line, shape (2, n), behind what stands before it."""
    return np.concatenate([np.array(network.start)[:, None], line], axis=1)


def learnt_vocabulary(
    dataset: SongsDataset, *, chords: bool = False, steps_per_beat: int = STEPS_PER_BEAT
) -> NoteVocabulary:
    """Collect what the melodies of a data set's training pieces hold often enough to be learnt.

    Parameters
    ----------
    chords : bool
        Whether what begins together is one symbol.

    Raises
    ------
    InputError
        If there is no melody, or nothing comes often enough.
    """
    return NoteVocabulary.of(read_lines(dataset, "train", steps_per_beat=steps_per_beat, chords=chords), least=LEAST)


class LSTMTask:
    """An LSTM with attention and the melodies that it learns.

    Parameters
    ----------
    training : LSTMTrainingConfig
        ``crop_notes`` is the length of a crop in notes and rests; of a melody that is shorter, half at least.  Melodies are transposed by up to ``transpose_semitones``, as far as the
        vocabulary goes; what belongs to sound has no effect.
    initial : LSTM, optional
        Weights to start from; of the configuration ``network_config``.

    Raises
    ------
    InputError
        If there are no melodies.
    UsageError
        If ``initial`` has another configuration.
    """

    def __init__(
        self,
        dataset: SongsDataset,
        network_config: LSTMConfig,
        training: LSTMTrainingConfig,
        initial: LSTM | None = None,
    ):
        if initial is not None and initial.config != network_config:
            raise UsageError(
                "the weights to start from belong to a network of another vocabulary or other sizes than network_config"
            )
        self.dataset, self.network_config, self.training, self.data = (
            dataset,
            network_config,
            training,
            str(dataset.path),
        )
        self.samples_per_step, self.sample_rate = (
            training.batch_size * training.crop_notes,
            network_config.steps_per_beat,
        )
        vocabulary, most = network_config.vocabulary, int(training.transpose_semitones)
        self.lines = {
            split: [
                np.stack(vocabulary.encode(line))
                for line in read_lines(
                    dataset, split, steps_per_beat=network_config.steps_per_beat, chords=network_config.chords
                )
            ]
            for split in ("train", "valid")
        }
        self._moved = {semitones: vocabulary.moved(semitones) for semitones in range(-most, most + 1)}
        if initial is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(training.seed)
                initial = LSTM(network_config)
        self._network = initial

    def build(self) -> LSTM:
        """Return the network that is to be trained."""
        return self._network

    def trainer(self, network: LSTM, device: str) -> LSTMTrainer:
        """Build the trainer."""
        return LSTMTrainer(network, self.training, device=device)

    def batch(self, step: int) -> Crops:
        """Draw the batch of a step: every melody comes once in an epoch."""
        lines, size, length = self.lines["train"], self.training.batch_size, self.training.crop_notes
        rng = np.random.default_rng((self.training.seed, step))
        rows = []
        for place in range(step * size, (step + 1) * size):
            notes, durations = lines[self._order(place // len(lines))[place % len(lines)]]
            moved = [table[notes] for table in self._moved.values()]
            notes = rng.choice([numbers for numbers in moved if (numbers >= 0).all()])
            last = len(notes) - length if len(notes) > length else len(notes) // 2
            begin = 0 if rng.random() < BEGINNINGS else int(rng.integers(1, last + 1))
            rows.append(_begun(self._network, np.stack([notes, durations]))[:, begin : begin + length + 1])
        return _padded(rows, length)

    def _order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng((self.training.seed, 0, epoch)).permutation(len(self.lines["train"]))

    def validate(self, network: LSTM, device: str) -> dict[str, float]:
        """Measure a network on whole held-out melodies.

        Returns
        -------
        dict of str to float
            ``valid/bits`` per note, the sum of ``valid/note_bits`` and ``valid/duration_bits``; rests count as notes.
        """
        notes, durations = bits_per_note(network, self.lines["valid"], device)
        return {"valid/bits": notes + durations, "valid/note_bits": notes, "valid/duration_bits": durations}

    def describe(self) -> dict:
        """Summarise the data."""
        return self.dataset.summary() | {"melodies": {split: len(lines) for split, lines in self.lines.items()}}


def _padded(rows: list[np.ndarray], length: int) -> Crops:
    """Crops of one length from rows of shape (2, up to length + 1)."""
    numbers, inside = np.zeros((2, len(rows), length + 1), np.int64), np.zeros((len(rows), length), bool)
    for number, row in enumerate(rows):
        numbers[:, number, : row.shape[1]] = row
        inside[number, : row.shape[1] - 1] = True
    return Crops(*(torch.from_numpy(array) for array in (*numbers, inside)))
