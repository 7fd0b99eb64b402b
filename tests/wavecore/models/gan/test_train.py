"""Batches, the two updates, the measure by which the best model is chosen."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from wavecore.datasets.songs import Piece, write_songs
from wavecore.errors import InputError, UsageError
from wavecore.models.gan.config import PRESETS, GANConfig, GANTrainingConfig
from wavecore.models.gan.train import BETAS, GANTask, fit_range
from wavecore.symbolic.note_sequence import NoteLine

SHAPE = {"length": 8, "hidden": 7, "lowest": 55, "highest": 79, "durations": (1, 2, 4)}
DENSE = GANConfig(latent=6, generator=(16, 24), discriminator=(8,), **SHAPE)
RECURRENT = replace(PRESETS["mogren-tiny"], **SHAPE)
TRAINING = GANTrainingConfig(steps=6, batch_size=4, learning_rate=2e-3)
LENGTHS = {"train": (20, 9, 30, 12, 4, 8), "valid": (18, 5), "test": (10,)}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Melodies that wander over a scale; one for training is shorter than a sequence."""
    rng = np.random.default_rng(0)

    def piece(name, n):
        pitches = np.array([60, 62, 64, 67, 69, 72])[np.abs(np.cumsum(rng.choice([-1, 1], n))) % 6]
        durations, velocities = rng.choice([1, 2, 4], n).tolist(), rng.integers(1, 128, n).tolist()
        return Piece(NoteLine(map(str, pitches), durations, velocities).to_song(name=name), "made")

    pieces = {split: [piece(f"{split}{row}", n) for row, n in enumerate(sizes)] for split, sizes in LENGTHS.items()}
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces)


def task_of(dataset, network=DENSE, **changes):
    return GANTask(dataset, network, replace(TRAINING, **changes))


def trainer_of(dataset, network=DENSE, **changes):
    """A task's trainer and first batch."""
    task = task_of(dataset, network, **changes)
    return task.trainer(task.build(), "cpu"), task.batch(0)


def stretches(task):
    return [melody[begin : begin + 8] for melody in task.melodies for begin in range(len(melody) - 7)]


@pytest.mark.parametrize("config", [DENSE, replace(DENSE, features=1), RECURRENT])
def test_batches_are_stretches_of_melodies(dataset, config):
    task = task_of(dataset, config)
    assert len(task.melodies) == task.describe()["melodies"] == 5
    for step in range(5):
        batch = task.batch(step)
        assert batch.notes.shape == (4, 8, config.features) and batch.notes.dtype == torch.float32
        assert batch.noise.shape[:2] == (4, 2) and not torch.equal(batch.noise[:, 0], batch.noise[:, 1])
        assert batch.instance_noise.shape == (4, 3, 8, config.features) and not batch.instance_noise.any()
        assert all(any((notes == known).all() for known in stretches(task)) for notes in batch.notes.numpy())


def test_every_melody_comes_once_in_an_epoch(dataset):
    task = task_of(dataset, batch_size=5)
    task.melodies = [np.full((8, 2), number, np.float32) for number in range(5)]
    task._stretch = lambda melody, rng: melody
    orders = {tuple(task.batch(step).notes[:, 0, 0].tolist()) for step in range(6)}
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in orders) and len(orders) > 3


def test_transposed_stretches_stay_in_the_range(dataset):
    task, seen = task_of(dataset, transpose_semitones=6.0), set()
    for step in range(40):
        for notes in task.batch(step).notes.numpy():
            assert (np.abs(notes) <= 1 + 1e-6).all()
            shifts = {
                round(float(12 * (notes[0, 0] - known[0, 0])), 4)
                for known in stretches(task)
                if np.ptp(notes[:, 0] - known[:, 0]) < 1e-5 and (notes == known)[:, 1].all()
            }
            assert shifts and all(shift == round(shift) for shift in shifts)
            seen |= shifts
    assert {-6, 0, 6} <= seen


def test_instance_noise_falls(dataset):
    early, late = (task_of(dataset, replace(DENSE, instance_noise=0.5), steps=100).batch(step) for step in (3, 50))
    assert float(early.instance_noise.std()) == pytest.approx(0.485, rel=0.15)
    assert float(late.instance_noise.std()) == pytest.approx(0.25, rel=0.15)
    assert not torch.equal(early.noise, late.noise)


