"""The inner critic of a MuseNet: a head on its last layer that distinguishes its own samples from the data.

The language model is trained first and stays as it is.  It continues the beginnings of a pool of windows, and the
critic is trained to distinguish these continuations from the original ones.  As the layers below do not change, their
output for the pool is computed once.

References
----------
Payne, "MuseNet", OpenAI 2019, https://openai.com/research/musenet: the inner critic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from wavecore.datasets.songs import SongsDataset
from wavecore.models.musenet.config import CriticTrainingConfig, MuseNetConfig
from wavecore.models.musenet.data import (
    TokenPiece,
    draw_begin,
    piece_prefix,
    sampling_weights,
    tokenize,
    tokens_per_second,
)
from wavecore.models.musenet.evaluate import VALIDATION_SEED
from wavecore.models.musenet.model import MuseNet
from wavecore.models.musenet.sample import Beginning, continue_pieces
from wavecore.models.musenet.tokens import SIZES, Timeline, wait_ticks
from wavecore.models.musenet.train import require_styles
from wavecore.training import losses
from wavecore.training.autocast import autocast
from wavecore.training.batch import TensorBatch
from wavecore.training.task import Task, build_network
from wavecore.training.trainer import AveragedTrainer

POOL = {"train": 256, "valid": 64}
"""Windows that the network continues, of each split; of too few the critic would learn each one."""
GIVEN = (0.1, 0.5)
"""Share of a window that is its beginning, at least and at most."""
ROWS = 8
"""Windows that are continued as one batch."""


@dataclass(frozen=True)
class Pairs(TensorBatch):
    """Windows as the data continue them, and as the network does.

    Attributes
    ----------
    tokens : Tensor, shape (B, 2, T), int64
        Of the data, then of the network.
    features : Tensor, shape (B, 2, T, 4), int64
    judged : Tensor, shape (B, T), bool
        The positions behind the common beginning, as far as the piece goes.
    """

    tokens: Tensor
    features: Tensor
    judged: Tensor


@dataclass(frozen=True)
class HiddenPairs(TensorBatch):
    """The network's last layer for pairs.

    Attributes
    ----------
    hidden : Tensor, shape (B, 2, T, C), float16
        Of the data, then of the network; normalized, so that half precision suffices.
    judged : Tensor, shape (B, T), bool
        As of ``Pairs``.
    """

    hidden: Tensor
    judged: Tensor


def critic_loss(network: MuseNet, pairs: HiddenPairs) -> tuple[Tensor, Tensor]:
    """Return the critic's loss and its accuracy.

    Returns
    -------
    nats : Tensor, shape (), float32
        Mean cross-entropy of the judged positions; 0.69 at chance.
    right : Tensor, shape (), float32
        Share of pairs in which the data have the higher mean logit.
    """
    logits = network.critic_logits(pairs.hidden.float())  # (B, 2, T)
    truth = torch.tensor([1.0, 0.0], device=logits.device)[:, None].expand_as(logits)
    judged = pairs.judged[:, None].expand_as(logits)
    nats = F.binary_cross_entropy_with_logits(logits[judged], truth[judged])
    means = (logits * judged).sum(2) / judged.sum(2)
    return nats, (means[:, 0] > means[:, 1]).float().mean()


class CriticTrainer(AveragedTrainer):
    """One optimiser for the critic alone."""

    def __init__(self, network: MuseNet, config: CriticTrainingConfig, *, device: str = "cpu"):
        head = {f"critic.{name}": parameter for name, parameter in network.critic.named_parameters()}
        super().__init__(network, config, {"critic": (head, config.learning_rate)}, device=device)

    def update(self, batch: HiddenPairs) -> dict[str, float]:
        """Run one step, as of ``AveragedTrainer.update``; ``right`` as of ``critic_loss``."""
        batch = batch.to(self.device)
        with autocast(self.config.precision, self.device):
            nats, right = critic_loss(self.network, batch)
        measures = {"bits": losses.bits(nats.detach()), "right": float(right)} | self.descend("critic", nats)
        self.finish_step()
        return measures


class MuseNetCriticTask(Task):
    """The critic of a trained MuseNet.

    Parameters
    ----------
    network_config : MuseNetConfig
        Of ``initial``; the critic is added if it has none.
    initial : MuseNet
        A critic that it has is trained further, on new samples.

    Raises
    ------
    UsageError
        If the data have styles that the network lacks.
    InputError
        If no instrument plays in the data.
    """

    network_class = MuseNet
    trainer_class = CriticTrainer

    def __init__(
        self, dataset: SongsDataset, network_config: MuseNetConfig, training: CriticTrainingConfig, initial: MuseNet
    ):
        require_styles(dataset, network_config)
        with_head = with_critic(initial, seed=training.seed)
        super().__init__(dataset, replace(network_config, critic=True), training, with_head)
        self.language_model = initial
        self.pieces = {split: tokenize(dataset.pieces[split]) for split in POOL}
        self.samples_per_step = 2 * training.batch_size * network_config.context
        self.sample_rate = tokens_per_second(self.pieces["train"])
        self._pairs: dict[str, HiddenPairs] = {}

    def sample(self, device: str = "cpu", on_progress: Callable[[int, int], None] | None = None) -> None:
        """Let the language model continue the windows of both splits; ``on_progress`` takes (done, in all) of each."""
        network = self.language_model.to(device).eval()
        for number, (split, seed) in enumerate((("train", self.training.seed), ("valid", VALIDATION_SEED))):
            rng = np.random.default_rng((seed, number))
            pairs = make_pairs(network, self.pieces[split], POOL[split], rng=rng, on_progress=on_progress)
            self._pairs[split] = hidden_pairs(network, pairs)

    def pairs(self, split: str) -> HiddenPairs:
        """Return the pairs of a split; the first call samples them, unless ``sample`` did."""
        if not self._pairs:
            self.sample()
        return self._pairs[split]

    def trainer(self, network: MuseNet, device: str) -> CriticTrainer:
        """Return the trainer; the pairs are sampled before data-loading processes start."""
        if not self._pairs:
            self.sample(device)
        return super().trainer(network, device)

    def batch(self, step: int) -> HiddenPairs:
        """Return the batch of a step."""
        pairs, rng = self.pairs("train"), np.random.default_rng((self.training.seed, step))
        rows = rng.integers(0, len(pairs.judged), self.training.batch_size)
        return HiddenPairs(pairs.hidden[rows], pairs.judged[rows])

    @torch.no_grad()
    def validate(self, network: MuseNet, device: str) -> dict[str, float]:
        """Measure a critic on continuations of held-out pieces, the same ones at every call.

        Returns
        -------
        dict of str to float
            ``valid/bits`` per judged position, 1 at chance, and ``valid/right``, the share of pairs in which it prefers
            the data.
        """
        nats, right = critic_loss(network.to(device), self.pairs("valid").to(device))
        return {"valid/bits": losses.bits(nats), "valid/right": float(right)}

    def describe(self) -> dict:
        """Return what the model's card keeps of its data."""
        return super().describe() | {"samples": {split: len(self.pairs(split).judged) for split in POOL}}


