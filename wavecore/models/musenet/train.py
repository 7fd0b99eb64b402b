"""What trains a MuseNet: windows of pieces, its one update, its held-out measure.

Four changes make the pieces more than they are: other heights (less and less of it while the learning rate falls, so that
instruments end in the ranges that they have), other volumes, another pace (of the time that is told in seconds alone), and
mixup: the vectors of two windows' tokens are mixed, and what comes next in either is told with its share.

References
----------
Payne, "MuseNet", OpenAI 2019, https://openai.com/research/musenet.
Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch

from wavecore.datasets.songs import SongsDataset
from wavecore.errors import UsageError
from wavecore.models.musenet.config import MuseNetConfig, MuseNetTrainingConfig
from wavecore.models.musenet.data import Changes, Windows, odds, prepare, stack, tokens_per_second
from wavecore.models.musenet.measures import bits_per_token, count_baselines, draw_windows, surprise
from wavecore.models.musenet.model import MuseNet
from wavecore.training import losses
from wavecore.training.autocast import autocast
from wavecore.training.trainer import AveragedTrainer


class MuseNetTrainer(AveragedTrainer):
    """One optimiser for all weights."""

    def __init__(self, network: MuseNet, config: MuseNetTrainingConfig, *, device: str = "cpu"):
        super().__init__(
            network, config, {"musenet": (dict(network.named_parameters()), config.learning_rate)}, device=device
        )

    def is_table(self, name: str) -> bool:
        """Say whether a parameter's rows are looked up: all that is no layer's."""
        return not name.startswith("layers.")

    def update(self, batch: Windows) -> dict[str, float]:
        """Do one step.

        Returns
        -------
        dict of str to float
            ``bits`` per token, ``gradient_norm``, ``learning_rate``.

        Raises
        ------
        ModelError
            If the loss is not finite.
        """
        batch = batch.to(self.device)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            # What dropout drops depends on the step alone, so that a resumed run drops the same.
            seed = np.random.SeedSequence((self.config.seed, self.step, self.processes.rank)).generate_state(1)[0]
            torch.manual_seed(int(seed))
            with autocast(self.config.precision, self.device):
                nats = surprise(self.network, batch)
            found = {"bits": losses.bits(nats.detach())} | self.descend(
                "musenet", nats
            )  # recomputed layers drop the same again
        self.finish_step()
        return found


class MuseNetTask:
    """A MuseNet and the pieces that it learns.

    Parameters
    ----------
    training : MuseNetTrainingConfig
        ``crop_frames`` is the length of a window in tokens, and the network's context.  ``transpose_semitones`` is how far it is transposed,
        ``augment_probability`` the share of windows of another volume, of another pace, and of those that are mixed; ``validation_crops`` is the
        number of held-out windows of each style.  What belongs to sound has no effect.
    initial : MuseNet, optional
        Weights to start from; of the sizes ``network_config``.
    recompute : bool
        Whether activations are computed again on the way back and not kept: less memory, a third more work.

    Raises
    ------
    UsageError
        If the data have styles that the network lacks, windows are not as long as the context, the network has a critic (which
        knows the samples of its weights as they are, and not of those to come), or ``initial`` has other sizes.
    InputError
        If no instrument plays in the data.
    """

    def __init__(
        self,
        dataset: SongsDataset,
        network_config: MuseNetConfig,
        training: MuseNetTrainingConfig,
        initial: MuseNet | None = None,
        *,
        recompute: bool = False,
    ):
        require_fit(dataset, network_config, training)
        if network_config.critic:
            raise UsageError(
                "a network with an inner critic is trained no further: its critic knows the samples of the weights as they are"
            )
        if initial is not None and initial.config != network_config:
            raise UsageError("the weights to start from belong to a network of other sizes than network_config")
        self.dataset, self.network_config, self.training, self.data = (
            dataset,
            network_config,
            training,
            str(dataset.path),
        )
        self.pieces = {split: prepare(dataset.pieces[split]) for split in ("train", "valid")}
        self.odds = odds(self.pieces["train"])
        self.samples_per_step, self.sample_rate = (
            training.batch_size * training.crop_frames,
            tokens_per_second(self.pieces["train"]),
        )
        if initial is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(training.seed)
                initial = MuseNet(network_config)
        initial.recompute = recompute
        self._network = initial

    def build(self) -> MuseNet:
        """Return the network that is to be trained."""
        return self._network

    def trainer(self, network: MuseNet, device: str) -> MuseNetTrainer:
        """Build the trainer."""
        return MuseNetTrainer(network, self.training, device=device)

    def batch(self, step: int) -> Windows:
        """Draw the batch of a step."""
        rng = np.random.default_rng((self.training.seed, step))
        numbers = rng.choice(len(self.odds), self.training.batch_size, p=self.odds)
        changes = Changes(semitones(self.training, step), self.training.augment_probability)
        return stack(
            [self.pieces["train"][number] for number in numbers],
            self.network_config.vocabulary,
            self.training.crop_frames,
            rng,
            changes,
        )

    @cached_property
    def held_out(self) -> Windows:
        """The windows that are measured, the same ones at every call."""
        return draw_windows(
            self.pieces["valid"],
            self.network_config.vocabulary,
            self.training.crop_frames,
            self.training.validation_crops,
        )

    def validate(self, network: MuseNet, device: str) -> dict[str, float]:
        """Measure a network on held-out windows.

        Returns
        -------
        dict of str to float
            ``valid/bits`` per token.
        """
        return {"valid/bits": bits_per_token(network, self.held_out, device)}

    @cached_property
    def baselines(self) -> dict[str, float]:
        """Bits per held-out token of the same windows by counts of tokens."""
        return count_baselines(self.pieces["train"], self.held_out)

    def describe(self) -> dict:
        """Summarise the data."""
        tokens = {split: sum(len(piece.body) for piece in pieces) for split, pieces in self.pieces.items()}
        return self.dataset.summary() | {"tokens": tokens, "baselines": self.baselines}


def semitones(training: MuseNetTrainingConfig, step: int) -> int:
    """Say how far windows are transposed: less while the learning rate falls, at last not at all."""
    falling = training.decay_fraction * training.steps
    left = min(1.0, (training.steps - step) / falling) if falling else 1.0
    return round(training.transpose_semitones * left)


def require_fit(dataset: SongsDataset, network_config: MuseNetConfig, training: MuseNetTrainingConfig) -> None:
    """Refuse data and settings that do not suit a network.

    Raises
    ------
    UsageError
        If the data have styles that the network lacks, or windows are not as long as the context.
    """
    missing = sorted(set(dataset.styles) - set(network_config.styles))
    if missing:
        known = ", ".join(network_config.styles) or "none"
        raise UsageError(f"the data have the styles {', '.join(missing)}, which the network lacks; it has {known}")
    if training.crop_frames != network_config.context:
        raise UsageError(
            f"crop_frames is {training.crop_frames} and the context {network_config.context}; places that no window reaches would stay untaught"
        )