@pytest.mark.parametrize("config", [DENSE, RECURRENT])
def test_each_network_has_its_own_optimiser_and_update(dataset, config):
    rates = {"generator": 1e-4, "discriminator": 3e-4}
    settings = {"learning_rate": rates["generator"], "discriminator_learning_rate": rates["discriminator"]}
    trainer, batch = trainer_of(dataset, config, **settings)
    assert set(trainer.parameters["generator"]) | set(trainer.parameters["discriminator"]) == set(
        dict(trainer.network.named_parameters())
    )
    for label, update in (("discriminator", trainer._update_discriminator), ("generator", trainer._update_generator)):
        before = {name: parameter.detach().clone() for name, parameter in trainer.network.named_parameters()}
        update(batch)
        after = dict(trainer.network.named_parameters())
        assert {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])} == {label}
        (group,) = trainer.optimizers[label].param_groups
        assert group["betas"] == BETAS and group["lr"] == pytest.approx(rates[label])
    assert all(parameter.requires_grad for parameter in trainer.network.parameters())


def test_the_losses(dataset):
    trainer, batch = trainer_of(dataset, replace(DENSE, label_smoothing=0.1))
    with torch.no_grad():
        real, _ = trainer.network.discriminator(batch.notes)
        generated, _ = trainer.network.discriminator(trainer.network(batch.noise[:, 0]))
    nats = 0.5 * (-0.9 * F.logsigmoid(real) - 0.1 * F.logsigmoid(-real) - F.logsigmoid(-generated)).mean()
    found = trainer.update(batch)
    assert found["bits"] == pytest.approx(float(nats) / np.log(2), rel=1e-5)
    assert 0 <= found["discriminator/accuracy"] <= 1 and found["generator/loss"] == pytest.approx(np.log(2), rel=0.2)


def test_feature_matching_compares_means(dataset):
    trainer, batch = trainer_of(dataset, RECURRENT)
    with torch.no_grad():
        generated = trainer.network.discriminator(trainer.network(batch.noise[:, 1]))[1].mean(0)
        real = trainer.network.discriminator(batch.notes)[1].mean(0)
    expected = float((generated - real).square().mean())
    assert trainer._update_generator(batch)["generator/loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("config", "n_overlaps"), [(DENSE, 4), (replace(DENSE, features=1), 2), (RECURRENT, 4)])
def test_the_held_out_measure(dataset, config, n_overlaps):
    task = task_of(dataset, config)
    network = task.build().eval()
    found = task.validate(network, "cpu")
    overlaps = [value for name, value in found.items() if name.startswith("valid/overlap/")]
    assert len(overlaps) == n_overlaps and all(0 <= value <= 1 for value in overlaps)
    assert found["valid/bits"] == pytest.approx(1 - np.mean(overlaps)) and 0 < found["valid/variety"] <= 1
    assert task.validate(network, "cpu") == found
    if config == DENSE:  # one and the same melody
        with torch.no_grad():
            network.generator.layers[-1].weight.zero_()
        assert task.validate(network, "cpu")["valid/variety"] < 0.01


@pytest.mark.slow
def test_samples_come_nearer_to_melodies(dataset):
    config = replace(DENSE, hidden=16, lowest=24, highest=108)
    task = task_of(dataset, config, steps=300, batch_size=16, learning_rate=1e-3)
    trainer = task.trainer(task.build(), "cpu")
    before = task.validate(trainer.averaged_network(), "cpu")["valid/bits"]
    for step in range(300):
        trainer.update(task.batch(step))
    assert task.validate(trainer.averaged_network(), "cpu")["valid/bits"] < before - 0.04


def test_the_range_is_that_of_the_melodies(dataset):
    def fitted(*pieces, config=PRESETS["tiny"]):
        config = fit_range(config, replace(dataset, pieces={"train": pieces}))
        return config.lowest, config.highest

    assert fitted(*(piece for piece in dataset.pieces["train"] if piece.song.n_notes > 16)) == (60, 72)
    assert fitted(Piece(NoteLine(("120",) * 16, (1,) * 16).to_song(name="x"), "made")) == (115, 127)
    with pytest.raises(InputError, match="100 notes"):
        fitted(*dataset.pieces["train"], config=PRESETS["gan"])


def test_batches_and_sequences_that_are_impossible(dataset):
    with pytest.raises(UsageError, match="batch_size"):
        task_of(dataset, batch_size=1)
    with pytest.raises(InputError, match="60 notes"):
        task_of(dataset, replace(DENSE, length=60))
