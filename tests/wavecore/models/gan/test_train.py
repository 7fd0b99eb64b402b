"""Batches, the two updates, the measure that chooses, a run that is interrupted and resumed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from wavecore import checkpoint
from wavecore.datasets.songs import Piece, write_songs
from wavecore.errors import InputError, UsageError
from wavecore.models.gan.config import PRESETS, GANConfig, GANTrainingConfig
from wavecore.models.gan.model import GAN
from wavecore.models.gan.train import BETAS, GANTask, fitted
from wavecore.symbolic.note_sequence import NoteLine
from wavecore.training.loop import run_task

DENSE = GANConfig(
    length=8, latent=6, generator=(16, 24), judge=(8,), hidden=7, lowest=55, highest=79, durations=(1, 2, 4)
)
RECURRENT = replace(PRESETS["mogren-tiny"], length=8, hidden=7, lowest=55, highest=79, durations=(1, 2, 4))
TRAINING = GANTrainingConfig(
    steps=6, batch_size=4, learning_rate=2e-3, transpose_semitones=0.0, glide_semitones=0.0, warmup_steps=0, decay_fraction=0.0, validate_every=3,
    checkpoint_every=2, precision="float32",
)  # fmt: skip
LENGTHS = {"train": (20, 9, 30, 12, 4, 8), "valid": (18, 5), "test": (10,)}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Melodies that wander over a scale; one for training is shorter than a sequence."""
    rng = np.random.default_rng(0)

    def piece(name, n):
        pitches = np.array([60, 62, 64, 67, 69, 72])[np.abs(np.cumsum(rng.choice([-1, 1], n))) % 6]
        line = NoteLine(
            tuple(map(str, pitches)), tuple(rng.choice([1, 2, 4], n).tolist()), tuple(rng.integers(1, 128, n).tolist())
        )
        return Piece(line.to_song(name=name), "made")

    pieces = {split: [piece(f"{split}{row}", n) for row, n in enumerate(sizes)] for split, sizes in LENGTHS.items()}
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces)


def _task(dataset, network=DENSE, initial=None, **changes):
    return GANTask(dataset, network, replace(TRAINING, **changes), initial)


@pytest.mark.parametrize("config", [DENSE, replace(DENSE, features=1), RECURRENT])
def test_batches_are_stretches_of_melodies(dataset, config):
    task = _task(dataset, config)
    assert len(task.melodies) == 5
    for step in range(5):
        batch = task.batch(step)
        assert batch.notes.shape == (4, 8, config.features) and batch.notes.dtype == torch.float32
        assert batch.noise.shape[:2] == (4, 2) and not torch.equal(batch.noise[:, 0], batch.noise[:, 1])
        assert batch.blur.shape == (4, 3, 8, config.features) and not batch.blur.any()
        for notes in batch.notes.numpy():
            assert any(
                (notes == melody[begin : begin + 8]).all()
                for melody in task.melodies
                for begin in range(len(melody) - 7)
            )


def test_every_melody_comes_once_in_an_epoch(dataset):
    task = _task(dataset, batch_size=5)
    task.melodies = [np.full((8, 2), number, np.float32) for number in range(5)]
    task._stretch = lambda melody, rng: melody
    orders = {tuple(task.batch(step).notes[:, 0, 0].tolist()) for step in range(6)}
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in orders) and len(orders) > 3


def test_what_is_transposed_stays_in_the_range(dataset):
    task, moved = _task(dataset, transpose_semitones=6.0), set()
    for step in range(40):
        for notes in task.batch(step).notes.numpy():
            assert (np.abs(notes) <= 1 + 1e-6).all()
            stretches = [melody[begin : begin + 8] for melody in task.melodies for begin in range(len(melody) - 7)]
            shifts = [
                12 * (notes - stretch)
                for stretch in stretches
                if np.ptp(notes[:, 0] - stretch[:, 0]) < 1e-5 and (notes == stretch)[:, 1].all()
            ]
            assert shifts and all(abs(shift[0, 0] - round(float(shift[0, 0]))) < 1e-4 for shift in shifts)
            moved |= {round(float(shift[0, 0])) for shift in shifts}
    assert {-6, 0, 6} <= moved


def test_a_step_has_one_batch_and_noise_that_falls(dataset):
    blurred = replace(DENSE, instance_noise=0.5)
    one, two, later = (_task(dataset, blurred, steps=100).batch(step) for step in (3, 3, 50))
    assert all(torch.equal(getattr(one, name), getattr(two, name)) for name in ("notes", "noise", "blur"))
    assert float(one.blur.std()) == pytest.approx(0.485, rel=0.15) and float(later.blur.std()) == pytest.approx(
        0.25, rel=0.15
    )
    assert not torch.equal(one.noise, later.noise)


def test_each_adversary_has_its_own_rate(dataset):
    task = _task(dataset, DENSE, learning_rate=1e-4, discriminator_learning_rate=3e-4, warmup_steps=0, decay_fraction=0.0)
    trainer = task.trainer(task.build(), "cpu")
    trainer.update(task.batch(0))
    for label, rate in (("discriminator", 3e-4), ("generator", 1e-4)):
        assert [group["lr"] for group in trainer.optimizers[label].param_groups] == [pytest.approx(rate)]


