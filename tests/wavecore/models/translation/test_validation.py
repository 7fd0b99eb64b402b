"""Validation: names, determinism, and measures that tell a good network from a bad one."""

import pytest
import torch

from wavecore.models.translation.config import TranslationTrainingConfig
from wavecore.models.translation.data import BatchSource
from wavecore.models.translation.trainer import Trainer, build_network
from wavecore.models.translation.validation import validate

TRAINING = TranslationTrainingConfig(
    steps=150, batch_size=2, crop_frames=6, paired_probability=0.5, warmup_steps=5, skip_samples=80, learning_rate=0.01
)


@pytest.fixture(scope="module")
def source(dataset, network_config):
    context = build_network(network_config, seed=0).encoder.context_frames
    return BatchSource(dataset, network_config, TRAINING, context)


def test_a_new_network_needs_eight_bits_and_does_not_listen(source, network_config):
    found = validate(build_network(network_config, seed=0).eval(), source, n_crops=2)
    names = [f"valid/{kind}/{target}" for target in network_config.targets for kind in ("bits", "translation_bits")]
    assert set(found) == {*names, "valid/bits", "valid/latent_worth", "valid/classifier_accuracy"}
    assert all(found[name] == pytest.approx(8.0, abs=1e-5) for name in names)
    assert found["valid/latent_worth"] == pytest.approx(0.0, abs=1e-6)


def test_training_shows_and_measuring_repeats(source, network_config):
    trainer = Trainer(build_network(network_config, seed=0), TRAINING)
    while trainer.step < TRAINING.steps:
        trainer.update(source.training_batch(trainer.step))
    network = trainer.averaged_network()
    found = validate(network, source, n_crops=4)
    assert found["valid/bits"] < 6.0
    assert found == validate(network, source, n_crops=4)
    assert found != validate(network, source, n_crops=4, split="test")


def test_the_mean_that_decides_follows_the_task(dataset, network_config):
    network = build_network(network_config, seed=0).eval()
    with torch.no_grad():
        for decoder in network.decoders.values():
            decoder.output.weight.normal_(generator=torch.Generator().manual_seed(0))
    for paired, label in ((0.5, "translation_bits"), (0.0, "bits")):
        training = TranslationTrainingConfig(crop_frames=6, paired_probability=paired)
        found = validate(
            network, BatchSource(dataset, network_config, training, network.encoder.context_frames), n_crops=2
        )
        values = [found[f"valid/{label}/{target}"] for target in network_config.targets]
        assert found["valid/bits"] == pytest.approx(sum(values) / len(values))
