"""What trains the inner critic of a MuseNet: its own samples against the data.

The language model is trained first and stays as it is.  It goes on with a pool of windows, and the critic, a head on its
last layer, is to tell that from how the pieces go on (see ``musenet_pairs``).  As the layers below stay, what they
make of the pool is worked out once.

References
----------
Payne, "MuseNet", OpenAI 2019, https://openai.com/research/musenet: the inner critic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from wavecore.datasets.songs import SongsDataset
from wavecore.models.musenet.config import CriticTrainingConfig, MuseNetConfig
from wavecore.models.musenet.critic_data import Heard, hear, make_pairs
from wavecore.models.musenet.data import prepare, tokens_per_second
from wavecore.models.musenet.measures import VALIDATION_SEED
from wavecore.models.musenet.model import MuseNet
from wavecore.models.musenet.train import require_fit
from wavecore.training import losses
from wavecore.training.autocast import autocast
from wavecore.training.trainer import AveragedTrainer

POOL = {"train": 256, "valid": 64}
"""Windows that the network continues, of each split: the fewer they are, the sooner a critic knows them by heart."""


def verdict(network: MuseNet, heard: Heard) -> tuple[Tensor, Tensor]:
    """Let the critic judge, and judge the critic.

    Parameters
    ----------
    network : MuseNet
        With a critic.

    Returns
    -------
    nats : Tensor, shape (), float32
        Cross-entropy of every judged place; 0.69 is guessing.
    right : Tensor, shape (), float32
        Share of pairs of which the data have the higher mean.
    """
    odds_of = network.judge(heard.hidden.float())  # (B, 2, T)
    truth = torch.tensor([1.0, 0.0], device=odds_of.device)[:, None].expand_as(odds_of)
    judged = heard.judged[:, None].expand_as(odds_of)
    nats = F.binary_cross_entropy_with_logits(odds_of[judged], truth[judged])
    means = (odds_of * judged).sum(2) / judged.sum(2)
    return nats, (means[:, 0] > means[:, 1]).float().mean()


class CriticTrainer(AveragedTrainer):
    """One optimiser for the critic alone.

    Parameters
    ----------
    network : MuseNet
        With a critic; all else stays as it is.
    """

    def __init__(self, network: MuseNet, config: CriticTrainingConfig, *, device: str = "cpu"):
        head = {f"critic.{name}": parameter for name, parameter in network.critic.named_parameters()}
        super().__init__(network, config, {"critic": (head, config.learning_rate)}, device=device)

    def update(self, batch: Heard) -> dict[str, float]:
        """Do one step.

        Returns
        -------
        dict of str to float
            ``bits`` per judged place, ``right``, ``gradient_norm``, ``learning_rate``.

        Raises
        ------
        ModelError
            If the loss is not finite.
        """
        batch = batch.to(self.device)
        with autocast(self.config.precision, self.device):
            nats, right = verdict(self.network, batch)
        found = {"bits": losses.bits(nats.detach()), "right": float(right)} | self.descend("critic", nats)
        self.finish_step()
        return found


class MuseNetCriticTask:
    """The critic of a MuseNet that has learnt its language.

    Parameters
    ----------
    initial : MuseNet
        With or without a critic; with one, that one goes on learning, from new samples.
    training : CriticTrainingConfig
        ``crop_frames`` is the network's context; what belongs to sound has no effect.
    device : str
        Where the samples are made.
    on_progress : callable, optional
        Called with (samples done, samples in all), for both splits.

    Raises
    ------
    UsageError
        If the data have styles that the network lacks, or windows are not as long as the context.
    InputError
        If no instrument plays in the data.
    """

    def __init__(
        self,
        dataset: SongsDataset,
        initial: MuseNet,
        training: CriticTrainingConfig,
        *,
        device: str = "cpu",
        on_progress: Callable[[int, int], None] | None = None,
    ):
        require_fit(dataset, initial.config, training)
        self.dataset, self.training, self.data = dataset, training, str(dataset.path)
        self.network_config: MuseNetConfig = replace(initial.config, critic=True)
        pieces = {split: prepare(dataset.pieces[split]) for split in POOL}
        self.samples_per_step = 2 * training.batch_size * training.crop_frames
        self.sample_rate = tokens_per_second(pieces["train"])
        self._network = with_critic(initial, seed=training.seed)
        sampler = initial.to(device).eval()
        self.heard = {}
        for number, (split, seed) in enumerate((("train", training.seed), ("valid", VALIDATION_SEED))):
            rng = np.random.default_rng((seed, number))
            pairs = make_pairs(sampler, pieces[split], POOL[split], rng=rng, on_progress=on_progress)
            self.heard[split] = hear(sampler, pairs)

    def build(self) -> MuseNet:
        """Return the network whose critic is to be trained."""
        return self._network

    def trainer(self, network: MuseNet, device: str) -> CriticTrainer:
        """Build the trainer."""
        return CriticTrainer(network, self.training, device=device)

    def batch(self, step: int) -> Heard:
        """Draw the batch of a step."""
        rng = np.random.default_rng((self.training.seed, step))
        return self.heard["train"].rows(rng.integers(0, len(self.heard["train"].judged), self.training.batch_size))

    @torch.no_grad()
    def validate(self, network: MuseNet, device: str) -> dict[str, float]:
        """Measure a critic on continuations of held-out pieces, the same ones at every call.

        Returns
        -------
        dict of str to float
            ``valid/bits`` per judged place, where 1 is guessing, and ``valid/right``, the share of pairs of which it prefers the data.
        """
        nats, right = verdict(network.to(device), self.heard["valid"].to(device))
        return {"valid/bits": losses.bits(nats), "valid/right": float(right)}

    def describe(self) -> dict:
        """Summarise the data."""
        return self.dataset.summary() | {"samples": {split: len(heard.judged) for split, heard in self.heard.items()}}


def with_critic(network: MuseNet, *, seed: int) -> MuseNet:
    """Give a network a critic that has learnt nothing yet, if it has none.

    Parameters
    ----------
    seed : int
        Of the critic's weights.

    Returns
    -------
    MuseNet
        Another network of the same weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = MuseNet(replace(network.config, critic=True))
    found.load_state_dict(found.state_dict() | {name: tensor.cpu() for name, tensor in network.state_dict().items()})
    return found


def without_critic(network: MuseNet) -> MuseNet:
    """Take a network's critic away, for a language model that learns on.

    Returns
    -------
    MuseNet
        Another network of the same weights.
    """
    found = MuseNet(replace(network.config, critic=False))
    found.load_state_dict(
        {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("critic.")}
    )
    return found