@pytest.mark.parametrize("config", [DENSE, RECURRENT])
def test_the_adversaries_move_in_turn(dataset, config):
    task = _task(dataset, config)
    trainer = task.trainer(task.build(), "cpu")
    assert all(group["betas"] == BETAS for optimizer in trainer.optimizers.values() for group in optimizer.param_groups)
    assert set(trainer.parameters["generator"]) | set(trainer.parameters["discriminator"]) == set(
        dict(trainer.network.named_parameters())
    )
    before = {name: parameter.detach().clone() for name, parameter in trainer.network.named_parameters()}
    batch = task.batch(0)
    trainer._update_discriminator(batch)
    moved = {
        name.split(".")[0]
        for name, parameter in trainer.network.named_parameters()
        if not torch.equal(parameter, before[name])
    }
    assert moved == {"discriminator"}
    between = {name: parameter.detach().clone() for name, parameter in trainer.network.named_parameters()}
    trainer._update_generator(batch)
    moved = {
        name.split(".")[0]
        for name, parameter in trainer.network.named_parameters()
        if not torch.equal(parameter, between[name])
    }
    assert moved == {"generator"} and all(parameter.requires_grad for parameter in trainer.network.parameters())


def test_losses_are_what_they_are_called(dataset):
    task = _task(dataset, replace(DENSE, label_smoothing=0.1))
    trainer, batch = task.trainer(task.build(), "cpu"), task.batch(0)
    with torch.no_grad():
        real, _ = trainer.network.discriminator(batch.notes)
        made, _ = trainer.network.discriminator(trainer.network(batch.noise[:, 0]))
    wanted = 0.5 * (-0.9 * F.logsigmoid(real) - 0.1 * F.logsigmoid(-real) - F.logsigmoid(-made)).mean() / np.log(2)
    found = trainer.update(batch)
    assert found["bits"] == pytest.approx(float(wanted), rel=1e-5)
    assert 0 <= found["discriminator/accuracy"] <= 1 and found["generator/loss"] == pytest.approx(np.log(2), rel=0.2)


def test_feature_matching_compares_means(dataset):
    task = _task(dataset, RECURRENT)
    trainer, batch = task.trainer(task.build(), "cpu"), task.batch(0)
    with torch.no_grad():
        heard = trainer.network.discriminator(trainer.network(batch.noise[:, 1]))[1].mean(0)
        wanted = trainer.network.discriminator(batch.notes)[1].mean(0)
    assert trainer._update_generator(batch)["generator/loss"] == pytest.approx(
        float((heard - wanted).square().mean()), rel=1e-5
    )


@pytest.mark.parametrize("config", [DENSE, RECURRENT])
def test_a_run_is_the_same_when_resumed(dataset, tmp_path, config):
    config = replace(config, instance_noise=0.2)
    run_task(_task(dataset, config), tmp_path / "whole")

    class Stopped(GANTask):
        def batch(self, step):
            if step == 3:
                raise KeyboardInterrupt
            return super().batch(step)

    with pytest.raises(KeyboardInterrupt):
        run_task(Stopped(dataset, config, TRAINING), tmp_path / "parted")
    run_task(_task(dataset, config), tmp_path / "parted", resume=True)
    one, two = (checkpoint.load(tmp_path / name / "last", kind="gan") for name in ("whole", "parted"))
    assert one.sha256 == two.sha256 and one.network.config == config
    assert one.card["training"]["data"]["melodies"] == 5


@pytest.mark.parametrize(("config", "names"), [(DENSE, 4), (replace(DENSE, features=1), 2), (RECURRENT, 4)])
def test_the_measure(dataset, config, names):
    task = _task(dataset, config)
    found = task.validate(task.build().eval(), "cpu")
    shared = [value for name, value in found.items() if name.startswith("valid/overlap/")]
    assert len(shared) == names and all(0 <= value <= 1 for value in shared)
    assert found["valid/bits"] == pytest.approx(1 - np.mean(shared)) and 0 < found["valid/variety"] <= 1
    assert task.validate(task.build().eval(), "cpu") == found


def test_one_melody_again_and_again_has_no_variety(dataset):
    task = _task(dataset)
    network = task.build().eval()
    with torch.no_grad():
        network.generator.layers[-1].weight.zero_()
    assert task.validate(network, "cpu")["valid/variety"] < 0.01


@pytest.mark.slow
def test_what_is_written_comes_nearer_to_melodies(dataset):
    task = _task(
        dataset, replace(DENSE, hidden=16, lowest=24, highest=108), steps=300, batch_size=16, learning_rate=1e-3
    )
    trainer = task.trainer(task.build(), "cpu")
    before = task.validate(trainer.averaged_network(), "cpu")["valid/bits"]
    for step in range(300):
        trainer.update(task.batch(step))
    assert task.validate(trainer.averaged_network(), "cpu")["valid/bits"] < before - 0.04


def test_pitches_reach_as_far_as_melodies(dataset):
    found = fitted(
        PRESETS["tiny"], replace(dataset, pieces={"train": [p for p in dataset.pieces["train"] if p.song.n_notes > 16]})
    )
    assert (found.lowest, found.highest) == (60, 72)
    flat = Piece(NoteLine(("120",) * 16, (1,) * 16).to_song(name="x"), "made")
    assert (lambda c: (c.lowest, c.highest))(fitted(PRESETS["tiny"], replace(dataset, pieces={"train": [flat]}))) == (
        115,
        127,
    )
    with pytest.raises(InputError, match="has 100 notes or more"):
        fitted(PRESETS["gan"], dataset)


def test_what_does_not_fit_is_refused(dataset):
    with pytest.raises(UsageError, match="another configuration"):
        _task(dataset, initial=GAN(replace(DENSE, hidden=4)))
    with pytest.raises(UsageError, match="at least 2"):
        _task(dataset, batch_size=1)
    with pytest.raises(InputError, match="has 60 notes"):
        _task(dataset, replace(DENSE, length=60))
    start = GAN(DENSE)
    assert _task(dataset, initial=start).build() is start
