"""The weight average, the clipped step, and state that is taken up bit for bit."""

import pytest
import torch
from torch import nn

from wavecore.errors import ModelError
from wavecore.training.config import TrainingConfig
from wavecore.training.trainer import AveragedTrainer


class Line(nn.Module):
    """y = weight * x + bias, in two groups of parameters."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.weight = nn.Parameter(torch.full((config,), 2.0))
        self.bias = nn.Parameter(torch.zeros(config))


def _trainer(size=3, **changes):
    network = Line(size)
    settings = {"steps": 100, "warmup_steps": 0, "decay_fraction": 0.0, "learning_rate": 0.01, "clip_norm": 1e9}
    groups = {"slope": ({"weight": network.weight}, 0.01), "offset": ({"bias": network.bias}, 0.5)}
    return AveragedTrainer(network, TrainingConfig(**settings | changes), groups)


def _update(trainer):
    x = torch.randn(3, generator=torch.Generator().manual_seed(trainer.step))
    for label in ("slope", "offset"):
        trainer.descend(label, (trainer.network.weight * x + trainer.network.bias - 1).square().sum())
    trainer.finish_step()


def test_the_average_is_the_exponential_one_with_a_short_memory_at_first():
    trainer = _trainer(ema_decay=0.3)
    expected = {"weight": 2.0, "bias": 0.0}
    for step in range(1, 6):
        trainer.network.weight.data.fill_(float(step))
        trainer.network.bias.data.fill_(-3.0 * step)
        trainer.finish_step()
        decay = min(0.3, (1 + step) / (10 + step))  # 2/11, 3/12, then 0.3
        expected = {
            "weight": decay * expected["weight"] + (1 - decay) * step,
            "bias": decay * expected["bias"] + (1 - decay) * -3.0 * step,
        }
        assert trainer.step == step
        for name, value in expected.items():
            torch.testing.assert_close(trainer.average[name], torch.full((3,), value), rtol=1e-6, atol=1e-6)


def test_no_memory_is_the_network_itself():
    trainer = _trainer(ema_decay=0.0)
    _update(trainer)
    assert torch.equal(trainer.average["weight"], trainer.network.weight)


def test_the_first_step_of_adam_has_the_size_of_the_rate():
    trainer = _trainer(learning_rate=0.25)
    found = trainer.descend("slope", (trainer.network.weight * torch.tensor([3.0, -4.0, 0.0])).sum())
    assert found == {"gradient_norm": pytest.approx(5.0), "learning_rate": 0.25}
    torch.testing.assert_close(trainer.network.weight.data, torch.tensor([1.75, 2.25, 2.0]))
    assert not trainer.network.bias.any() and not trainer.step


def test_muon_s_state_is_taken_up_bit_for_bit():
    def make():
        network = Line(3)
        network.weight = nn.Parameter(torch.ones(16, 20))
        groups = {"slope": (dict(network.named_parameters()), 0.01)}
        settings = {"steps": 100, "warmup_steps": 0, "decay_fraction": 0.0, "clip_norm": 1e9, "optimizer": "muon"}
        return AveragedTrainer(network, TrainingConfig(**settings), groups)

    def update(trainer):
        x = torch.randn(16, 20, generator=torch.Generator().manual_seed(trainer.step))
        trainer.descend("slope", (trainer.network.weight * x - 1).square().sum() + trainer.network.bias.sum())
        trainer.finish_step()

    whole, broken, resumed = make(), make(), make()
    for trainer, steps in ((whole, 6), (broken, 2)):
        for _ in range(steps):
            update(trainer)
    assert {name for name in broken.tensors() if name.startswith("slope.")} == {
        "slope.exp_avg.weight", "slope.step.bias", "slope.exp_avg.bias", "slope.exp_avg_sq.bias"
    }  # fmt: skip
    resumed.restore(broken.tensors(), 2)
    for _ in range(4):
        update(resumed)
    expected = whole.tensors()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in resumed.tensors().items())


def test_only_the_named_optimiser_moves():
    trainer = _trainer()
    trainer.descend("offset", (trainer.network.weight * trainer.network.bias).sum())
    assert torch.equal(trainer.network.weight.data, torch.full((3,), 2.0)) and trainer.network.bias.all()


def test_the_rate_is_that_of_the_step():
    trainer = _trainer(warmup_steps=4, decay_fraction=0.5, steps=10, learning_rate=0.1)
    rates = []
    for _ in range(10):
        rates.append(trainer.descend("slope", trainer.network.weight.sum())["learning_rate"])
        assert trainer.optimizers["slope"].param_groups[0]["lr"] == rates[-1]
        trainer.finish_step()
    assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1, 0.08, 0.06, 0.04, 0.02])


def test_the_gradient_is_clipped_and_its_norm_told_unclipped():
    trainer = _trainer(clip_norm=1.0)
    found = trainer.descend("slope", (trainer.network.weight * torch.tensor([3.0, 0.0, 4.0])).sum())
    assert found["gradient_norm"] == pytest.approx(5.0)
    torch.testing.assert_close(trainer.network.weight.grad, torch.tensor([0.6, 0.0, 0.8]), rtol=1e-5, atol=1e-6)


def test_gradients_of_the_step_before_do_not_add_up():
    trainer = _trainer()
    for _ in range(2):
        trainer.descend("slope", (3 * trainer.network.weight).sum())
    torch.testing.assert_close(trainer.network.weight.grad, torch.full((3,), 3.0))


def test_the_averaged_network_is_another_one():
    trainer = _trainer()
    _update(trainer)
    network = trainer.averaged_network()
    assert not network.training and trainer.network.training
    assert torch.equal(network.weight, trainer.average["weight"])
    network.weight.data.zero_()
    assert trainer.average["weight"].all() and trainer.network.weight.all()


def test_state_is_weights_average_and_moments_and_no_view_of_what_was_before():
    trainer = _trainer()
    assert set(trainer.tensors()) == {
        f"{part}.{name}" for part in ("network", "average") for name in ("weight", "bias")
    }
    _update(trainer)
    moments = {f"slope.{key}.weight" for key in ("step", "exp_avg", "exp_avg_sq")}
    assert moments <= set(trainer.tensors()) and len(trainer.tensors()) == 10
    assert trainer.tensors()["slope.step.weight"] == 1


def test_a_restored_trainer_goes_on_bit_for_bit():
    whole, broken = _trainer(), _trainer()
    for _ in range(9):
        _update(whole)
    for _ in range(4):
        _update(broken)
    saved = {name: tensor.clone() for name, tensor in broken.tensors().items()}
    resumed = _trainer()
    _update(resumed)  # whatever it did before is forgotten
    resumed.restore(saved, 4)
    assert resumed.step == 4 and all(torch.equal(t, saved[name]) for name, t in resumed.tensors().items())
    _update(broken)  # what goes on afterwards must not reach into what was saved
    for _ in range(5):
        _update(resumed)
    expected = whole.tensors()
    assert resumed.tensors().keys() == expected.keys() and resumed.step == whole.step
    for name, tensor in resumed.tensors().items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize("name", ["network.bias", "average.bias"])
@pytest.mark.parametrize("value", [None, torch.zeros(4)])
def test_state_of_another_network_is_refused(name, value):
    tensors = _trainer().tensors()
    tensors = {key: tensor for key, tensor in tensors.items() if key != name} | ({} if value is None else {name: value})
    with pytest.raises(ModelError, match="belongs to another network"):
        _trainer().restore(tensors, 0)


@pytest.mark.parametrize("name", ["network.extra", "average.extra"])
def test_state_with_more_weights_is_refused(name):
    with pytest.raises(ModelError, match="belongs to another network"):
        _trainer().restore(_trainer().tensors() | {name: torch.zeros(1)}, 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_stops_before_the_weights_change(value):
    trainer = _trainer()
    with pytest.raises(ModelError, match=f"the loss became {value} at step 0; start another run with a lower"):
        trainer.descend("slope", trainer.network.weight.sum() * value)
    assert torch.equal(trainer.network.weight.data, torch.full((3,), 2.0))


def test_a_gradient_that_is_not_finite_stops_before_the_weights_change():
    trainer = _trainer()
    trainer.step = 7
    loss = (trainer.network.weight - 2).abs().sqrt().sum()  # 0, with an infinite slope
    with pytest.raises(ModelError, match="the gradient's norm became nan at step 7"):
        trainer.descend("slope", loss)
    assert torch.equal(trainer.network.weight.data, torch.full((3,), 2.0))
