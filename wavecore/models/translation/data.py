"""Training crops of a translation network, drawn anew from (seed, step), and the data's summary for the model's card.

No state is kept between steps, so that a resumed run draws what an uninterrupted one would have drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wavecore.audio import mulaw
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.errors import UsageError
from wavecore.models.translation.config import TranslationConfig, TranslationTrainingConfig
from wavecore.models.translation.survey import LEVEL_FRAME_S, frame_levels_db, loud_level_db
from wavecore.training import augmentation
from wavecore.training.batch import TensorBatch

REST_S = (0.1, 1.0)
"""Shortest and longest rest."""
REST_FADE_S = 0.03
LEVEL_PIECES = 40
"""Pieces of each domain whose level is measured."""
RANGE_QUANTILES = (0.01, 0.99)


@dataclass(frozen=True)
class Batch(TensorBatch):
    """One step's crops.

    Attributes
    ----------
    clean, augmented : Tensor, shape (B, (F + 2 * context_frames) * hop_length), float32 in [-1, 1]
        The encoder's input with its context, before and after augmentation.
    octave_shift : Tensor, shape (B,), int64, octaves
        From the input's octave to the target's.
    domains : Tensor, shape (B,), int64
        The inputs' domains, indices into ``TranslationConfig.domains``.
    targets : Tensor, shape (B,), int64
        The targets' domains, indices into ``TranslationConfig.targets``.
    codes : Tensor, shape (B, F * hop_length), int64
        The decoder's targets.
    context : Tensor, shape (B, F * hop_length), int64
        Its past samples of teacher forcing: ``codes``, in training partly corrupted.
    extra : Tensor, shape (E, (F + 2 * context_frames) * hop_length), float32 in [-1, 1]
        Further inputs, for encoder and classifier alone.
    extra_octave_shift, extra_domains : Tensor, shape (E,), int64
        As ``octave_shift`` and ``domains``.
    """

    clean: Tensor
    augmented: Tensor
    octave_shift: Tensor
    domains: Tensor
    targets: Tensor
    codes: Tensor
    context: Tensor
    extra: Tensor
    extra_octave_shift: Tensor
    extra_domains: Tensor

    @property
    def all_octave_shifts(self) -> Tensor:
        """Those of the crops and of the further inputs, shape (B + E,)."""
        return torch.cat([self.octave_shift, self.extra_octave_shift])

    @property
    def all_domains(self) -> Tensor:
        """Those of the crops and of the further inputs, shape (B + E,)."""
        return torch.cat([self.domains, self.extra_domains])


class BatchSource:
    """Draws batches from a ``domains`` data set.

    Parameters
    ----------
    context_frames : int
        The encoder's.

    Raises
    ------
    UsageError
        If the data set lacks a domain, has another rate, or is not paired where pairs are asked for, or a step has more
        targets than the network, or several although one decoder is shared.
    """

    def __init__(
        self,
        dataset: DomainsDataset,
        network: TranslationConfig,
        training: TranslationTrainingConfig,
        context_frames: int,
    ):
        missing = [name for name in network.domains if name not in dataset.domains]
        if missing:
            raise UsageError(f"the data set has no domain {missing}; it has {list(dataset.domains)}")
        if dataset.sample_rate != network.decoder.sample_rate:
            raise UsageError(
                f"the data set is at {dataset.sample_rate} Hz, the network at {network.decoder.sample_rate} Hz"
            )
        if training.paired_probability and not dataset.paired:
            raise UsageError("paired_probability needs a data set in which every piece exists in every domain")
        if training.targets_per_step > (1 if network.shared_decoder else len(network.targets)):
            whose = "one decoder for all" if network.shared_decoder else f"{len(network.targets)} targets"
            raise UsageError(f"targets_per_step is {training.targets_per_step}; the network has {whose}")
        self.dataset, self.network, self.training = dataset, network, training
        self.hop_length, self.sample_rate = network.decoder.hop_length, network.decoder.sample_rate
        self.margin = context_frames * self.hop_length
        self.n_samples = training.crop_frames * self.hop_length + 2 * self.margin
        """Length of an input with its context."""

    def training_batch(self, step: int) -> Batch:
        """Draw the batch of a training step."""
        rng = np.random.default_rng((self.training.seed, step))
        n_targets, n_groups = len(self.network.targets), self.training.targets_per_step
        targets = rng.integers(0, n_targets, self.training.batch_size)
        if not self.network.shared_decoder:
            # A group draws from every n-th target, and its crops are every n-th crop: see ``distributed``.
            drawn = (
                [targets[0]]
                if n_groups == 1
                else [rng.choice(np.arange(group, n_targets, n_groups)) for group in range(n_groups)]
            )
            targets = np.resize(drawn, self.training.batch_size)
        pairs = [self._pair(rng, self.network.targets[target]) for target in targets]
        return self._batch(rng, pairs, "train", augment=True)

    def validation_batch(self, source: str, target: str, *, n_crops: int, split: str = "valid") -> Batch:
        """Draw held-out crops from one domain to another, the same at every call."""
        rng = np.random.default_rng(self.network.targets.index(target))
        return self._batch(rng, [(source, target)] * n_crops, split, augment=False)

    def validation_inputs(self, domain: str, *, n_crops: int, split: str = "valid") -> tuple[Tensor, Tensor]:
        """Draw inputs of a domain, the same at every call, for encoder and classifier.

        Returns
        -------
        audio : Tensor, shape (n_crops, (F + 2 * context_frames) * hop_length), float32 in [-1, 1]
        octave_shift : Tensor, shape (n_crops,), int64
        """
        rng = np.random.default_rng(self.network.domains.index(domain))
        drawn = [self._input(rng, domain, split) for _ in range(n_crops)]
        return torch.from_numpy(np.stack([x for x, _ in drawn])), torch.tensor([shift for _, shift in drawn])

    def _pair(self, rng: np.random.Generator, target: str) -> tuple[str, str]:
        """Choose the input's domain for a target."""
        if rng.random() >= self.training.paired_probability:
            return target, target
        others = [name for name in self.network.domains if name != target]
        return others[rng.integers(len(others))], target

    def _batch(self, rng: np.random.Generator, pairs: list[tuple[str, str]], split: str, *, augment: bool) -> Batch:
        crops = [self._crop(rng, source, target, split, augment=augment) for source, target in pairs]
        clean, augmented, shifts, codes, context = zip(*crops, strict=True)
        n_extra = self.training.confusion_crops if augment else 0
        domains = rng.permutation(n_extra) % len(self.network.domains)  # each equally often
        extra, extra_shifts = np.zeros((n_extra, self.n_samples), np.float32), np.zeros(n_extra, np.int64)
        for i, domain in enumerate(domains):
            extra[i], extra_shifts[i] = self._input(rng, self.network.domains[domain], split)
        return Batch(
            clean=torch.from_numpy(np.stack(clean)),
            augmented=torch.from_numpy(np.stack(augmented)),
            octave_shift=torch.tensor(shifts),
            domains=torch.tensor([self.network.domains.index(source) for source, _ in pairs]),
            targets=torch.tensor([self.network.targets.index(target) for _, target in pairs]),
            codes=torch.from_numpy(np.stack(codes)).long(),
            context=torch.from_numpy(np.stack(context)).long(),
            extra=torch.from_numpy(extra),
            extra_octave_shift=torch.from_numpy(extra_shifts),
            extra_domains=torch.from_numpy(domains),
        )

    def _crop(self, rng: np.random.Generator, source: str, target: str, split: str, *, augment: bool) -> tuple:
        """Draw one row of ``clean``, ``augmented``, ``octave_shift``, ``codes`` and ``context``."""
        x, codes, shift = self._passage(rng, source, target, split, transpose=augment)
        inner = slice(self.margin, self.n_samples - self.margin)
        if not augment:
            return x, x, shift, codes[inner], codes[inner]
        context = codes
        # A probability of zero draws no number, so that the draws of older runs stay the same.
        if self.training.rest_probability and rng.random() < self.training.rest_probability:
            gain = rest_gain(self.n_samples, sample_rate=self.sample_rate, rng=rng)
            x, codes = gain * x, mulaw.encode(gain * mulaw.decode(codes))
            # In half of them the context sounds on, and the decoder has to end the tone.
            context = context if rng.random() < 0.5 else codes
        augmented = self._augment(rng, x)
        context = augmentation.corrupt_context(context[inner], self.training, sample_rate=self.sample_rate, rng=rng)
        return x, augmented, shift, codes[inner], context

    def _passage(self, rng: np.random.Generator, source: str, target: str, split: str, *, transpose: bool) -> tuple:
        """Draw a passage: the input as floats, the target as codes, octaves from one to the other."""
        semitones = self._semitones(rng) if transpose else (0.0, 0.0)
        if semitones == (0.0, 0.0):
            crop = self.dataset.paired_crop(rng, source, target, split, self.n_samples, self.hop_length)
            return mulaw.decode(crop.source), crop.target, crop.octave_shift
        positions = augmentation.tape_positions(self.n_samples, semitones=semitones)
        length = math.ceil(positions[-1]) + 1
        crop = self.dataset.paired_crop(rng, source, target, split, length, self.hop_length)
        x = augmentation.read_at(mulaw.decode(crop.source), positions)
        y = x if source == target else augmentation.read_at(mulaw.decode(crop.target), positions)
        return x, mulaw.encode(y), crop.octave_shift

    def _semitones(self, rng: np.random.Generator) -> tuple[float, float]:
        """Draw the transposition of a crop's first and last sample."""
        widest, glide = self.training.transpose_semitones, self.training.glide_semitones
        first = rng.uniform(-widest, widest) if widest else 0.0
        glides = glide and rng.random() < self.training.glide_probability
        return first, first + (rng.uniform(-glide, glide) if glides else 0.0)

    def _input(self, rng: np.random.Generator, name: str, split: str) -> tuple[np.ndarray, int]:
        """Draw an input of a domain and the octaves by which it is shifted for a target."""
        paired = self.dataset.paired and name not in self.network.targets
        target = self.network.targets[0] if paired else name
        crop = self.dataset.paired_crop(rng, name, target, split, self.n_samples, self.hop_length)
        return mulaw.decode(crop.source), crop.octave_shift

    def _augment(self, rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        if rng.random() < self.training.augment_probability:
            x = augmentation.detune_segment(x, sample_rate=self.sample_rate, rng=rng)
        if rng.random() < self.training.noise_probability:
            x = augmentation.add_noise_and_gain(x, rng=rng)
        return x


def rest_gain(n_samples: int, *, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the gain, (n_samples,) float32 in [0, 1], that puts a rest into a passage or over one of its ends.

    Melodies seldom rest, and a decoder that hardly met a rest in training continues the tone of its context.
    """
    length = rng.uniform(*REST_S) * sample_rate
    # Each position is as likely to lie in a rest, those at the ends too.
    begin = rng.uniform(-length, n_samples)
    at = np.arange(n_samples)
    outside = np.maximum(begin - at, at - (begin + length))
    return np.clip(outside / (REST_FADE_S * sample_rate), 0.0, 1.0).astype(np.float32)


def describe(dataset: DomainsDataset) -> dict[str, Any]:
    """Summarise a data set for a model's card.

    Returns
    -------
    dict
        ``dataset.summary()`` with ``level_db``, of the louder parts (see ``survey``), and ``midi_ranges``: lowest and
        highest MIDI note number of each domain whose notes are known, into which ``octave`` moves an input.
    """
    levels = [level for domain in dataset.domains for level in _levels_db(dataset, domain)]
    ranges = {domain: _midi_range(dataset, domain) for domain in dataset.domains}
    return dataset.summary() | {
        "level_db": round(float(np.median(levels)), 1),
        "midi_ranges": {domain: limits for domain, limits in ranges.items() if limits is not None},
    }


def _midi_range(dataset: DomainsDataset, domain: str) -> list[float] | None:
    """Return quantiles of the pitches, weighted by their durations."""
    sounded = [
        (note[2] + 12 * piece.domains[domain].octave, note[1])
        for piece in dataset.pieces("train", domain=domain)
        for note in piece.notes
    ]
    if not sounded:
        return None
    pitches, durations = (np.array(values, dtype=float) for values in zip(*sorted(sounded), strict=True))
    position = np.cumsum(durations) / durations.sum()
    return [float(pitches[np.searchsorted(position, q)]) for q in RANGE_QUANTILES]


def _levels_db(dataset: DomainsDataset, domain: str) -> list[float]:
    """Return the level of the louder parts of some pieces."""
    frame, levels = int(LEVEL_FRAME_S * dataset.sample_rate), []
    for piece in dataset.pieces("train", domain=domain)[:LEVEL_PIECES]:
        x = mulaw.decode(dataset.codes(piece, domain))
        level = loud_level_db(frame_levels_db(x[: len(x) // frame * frame].reshape(-1, frame)))
        if level is not None:
            levels.append(level)
    return levels
