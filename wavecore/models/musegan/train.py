"""What trains a MuseGAN: phrases of pieces, critics and generators by turns, a held-out distance.

A step is five updates of the critics and one of the generators, as Wasserstein GANs with a penalty on the
critics' slope have it.  No loss of either says how good the phrases are.  What is reported as ``bits``, and
decides which model is the best, is therefore ``roll_distance``: how far counts of pitches, rhythms, chords
and of what bars share are apart between written phrases and real ones, in bits, 0 to 1.

References
----------
Gulrajani, Ahmed, Arjovsky, Dumoulin and Courville, "Improved Training of Wasserstein GANs", NeurIPS 2017.
Dong et al., "MuseGAN: Multi-track Sequential Generative Adversarial Networks for Symbolic Music Generation
and Accompaniment", AAAI 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from wavecore.datasets.songs import SongsDataset
from wavecore.errors import UsageError
from wavecore.metrics import novelty
from wavecore.models.musegan import roll_distance
from wavecore.models.musegan.config import MuseGANConfig, MuseGANTrainingConfig
from wavecore.models.musegan.data import PhraseStore
from wavecore.models.musegan.model import MuseGAN
from wavecore.models.musegan.sample import written_phrases
from wavecore.training.batch import TensorBatch
from wavecore.training.trainer import AveragedTrainer

CRITIC_STEPS = 5
"""Updates of the critics for one of the generators."""
PENALTY = 10.0
"""Lambda: the weight of the penalty on slopes other than 1."""
BETAS = (0.5, 0.9)
"""Adam's: a critic must follow its generator faster than Adam's usual memory lets it."""
VALIDATION_SEED = 1
VALIDATION_PHRASES = 256


@dataclass(frozen=True)
class Phrases(TensorBatch):
    """What a step learns from, and everything random in it.

    Attributes
    ----------
    real : Tensor, shape (B, C, bars, steps, pitches, tracks), bool
        Phrases for each of C updates of the critics; the generators' update is given the last one's track.
    noise : Tensor, shape (B, C + 1, R, Z), float32
    uniform : Tensor, shape (B, C + 1, bars, steps, pitches, n_written), float32
        For Bernoulli neurons; without any the axis of pitches has length 0.
    mix : Tensor, shape (B, C), float32
        Where between a real and a written phrase the slope is measured, 0 to 1.
    """

    real: Tensor
    noise: Tensor
    uniform: Tensor
    mix: Tensor


class MuseGANTrainer(AveragedTrainer):
    """An optimiser for the generators, with encoder and temporal networks, and one for the critics.

    Everything is computed in float32, whatever the settings' precision: a slope is differentiated again.
    """

    def __init__(self, network: MuseGAN, config: MuseGANTrainingConfig, *, device: str = "cpu"):
        groups = {
            part: (
                {name: parameter for name, parameter in network.named_parameters() if name.startswith(f"{part}.")},
                config.learning_rate,
            )
            for part in ("generator", "critics")
        }
        super().__init__(network, config, groups, device=device)

    def update(self, batch: Phrases) -> dict[str, float]:
        """Do one step: the critics' updates, then the generators'.

        Returns
        -------
        dict of str to float
            ``bits``: the distance of the step's last real and written phrases, thresholded; ``critic/wasserstein``: by how much critics
            put real phrases above written ones; ``critic/penalty``; ``gradient_norm`` of the generators, ``learning_rate``.

        Raises
        ------
        ModelError
            If a loss is not finite.
        """
        batch = batch.to(self.device)
        found, last = {}, batch.mix.shape[1]
        for turn in range(last):
            found = self._update_critics(batch, turn)
        written = self._written(batch, last)
        self.network.critics.requires_grad_(False)  # their gradients would be thrown away
        loss = -self.network.judge(written).mean()
        found |= self.descend("generator", loss)
        self.network.critics.requires_grad_(True)
        heard = [(cells > 0).cpu().numpy() for cells in (batch.real[:, -1], written.detach())]
        self.finish_step()
        return {"bits": apart(*heard, self.network.config)} | found

    def _update_critics(self, batch: Phrases, turn: int) -> dict[str, float]:
        real = _signs(batch.real[:, turn])
        with torch.no_grad():
            written = self._written(batch, turn)
        between = torch.lerp(written, real, batch.mix[:, turn].view(-1, 1, 1, 1, 1)).requires_grad_(True)
        # One critic's slope does not depend on another's: each has a penalty of its own.
        penalty = torch.stack([_penalty(judged, between) for judged in self.network.judge(between).unbind(1)]).mean()
        lead = self.network.judge(real).mean() - self.network.judge(written).mean()
        self.descend("critics", PENALTY * penalty - lead)
        return {"critic/wasserstein": float(lead.detach()), "critic/penalty": float(penalty.detach())}

    def _written(self, batch: Phrases, turn: int) -> Tensor:
        config = self.network.config
        real = batch.real[:, min(turn, batch.real.shape[1] - 1)]
        given = _signs(real[..., config.given_index]) if config.given else None
        uniform = batch.uniform[:, turn] if config.neurons == "bernoulli" else None
        return self.network(batch.noise[:, turn], given, uniform=uniform)

    def _optimizer(self, parameters: dict[str, nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
        groups = [{"params": list(parameters.values()), "relative_rate": 1.0}]
        return torch.optim.Adam(groups, lr=learning_rate, betas=BETAS, fused=True)


def apart(real: np.ndarray, written: np.ndarray, config: MuseGANConfig) -> float:
    """Say how far written phrases are from real ones.

    Parameters
    ----------
    real, written : ndarray, shape (N, bars, steps, pitches, tracks), bool

    Returns
    -------
    float
        Bits, as of ``roll_distance.distance``.
    """
    one, other = (
        roll_distance.profile(phrases, lowest=config.lowest, drums=config.drums) for phrases in (real, written)
    )
    return roll_distance.distance(one, other)


class MuseGANTask:
    """A MuseGAN and the pieces that it learns.

    Parameters
    ----------
    training : MuseGANTrainingConfig
        ``batch_size`` phrases for every update.  They are transposed as far as the network's pitches allow, but no further than
        ``transpose_semitones``; drums are not.  What belongs to crops and sound has no effect, nor has ``precision``.
    initial : MuseGAN, optional
        Weights to start from; of the sizes ``network_config``.

    Raises
    ------
    UsageError
        If ``initial`` has other sizes, there is one phrase a step, which batch norm cannot learn from, or the optimiser is not Adam.
    InputError
        If a split holds no phrases for the network.
    """

    def __init__(
        self,
        dataset: SongsDataset,
        network_config: MuseGANConfig,
        training: MuseGANTrainingConfig,
        initial: MuseGAN | None = None,
    ):
        if initial is not None and initial.config != network_config:
            raise UsageError("the weights to start from belong to a network of other sizes than network_config")
        if training.optimizer != "adam":
            raise UsageError(f"a MuseGAN is trained by adam, not by {training.optimizer}; leave the setting out")
        if training.batch_size < 2:
            raise UsageError("batch_size is 1; a MuseGAN has batch norm and needs 2 phrases at least")
        self.dataset, self.network_config, self.training, self.data = (
            dataset,
            network_config,
            training,
            str(dataset.path),
        )
        self.samples_per_step = training.batch_size * CRITIC_STEPS * network_config.bars * network_config.steps
        self.sample_rate = network_config.grid.steps_per_beat
        self.stores = {split: PhraseStore(dataset, split, network_config) for split in ("train", "valid")}
        if initial is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(training.seed)
                initial = MuseGAN(network_config)
        self._network = initial

    def build(self) -> MuseGAN:
        """Return the network that is to be trained."""
        return self._network

    def trainer(self, network: MuseGAN, device: str) -> MuseGANTrainer:
        """Build the trainer."""
        return MuseGANTrainer(network, self.training, device=device)

    def batch(self, step: int) -> Phrases:
        """Draw what a step needs."""
        config, store, size = self.network_config, self.stores["train"], self.training.batch_size
        rng = np.random.default_rng((self.training.seed, step))
        most = int(self.training.transpose_semitones)
        phrases = []
        for number in rng.integers(0, len(store.starts), size * CRITIC_STEPS):
            down, up = store.rooms[store.starts[number, 0]]
            phrases.append(store.phrase(int(number), int(rng.integers(max(down, -most), min(up, most) + 1))))
        real = np.stack(phrases).reshape(size, CRITIC_STEPS, *config.shape)
        noise = rng.standard_normal((size, CRITIC_STEPS + 1, len(config.noise_rows), config.noise), np.float32)
        drawn = config.n_pitches if config.neurons == "bernoulli" else 0
        uniform = rng.random((size, CRITIC_STEPS + 1, config.bars, config.steps, drawn, config.n_written), np.float32)
        mix = rng.random((size, CRITIC_STEPS), np.float32)
        return Phrases(*map(torch.from_numpy, (real, noise, uniform, mix)))

    @torch.no_grad()
    def validate(self, network: MuseGAN, device: str) -> dict[str, float]:
        """Measure a network against held-out phrases, with the same noise at every call.

        Parameters
        ----------
        network : MuseGAN
            In evaluation mode.

        Returns
        -------
        dict of str to float
            ``valid/bits``: how far thresholded samples are from held-out phrases; ``valid/empty_bars``: share of the samples' bars in which
            a track is silent, and ``valid/real_empty_bars``; ``valid/distinct_bars``: share of the samples' sounding bars that differ, 0
            without any; ``valid/wasserstein``: by how much the critics put held-out phrases above samples.
        """
        config, network = self.network_config, network.to(device)
        real = self.stores["valid"].spread(VALIDATION_PHRASES)
        rng = np.random.default_rng(VALIDATION_SEED)
        noise = rng.standard_normal((len(real), len(config.noise_rows), config.noise), np.float32)
        given = real[..., config.given_index] if config.given else None
        written = written_phrases(network, noise, given=given, binarise="threshold", rng=rng)
        judged = [network.judge(_signs(torch.from_numpy(phrases).to(device))).mean() for phrases in (real, written)]
        keys = novelty.bar_keys(written.reshape(-1, *config.shape[1:]), config.drums)
        return {
            "valid/bits": apart(real, written, config),
            "valid/empty_bars": float(1 - written.any(axis=(2, 3)).mean()),
            "valid/real_empty_bars": float(1 - real.any(axis=(2, 3)).mean()),
            "valid/distinct_bars": float(np.nan_to_num(novelty.distinct(keys))),
            "valid/wasserstein": float(judged[0] - judged[1]),
        }

    def describe(self) -> dict:
        """Summarise the data."""
        phrases = {
            split: {"phrases": len(store.starts), "left_out": store.left_out} for split, store in self.stores.items()
        }
        return self.dataset.summary() | {"phrases": phrases}


def _signs(lit: Tensor) -> Tensor:
    """-1 where a cell is silent, 1 where it is lit."""
    return 2.0 * lit.float() - 1.0


def _penalty(judged: Tensor, phrases: Tensor) -> Tensor:
    """How far a critic's slope is from 1, squared, the mean over phrases."""
    (slope,) = torch.autograd.grad(judged.sum(), phrases, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()
