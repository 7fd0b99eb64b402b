"""Batches, the updates, the held-out distance."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from wavecore.datasets.songs import Piece, write_songs
from wavecore.errors import ModelError, UsageError
from wavecore.models.musegan.config import VARIANTS, MuseGANConfig, MuseGANTrainingConfig
from wavecore.models.musegan.evaluate import distance
from wavecore.models.musegan.model import MuseGAN
from wavecore.models.musegan.rolls import Track
from wavecore.models.musegan.train import BETAS, CRITIC_STEPS, PENALTY, MuseGANTask
from wavecore.symbolic.song import Event, Part, Song

NETWORK = MuseGANConfig(
    (Track("high"), Track("low"), Track("kit", 0, True)), bars=2, steps=8, lowest=48, n_pitches=24, noise=4, channels=8,
    critic_channels=4,
)  # fmt: skip
TRAINING = MuseGANTrainingConfig(steps=6, batch_size=4, learning_rate=1e-3, transpose_semitones=3.0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Pieces of which every bar has a note on the first step, one an octave below, and a stroke on the fifth."""
    rng = np.random.default_rng(0)

    def piece(name, n_bars):
        pitches = rng.choice([62, 64, 66], n_bars).tolist()
        high = Part(tuple(Event(8 * bar, pitch, 3) for bar, pitch in enumerate(pitches)), "high")
        low = Part(tuple(Event(8 * bar, pitch - 12, 6) for bar, pitch in enumerate(pitches)), "low")
        kit = Part(tuple(Event(8 * bar + 4, 50, 1) for bar in range(n_bars)), "kit", 0, True)
        return Piece(Song(2, (high, low, kit), name=name), "steps")

    sizes = {"train": (6, 9, 3), "valid": (8, 5), "test": (4,)}
    pieces = {split: [piece(f"{split}{row}", n) for row, n in enumerate(each)] for split, each in sizes.items()}
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces)


def task_of(dataset, initial=None, training=None, **changes):
    return MuseGANTask(dataset, replace(NETWORK, **changes), replace(TRAINING, **training or {}), initial)


def test_batches(dataset):
    task = task_of(dataset, neurons="bernoulli")
    first, later = task.batch(3), task.batch(4)
    for name in ("real", "noise", "uniform", "mix"):
        assert not torch.equal(getattr(first, name), getattr(later, name))
    assert first.real.shape == (4, CRITIC_STEPS, 2, 8, 24, 3) and first.real.dtype == torch.bool
    assert first.noise.shape == (4, CRITIC_STEPS + 1, 8, 4) and first.mix.shape == (4, CRITIC_STEPS)
    assert first.uniform.shape == (4, CRITIC_STEPS + 1, 2, 8, 24, 3)
    assert not torch.equal(first.noise[:, 0], first.noise[:, -1])
    assert task_of(dataset).batch(3).uniform.numel() == 0, "for Bernoulli neurons alone"
    assert not torch.equal(first.real, task_of(dataset, training={"seed": 1}).batch(3).real)
    left_out = {"pieces": 0, "bars": 0, "notes": 0}
    assert task.describe()["phrases"]["train"] == {"phrases": 5 + 8 + 2, "left_out": left_out}


@pytest.mark.slow
def test_phrases_are_transposed_but_for_drums(dataset):
    seen = set()
    for step in range(12):
        for phrase in task_of(dataset).batch(step).real.flatten(0, 1).numpy():
            high, low, kit = (np.argwhere(phrase[..., number].any(axis=(0, 1)))[:, 0] + 48 for number in range(3))
            assert kit.tolist() == [50] and (high - low == 12).all()
            seen |= set(high.tolist())
    # The lowest note lies two semitones above the network's lowest: three up, two down at most.
    assert min(seen) == 60 and max(seen) == 69
    still = task_of(dataset, training={"transpose_semitones": 0.0}).batch(0).real[..., 0].flatten(0, 3).any(dim=0)
    assert set((still.nonzero()[:, 0] + 48).tolist()) == {62, 64, 66}


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("given", "neurons"), [("", "bernoulli"), ("low", "real")])
def test_both_sides_learn(dataset, variant, given, neurons):
    task = task_of(dataset, variant=variant, given=given, neurons=neurons)
    trainer = task.trainer(task.build(), "cpu")
    updates, descend = [], trainer.descend
    trainer.descend = lambda label, loss: updates.append(label) or descend(label, loss)
    before = {name: parameter.detach().clone() for name, parameter in trainer.network.named_parameters()}
    found = trainer.update(task.batch(0))
    assert updates == ["critics"] * 5 + ["generator"] and trainer.step == 1
    assert set(found) == {"bits", "critic/wasserstein", "critic/penalty", "gradient_norm", "learning_rate"}
    assert all(np.isfinite(value) for value in found.values()) and 0 < found["bits"] <= 1
    still = [name for name, parameter in trainer.network.named_parameters() if torch.equal(parameter, before[name])]
    # A bias can add the same to the scores of all phrases, which changes neither their differences nor the slope.
    assert all(name.startswith("critics.") and name.endswith("bias") for name in still), still
    assert all(parameter.requires_grad for parameter in trainer.network.parameters())
    assert all(group.param_groups[0]["betas"] == BETAS for group in trainer.optimizers.values())


