"""Batches, the updates, the held-out distance, a run that is interrupted and resumed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.datasets.songs import Piece, write_songs
from wavecore.errors import ModelError, UsageError
from wavecore.models.musegan.config import VARIANTS, MuseGANTrainingConfig
from wavecore.models.musegan.model import MuseGAN, MuseGANConfig
from wavecore.models.musegan.tracks import Track
from wavecore.models.musegan.train import BETAS, CRITIC_STEPS, PENALTY, MuseGANTask, apart
from wavecore.symbolic.song import Event, Part, Song
from wavecore.training.loop import run_task

NETWORK = MuseGANConfig(
    (Track("high"), Track("low"), Track("kit", 0, True)), bars=2, steps=8, lowest=48, n_pitches=24, noise=4, channels=8, critic_channels=4
)  # fmt: skip
TRAINING = MuseGANTrainingConfig(
    steps=6, batch_size=4, learning_rate=1e-3, transpose_semitones=3.0, glide_semitones=0.0, warmup_steps=0, validate_every=3, checkpoint_every=2,
    clip_norm=1e4, precision="float32",
)  # fmt: skip


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
    pieces = {
        split: [piece(f"{split}{number}", size) for number, size in enumerate(lengths)]
        for split, lengths in sizes.items()
    }
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces)


def task_of(dataset, initial=None, training=None, **changes):
    return MuseGANTask(dataset, replace(NETWORK, **changes), replace(TRAINING, **training or {}), initial)


def test_a_step_has_one_batch(dataset):
    task = task_of(dataset, neurons="bernoulli")
    first, again, later = task.batch(3), task.batch(3), task.batch(4)
    for name in ("real", "noise", "uniform", "mix"):
        assert torch.equal(getattr(first, name), getattr(again, name)) and not torch.equal(
            getattr(first, name), getattr(later, name)
        )
    assert first.real.shape == (4, CRITIC_STEPS, 2, 8, 24, 3) and first.real.dtype == torch.bool
    assert first.noise.shape == (4, CRITIC_STEPS + 1, 8, 4) and first.mix.shape == (4, CRITIC_STEPS)
    assert first.uniform.shape == (4, CRITIC_STEPS + 1, 2, 8, 24, 3)
    assert not torch.equal(first.noise[:, 0], first.noise[:, -1])
    assert task_of(dataset).batch(3).uniform.numel() == 0, "only Bernoulli neurons draw"
    assert not torch.equal(first.real, task_of(dataset, training={"seed": 1}).batch(3).real)


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


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("given", ["", "low"])
@pytest.mark.parametrize("neurons", ["real", "bernoulli"])
def test_both_sides_learn(dataset, variant, given, neurons):
    task = task_of(dataset, variant=variant, given=given, neurons=neurons)
    trainer = task.trainer(task.build(), "cpu")
    before = {name: parameter.detach().clone() for name, parameter in trainer.network.named_parameters()}
    found = trainer.update(task.batch(0))
    assert (
        set(found) == {"bits", "critic/wasserstein", "critic/penalty", "gradient_norm", "learning_rate"}
        and trainer.step == 1
    )
    assert all(np.isfinite(value) for value in found.values()) and 0 < found["bits"] <= 1
    still = [name for name, parameter in trainer.network.named_parameters() if torch.equal(parameter, before[name])]
    # A bias can move all that a critic says alike: neither what it tells apart nor its slope.
    assert all(name.startswith("critics.") and name.endswith("bias") for name in still), still
    assert all(parameter.requires_grad for parameter in trainer.network.parameters())
    for group in trainer.optimizers.values():
        assert group.param_groups[0]["betas"] == BETAS


def test_critics_step_five_times_and_generators_once(dataset, monkeypatch):
    task = task_of(dataset)
    trainer = task.trainer(task.build(), "cpu")
    calls = []
    original = type(trainer).descend
    monkeypatch.setattr(
        type(trainer), "descend", lambda self, label, loss: (calls.append(label), original(self, label, loss))[1]
    )
    trainer.update(task.batch(0))
    assert calls == ["critics"] * 5 + ["generator"]


def test_the_penalty_is_that_of_the_slope(dataset):
    """With a critic that adds up its first cells, slope and lead are known."""
    task = task_of(dataset, variant="composer")
    trainer = task.trainer(task.build(), "cpu")
    batch = task.batch(0)

    class Sum(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor(3.0))

        def forward(self, phrases):
            return self.weight * phrases[:, 0, 0].sum((1, 2)) / np.sqrt(24 * 3)

    trainer.network.critics = torch.nn.ModuleList([Sum()])
    trainer.parameters["critics"] = dict(trainer.network.critics.named_parameters())
    trainer.optimizers["critics"] = torch.optim.SGD(
        [{"params": list(trainer.parameters["critics"].values()), "relative_rate": 1.0}], lr=1.0
    )
    with torch.no_grad():
        written = trainer.network.train()(batch.noise[:, 0])
        real = 2.0 * batch.real[:, 0].float() - 1
        lead = float((trainer.network.judge(real) - trainer.network.judge(written)).mean())
    found = trainer._update_critics(batch, 0)
    assert found["critic/penalty"] == pytest.approx((3 - 1) ** 2) and found["critic/wasserstein"] == pytest.approx(
        lead, rel=1e-4
    )
    # d/dw of lambda (w - 1)^2 - lead, where the lead is proportional to w.
    gradient = PENALTY * 2 * (3 - 1) - lead / 3
    assert trainer.network.critics[0].weight.item() == pytest.approx(3 - TRAINING.rate(0) * gradient, rel=1e-5)


def test_validation_is_the_same_at_every_call(dataset):
    task = task_of(dataset)
    network = task.build().eval()
    found = task.validate(network, "cpu")
    assert found == task.validate(network, "cpu")
    assert set(found) == {
        "valid/bits",
        "valid/empty_bars",
        "valid/real_empty_bars",
        "valid/distinct_bars",
        "valid/wasserstein",
    }
    assert found["valid/real_empty_bars"] == 0 and 0 < found["valid/bits"] <= 1
    for generator in network.generator.bars:
        torch.nn.init.constant_(generator.layers[-1].convolution.bias, -9.0)
    silent = task.validate(network, "cpu")
    assert silent["valid/empty_bars"] == 1 and silent["valid/distinct_bars"] == 0 and silent["valid/bits"] > 0.7


def test_real_phrases_are_nearer_than_noise(dataset):
    task = task_of(dataset)
    real, other = task.stores["valid"].spread(99), task.stores["train"].spread(99)
    noise = np.random.default_rng(0).random(real.shape) < real.mean()
    assert apart(real, real, NETWORK) == 0 and apart(real, other, NETWORK) < 0.2 < 0.5 < apart(real, noise, NETWORK)


@pytest.mark.parametrize("changes", [{}, {"variant": "jamming", "given": "low", "neurons": "bernoulli"}])
def test_a_run_is_the_same_when_resumed(dataset, tmp_path, changes):
    config = replace(NETWORK, **changes)
    run_task(MuseGANTask(dataset, config, TRAINING), tmp_path / "whole")

    class Stopped(MuseGANTask):
        def batch(self, step):
            if step == 3:
                raise KeyboardInterrupt
            return super().batch(step)

    with pytest.raises(KeyboardInterrupt):
        run_task(Stopped(dataset, config, TRAINING), tmp_path / "parted")
    run_task(MuseGANTask(dataset, config, TRAINING), tmp_path / "parted", resume=True)
    one, two = (checkpoint.load(tmp_path / name / "last", kind="musegan") for name in ("whole", "parted"))
    assert one.sha256 == two.sha256 and one.network.config == config
    assert one.card["training"]["data"]["phrases"]["train"] == {
        "phrases": 5 + 8 + 2,
        "left_out": {"pieces": 0, "bars": 0, "notes": 0},
    }
    assert one.card["tracks"] == ["high", "low", "kit"]


@pytest.mark.slow
def test_it_learns_what_bars_have_in_common(dataset, tmp_path):
    bits = []
    training = replace(
        TRAINING,
        steps=300,
        batch_size=8,
        validate_every=100,
        learning_rate=2e-3,
        transpose_semitones=0.0,
        ema_decay=0.95,
    )
    task = MuseGANTask(dataset, replace(NETWORK, channels=16, critic_channels=8), training)
    begun = task.validate(task.build().eval(), "cpu")["valid/bits"]
    run_task(task, tmp_path / "run", on_progress=lambda progress: bits.append(progress.losses.get("valid/bits")))
    found = [value for value in bits if value is not None]
    assert found[-1] < 0.35 < found[0] < begun, (begun, found)


def test_what_does_not_fit_is_refused(dataset):
    with pytest.raises(UsageError, match="other sizes"):
        task_of(dataset, initial=MuseGAN(replace(NETWORK, channels=4)))
    with pytest.raises(UsageError, match="not by muon"):
        task_of(dataset, training={"optimizer": "muon"})
    with pytest.raises(UsageError, match="batch_size is 1"):
        task_of(dataset, training={"batch_size": 1})
    start = MuseGAN(NETWORK)
    assert task_of(dataset, initial=start).build() is start
    broken = MuseGAN(NETWORK)
    torch.nn.init.constant_(broken.generator.bars[0].first[0].weight, float("nan"))
    task = task_of(dataset, initial=broken)
    with pytest.raises(ModelError, match="loss became nan at step 0"):
        task.trainer(task.build(), "cpu").update(task.batch(0))
