"""What trains a note classifier: whole notes, its one update, its held-out scores."""

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
from wavecore.models.note_classifier.metrics import NoteScores, note_scores
from wavecore.models.note_classifier.model import NoteClassifier, NoteLogits
from wavecore.training import augmentation, losses
from wavecore.training.autocast import autocast
from wavecore.training.batch import TensorBatch
from wavecore.training.trainer import AveragedTrainer

MOST_DETUNED = 0.5
"""Semitones; beyond it another pitch is nearer."""
ROWS = 64
"""Notes that are validated at once."""


@dataclass(frozen=True)
class LabelledNotes(TensorBatch):
    """Notes and what is true of them.

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
        """Do one step.

        Returns
        -------
        dict of str to float
            ``bits`` per note, ``pitch/accuracy``, ``gradient_norm``, ``learning_rate``.

        Raises
        ------
        ModelError
            If the loss is not finite.
        """
        batch = batch.to(self.device)
        spectrum = self.network.spectrum(batch.audio)  # levels in dB do not survive bfloat16
        # What is left out of a step depends on the step alone, so that a run can be resumed.
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(int(np.random.SeedSequence((self.config.seed, self.step)).generate_state(1)[0]))
            with autocast(self.config.precision, self.device):
                logits = self.network.classify(spectrum)
        nats = surprise(logits, batch)
        found = {
            "bits": losses.bits(nats.detach()),
            "pitch/accuracy": float(losses.accuracy(logits.pitch, batch.pitch)),
        }
        found |= self.descend("classifier", nats)
        self.finish_step()
        return found


def surprise(logits: NoteLogits, notes: LabelledNotes) -> Tensor:
    """How unlikely a classifier thinks what is true of notes.

    Returns
    -------
    Tensor, shape (), float
        Nats per note: those of pitch, family and source, and of every quality bit.
    """
    quality = F.binary_cross_entropy_with_logits(logits.quality, notes.quality, reduction="sum") / len(notes.quality)
    classes = sum(
        F.cross_entropy(getattr(logits, name), getattr(notes, name)) for name in ("pitch", "family", "source")
    )
    return classes + quality


class ClassifierTask:
    """A classifier and the notes that it learns.

    Parameters
    ----------
    dataset : NotesDataset
        With the splits train and valid.
    training : ClassifierTrainingConfig
        ``transpose_semitones`` detunes notes, ``noise_probability`` is the share with noise and another level; of
        the rest, what belongs to crops, domains and decoders has no effect.
    initial : NoteClassifier, optional
        Weights to start from; of the sizes ``network_config``.

    Raises
    ------
    UsageError
        If the notes have another length or rate than the classifier's, or lack a split; if its names are
        not the data set's; if notes are to be detuned too far; or if ``initial`` has other sizes.
    """

    def __init__(
        self,
        dataset: NotesDataset,
        network_config: NoteClassifierConfig,
        training: ClassifierTrainingConfig,
        initial: NoteClassifier | None = None,
    ):
        _check(dataset, network_config, training)
        if initial is not None and initial.config != network_config:
            raise UsageError("the weights to start from belong to a network of other sizes than network_config")
        self.dataset, self.network_config, self.training = dataset, network_config, training
        self.data = str(dataset.path)
        self.samples_per_step = training.batch_size * dataset.n_samples
        self.sample_rate = dataset.sample_rate
        if initial is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(training.seed)
                initial = NoteClassifier(network_config)
        self._network = initial

    def build(self) -> NoteClassifier:
        """Return the network that is to be trained."""
        return self._network

    def trainer(self, network: NoteClassifier, device: str) -> ClassifierTrainer:
        """Build the trainer."""
        return ClassifierTrainer(network, self.training, device=device)

    def batch(self, step: int) -> LabelledNotes:
        """Draw the batch of a step."""
        rng = np.random.default_rng((self.training.seed, step))
        rows = rng.integers(0, len(self.dataset.notes("train")), self.training.batch_size)
        return self._labelled("train", rows, rng)

    def held_out(self, rows: np.ndarray, *, split: str = "valid") -> LabelledNotes:
        """Take notes as they are.

        Parameters
        ----------
        rows : ndarray, shape (B,), integer
            Of the split.
        split : {"train", "valid", "test"}
        """
        return self._labelled(split, rows, None)

    def validate(self, network: NoteClassifier, device: str) -> dict[str, float]:
        """Measure a network on all held-out notes, whose instruments it does not know.

        Returns
        -------
        dict of str to float
            ``valid/bits`` per note, and the scores by name.
        """
        nats, scores = self.score(network, device, split="valid")
        found = {
            "valid/bits": losses.bits(nats),
            "valid/pitch/accuracy": scores.pitch_accuracy,
            "valid/quality/accuracy": scores.quality.accuracy,
            "valid/family/accuracy": scores.family_accuracy,
            "valid/source/accuracy": scores.source_accuracy,
        }
        return found if scores.quality.f1 is None else found | {"valid/quality/f1": scores.quality.f1}

    @torch.no_grad()
    def score(self, network: NoteClassifier, device: str, *, split: str) -> tuple[float, NoteScores]:
        """Let a network judge all notes of a split.

        Parameters
        ----------
        network : NoteClassifier
            In evaluation mode.
        split : {"train", "valid", "test"}

        Returns
        -------
        nats : float
            Per note, see ``surprise``.
        """
        network = network.to(device)
        nats, pairs = [], {name: ([], []) for name in ("pitch", "quality", "family", "source")}
        n_notes = len(self.dataset.notes(split))
        for rows in np.split(np.arange(n_notes), range(ROWS, n_notes, ROWS)):
            notes = self.held_out(rows, split=split).to(torch.device(device))
            logits = network(notes.audio)
            nats.append(float(surprise(logits, notes)) * len(rows))
            for name, (found, true) in pairs.items():
                found.append(getattr(logits, name).cpu().numpy())
                true.append(getattr(notes, name).cpu().numpy())
        joined = {name: (np.concatenate(found), np.concatenate(true)) for name, (found, true) in pairs.items()}
        joined["quality"] = (joined["quality"][0], joined["quality"][1].astype(np.int64))
        return math.fsum(nats) / n_notes, note_scores(**joined)

    def describe(self) -> dict:
        """Summarise the data."""
        return self.dataset.summary()

    def _labelled(self, split: str, rows: np.ndarray, rng: np.random.Generator | None) -> LabelledNotes:
        codes, notes = self.dataset.codes(split), self.dataset.notes(split)
        sounds = [mulaw.decode(np.array(codes[row])) for row in rows]
        chosen = [notes[row] for row in rows]
        return LabelledNotes(
            audio=torch.from_numpy(np.stack(sounds if rng is None else [self._vary(x, rng) for x in sounds])),
            pitch=torch.tensor([note.pitch for note in chosen]),
            family=torch.tensor([note.instrument_family for note in chosen]),
            source=torch.tensor([note.instrument_source for note in chosen]),
            quality=torch.tensor([note.qualities for note in chosen], dtype=torch.float32),
        )

    def _vary(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A note out of tune, at another level, with noise."""
        widest = self.training.transpose_semitones
        if widest:
            bent = rng.uniform(-widest, widest)
            positions = augmentation.tape_positions(len(x), semitones=(bent, bent))
            inside = positions[positions <= len(x) - 1]
            x = np.pad(augmentation.read_at(x, inside), (0, len(x) - len(inside)))
        if rng.random() < self.training.noise_probability:
            x = augmentation.add_noise_and_gain(x, rng=rng)
        return x


def _check(dataset: NotesDataset, config: NoteClassifierConfig, training: ClassifierTrainingConfig) -> None:
    """Refuse data and settings that do not fit the classifier."""
    missing = [split for split in ("train", "valid") if split not in dataset.splits]
    if missing:
        raise UsageError(f"{dataset.path} has no split {missing[0]!r}; training needs train and valid")
    found = (dataset.n_samples, dataset.sample_rate)
    if found != (config.n_samples, config.sample_rate):
        raise UsageError(
            f"the notes have {found[0]} samples at {found[1]} Hz, the classifier takes {config.n_samples} at "
            f"{config.sample_rate} Hz"
        )
    for name, known in (("families", FAMILIES), ("sources", SOURCES), ("qualities", QUALITIES)):
        if getattr(config, name) != known:
            raise UsageError(f"the classifier's {name} are {getattr(config, name)}, those of the notes {known}")
    if training.transpose_semitones > MOST_DETUNED:
        raise UsageError(
            f"transpose_semitones is {training.transpose_semitones}; a note that is out of tune by more than "
            f"{MOST_DETUNED} is not known by its pitch"
        )