class Sum(nn.Module):
    """A critic that adds up its first cells: its slope is its weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(3.0))

    def forward(self, phrases):
        return self.weight * phrases[:, 0, 0].sum((1, 2)) / np.sqrt(24 * 3)


def test_the_penalty_is_that_of_the_slope(dataset):
    task = task_of(dataset, variant="composer")
    trainer, batch = task.trainer(task.build(), "cpu"), task.batch(0)
    trainer.network.critics = nn.ModuleList([Sum()])
    trainer.parameters["critics"] = dict(trainer.network.critics.named_parameters())
    group = {"params": list(trainer.parameters["critics"].values()), "relative_rate": 1.0}
    trainer.optimizers["critics"] = torch.optim.SGD([group], lr=1.0)
    with torch.no_grad():
        generated = trainer.network.train()(batch.noise[:, 0])
        real = 2.0 * batch.real[:, 0].float() - 1
        lead = float((trainer.network.scores(real) - trainer.network.scores(generated)).mean())
    found = trainer._update_critics(batch, 0)
    assert found["critic/penalty"] == pytest.approx((3 - 1) ** 2)
    assert found["critic/wasserstein"] == pytest.approx(lead, rel=1e-4)
    # d/dw of lambda (w - 1)^2 - lead, where the lead is proportional to w.
    gradient = PENALTY * 2 * (3 - 1) - lead / 3
    assert trainer.network.critics[0].weight.item() == pytest.approx(3 - TRAINING.rate(0) * gradient, rel=1e-5)


def test_the_held_out_measures(dataset):
    task = task_of(dataset)
    network = task.build().eval()
    found = task.validate(network, "cpu")
    assert found == task.validate(network, "cpu")
    names = {"bits", "empty_bars", "real_empty_bars", "distinct_bars", "wasserstein"}
    assert set(found) == {f"valid/{name}" for name in names}
    assert found["valid/real_empty_bars"] == 0 and 0 < found["valid/bits"] <= 1
    for generator in network.generator.bars:
        nn.init.constant_(generator.layers[-1].convolution.bias, -9.0)
    silent = task.validate(network, "cpu")
    assert silent["valid/empty_bars"] == 1 and silent["valid/distinct_bars"] == 0 and silent["valid/bits"] > 0.7
    real, other = task.stores["valid"].evenly(99), task.stores["train"].evenly(99)
    noise = np.random.default_rng(0).random(real.shape) < real.mean()
    assert distance(real, other, NETWORK) < 0.2 < 0.5 < distance(real, noise, NETWORK)


@pytest.mark.slow
def test_it_learns_what_bars_have_in_common(dataset):
    training = {"steps": 60, "learning_rate": 4e-3, "transpose_semitones": 0.0, "ema_decay": 0.9}
    task = task_of(dataset, training=training, variant="composer", steps=4, channels=16, critic_channels=8)
    trainer = task.trainer(task.build(), "cpu")
    before = task.validate(trainer.averaged_network(), "cpu")["valid/bits"]
    for step in range(60):
        trainer.update(task.batch(step))
    assert task.validate(trainer.averaged_network(), "cpu")["valid/bits"] < 0.45 < 0.7 < before


def test_other_optimisers_small_batches_and_broken_weights_are_refused(dataset):
    for changes in ({"optimizer": "muon"}, {"batch_size": 1}):
        with pytest.raises(UsageError, match=str(*changes.values())):
            task_of(dataset, training=changes)
    broken = MuseGAN(NETWORK)
    nn.init.constant_(broken.generator.bars[0].first[0].weight, float("nan"))
    task = task_of(dataset, initial=broken)
    with pytest.raises(ModelError, match="nan at step 0"):
        task.trainer(task.build(), "cpu").update(task.batch(0))
