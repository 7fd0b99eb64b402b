"""Whole notes, the one update, and a run that goes on as if it had never stopped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.audio import mulaw
from wavecore.errors import UsageError
from wavecore.models.spectral.config import SpectralConfig, SpectralTrainingConfig
from wavecore.models.spectral.model import to_images
from wavecore.models.spectral.train import SpectralTask
from wavecore.training.loop import run_task

NETWORK = SpectralConfig(base_channels=2, latent_channels=6, pitch_channels=2)
TRAINING = SpectralTrainingConfig(
    steps=4, batch_size=2, learning_rate=5e-3, warmup_steps=1, validate_every=2, checkpoint_every=2, validation_crops=1
)


@pytest.fixture(scope="module")
def notes(make_notes, tmp_path_factory):
    return make_notes(tmp_path_factory.mktemp("data") / "notes", n_samples=3_200)


def test_a_batch_is_whole_notes(notes):
    task = SpectralTask(notes, NETWORK, TRAINING)
    batch, again = task.batch(3), task.batch(3)
    assert torch.equal(batch.images, again.images) and torch.equal(batch.pitches, again.pitches)
    assert batch.images.shape == (2, 1, 512, 256)
    every = torch.from_numpy(np.stack([mulaw.decode(np.array(row)) for row in notes.codes("train")]))
    images = to_images(every, NETWORK)
    for image, pitch in zip(batch.images, batch.pitches.tolist(), strict=True):
        (row,) = [i for i, other in enumerate(images) if torch.equal(image, other)]
        assert notes.notes("train")[row].pitch == pitch
    assert task.samples_per_step == 2 * 3_200 and task.describe()["notes"]["train"] == len(every)


def test_the_loss_falls(notes):
    task = SpectralTask(notes, NETWORK, replace(TRAINING, steps=40))
    trainer = task.trainer(task.build(), "cpu")
    losses = [trainer.update(task.batch(0))["loss"] for _ in range(40)]
    assert losses[-1] < 0.6 * losses[0]


def test_validation_is_repeatable_and_in_evaluation_mode(notes):
    task = SpectralTask(notes, NETWORK, TRAINING)
    network = task.build().eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found = task.validate(network, "cpu")
    assert list(found) == ["valid/bits"] and found == task.validate(network, "cpu")
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_run_that_stops_goes_on_bit_for_bit(notes, tmp_path, monkeypatch):
    run_task(SpectralTask(notes, NETWORK, TRAINING), tmp_path / "whole")
    genuine = SpectralTask.batch

    def interrupted(self, step):
        if step == 3:
            raise KeyboardInterrupt
        return genuine(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(SpectralTask, "batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_task(SpectralTask(notes, NETWORK, TRAINING), tmp_path / "stopped")
    run_task(SpectralTask(notes, NETWORK, TRAINING), tmp_path / "stopped", resume=True)
    models = [checkpoint.load(tmp_path / name / "last", kind="spectral") for name in ("whole", "stopped")]
    assert models[0].sha256 == models[1].sha256
    assert int(models[0].network.encoder[2].num_batches_tracked) == 4


def test_data_that_do_not_fit_are_refused(notes, make_notes, tmp_path):
    with pytest.raises(UsageError, match="16000 Hz, the network at 8000 Hz"):
        SpectralTask(notes, SpectralConfig(sample_rate=8000), TRAINING)
    with pytest.raises(UsageError, match="3200 samples; 2560 at most"):
        SpectralTask(notes, SpectralConfig(hop_length=10), TRAINING)
