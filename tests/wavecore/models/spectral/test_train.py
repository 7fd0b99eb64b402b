"""Whole notes, the one update, the held-out error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.audio import mulaw
from wavecore.errors import UsageError
from wavecore.models.spectral.config import SpectralConfig, SpectralTrainingConfig
from wavecore.models.spectral.model import to_images
from wavecore.models.spectral.train import SpectralTask

NETWORK = SpectralConfig(base_channels=2, latent_channels=6, pitch_channels=2)
TRAINING = SpectralTrainingConfig(steps=40, batch_size=2, learning_rate=5e-3, warmup_steps=1, validation_crops=1)


@pytest.fixture(scope="module")
def notes(make_notes, tmp_path_factory):
    return make_notes(tmp_path_factory.mktemp("data") / "notes", n_samples=3_200)


def test_a_batch_is_whole_notes(notes):
    task = SpectralTask(notes, NETWORK, TRAINING)
    batch = task.batch(3)
    assert batch.images.shape == (2, 1, 512, 256) and task.samples_per_step == 2 * 3_200
    every = torch.from_numpy(np.stack([mulaw.decode(np.array(row)) for row in notes.codes("train")]))
    images = to_images(every, NETWORK)
    for image, pitch in zip(batch.images, batch.pitches.tolist(), strict=True):
        (row,) = [i for i, other in enumerate(images) if torch.equal(image, other)]
        assert notes.notes("train")[row].pitch == pitch


@pytest.mark.slow
def test_the_loss_falls(notes):
    task = SpectralTask(notes, NETWORK, TRAINING)
    trainer = task.trainer(task.build(), "cpu")
    measures = [trainer.update(task.batch(0)) for _ in range(40)]
    assert measures[-1]["loss"] < 0.6 * measures[0]["loss"]
    assert all(each["bits"] == each["loss"] for each in measures)
    assert int(trainer.network.encoder[2].num_batches_tracked) == 40


def test_validation_is_repeatable_and_in_evaluation_mode(notes):
    task = SpectralTask(notes, NETWORK, replace(TRAINING, validation_crops=2))
    network = task.build().eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    measures = task.validate(network, "cpu")
    assert list(measures) == ["valid/bits"] and measures == task.validate(network, "cpu")
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_data_that_do_not_fit_are_refused(notes, make_notes, tmp_path):
    with pytest.raises(UsageError, match="16000 Hz.*8000 Hz"):
        SpectralTask(notes, SpectralConfig(sample_rate=8000), TRAINING)
    with pytest.raises(UsageError, match="3200.*2560"):
        SpectralTask(notes, SpectralConfig(hop_length=10), TRAINING)
    with pytest.raises(UsageError, match="'valid'"):
        SpectralTask(make_notes(tmp_path / "n", pitches={"train": (60,)}), NETWORK, TRAINING)
