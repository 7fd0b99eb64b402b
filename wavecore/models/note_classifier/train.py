"""The training task of a note classifier: whole notes with their labels, the loss, the held-out scores."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from wavecore.audio import mulaw
from wavecore.datasets.notes.reader import NotesDataset
from wavecore.datasets.nsynth.note import FAMILIES, QUALITIES, SOURCES
from wavecore.errors import UsageError
from wavecore.models.note_classifier.config import ClassifierTrainingConfig, NoteClassifierConfig
from wavecore.models.note_classifier.evaluate import CLASSES, HEADS, NoteScores, note_scores
from wavecore.models.note_classifier.model import NoteClassifier, NoteLogits
from wavecore.training import augmentation, losses
from wavecore.training.autocast import autocast
from wavecore.training.batch import TensorBatch
from wavecore.training.task import Task
from wavecore.training.trainer import AveragedTrainer

MAX_DETUNING = 0.5
"""Semitones; beyond it another pitch is nearer."""
ROWS = 64
"""Notes validated at once."""


@dataclass(frozen=True)
class LabelledNotes(TensorBatch):
    """Notes and their labels.

    Attributes
    ----------
    audio : Tensor, shape (B, T), float32 in [-1, 1]
    pitch, family, source : Tensor, shape (B,), int64
        MIDI note number, indices into the data set's names.
    quality : Tensor, shape (B, Q), float32
        Bits.
    """

    audio: Tensor
    pitch: Tensor
    family: Tensor
    source: Tensor
    quality: Tensor


class ClassifierTrainer(AveragedTrainer):
    """One optimiser for all weights."""

    def __init__(self, network: NoteClassifier, config: ClassifierTrainingConfig, *, device: str = "cpu"):
        groups = {"classifier": (dict(network.named_parameters()), config.learning_rate)}
        super().__init__(network, config, groups, device=device)

    def update(self, batch: LabelledNotes) -> dict[str, float]:
        """Run one step; the measures hold ``bits`` per note and ``pitch/accuracy``."""
        batch = batch.to(self.device)
        spectrum = self.network.spectrum(batch.audio)  # levels in dB are too coarse in bfloat16
        # The dropout of a step depends on the seed and the step alone, so that a run can be resumed.
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(int(np.random.SeedSequence((self.config.seed, self.step)).generate_state(1)[0]))
            with autocast(self.config.precision, self.device):
                logits = self.network.classify(spectrum)
        nats = negative_log_likelihood(logits, batch)
        accuracy = float(losses.accuracy(logits.pitch, batch.pitch))
        measures = {"bits": losses.bits(nats.detach()), "pitch/accuracy": accuracy} | self.descend("classifier", nats)
        self.finish_step()
        return measures


def negative_log_likelihood(logits: NoteLogits, notes: LabelledNotes) -> Tensor:
    """Return the nats per note, shape (): of pitch, family and source, and of every quality bit."""
    quality = F.binary_cross_entropy_with_logits(logits.quality, notes.quality, reduction="sum") / len(notes.quality)
    classes = sum(F.cross_entropy(getattr(logits, name), getattr(notes, name)) for name in CLASSES)
    return classes + quality


class ClassifierTask(Task):
    """A classifier and the notes that it is trained on.

    Raises
    ------
    UsageError
        If the notes have another length or rate than the classifier's, lack the split train or valid, or other names
        than its classes; if notes are to be detuned too far; or if ``initial`` has another configuration.
    """

    network_class = NoteClassifier
    trainer_class = ClassifierTrainer

    def __init__(
        self,
        dataset: NotesDataset,
        network_config: NoteClassifierConfig,
        training: ClassifierTrainingConfig,
        initial: NoteClassifier | None = None,
    ):
        _check(dataset, network_config, training)
        super().__init__(dataset, network_config, training, initial)
        self.samples_per_step = training.batch_size * dataset.n_samples
        self.sample_rate = dataset.sample_rate

    def batch(self, step: int) -> LabelledNotes:
        """Return the batch of a step."""
        rng = np.random.default_rng((self.training.seed, step))
        rows = rng.integers(0, len(self.dataset.notes("train")), self.training.batch_size)
        return self.labelled("train", rows, rng)

    def validate(self, network: NoteClassifier, device: str) -> dict[str, float]:
        """Measure a network on all held-out notes: ``valid/bits`` per note, and the scores by name."""
        nats, scores = self.score(network, device, split="valid")
        measures = {
            "valid/bits": losses.bits(nats),
            "valid/pitch/accuracy": scores.pitch_accuracy,
            "valid/quality/accuracy": scores.quality_accuracy,
            "valid/family/accuracy": scores.family_accuracy,
            "valid/source/accuracy": scores.source_accuracy,
        }
        return measures if scores.quality_f1 is None else measures | {"valid/quality/f1": scores.quality_f1}

    @torch.no_grad()
    def score(self, network: NoteClassifier, device: str, *, split: str) -> tuple[float, NoteScores]:
        """Return the nats per note of a split, and the scores."""
        network = network.to(device)
        nats, pairs = [], {name: ([], []) for name in HEADS}
        n_notes = len(self.dataset.notes(split))
        for rows in np.split(np.arange(n_notes), range(ROWS, n_notes, ROWS)):
            notes = self.labelled(split, rows).to(torch.device(device))
            logits = network(notes.audio)
            nats.append(float(negative_log_likelihood(logits, notes)) * len(rows))
            for name, (predicted, true) in pairs.items():
                predicted.append(getattr(logits, name).cpu().numpy())
                true.append(getattr(notes, name).cpu().numpy())
        logits, truth = ({name: np.concatenate(parts[i]) for name, parts in pairs.items()} for i in (0, 1))
        return math.fsum(nats) / n_notes, note_scores(logits, truth)

    def labelled(self, split: str, rows: np.ndarray, rng: np.random.Generator | None = None) -> LabelledNotes:
        """Return notes of a split, augmented where a generator is given."""
        codes, notes = self.dataset.codes(split), self.dataset.notes(split)
        sounds = [mulaw.decode(np.array(codes[row])) for row in rows]
        chosen = [notes[row] for row in rows]
        return LabelledNotes(
            audio=torch.from_numpy(np.stack(sounds if rng is None else [self._augment(x, rng) for x in sounds])),
            pitch=torch.tensor([note.pitch for note in chosen]),
            family=torch.tensor([note.instrument_family for note in chosen]),
            source=torch.tensor([note.instrument_source for note in chosen]),
            quality=torch.tensor([note.qualities for note in chosen], dtype=torch.float32),
        )

    def _augment(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Detune a note, and add noise and another level."""
        widest = self.training.transpose_semitones
        if widest:
            detuning = rng.uniform(-widest, widest)
            positions = augmentation.tape_positions(len(x), semitones=(detuning, detuning))
            inside = positions[positions <= len(x) - 1]
            x = np.pad(augmentation.read_at(x, inside), (0, len(x) - len(inside)))
        if rng.random() < self.training.noise_probability:
            x = augmentation.add_noise_and_gain(x, rng=rng)
        return x


def _check(dataset: NotesDataset, config: NoteClassifierConfig, training: ClassifierTrainingConfig) -> None:
    """Refuse data and settings that do not fit the classifier."""
    for split in ("train", "valid"):
        dataset.notes(split)
    if (dataset.n_samples, dataset.sample_rate) != (config.n_samples, config.sample_rate):
        raise UsageError(
            f"the notes have {dataset.n_samples} samples at {dataset.sample_rate} Hz, the classifier takes "
            f"{config.n_samples} at {config.sample_rate} Hz"
        )
    for name, known in (("families", FAMILIES), ("sources", SOURCES), ("qualities", QUALITIES)):
        if getattr(config, name) != known:
            raise UsageError(f"the classifier's {name} are {getattr(config, name)}, those of the notes {known}")
    if training.transpose_semitones > MAX_DETUNING:
        raise UsageError(
            f"transpose_semitones is {training.transpose_semitones}; detuned by more than {MAX_DETUNING}, a note has "
            "another pitch"
        )
