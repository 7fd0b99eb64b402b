"""The two alternating updates, and what trains."""

from dataclasses import replace

import pytest
import torch

from wavecore.errors import ModelError
from wavecore.models.translation import validate
from wavecore.models.translation.config import TranslationConfig, TranslationTrainingConfig
from wavecore.models.translation.data import Batch
from wavecore.models.translation.model import TranslationNetwork
from wavecore.models.translation.train import TranslationTask, TranslationTrainer
from wavecore.nn.config import EncoderConfig, WaveNetConfig
from wavecore.training.task import build_network

HOP = 40
NETWORK = TranslationConfig(
    ("whistle", "flute", "organ"),
    ("flute", "organ"),
    EncoderConfig("waveform", 3, HOP, channels=4, dilation_cycles=1, layers_per_cycle=2),
    WaveNetConfig(1, 4, 2, 8, 8, 8, 16, latent_channels=3, hop_length=HOP),
)
TRAINING = {
    "steps": 50,
    "batch_size": 2,
    "crop_frames": 4,
    "warmup_steps": 2,
    "skip_samples": 10,
    "confusion_warmup_steps": 0,
}


def make_batch(step, target=0, context=1):
    generator = torch.Generator().manual_seed(step)
    length = (4 + 2 * context) * HOP
    t = torch.arange(length) / 16_000
    clean = 0.4 * torch.sin(2 * torch.pi * (400 + 50 * torch.rand(2, 1, generator=generator)) * t)
    codes = ((clean[:, context * HOP : -context * HOP] + 1) * 127).long()
    noise = 0.01 * torch.randn(clean.shape, generator=generator)
    return Batch(
        clean=clean,
        augmented=clean + noise,
        octave_shift=torch.zeros(2, dtype=torch.int64),
        domains=torch.tensor([target + 1, 0]),
        targets=torch.full((2,), target),
        codes=codes,
        context=codes,
        extra=0.2 * torch.randn(3, length, generator=generator),
        extra_octave_shift=torch.zeros(3, dtype=torch.int64),
        extra_domains=torch.arange(3),
    )


def make_trainer(config=NETWORK, **changes):
    network = build_network(TranslationNetwork, config, seed=0)
    return TranslationTrainer(network, TranslationTrainingConfig(**(TRAINING | changes)))


def train(trainer, steps):
    context = trainer.network.encoder.context_frames
    return [trainer.update(make_batch(trainer.step, trainer.step % 2, context)) for _ in range(steps)]


@pytest.mark.slow
def test_training_lowers_the_loss_from_eight_bits():
    measures = train(make_trainer(learning_rate=0.01), 50)
    assert measures[0]["bits"] == pytest.approx(8.0, abs=0.05)
    assert measures[-1]["bits"] < 6.5
    assert set(measures[0]) == {"bits", "classifier/loss", "classifier/accuracy", "gradient_norm", "learning_rate"}


def changed(trainer, before):
    state = trainer.network.state_dict().items()
    return {name for name, tensor in state if not torch.equal(tensor, before[name])}


def test_a_step_trains_encoder_classifier_and_the_batch_s_decoder():
    trainer = make_trainer()
    before = {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}
    trainer.update(make_batch(0, target=0))
    parts = {".".join(name.split(".")[: 1 + name.startswith("decoders.")]) for name in changed(trainer, before)}
    assert parts == {"encoder", "classifier", "decoders.flute"}


@pytest.mark.parametrize("with_context", [False, True])
def test_a_frozen_encoder_may_train_the_context_of_its_bottleneck(with_context):
    sizes = {"n_bins": 48, "fmin_hz": 261.6, "bottleneck": "notes", "bottleneck_context": 2}
    config = replace(NETWORK, encoder=EncoderConfig("cqt", 3, HOP, channels=4, **sizes))
    trainer = make_trainer(config, freeze_encoder=True, train_bottleneck_context=with_context, confusion_weight=0.0)
    before = {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}
    train(trainer, 4)
    moved = {name for name in changed(trainer, before) if name.startswith("encoder.")}
    assert bool(moved) == with_context and all(name.startswith("encoder.bottleneck.following.") for name in moved)


def test_the_confusion_term_is_the_negative_loss_of_the_classifier():
    gradients = {}
    for weight in (0.0, 0.5):
        trainer = make_trainer(confusion_weight=weight, clip_norm=1e9, precision="float32")
        trainer.update(make_batch(0))
        gradients[weight] = torch.cat([p.grad.flatten() for p in trainer.network.encoder.parameters()])
    trainer = make_trainer(confusion_weight=0.0, precision="float32")
    batch = make_batch(0)
    trainer._update_classifier(batch)
    latent = trainer.network.encoder(torch.cat([batch.augmented, batch.extra]))
    loss = torch.nn.functional.cross_entropy(trainer.network.classifier(latent), batch.all_domains)
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(trainer.network.encoder.parameters()))])
    torch.testing.assert_close(gradients[0.5] - gradients[0.0], -0.5 * expected, rtol=1e-3, atol=1e-6)


def test_a_loss_that_is_not_finite_stops_the_run():
    trainer = make_trainer()
    trainer.network.decoders["flute"].output.bias.data[0] = float("nan")
    with pytest.raises(ModelError, match="nan at step 0"):
        trainer.update(make_batch(0))


def test_noise_on_the_latent_follows_from_the_step_and_has_the_level_of_the_settings():
    trainer = make_trainer(latent_noise=0.5)
    latent = 3 * torch.ones(2, 400, 3)
    first, again = trainer._with_noise(latent), trainer._with_noise(latent)
    assert torch.equal(first, again)
    assert 1.4 < float((first - latent).std()) < 1.6
    trainer.step += 1
    assert not torch.equal(first, trainer._with_noise(latent))
    assert make_trainer()._with_noise(latent) is latent


@pytest.mark.slow
def test_passages_are_translated_where_the_settings_ask_for_it(dataset, network_config, monkeypatch):
    asked = []
    monkeypatch.setattr(
        validate, "measure_transfer", lambda *_, n_passages: asked.append(n_passages) or {"valid/transfer/organ": 0.75}
    )
    sizes = {"crop_frames": 4, "validation_crops": 1}
    for n_passages in (0, 3):
        training = TranslationTrainingConfig(transfer_passages=n_passages, **sizes)
        task = TranslationTask(dataset, network_config, training)
        measures = task.validate(task.build().eval(), "cpu")
        assert task.error(measures) == (0.25 if n_passages else measures["valid/bits"])
    assert asked == [3]
    assert task.describe()["midi_ranges"]["organ"] == [60.0, 67.0]
