"""Training a GAN of melodies: the two updates, and how near its samples are to held-out melodies.

The losses of the two networks do not measure the samples.  ``bits``, the discriminator's cross-entropy, is 1 where it
is at chance.  Which model is the best is decided by histograms: ``valid/bits`` is 1 minus the mean overlap of those of
the averaged generator's samples with those of held-out melodies.

References
----------
Goodfellow et al., "Generative Adversarial Nets", NIPS 2014: the updates; the generator's loss is non-saturating.
Salimans et al., "Improved Techniques for Training GANs", NIPS 2016: feature matching, one-sided label smoothing.
Sonderby et al., "Amortised MAP Inference for Image Super-resolution", ICLR 2017: instance noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wavecore.datasets.songs import SongsDataset, read_lines
from wavecore.metrics import histograms, novelty
from wavecore.models.gan.config import GANConfig, GANTrainingConfig
from wavecore.models.gan.features import PITCH_COLUMN
from wavecore.models.gan.model import GAN, draw_noise
from wavecore.models.gan.sample import generate
from wavecore.symbolic.note_sequence import NoteLine
from wavecore.training import losses
from wavecore.training.autocast import autocast
from wavecore.training.batch import TensorBatch
from wavecore.training.task import Task
from wavecore.training.trainer import AveragedTrainer

BETAS = (0.5, 0.999)
"""Of Adam, as published: with a longer memory of gradients the two networks oscillate."""
VALIDATION_SEED = 1
VALIDATION_SEQUENCES = 256
STRETCH = 8
"""Notes of the stretches that ``valid/variety`` compares."""
OUTLYING = 0.001
"""Share of the notes at either end of the range that need not lie in it."""


@dataclass(frozen=True)
class Sequences(TensorBatch):
    """Stretches of melodies, and all random numbers of a step.

    Attributes
    ----------
    notes : Tensor, shape (B, T, F), float32
        Of melodies.
    noise : Tensor, shape (B, 2, ...), float32
        For the sequences of the discriminator's update and of the generator's.
    instance_noise : Tensor, shape (B, 3, T, F), float32
        Added to the discriminator's input: to melodies, and to the sequences of its own and of the generator's update.
    """

    notes: Tensor
    noise: Tensor
    instance_noise: Tensor


class GANTrainer(AveragedTrainer):
    """An optimiser for the discriminator and one for the generator."""

    def __init__(self, network: GAN, config: GANTrainingConfig, *, device: str = "cpu"):
        groups = {
            label: (
                {name: weights for name, weights in network.named_parameters() if name.startswith(f"{label}.")},
                config.learning_rate,
            )
            for label in ("discriminator", "generator")
        }
        super().__init__(network, config, groups, device=device)

    def relative_rate(self, name: str) -> float:
        """Return the learning rate of a parameter relative to the generator's."""
        is_discriminator = name.startswith("discriminator.")
        return self.config.discriminator_learning_rate / self.config.learning_rate if is_discriminator else 1.0

    def update(self, batch: Sequences) -> dict[str, float]:
        """Update the discriminator, then the generator.

        Returns
        -------
        dict of str to float
            ``bits``: the discriminator's cross-entropy; ``discriminator/accuracy``, ``generator/loss``,
            ``gradient_norm`` (the generator's), ``learning_rate``.

        Raises
        ------
        ModelError
            If a loss is not finite.
        """
        batch = batch.to(self.device)
        measures = self._update_discriminator(batch) | self._update_generator(batch)
        self.finish_step()
        return measures

    def _update_discriminator(self, batch: Sequences) -> dict[str, float]:
        with autocast(self.config.precision, self.device):
            with torch.no_grad():
                generated = self.network(batch.noise[:, 0])
            logits, _ = self.network.discriminator(
                torch.cat([batch.notes + batch.instance_noise[:, 0], generated + batch.instance_noise[:, 1]])
            )
        of_real, of_generated = logits.chunk(2)
        target = torch.full_like(of_real, 1 - self.network.config.label_smoothing)
        nats = 0.5 * (
            F.binary_cross_entropy_with_logits(of_real, target)
            + F.binary_cross_entropy_with_logits(of_generated, torch.zeros_like(of_generated))
        )
        self.descend("discriminator", nats)
        accuracy = 0.5 * ((of_real > 0).float().mean() + (of_generated <= 0).float().mean())
        return {"bits": losses.bits(nats.detach()), "discriminator/accuracy": float(accuracy)}

    def _update_generator(self, batch: Sequences) -> dict[str, float]:
        feature_matching = self.network.config.feature_matching
        # The discriminator passes the gradient on, and needs none of its own.
        discriminator = self.network.discriminator.requires_grad_(False)
        with autocast(self.config.precision, self.device):
            logits, activations = discriminator(self.network(batch.noise[:, 1]) + batch.instance_noise[:, 2])
            if feature_matching:
                _, target = discriminator(batch.notes + batch.instance_noise[:, 0])
        if feature_matching:
            loss = F.mse_loss(activations.mean(0), target.mean(0))
        else:
            loss = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
        measures = {"generator/loss": float(loss.detach())} | self.descend("generator", loss)
        discriminator.requires_grad_(True)
        return measures

    def _optimizer(self, parameters: dict[str, nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
        optimizer = super()._optimizer(parameters, learning_rate)
        if isinstance(optimizer, torch.optim.Adam):
            for group in optimizer.param_groups:
                group["betas"] = BETAS
        return optimizer


def fit_range(config: GANConfig, dataset: SongsDataset) -> GANConfig:
    """Return a configuration whose pitches reach as far as the training melodies, but for a thousandth of the notes."""
    lines = read_lines(dataset, "train", steps_per_beat=config.steps_per_beat, shortest=config.length)
    pitches = np.concatenate([line.table()[:, 1] for line in lines])
    lowest, highest = (int(pitch) for pitch in np.quantile(pitches, [OUTLYING, 1 - OUTLYING], method="nearest"))
    highest = min(127, max(highest, lowest + 12))
    return replace(config, lowest=min(lowest, highest - 12), highest=highest)


class GANTask(Task):
    """A GAN and the melodies that it is trained on; those shorter than a sequence are left out.

    Raises
    ------
    InputError
        If no melody is long enough.
    """

    network_class = GAN
    trainer_class = GANTrainer

    def __init__(
        self, dataset: SongsDataset, network_config: GANConfig, training: GANTrainingConfig, initial: GAN | None = None
    ):
        super().__init__(dataset, network_config, training, initial)
        self.samples_per_step = training.batch_size * network_config.length
        self.sample_rate = network_config.steps_per_beat
        encoding, n_features = network_config.encoding, network_config.features
        grid = {"steps_per_beat": network_config.steps_per_beat}
        lines = read_lines(dataset, "train", **grid, shortest=network_config.length)
        self.melodies = [encoding.encode(line, n_features) for line in lines]
        held_out = read_lines(dataset, "valid", **grid)
        self._held_out = self._histograms([encoding.decode(encoding.encode(line, n_features)) for line in held_out])

    def batch(self, step: int) -> Sequences:
        """Return the batch of a step: every melody comes once in an epoch."""
        config, size = self.network_config, self.training.batch_size
        rng = np.random.default_rng((self.training.seed, step))
        numbers = self.shuffled(step, len(self.melodies))
        notes = torch.from_numpy(np.stack([self._stretch(self.melodies[number], rng) for number in numbers]))
        noise = torch.stack([draw_noise(config, size, rng) for _ in range(2)], dim=1)
        level = config.instance_noise * (1 - step / self.training.steps)
        shape = (size, 3, config.length, config.features)
        added = torch.from_numpy(level * rng.standard_normal(shape)).float() if level else torch.zeros(shape)
        return Sequences(notes, noise, added)

    def _stretch(self, melody: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw a stretch of a melody, as long as a sequence, and transpose it within the range."""
        config = self.network_config
        begin = int(rng.integers(0, len(melody) - config.length + 1))
        stretch, column = melody[begin : begin + config.length].copy(), PITCH_COLUMN[config.features]
        semitone, most = 2 / (config.highest - config.lowest), int(self.training.transpose_semitones)
        lowest, highest = stretch[:, column].min(), stretch[:, column].max()
        down, up = (round(float(margin) / semitone) for margin in (lowest + 1, 1 - highest))
        stretch[:, column] += semitone * int(rng.integers(-min(down, most), min(up, most) + 1))
        return stretch

    @torch.no_grad()
    def validate(self, network: GAN, device: str) -> dict[str, float]:
        """Compare samples, of the same noise at every call, with held-out melodies.

        Returns
        -------
        dict of str to float
            ``valid/overlap/NAME`` of histograms of pitch classes and intervals and, where notes have durations, of
            durations and times between onsets, 0 to 1; ``valid/bits``, 1 minus their mean; ``valid/variety``, the share
            of different ones among stretches of eight notes, near 0 where all samples are the same.
        """
        lines = generate(network.to(device), VALIDATION_SEQUENCES, np.random.default_rng(VALIDATION_SEED))
        overlaps = histograms.overlaps(self._histograms(lines), self._held_out)
        if self.network_config.features == 1:
            overlaps = {name: overlaps[name] for name in ("pitch_class", "interval")}
        stretches = (stretch for line in lines for stretch in novelty.ngrams(line.symbols, STRETCH))
        return {f"valid/overlap/{name}": value for name, value in overlaps.items()} | {
            "valid/bits": 1 - sum(overlaps.values()) / len(overlaps),
            "valid/variety": novelty.distinct(stretches),
        }

    def _histograms(self, lines: list[NoteLine]) -> dict[str, np.ndarray]:
        return histograms.histograms([line.table()[:, :3] for line in lines], longest=self.network_config.durations[-1])

    def describe(self) -> dict[str, Any]:
        """Return what the model's card keeps of its data."""
        return self.dataset.summary() | {"melodies": len(self.melodies)}