def with_critic(network: MuseNet, *, seed: int) -> MuseNet:
    """Return a copy of a network that has a critic: its own, or else an untrained one initialized by the seed."""
    copy = build_network(MuseNet, replace(network.config, critic=True), seed=seed)
    copy.load_state_dict(copy.state_dict() | {name: tensor.cpu() for name, tensor in network.state_dict().items()})
    return copy


def without_critic(network: MuseNet) -> MuseNet:
    """Return a copy of a network without its critic, a language model that can be trained further."""
    copy = MuseNet(replace(network.config, critic=False))
    kept = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("critic.")}
    copy.load_state_dict(kept)
    return copy


# Sampling of pairs


def make_pairs(
    network: MuseNet,
    pieces: Sequence[TokenPiece],
    n_pairs: int,
    *,
    rng: np.random.Generator,
    on_progress: Callable[[int, int], None] | None = None,
) -> Pairs:
    """Let a network, in evaluation mode, continue windows of pieces; ``on_progress`` takes (pairs done, in all)."""
    prefixes = [piece_prefix(piece, network.config.vocabulary) for piece in pieces]
    drawn = rng.choice(len(pieces), n_pairs, p=sampling_weights(pieces)).tolist()
    by_length: dict[int, list[int]] = {}  # the prefixes of a batch have one length
    for number in drawn:
        by_length.setdefault(len(prefixes[number]), []).append(number)
    batches: list[Pairs] = []
    for _, numbers in sorted(by_length.items()):
        for first in range(0, len(numbers), ROWS):
            batch = numbers[first : first + ROWS]
            batches.append(_continued(network, [pieces[n] for n in batch], [prefixes[n] for n in batch], rng))
            if on_progress is not None:
                on_progress(sum(len(pairs.tokens) for pairs in batches), n_pairs)
    return Pairs(*(torch.cat([getattr(pairs, name) for pairs in batches]) for name in Pairs.__dataclass_fields__))


