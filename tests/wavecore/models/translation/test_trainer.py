"""The two alternating updates, and that restored state goes on bit for bit."""

from dataclasses import replace

import pytest
import torch

from wavecore.errors import ModelError
from wavecore.models.translation.config import TranslationConfig, TranslationTrainingConfig
from wavecore.models.translation.data import Batch
from wavecore.models.translation.trainer import Trainer, build_network
from wavecore.nn.encoders import EncoderConfig
from wavecore.nn.wavenet import WaveNetConfig

HOP = 40
NETWORK = TranslationConfig(
    ("whistle", "flute", "organ"),
    ("flute", "organ"),
    EncoderConfig("waveform", 3, HOP, channels=4, dilation_cycles=1, layers_per_cycle=2),
    WaveNetConfig(1, 4, 2, 8, 8, 8, 16, latent_channels=3, hop_length=HOP),
)
CONTEXT = 1


def _training(**changes):
    return TranslationTrainingConfig(
        **{
            "steps": 50,
            "batch_size": 2,
            "crop_frames": 4,
            "warmup_steps": 2,
            "skip_samples": 10,
            "confusion_warmup_steps": 0,
        }
        | changes
    )


def _batch(step, target=0, context=CONTEXT):
    generator = torch.Generator().manual_seed(step)
    length = (4 + 2 * context) * HOP
    t = torch.arange(length) / 16_000
    clean = 0.4 * torch.sin(2 * torch.pi * (400 + 50 * torch.rand(2, 1, generator=generator)) * t)
    codes = ((clean[:, context * HOP : -context * HOP] + 1) * 127).long()
    noise = 0.01 * torch.randn(clean.shape, generator=generator)
    further = 0.2 * torch.randn(3, length, generator=generator)
    return Batch(
        clean,
        clean + noise,
        torch.zeros(2, dtype=torch.int64),
        torch.tensor([target + 1, 0]),
        torch.full((2,), target),
        codes,
        codes,
        further,
        torch.zeros(3, dtype=torch.int64),
        torch.arange(3),
    )


def _trainer(**changes):
    network = build_network(NETWORK, seed=0)
    assert network.encoder.context_frames == CONTEXT
    return Trainer(network, _training(**changes))


def _run(trainer, steps):
    return [trainer.update(_batch(trainer.step, trainer.step % 2)) for _ in range(steps)]


def test_starting_weights_depend_on_the_seed_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    networks = [build_network(NETWORK, seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(torch.random.get_rng_state(), before), "building must not disturb the caller's generator"
    first, same, other = (network.state_dict()["decoders.flute.head.weight"] for network in networks)
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_training_lowers_the_loss_from_eight_bits():
    found = _run(_trainer(learning_rate=0.01), 50)
    assert found[0]["bits"] == pytest.approx(8.0, abs=0.05)
    assert found[-1]["bits"] < 6.5
    assert set(found[0]) == {"bits", "classifier/loss", "classifier/accuracy", "gradient_norm", "learning_rate"}


def test_only_the_batch_s_decoder_learns():
    trainer = _trainer()
    before = {k: v.clone() for k, v in trainer.network.state_dict().items()}
    trainer.update(_batch(0, target=0))
    changed = {
        k.split(".")[0] + "." + k.split(".")[1]
        for k, v in trainer.network.state_dict().items()
        if not torch.equal(v, before[k])
    }
    assert "decoders.flute" in changed and "decoders.organ" not in changed
    assert any(name.startswith("encoder.") for name in changed)
    assert any(name.startswith("classifier.") for name in changed)


def test_a_frozen_encoder_stays_as_it_is():
    trainer = _trainer(freeze_encoder=True)
    before = {k: v.clone() for k, v in trainer.network.encoder.state_dict().items()}
    _run(trainer, 3)
    assert all(torch.equal(v, before[k]) for k, v in trainer.network.encoder.state_dict().items())


def test_what_follows_a_bottleneck_may_learn_beside_the_decoders():
    encoder = EncoderConfig(
        "cqt", 3, HOP, channels=4, n_bins=48, fmin_hz=261.6, bottleneck="notes", bottleneck_context=2
    )
    for learns in (False, True):
        network = build_network(replace(NETWORK, encoder=encoder), seed=0)
        trainer = Trainer(
            network, _training(freeze_encoder=True, train_bottleneck_context=learns, confusion_weight=0.0)
        )
        before = {k: v.clone() for k, v in network.encoder.state_dict().items()}
        for step in range(4):
            trainer.update(_batch(step, context=network.encoder.context_frames))
        changed = {k for k, v in network.encoder.state_dict().items() if not torch.equal(v, before[k])}
        assert bool(changed) == learns and all(name.startswith("bottleneck.following.") for name in changed)


def test_the_confusion_term_pushes_the_encoder_against_the_classifier():
    gradients = {}
    for weight in (0.0, 0.5):
        trainer = _trainer(confusion_weight=weight, clip_norm=1e9, precision="float32")
        trainer.update(_batch(0))
        gradients[weight] = torch.cat([p.grad.flatten() for p in trainer.network.encoder.parameters()])
    # The difference of the two gradients is -0.5 times that of the classifier's loss.
    trainer = _trainer(confusion_weight=0.0, precision="float32")
    batch = _batch(0)
    trainer._update_classifier(batch)
    latent = trainer.network.encoder(torch.cat([batch.augmented, batch.further]))
    loss = torch.nn.functional.cross_entropy(trainer.network.classifier(latent), batch.all_domains)
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(trainer.network.encoder.parameters()))])
    torch.testing.assert_close(gradients[0.5] - gradients[0.0], -0.5 * expected, rtol=1e-3, atol=1e-6)


def test_a_restored_trainer_goes_on_bit_for_bit():
    whole = _trainer()
    _run(whole, 9)
    broken = _trainer()
    _run(broken, 4)
    saved = {name: tensor.clone() for name, tensor in broken.tensors().items()}
    resumed = _trainer(seed=3)
    resumed.restore(saved, 4)
    _run(resumed, 5)
    expected = whole.tensors()
    assert resumed.tensors().keys() == expected.keys()
    for name, tensor in resumed.tensors().items():
        assert torch.equal(tensor, expected[name]), name


def test_the_average_lags_behind_and_is_what_is_kept():
    trainer = _trainer()
    _run(trainer, 5)
    kept, now = trainer.averaged_network(), trainer.network
    assert not kept.training
    difference = [
        not torch.equal(a, b) for a, b in zip(kept.state_dict().values(), now.state_dict().values(), strict=True)
    ]
    assert any(difference)


def test_state_of_another_network_is_refused():
    trainer = _trainer()
    tensors = trainer.tensors()
    tensors["network.decoders.flute.head.bias"] = torch.zeros(3)
    with pytest.raises(ModelError, match="another network"):
        _trainer().restore(tensors, 0)


def test_a_loss_that_is_not_finite_stops_the_run():
    trainer = _trainer()
    trainer.network.decoders["flute"].output.bias.data[0] = float("nan")
    with pytest.raises(ModelError, match="became nan at step 0"):
        trainer.update(_batch(0))


def test_noise_on_the_latent_is_the_step_s_own_and_as_strong_as_asked_for():
    trainer = _trainer(latent_noise=0.5)
    latent = 3 * torch.ones(2, 400, 3)
    first, again = trainer._blurred(latent), trainer._blurred(latent)
    assert torch.equal(first, again)
    assert 1.4 < float((first - latent).std()) < 1.6
    trainer.step += 1
    assert not torch.equal(first, trainer._blurred(latent))
    assert _trainer()._blurred(latent) is latent
