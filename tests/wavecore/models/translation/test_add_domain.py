"""A decoder that is added: where it starts, what it leaves alone, what it can play."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.audio import mulaw
from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.domains.manifest import Domain, Manifest, Piece, Slice
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.datasets.domains.shards import write_shard
from wavecore.errors import UsageError
from wavecore.models.translation import add_domain
from wavecore.models.translation.model import TranslationNetwork
from wavecore.models.translation.train import TranslationTask
from wavecore.nn.wavenet import WaveNet
from wavecore.training import losses
from wavecore.training.task import build_network

RATE = 16_000


def _recordings(folder, sounds):
    """A data set of one domain, `viola`, all pieces for training but the last."""
    folder.mkdir()
    shards, pieces = {}, []
    for number, sound in enumerate(sounds):
        split = "valid" if number == len(sounds) - 1 else "train"
        name = f"viola-{number}.npy"
        shards[name] = write_shard(folder / name, [mulaw.encode(sound)], len(sound))
        where = {"viola": Slice(name, 0, len(sound))}
        pieces.append(Piece(f"p{number}", f"p{number}", split, "made", "none", len(sound) / RATE, where))
    manifests.write(folder, Manifest(RATE, False, (Domain("viola", "recordings", seconds=1.0),), tuple(pieces), shards))
    return DomainsDataset.open(folder)


def _tone(midi, seconds=1.0):
    t = np.arange(int(seconds * RATE)) / RATE
    f0_hz = 440 * 2 ** ((midi - 69) / 12)
    return sum(0.2 / k * np.sin(2 * np.pi * k * f0_hz * t) for k in (1, 2, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    return _recordings(tmp_path_factory.mktemp("added") / "data", [_tone(midi) for midi in (60, 64, 67, 71, 65)])


@pytest.fixture(scope="module", params=[False, True])
def source(request, network_config):
    network = build_network(TranslationNetwork, replace(network_config, shared_decoder=request.param), seed=1).eval()
    with torch.random.fork_rng():
        torch.manual_seed(2)
        for decoder in network.decoders.values():
            torch.nn.init.normal_(decoder.output.weight, std=0.3)
    return network


def test_settings_train_a_decoder_alone():
    found = add_domain.settings(50.0, seed=4, steps=5)
    assert (found.steps, found.seed, found.freeze_encoder) == (5, 4, True)
    assert found.confusion_crops == 0 and found.confusion_weight == 0


@pytest.mark.slow
def test_decoders_are_compared_on_the_new_sounds(source, recordings):
    found = add_domain.bits_by_decoder(source, recordings, "viola")
    assert list(found) == ["flute", "organ"] and found == add_domain.bits_by_decoder(source, recordings, "viola")
    assert found["flute"] != found["organ"] and all(4 < bits < 16 for bits in found.values())
    # A decoder that always predicts silence needs many bits for tones.
    silent = build_network(TranslationNetwork, source.config, seed=1).eval()
    for decoder in silent.decoders.values():
        decoder.output.bias.data[mulaw.SILENCE] = 9.0
    assert min(add_domain.bits_by_decoder(silent, recordings, "viola").values()) > 9


def test_the_start_is_a_copy_of_the_nearest_decoder(source):
    network = add_domain.begin(source, "viola", "organ")
    assert network.config.domains == network.config.targets == ("viola",) and not network.config.shared_decoder
    wanted = source.decoder_state("organ")
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in network.decoder_state("viola").items())
    for name, tensor in source.encoder.state_dict().items():
        assert torch.equal(network.encoder.state_dict()[name], tensor)
    with pytest.raises(UsageError, match="'whistle'.*whistle, flute, organ"):
        add_domain.begin(source, "whistle", "organ")
    with pytest.raises(UsageError, match="kazoo"):
        add_domain.begin(source, "viola", "kazoo")


def test_the_old_decoders_are_left_as_they_were(source):
    added = add_domain.begin(source, "viola", "flute")
    with torch.no_grad():
        added.decoders["viola"].head.bias += 1
    before = {name: tensor.clone() for name, tensor in source.state_dict().items()}
    whole = add_domain.join(source, added)
    assert whole.config.domains == (*source.config.domains, "viola") and whole.config.targets == (
        "flute",
        "organ",
        "viola",
    )
    for target in source.config.targets:
        wanted = source.decoder_state(target)
        assert all(torch.equal(tensor, wanted[name]) for name, tensor in whole.decoder_state(target).items())
    wanted = added.decoder_state("viola")
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in whole.decoder_state("viola").items())
    assert all(torch.equal(tensor, before[name]) for name, tensor in source.state_dict().items())
    latent = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    logits = whole.classifier(latent)
    torch.testing.assert_close(logits[:, :-1], source.classifier(latent))
    assert bool((logits[:, -1] == add_domain.UNTRAINED_LOGIT).all())


def test_a_decoder_of_another_encoder_does_not_fit(source):
    added = add_domain.begin(source, "viola", "flute")
    with torch.no_grad():
        added.encoder.convolutions[0].bias += 1e-3
    with pytest.raises(UsageError, match="viola"):
        add_domain.join(source, added)


@pytest.mark.slow
def test_the_range_is_that_of_the_training_sounds(recordings):
    low, high = add_domain.midi_range(recordings, "viola")
    assert low == pytest.approx(60, abs=0.2) and high == pytest.approx(71, abs=0.2)


@pytest.mark.slow
def test_noise_has_no_range(tmp_path):
    rng = np.random.default_rng(0)
    noise = [0.1 * rng.standard_normal(RATE).astype(np.float32) for _ in range(3)]
    assert add_domain.midi_range(_recordings(tmp_path / "noise", noise), "viola") is None


@pytest.mark.slow
def test_training_moves_nothing_but_the_new_decoder(source, recordings):
    start = add_domain.begin(source, "viola", "flute")
    training = add_domain.settings(
        100.0, seed=1, batch_size=2, crop_frames=4, warmup_steps=1, learning_rate=5e-3, precision="float32"
    )
    task = TranslationTask(recordings, start.config, training, start)
    trainer = task.trainer(task.build(), "cpu")
    found = [trainer.update(task.batch(step))["bits"] for step in range(40)]
    assert np.mean(found[-5:]) < np.mean(found[:5]) - 0.5
    for name, tensor in source.encoder.state_dict().items():
        assert torch.equal(trainer.network.encoder.state_dict()[name], tensor)
    whole = add_domain.join(source, trainer.averaged_network())
    batch = task.source.validation_batch("viola", "viola", n_crops=4)
    bits = {}
    with torch.inference_mode():
        latent = whole.encoder(batch.clean)
        for target in ("flute", "viola"):
            decoder = WaveNet(whole.config.decoder).eval()
            decoder.load_state_dict(whole.decoder_state(target))
            bits[target] = losses.bits(losses.reconstruction(decoder(batch.codes, latent), batch.codes))
    assert bits["viola"] < bits["flute"]
