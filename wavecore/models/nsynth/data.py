"""Batches of an NSynth autoencoder: crops of single notes, at one level, a little detuned, with their phases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wavecore.audio import fundamental, mulaw, note_level
from wavecore.audio.pitch import midi_to_hz
from wavecore.datasets.notes.reader import NotesDataset
from wavecore.models.nsynth.config import NSynthConfig, NSynthTrainingConfig
from wavecore.nn.oscillator import N_PARTIALS
from wavecore.training import augmentation
from wavecore.training.augmentation import corrupt_context
from wavecore.training.batch import TensorBatch

ONSET_PROBABILITY = 0.2
"""Share of crops that begin with the note: an attack happens nowhere else."""
RELEASED_PROBABILITY = 0.15
"""Share of crops from anywhere, silence after the release included; the others begin while the key is held."""
HELD_S = 3.0
LEVEL_DB, LEVEL_SPREAD_DB = -20.0, 4.0
"""Level of the loud part of every note, and the largest deviation of a crop from it.

The level is no input of the model: sounds are brought to this level, and what is generated to theirs."""
SILENT_DB = -50.0
SILENT_KEPT = 0.2
REDRAWS = 4
"""Share of the crops below ``SILENT_DB`` that are kept at once, and how often others are drawn again: silences are all
alike."""


@dataclass(frozen=True)
class NotesBatch(TensorBatch):
    """Crops of notes.

    Attributes
    ----------
    audio : Tensor, shape (B, (F + 2 * context_frames) * hop_length), float32 in [-1, 1]
        Input of the encoder.
    codes : Tensor, shape (B, F * hop_length), int64
        Target of the decoder.
    context : Tensor, shape (B, F * hop_length), int64
        Past samples that the decoder receives: the codes, corrupted.
    pitches : Tensor, shape (B,), int64
        MIDI note numbers.
    phase : Tensor, shape (B, F * hop_length), float32, radians
        Of the target's fundamental; (B, 0) for a network without an oscillator.
    offsets : Tensor, shape (B, F * hop_length, n_partials), float32, radians
        Of the other partials, relative to the fundamental; (B, 0) for a network without an oscillator.
    f0_hz : Tensor, shape (B, 1), float32
        Of the crop, which may be detuned.
    """

    audio: Tensor
    codes: Tensor
    context: Tensor
    pitches: Tensor
    phase: Tensor
    offsets: Tensor
    f0_hz: Tensor


class Crops:
    """Draws crops of the notes of a data set.

    Parameters
    ----------
    context_frames : int
        Frames of the encoder's context on either side of a crop.
    """

    def __init__(
        self, dataset: NotesDataset, config: NSynthConfig, training: NSynthTrainingConfig, *, context_frames: int
    ):
        self.dataset, self.training = dataset, training
        self.sample_rate, self.with_phases = config.encoder.sample_rate, config.harmonics > 0
        self.margin = context_frames * config.encoder.hop_length
        self.n_samples = training.crop_frames * config.encoder.hop_length
        self.pitches = {split: np.array([note.pitch for note in dataset.notes(split)]) for split in dataset.splits}

    def draw(self, rng: np.random.Generator, split: str, n_crops: int, *, augment: bool) -> NotesBatch:
        """Draw crops; ``augment`` detunes them, varies their level and corrupts the context."""
        codes = self.dataset.codes(split)
        rows = rng.integers(0, len(codes), n_crops)
        inner = slice(self.margin, self.margin + self.n_samples)
        audio, targets, contexts, phases, offsets, f0s_hz = [], [], [], [], [], []
        for row in rows:
            x = mulaw.decode(np.array(codes[row]))
            x, detuning = (self._audible_crop if augment else self._crop)(rng, x, augment=augment)
            f0s_hz.append(float(midi_to_hz(self.pitches[split][row] + detuning)))
            audio.append(x)
            targets.append(target := mulaw.encode(x[inner]))
            contexts.append(
                corrupt_context(target, self.training, sample_rate=self.sample_rate, rng=rng) if augment else target
            )
            phase, offset = self._phases(x, f0s_hz[-1], inner) if self.with_phases else (np.zeros(0), np.zeros(0))
            phases.append(np.mod(phase, 2 * np.pi).astype(np.float32))
            offsets.append(offset.astype(np.float32))
        return NotesBatch(
            audio=torch.from_numpy(np.stack(audio)),
            codes=torch.from_numpy(np.stack(targets)).long(),
            context=torch.from_numpy(np.stack(contexts)).long(),
            pitches=torch.from_numpy(self.pitches[split][rows]).long(),
            phase=torch.from_numpy(np.stack(phases)),
            offsets=torch.from_numpy(np.stack(offsets)),
            f0_hz=torch.tensor(f0s_hz)[:, None],
        )

    def _phases(self, x: np.ndarray, f0_hz: float, inner: slice) -> tuple[np.ndarray, np.ndarray]:
        """Return the phase of the fundamental, (T,), and the partials' relative to it, (T, n_partials)."""
        phase = fundamental.phase(x, f0_hz, self.sample_rate)
        # Samples beyond the reach of the moving averages have no effect on the offsets.
        reach = min(inner.start, int(2 * fundamental.OFFSET_PERIODS * self.sample_rate / f0_hz))
        wide = slice(inner.start - reach, inner.stop + reach)
        offsets = fundamental.offsets(x[wide], phase[wide], f0_hz, self.sample_rate, N_PARTIALS)
        return phase[inner], offsets[reach : reach + inner.stop - inner.start]

    def _audible_crop(self, rng: np.random.Generator, x: np.ndarray, *, augment: bool) -> tuple[np.ndarray, float]:
        for _ in range(REDRAWS):
            crop, detuning = self._crop(rng, x, augment=augment)
            power = float(np.square(crop[self.margin : self.margin + self.n_samples]).mean())
            if power > 10 ** (SILENT_DB / 10) or rng.random() < SILENT_KEPT:
                break
        return crop, detuning

    def _crop(self, rng: np.random.Generator, x: np.ndarray, *, augment: bool) -> tuple[np.ndarray, float]:
        """Return a crop with its context, silence where the note has none, and the detuning in semitones."""
        widest, detuning = self.training.transpose_semitones if augment else 0.0, 0.0
        if widest:
            detuning = rng.uniform(-widest, widest)
            positions = augmentation.tape_positions(len(x), semitones=(detuning, detuning))
            positions = positions[positions <= len(x) - 1]
            x = augmentation.read_at(x, positions)
        x = note_level.level(x, LEVEL_DB + (rng.uniform(-LEVEL_SPREAD_DB, LEVEL_SPREAD_DB) if augment else 0.0))
        # A note that is read faster may be shorter than the crop.
        kind, last = rng.random(), max(0, len(x) - self.n_samples)
        if kind < ONSET_PROBABILITY:
            begin = -int(rng.integers(0, self.n_samples // 2))
        elif kind < ONSET_PROBABILITY + RELEASED_PROBABILITY:
            begin = int(rng.integers(0, last + 1))
        else:
            begin = int(rng.integers(0, max(1, min(last, int(HELD_S * self.sample_rate)))))
        positions = np.arange(begin - self.margin, begin + self.n_samples + self.margin)
        inside = (positions >= 0) & (positions < len(x))
        return np.where(inside, x[np.clip(positions, 0, len(x) - 1)], np.float32(0)).astype(np.float32), detuning
