"""Training crops for the translation network, drawn anew from (seed, step).

No state is kept between steps, so a resumed run draws exactly what an
uninterrupted one would have drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wavecore.audio import mulaw
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.errors import UsageError
from wavecore.models.translation import rests
from wavecore.models.translation.config import TranslationConfig, TranslationTrainingConfig
from wavecore.training import augmentation
from wavecore.training.batch import TensorBatch
from wavecore.training.augmentation import corrupt_context


@dataclass(frozen=True)
class Batch(TensorBatch):
    """One step's crops.

    Attributes
    ----------
    clean, augmented : Tensor, shape (B, (F + 2 * context) * hop_length), float32 in [-1, 1]
        The encoder's input with its context, as it is and as training hears it.
    octave_shift : Tensor, shape (B,), int64, octaves
        From the input's octave to the target's.
    domains : Tensor, shape (B,), int64
        The inputs' domains, indices into ``TranslationConfig.domains``.
    targets : Tensor, shape (B,), int64
        The targets' domains, indices into ``TranslationConfig.targets``.
    codes : Tensor, shape (B, F * hop_length), int64
        What the decoder is to say.
    history : Tensor, shape (B, F * hop_length), int64
        What it is told it has said: ``codes``, in training partly blurred.
    further : Tensor, shape (E, (F + 2 * context) * hop_length), float32 in [-1, 1]
        More inputs, for encoder and classifier alone.
    further_octave_shift, further_domains : Tensor, shape (E,), int64
        As ``octave_shift`` and ``domains``.
    """

    clean: Tensor
    augmented: Tensor
    octave_shift: Tensor
    domains: Tensor
    targets: Tensor
    codes: Tensor
    history: Tensor
    further: Tensor
    further_octave_shift: Tensor
    further_domains: Tensor

    @property
    def all_octave_shifts(self) -> Tensor:
        """Those of the crops and of the further inputs, shape (B + E,)."""
        return torch.cat([self.octave_shift, self.further_octave_shift])

    @property
    def all_domains(self) -> Tensor:
        """Those of the crops and of the further inputs, shape (B + E,)."""
        return torch.cat([self.domains, self.further_domains])


class BatchSource:
    """Draws batches from a ``domains`` data set.

    Parameters
    ----------
    context_frames : int
        The encoder's.

    Raises
    ------
    UsageError
        If the data set lacks a domain, has another rate, or is not paired where pairs are asked for,
        or a step is to have more targets than there are, or several where one decoder serves all.
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
        self.context_frames = context_frames

    def training_batch(self, step: int) -> Batch:
        """Draw the batch of a training step."""
        rng = np.random.default_rng((self.training.seed, step))
        n_targets, n_groups = len(self.network.targets), self.training.targets_per_step
        targets = rng.integers(0, n_targets, self.training.batch_size)
        if not self.network.shared_decoder:
            # A group draws from every n-th target, and its crops are every n-th crop: see ``spread``.
            drawn = (
                [targets[0]]
                if n_groups == 1
                else [rng.choice(np.arange(group, n_targets, n_groups)) for group in range(n_groups)]
            )
            targets = np.resize(drawn, self.training.batch_size)
        pairs = [self._source(rng, self.network.targets[target]) for target in targets]
        return self._batch(rng, pairs, "train", augment=True)

    def validation_batch(self, source: str, target: str, *, n_crops: int, split: str = "valid") -> Batch:
        """Draw the same held-out crops at every call.

        Parameters
        ----------
        source, target : str
            Domains of input and output.
        split : {"valid", "test"}
        """
        rng = np.random.default_rng(self.network.targets.index(target))
        return self._batch(rng, [(source, target)] * n_crops, split, augment=False)

    def _source(self, rng: np.random.Generator, target: str) -> tuple[str, str]:
        """Choose the input's domain for a target."""
        if rng.random() >= self.training.paired_probability:
            return target, target
        others = [name for name in self.network.domains if name != target]
        return others[rng.integers(len(others))], target

    def _batch(self, rng, pairs: list[tuple[str, str]], split: str, *, augment: bool) -> Batch:
        hop = self.network.decoder.hop_length
        margin = self.context_frames * hop
        n_samples = self.training.crop_frames * hop + 2 * margin
        clean, augmented, shifts, codes, history = [], [], [], [], []
        for source, target in pairs:
            x, said, shift = self._crop(rng, source, target, split, n_samples, transpose=augment)
            going_on = said
            # Not drawn where it is not asked for: the draws of older runs stay what they were.
            if augment and self.training.rest_probability and rng.random() < self.training.rest_probability:
                gain = rests.rest_gain(n_samples, sample_rate=self.network.decoder.sample_rate, rng=rng)
                x, said = gain * x, mulaw.encode(gain * mulaw.decode(said))
                going_on = going_on if rng.random() < 0.5 else said
            clean.append(x)
            augmented.append(self._augment(rng, x) if augment else x)
            shifts.append(shift)
            codes.append(said[margin : n_samples - margin])
            past = going_on[margin : n_samples - margin]
            history.append(
                corrupt_context(past, self.training, sample_rate=self.network.decoder.sample_rate, rng=rng)
                if augment
                else past
            )
        further, further_shifts, further_domains = self._further(rng, split, n_samples, augment)
        domains = [self.network.domains.index(source) for source, _ in pairs]
        targets = [self.network.targets.index(target) for _, target in pairs]
        return Batch(
            clean=torch.from_numpy(np.stack(clean)),
            augmented=torch.from_numpy(np.stack(augmented)),
            octave_shift=torch.tensor(shifts),
            domains=torch.tensor(domains),
            targets=torch.tensor(targets),
            codes=torch.from_numpy(np.stack(codes)).long(),
            history=torch.from_numpy(np.stack(history)).long(),
            further=torch.from_numpy(further),
            further_octave_shift=torch.from_numpy(further_shifts),
            further_domains=torch.from_numpy(further_domains),
        )

    def _crop(self, rng, source: str, target: str, split: str, n_samples: int, *, transpose: bool):
        """Draw one passage: the input as floats, the target as codes, octaves from one to the other."""
        semitones = self._semitones(rng) if transpose else (0.0, 0.0)
        hop = self.network.decoder.hop_length
        if semitones == (0.0, 0.0):
            crop = self.dataset.paired_crop(rng, source, target, split, n_samples, hop)
            return mulaw.decode(crop.source), np.array(crop.target), crop.octave_shift
        positions = augmentation.tape_positions(n_samples, semitones=semitones)
        crop = self.dataset.paired_crop(rng, source, target, split, math.ceil(positions[-1]) + 1, hop)
        x = augmentation.read_at(mulaw.decode(crop.source), positions)
        said = x if source == target else augmentation.read_at(mulaw.decode(crop.target), positions)
        return x, mulaw.encode(said), crop.octave_shift

    def _semitones(self, rng) -> tuple[float, float]:
        """Transposition of a crop's first and last sample."""
        widest, glide = self.training.transpose_semitones, self.training.glide_semitones
        first = rng.uniform(-widest, widest) if widest else 0.0
        glides = glide and rng.random() < self.training.glide_probability
        return first, first + (rng.uniform(-glide, glide) if glides else 0.0)

    def _further(self, rng, split: str, n_samples: int, augment: bool):
        """Draw more inputs of a step, every domain equally often."""
        n_crops = self.training.confusion_crops if augment else 0
        domains = rng.permutation(n_crops) % len(self.network.domains)
        audio, shifts = np.zeros((n_crops, n_samples), np.float32), np.zeros(n_crops, np.int64)
        for i, domain in enumerate(domains):
            audio[i], shifts[i] = self._input(rng, self.network.domains[domain], split, n_samples)
        return audio, shifts, domains

    def _input(self, rng, name: str, split: str, n_samples: int) -> tuple[np.ndarray, int]:
        """Draw an input of a domain and the octaves by which it is shifted for a target."""
        paired = self.dataset.paired and name not in self.network.targets
        target = self.network.targets[0] if paired else name
        crop = self.dataset.paired_crop(rng, name, target, split, n_samples, self.network.decoder.hop_length)
        return mulaw.decode(crop.source), crop.octave_shift

    def validation_inputs(self, domain: str, *, n_crops: int, split: str = "valid") -> tuple[Tensor, Tensor]:
        """Draw the same inputs of a domain at every call, for encoder and classifier.

        Parameters
        ----------
        split : {"train", "valid", "test"}

        Returns
        -------
        audio : Tensor, shape (n_crops, (F + 2 * context) * hop_length), float32 in [-1, 1]
        octave_shift : Tensor, shape (n_crops,), int64
        """
        rng = np.random.default_rng(self.network.domains.index(domain))
        n_samples = (self.training.crop_frames + 2 * self.context_frames) * self.network.decoder.hop_length
        drawn = [self._input(rng, domain, split, n_samples) for _ in range(n_crops)]
        return torch.from_numpy(np.stack([x for x, _ in drawn])), torch.tensor([shift for _, shift in drawn])

    def _augment(self, rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        if rng.random() < self.training.augment_probability:
            x = augmentation.detune_segment(x, sample_rate=self.network.decoder.sample_rate, rng=rng)
        if rng.random() < self.training.noise_probability:
            x = augmentation.add_noise_and_gain(x, rng=rng)
        return x
