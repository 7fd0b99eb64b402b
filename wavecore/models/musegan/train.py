"""Training a MuseGAN: phrases of pieces, alternating updates of critics and generators, a held-out distance.

A step is five updates of the critics and one of the generators: Wasserstein GANs with a penalty on the critics' slope.
Neither loss measures the phrases.  ``bits``, by which the best model is chosen, is ``evaluate.distance``: the
divergence of counts of pitches, rhythms, chords and similar bars in generated and real phrases, in bits, 0 to 1.

References
----------
Gulrajani, Ahmed, Arjovsky, Dumoulin and Courville, "Improved Training of Wasserstein GANs", NeurIPS 2017.
Dong et al., "MuseGAN: Multi-track Sequential Generative Adversarial Networks for Symbolic Music Generation
and Accompaniment", AAAI 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wavecore.datasets.songs import SongsDataset
from wavecore.metrics import novelty
from wavecore.models.musegan.config import MuseGANConfig, MuseGANTrainingConfig
from wavecore.models.musegan.data import PhraseStore
from wavecore.models.musegan.evaluate import distance
from wavecore.models.musegan.model import MuseGAN
from wavecore.models.musegan.sample import generate
from wavecore.training.batch import TensorBatch
from wavecore.training.task import Task
from wavecore.training.trainer import AveragedTrainer

CRITIC_STEPS = 5
"""Updates of the critics for one of the generators."""
PENALTY = 10.0
"""Lambda: the weight of the penalty on slopes other than 1."""
BETAS = (0.5, 0.9)
"""Of Adam: a critic must follow its generator faster than with the usual memory."""
VALIDATION_SEED = 1
VALIDATION_PHRASES = 256


@dataclass(frozen=True)
class Phrases(TensorBatch):
    """The phrases and all random numbers of a step.

    Attributes
    ----------
    real : Tensor, shape (B, C, bars, steps, pitches, tracks), bool
        Phrases for each of C updates of the critics; the generators' update is given the last one's track.
    noise : Tensor, shape (B, C + 1, R, Z), float32
    uniform : Tensor, shape (B, C + 1, bars, steps, pitches, n_generated), float32
        For Bernoulli neurons; without any the axis of pitches has length 0.
    mix : Tensor, shape (B, C), float32
        Position between a real and a generated phrase at which the slope is measured, 0 to 1.
    """

    real: Tensor
    noise: Tensor
    uniform: Tensor
    mix: Tensor


class MuseGANTrainer(AveragedTrainer):
    """An optimiser for the generators, with encoder and temporal networks, and one for the critics.

    Everything is computed in float32, whatever ``precision`` is: the slope is differentiated again.
    """

    def __init__(self, network: MuseGAN, config: MuseGANTrainingConfig, *, device: str = "cpu"):
        groups = {
            label: (
                {name: weights for name, weights in network.named_parameters() if name.startswith(f"{label}.")},
                config.learning_rate,
            )
            for label in ("generator", "critics")
        }
        super().__init__(network, config, groups, device=device)

    def update(self, batch: Phrases) -> dict[str, float]:
        """Update the critics several times, then the generators.

        Returns
        -------
        dict of str to float
            ``bits``: the distance of the step's last real and generated phrases; ``critic/wasserstein``: the critics'
            score of real phrases minus that of generated ones; ``critic/penalty``; ``gradient_norm`` of the generators,
            ``learning_rate``.

        Raises
        ------
        ModelError
            If a loss is not finite.
        """
        batch = batch.to(self.device)
        measures, last = {}, batch.mix.shape[1]
        for turn in range(last):
            measures = self._update_critics(batch, turn)
        generated = self._generate(batch, last)
        self.network.critics.requires_grad_(False)  # they pass the gradient on, and need none of their own
        loss = -self.network.scores(generated).mean()
        measures |= self.descend("generator", loss)
        self.network.critics.requires_grad_(True)
        real, samples = ((cells > 0).cpu().numpy() for cells in (batch.real[:, -1], generated.detach()))
        self.finish_step()
        return {"bits": distance(real, samples, self.network.config)} | measures

    def _update_critics(self, batch: Phrases, turn: int) -> dict[str, float]:
        real = _signs(batch.real[:, turn])
        with torch.no_grad():
            generated = self._generate(batch, turn)
        between = torch.lerp(generated, real, batch.mix[:, turn].view(-1, 1, 1, 1, 1)).requires_grad_(True)
        # The slope of one critic does not depend on another's: each has a penalty of its own.
        penalty = torch.stack([_penalty(scores, between) for scores in self.network.scores(between).unbind(1)]).mean()
        lead = self.network.scores(real).mean() - self.network.scores(generated).mean()
        self.descend("critics", PENALTY * penalty - lead)
        return {"critic/wasserstein": float(lead.detach()), "critic/penalty": float(penalty.detach())}

    def _generate(self, batch: Phrases, turn: int) -> Tensor:
        config = self.network.config
        real = batch.real[:, min(turn, batch.real.shape[1] - 1)]
        given = _signs(real[..., config.given_index]) if config.given else None
        uniform = batch.uniform[:, turn] if config.neurons == "bernoulli" else None
        return self.network(batch.noise[:, turn], given, uniform=uniform)

    def _optimizer(self, parameters: dict[str, nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
        groups = [{"params": list(parameters.values()), "relative_rate": 1.0}]
        return torch.optim.Adam(groups, lr=learning_rate, betas=BETAS, fused=True)


class MuseGANTask(Task):
    """A MuseGAN and the pieces that it is trained on.

    Phrases are transposed within the network's pitches, but for drums.

    Raises
    ------
    InputError
        If a split holds no phrases for the network.
    """

    network_class = MuseGAN
    trainer_class = MuseGANTrainer

    def __init__(
        self,
        dataset: SongsDataset,
        network_config: MuseGANConfig,
        training: MuseGANTrainingConfig,
        initial: MuseGAN | None = None,
    ):
        super().__init__(dataset, network_config, training, initial)
        self.samples_per_step = training.batch_size * CRITIC_STEPS * network_config.bars * network_config.steps
        self.sample_rate = network_config.grid.steps_per_beat
        self.stores = {split: PhraseStore(dataset, split, network_config) for split in ("train", "valid")}

    def batch(self, step: int) -> Phrases:
        """Return the batch of a step."""
        config, store, size = self.network_config, self.stores["train"], self.training.batch_size
        rng = np.random.default_rng((self.training.seed, step))
        most = int(self.training.transpose_semitones)
        phrases = []
        for number in rng.integers(0, len(store.starts), size * CRITIC_STEPS):
            down, up = store.transpositions[store.starts[number, 0]]
            phrases.append(store.phrase(int(number), int(rng.integers(max(down, -most), min(up, most) + 1))))
        real = np.stack(phrases).reshape(size, CRITIC_STEPS, *config.shape)
        noise = rng.standard_normal((size, CRITIC_STEPS + 1, len(config.noise_rows), config.noise), np.float32)
        n_pitches = config.n_pitches if config.neurons == "bernoulli" else 0
        shape = (size, CRITIC_STEPS + 1, config.bars, config.steps, n_pitches, config.n_generated)
        uniform = rng.random(shape, np.float32)
        mix = rng.random((size, CRITIC_STEPS), np.float32)
        return Phrases(*map(torch.from_numpy, (real, noise, uniform, mix)))

    @torch.no_grad()
    def validate(self, network: MuseGAN, device: str) -> dict[str, float]:
        """Compare samples, of the same noise at every call, with held-out phrases.

        Returns
        -------
        dict of str to float
            ``valid/bits``: the distance of both; ``valid/empty_bars``: share of the samples' bars in which a track is
            silent, and ``valid/real_empty_bars``; ``valid/distinct_bars``: share of different ones among the samples'
            sounding bars, 0 without any; ``valid/wasserstein``: the critics' score of held-out phrases minus that of
            samples.
        """
        config, network = self.network_config, network.to(device)
        real = self.stores["valid"].evenly(VALIDATION_PHRASES)
        rng = np.random.default_rng(VALIDATION_SEED)
        noise = rng.standard_normal((len(real), len(config.noise_rows), config.noise), np.float32)
        given = real[..., config.given_index] if config.given else None
        samples = generate(network, noise, given=given, rng=rng)
        scores = [network.scores(_signs(torch.from_numpy(phrases).to(device))).mean() for phrases in (real, samples)]
        keys = novelty.bar_keys(samples.reshape(-1, *config.shape[1:]), config.drums)
        return {
            "valid/bits": distance(real, samples, config),
            "valid/empty_bars": float(1 - samples.any(axis=(2, 3)).mean()),
            "valid/real_empty_bars": float(1 - real.any(axis=(2, 3)).mean()),
            "valid/distinct_bars": float(np.nan_to_num(novelty.distinct(keys))),
            "valid/wasserstein": float(scores[0] - scores[1]),
        }

    def describe(self) -> dict[str, Any]:
        """Return what the model's card keeps of its data."""
        phrases = {
            split: {"phrases": len(store.starts), "left_out": store.left_out} for split, store in self.stores.items()
        }
        return self.dataset.summary() | {"phrases": phrases}


def _signs(cells: Tensor) -> Tensor:
    """Return -1 where a cell is silent, 1 where it is active."""
    return 2.0 * cells.float() - 1.0


def _penalty(scores: Tensor, phrases: Tensor) -> Tensor:
    """Return the squared difference of a critic's slope from 1, mean over phrases."""
    (slope,) = torch.autograd.grad(scores.sum(), phrases, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()
