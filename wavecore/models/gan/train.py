"""What trains a GAN on melodies: its two updates, and how far what it writes is from held-out melodies.

No likelihood says how good a GAN is, and the adversaries' losses say only which of them is ahead.  So
the curves show the discriminator's surprise, in bits a verdict: 1 where it can but guess.  Which model
is the best is decided by histograms: ``valid/bits`` is 1 less the mean overlap of what the averaged
generator writes with held-out melodies.

References
----------
Goodfellow et al., "Generative Adversarial Nets", NIPS 2014: the updates; the generator's loss is the non-saturating one.
Salimans et al., "Improved Techniques for Training GANs", NIPS 2016: feature matching, one-sided label smoothing.
Sonderby et al., "Amortised MAP Inference for Image Super-resolution", ICLR 2017: instance noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wavecore.datasets.songs import SongsDataset, read_lines
from wavecore.errors import UsageError
from wavecore.metrics import histograms, novelty
from wavecore.models.gan.config import GANConfig, GANTrainingConfig
from wavecore.models.gan.features import PITCH
from wavecore.models.gan.model import GAN, draw_noise
from wavecore.models.gan.sample import sequences
from wavecore.symbolic.note_sequence import NoteLine
from wavecore.training import losses
from wavecore.training.autocast import autocast
from wavecore.training.batch import TensorBatch
from wavecore.training.trainer import AveragedTrainer

BETAS = (0.5, 0.999)
"""Of Adam, as published: a longer memory of gradients swings."""
VALIDATION_SEED = 1
VALIDATION_SEQUENCES = 256
STRETCH = 8
"""Notes of a melody by which sequences are told apart."""
OUTLYING = 0.001
"""Share of the notes at either end of the range that need not lie in it."""


@dataclass(frozen=True)
class Sequences(TensorBatch):
    """Stretches of melodies, and all that is drawn for a step.

    Attributes
    ----------
    notes : Tensor, shape (B, T, F), float32
        Of melodies.
    noise : Tensor, shape (B, 2, ...), float32
        Of which the generator writes for the discriminator's update and for its own.
    blur : Tensor, shape (B, 3, T, F), float32
        Added to what the discriminator reads: the melodies, what is written for its own update and for the generator's.
    """

    notes: Tensor
    noise: Tensor
    blur: Tensor


class GANTrainer(AveragedTrainer):
    """Two adversaries, each with an optimiser."""

    def __init__(self, network: GAN, config: GANTrainingConfig, *, device: str = "cpu"):
        groups = {label: (_named(network, label), config.learning_rate) for label in ("discriminator", "generator")}
        super().__init__(network, config, groups, device=device)

    def relative_rate(self, name: str) -> float:
        """Say how fast a parameter learns, compared with ``learning_rate``.

        Returns
        -------
        float
            The discriminator learns at ``discriminator_learning_rate``.
        """
        return (
            self.config.discriminator_learning_rate / self.config.learning_rate
            if name.startswith("discriminator.")
            else 1.0
        )

    def update(self, batch: Sequences) -> dict[str, float]:
        """Do one step: the discriminator's update, then the generator's.

        Returns
        -------
        dict of str to float
            ``bits`` of the discriminator's surprise at who wrote what, a verdict; ``discriminator/accuracy``, ``generator/loss``,
            ``gradient_norm`` (the generator's), ``learning_rate``.

        Raises
        ------
        ModelError
            If a loss is not finite.
        """
        batch = batch.to(self.device)
        found = self._update_discriminator(batch) | self._update_generator(batch)
        self.finish_step()
        return found

    def _update_discriminator(self, batch: Sequences) -> dict[str, float]:
        with autocast(self.config.precision, self.device):
            with torch.no_grad():
                written = self.network(batch.noise[:, 0])
            logits, _ = self.network.discriminator(
                torch.cat([batch.notes + batch.blur[:, 0], written + batch.blur[:, 1]])
            )
        real, made = logits.chunk(2)
        told = torch.full_like(real, 1 - self.network.config.label_smoothing)
        nats = 0.5 * (
            F.binary_cross_entropy_with_logits(real, told)
            + F.binary_cross_entropy_with_logits(made, torch.zeros_like(made))
        )
        self.descend("discriminator", nats)
        right = 0.5 * ((real > 0).float().mean() + (made <= 0).float().mean())
        return {"bits": losses.bits(nats.detach()), "discriminator/accuracy": float(right)}

    def _update_generator(self, batch: Sequences) -> dict[str, float]:
        judge = self.network.discriminator.requires_grad_(False)  # it passes the gradient on, and needs none of its own
        with autocast(self.config.precision, self.device):
            logits, heard = judge(self.network(batch.noise[:, 1]) + batch.blur[:, 2])
            if self.network.config.feature_matching:
                _, wanted = judge(batch.notes + batch.blur[:, 0])
        if self.network.config.feature_matching:
            loss = F.mse_loss(heard.mean(0), wanted.mean(0))
        else:
            loss = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
        found = {"generator/loss": float(loss.detach())} | self.descend("generator", loss)
        judge.requires_grad_(True)
        return found

    def _optimizer(self, parameters: dict[str, nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
        optimizer = super()._optimizer(parameters, learning_rate)
        if isinstance(optimizer, torch.optim.Adam):
            for group in optimizer.param_groups:
                group["betas"] = BETAS
        return optimizer


def fitted(config: GANConfig, dataset: SongsDataset) -> GANConfig:
    """Let a GAN's pitches reach as far as the melodies that it is to learn.

    Returns
    -------
    GANConfig
        With other ``lowest`` and ``highest``, an octave apart at least; a thousandth of the notes may lie below or above.

    Raises
    ------
    InputError
        If no melody is long enough.
    """
    lines = read_lines(dataset, "train", steps_per_beat=config.steps_per_beat, shortest=config.length)
    pitches = np.concatenate([line.table()[:, 1] for line in lines])
    lowest, highest = (int(pitch) for pitch in np.quantile(pitches, [OUTLYING, 1 - OUTLYING], method="nearest"))
    highest = min(127, max(highest, lowest + 12))
    return replace(config, lowest=min(lowest, highest - 12), highest=highest)


class GANTask:
    """A GAN and the melodies that it learns.

    Parameters
    ----------
    dataset : SongsDataset
        Of which melodies shorter than a sequence are left out.
    training : GANTrainingConfig
        Sequences are transposed by up to ``transpose_semitones``, as far as the network's pitches go; ``discriminator_learning_rate`` is the
        discriminator's; what belongs to sound has no effect.
    initial : GAN, optional
        Weights to start from; of the configuration ``network_config``.

    Raises
    ------
    InputError
        If no melody is long enough.
    UsageError
        If ``initial`` has another configuration, or a batch has one sequence only.
    """

    def __init__(
        self, dataset: SongsDataset, network_config: GANConfig, training: GANTrainingConfig, initial: GAN | None = None
    ):
        if initial is not None and initial.config != network_config:
            raise UsageError(
                "the weights to start from belong to a network of another configuration than network_config"
            )
        if training.batch_size < 2:
            raise UsageError(f"batch_size is {training.batch_size}; batch norm needs at least 2")
        self.dataset, self.network_config, self.training, self.data = (
            dataset,
            network_config,
            training,
            str(dataset.path),
        )
        self.samples_per_step, self.sample_rate = (
            training.batch_size * network_config.length,
            network_config.steps_per_beat,
        )
        steps = network_config.steps_per_beat
        lines = read_lines(dataset, "train", steps_per_beat=steps, shortest=network_config.length)
        self.melodies = [network_config.scale.encode(line, network_config.features) for line in lines]
        held_out = read_lines(dataset, "valid", steps_per_beat=steps)
        self._held_out = self._histograms(
            [
                network_config.scale.decode(network_config.scale.encode(line, network_config.features))
                for line in held_out
            ]
        )
        if initial is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(training.seed)
                initial = GAN(network_config)
        self._network = initial

    def build(self) -> GAN:
        """Return the network that is to be trained."""
        return self._network

    def trainer(self, network: GAN, device: str) -> GANTrainer:
        """Build the trainer."""
        return GANTrainer(network, self.training, device=device)

    def batch(self, step: int) -> Sequences:
        """Draw the batch of a step: every melody comes once in an epoch."""
        config, size = self.network_config, self.training.batch_size
        rng = np.random.default_rng((self.training.seed, step))
        places = range(step * size, (step + 1) * size)
        numbers = [self._order(place // len(self.melodies))[place % len(self.melodies)] for place in places]
        notes = torch.from_numpy(np.stack([self._stretch(self.melodies[number], rng) for number in numbers]))
        noise = torch.stack([draw_noise(config, size, rng) for _ in range(2)], dim=1)
        level = config.instance_noise * (1 - step / self.training.steps)
        shape = (size, 3, config.length, config.features)
        blur = torch.from_numpy(level * rng.standard_normal(shape)).float() if level else torch.zeros(shape)
        return Sequences(notes, noise, blur)

    def _order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng((self.training.seed, 0, epoch)).permutation(len(self.melodies))

    def _stretch(self, melody: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """As many notes as a sequence has, moved as far as it may be."""
        config = self.network_config
        begin = int(rng.integers(0, len(melody) - config.length + 1))
        found, column = melody[begin : begin + config.length].copy(), PITCH[config.features]
        semitone, most = 2 / (config.highest - config.lowest), int(self.training.transpose_semitones)
        down, up = (round(float(room) / semitone) for room in (found[:, column].min() + 1, 1 - found[:, column].max()))
        found[:, column] += semitone * int(rng.integers(-min(down, most), min(up, most) + 1))
        return found

    @torch.no_grad()
    def validate(self, network: GAN, device: str) -> dict[str, float]:
        """Compare what a network writes, of the same noise at every call, with held-out melodies.

        Parameters
        ----------
        network : GAN
            In evaluation mode.

        Returns
        -------
        dict of str to float
            ``valid/overlap/NAME`` of the histograms of pitch classes, intervals and, where notes have durations, of these and of the times
            between onsets, 0 to 1; ``valid/bits``, 1 less their mean; ``valid/variety``, the share of stretches of eight notes that
            come once, which falls to nothing where the generator writes one and the same.
        """
        lines = sequences(network.to(device), VALIDATION_SEQUENCES, np.random.default_rng(VALIDATION_SEED))
        shared = histograms.overlaps(self._histograms(lines), self._held_out)
        if self.network_config.features == 1:
            shared = {name: shared[name] for name in ("pitch_class", "interval")}
        stretches = (stretch for line in lines for stretch in novelty.ngrams(line.symbols, STRETCH))
        found = {f"valid/overlap/{name}": value for name, value in shared.items()}
        return found | {
            "valid/bits": 1 - sum(shared.values()) / len(shared),
            "valid/variety": novelty.distinct(stretches),
        }

    def _histograms(self, lines: list[NoteLine]) -> dict[str, np.ndarray]:
        return histograms.histograms([line.table()[:, :3] for line in lines], longest=self.network_config.durations[-1])

    def describe(self) -> dict:
        """Summarise the data."""
        return self.dataset.summary() | {"melodies": len(self.melodies)}


def _named(network: GAN, label: str) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in network.named_parameters() if name.startswith(f"{label}.")}
