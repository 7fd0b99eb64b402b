"""The training task of a translation network: its domains, its trainer and its held-out measures."""

from __future__ import annotations

from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.models.translation import transfer
from wavecore.models.translation.config import TranslationConfig, TranslationTrainingConfig
from wavecore.models.translation.data import Batch, BatchSource
from wavecore.models.translation.describe import describe
from wavecore.models.translation.distributed import SpreadTrainer
from wavecore.models.translation.model import TranslationNetwork
from wavecore.models.translation.trainer import Trainer
from wavecore.models.translation.validation import validate
from wavecore.training import distributed
from wavecore.training.task import Task


class TranslationTask(Task):
    """A translation network and the domains that it is trained on.

    Parameters
    ----------
    initial : TranslationNetwork, optional
        Weights to start from.
    spread_decoders : bool
        Whether each of several processes holds the decoders of its own domains alone (see ``distributed``).
    """

    network_class = TranslationNetwork
    trainer_class = Trainer

    def __init__(
        self,
        dataset: DomainsDataset,
        network_config: TranslationConfig,
        training: TranslationTrainingConfig,
        initial: TranslationNetwork | None = None,
        *,
        spread_decoders: bool = False,
    ):
        super().__init__(dataset, network_config, training, initial)
        self.spread_decoders = spread_decoders
        decoder = network_config.decoder
        self.samples_per_step = training.batch_size * training.crop_frames * decoder.hop_length
        self.sample_rate = decoder.sample_rate
        self.source = BatchSource(dataset, network_config, training, self._network.encoder.context_frames)

    def trainer(self, network: TranslationNetwork, device: str) -> Trainer:
        """Return the trainer, with all decoders or with those of this process."""
        if self.spread_decoders:
            return SpreadTrainer(network, self.training, distributed.current(), device=device)
        return Trainer(network, self.training, device=device)

    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""
        return self.source.training_batch(step)

    def validate(self, network: TranslationNetwork, device: str) -> dict[str, float]:
        """Measure a network on held-out crops.

        Returns
        -------
        dict of str to float
            As of ``validation.validate``, and of ``transfer.measure_transfer`` where ``transfer_passages`` is set.
        """
        measures = validate(network, self.source, n_crops=self.training.validation_crops, device=device)
        if self.training.transfer_passages:
            network = network.cpu()
            n_passages = self.training.transfer_passages
            measures |= transfer.measure_transfer(network, self.source.dataset, n_passages=n_passages)
        return measures

    def error(self, measures: dict[str, float]) -> float:
        """Return the melodies' error where passages are translated, else the bits per sample."""
        return transfer.error(measures)

    def describe(self) -> dict:
        """Return what the model's card keeps of its data."""
        return describe(self.source.dataset)