def _continued(
    network: MuseNet, pieces: Sequence[TokenPiece], prefixes: Sequence[np.ndarray], rng: np.random.Generator
) -> Pairs:
    """Return pairs whose beginnings have one length."""
    context, n_prefix = network.config.context, len(prefixes[0])
    capacity = context - n_prefix
    begins = [draw_begin(len(piece.body), capacity, rng) for piece in pieces]
    ends = [min(begin + capacity, len(piece.body)) for begin, piece in zip(begins, pieces, strict=True)]
    n_given = int(min(end - begin for begin, end in zip(begins, ends, strict=True)) * rng.uniform(*GIVEN))
    beginnings = []
    for piece, prefix, begin in zip(pieces, prefixes, begins, strict=True):
        body = piece.body[: begin + n_given]
        timeline = Timeline(int(wait_ticks(piece.body).sum()), piece.beats_per_minute)
        timeline.extend(body)
        beginnings.append(Beginning(prefix, body, timeline, begin))
    continuations = continue_pieces(network, beginnings, capacity - n_given, rng=rng)
    tokens, judged = np.zeros((len(pieces), 2, context), np.int64), np.zeros((len(pieces), context), bool)
    features = np.zeros((*tokens.shape, len(SIZES)), np.int64)
    for row, (piece, one, new, end) in enumerate(zip(pieces, beginnings, continuations, ends, strict=True)):
        n = n_prefix + end - one.begin
        original = Timeline.of(piece.body, piece.beats_per_minute)
        tokens[row, 0, :n] = np.concatenate([one.prefix, piece.body[one.begin : end]])
        tokens[row, 1] = np.concatenate([one.prefix, one.body[one.begin :], new])
        features[row, 0, :n] = original.window(one.begin, end, n_prefix=n_prefix)
        features[row, 1] = one.timeline.window(one.begin, one.begin + capacity, n_prefix=n_prefix)
        judged[row, n_prefix + n_given : n] = True
    return Pairs(*(torch.from_numpy(array) for array in (tokens, features, judged)))


@torch.no_grad()
def hidden_pairs(network: MuseNet, pairs: Pairs) -> HiddenPairs:
    """Compute the last layer of a network, in evaluation mode on any device, for pairs; the result is on the CPU."""
    device, vectors = next(network.parameters()).device, network.tokens()
    hidden = [
        network.hidden(network.embed(tokens.to(device), features.to(device), vectors)).half().cpu()
        for tokens, features in zip(pairs.tokens, pairs.features, strict=True)
    ]
    return HiddenPairs(torch.stack(hidden), pairs.judged)
