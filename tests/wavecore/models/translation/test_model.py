"""The translation network: decoders, sharing, forking, the classifier."""

import pytest
import torch

from wavecore.errors import UsageError
from wavecore.models.translation.config import TranslationConfig
from wavecore.models.translation.model import DomainClassifier, TranslationNetwork
from wavecore.nn.encoders import EncoderConfig
from wavecore.nn.wavenet import WaveNet, WaveNetConfig

ENCODER = EncoderConfig("waveform", 3, 40, channels=4, dilation_cycles=1, layers_per_cycle=2)
DECODER = WaveNetConfig(1, 3, 2, 6, 5, 4, 7, latent_channels=3, hop_length=40)


def _config(**changes):
    return TranslationConfig(
        **{
            "domains": ("whistle", "flute", "organ"),
            "targets": ("flute", "organ"),
            "encoder": ENCODER,
            "decoder": DECODER,
        }
        | changes
    )


def _network(**changes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = TranslationNetwork(_config(**changes))
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


def _inputs(n_frames=3, batch=2):
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(0, 256, (batch, n_frames * 40), generator=generator)
    return codes, torch.randn(batch, n_frames, 3, generator=generator)


def test_the_configuration_survives_json():
    import json

    config = _config(shared_decoder=True)
    assert TranslationConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("index, target", [(0, "flute"), (1, "organ")])
def test_each_domain_has_its_own_decoder(index, target):
    network = _network()
    codes, latent = _inputs()
    out = network(codes, latent, torch.full((2,), index))
    assert torch.equal(out, network.decoders[target](codes, latent))


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("index, target", [(0, "flute"), (1, "organ")])
def test_decoder_state_is_a_plain_wavenet_with_the_same_output(shared, index, target):
    network = _network(shared_decoder=shared)
    codes, latent = _inputs()
    alone = WaveNet(DECODER)
    alone.load_state_dict(network.decoder_state(target))
    torch.testing.assert_close(
        alone(codes, latent), network(codes, latent, torch.full((2,), index)), rtol=1e-4, atol=1e-5
    )


def test_decoder_state_is_a_copy():
    network = _network()
    network.decoder_state("flute")["head.bias"].fill_(99)
    assert network.decoders["flute"].head.bias.max() < 99


def test_a_fork_sounds_like_the_shared_decoder_and_its_decoders_are_independent():
    network = _network(shared_decoder=True)
    fork = network.fork()
    codes, latent = _inputs()
    assert not fork.config.shared_decoder and set(fork.decoders) == {"flute", "organ"}
    for index in range(2):
        targets = torch.full((2,), index)
        torch.testing.assert_close(fork(codes, latent, targets), network(codes, latent, targets), rtol=1e-4, atol=1e-5)
    audio = torch.rand(1, 200) - 0.5
    assert torch.equal(fork.encoder.encode(audio), network.encoder.encode(audio))
    assert torch.equal(fork.classifier(latent), network.classifier(latent))
    fork.decoders["flute"].head.weight.data.zero_()
    assert fork.decoders["organ"].head.weight.any()


@pytest.mark.parametrize("shared", [False, True])
def test_a_batch_may_mix_domains(shared):
    network = _network(shared_decoder=shared)
    codes, latent = _inputs()
    mixed = network(codes, latent, torch.tensor([0, 1]))
    for row in range(2):
        alone = network(codes[row : row + 1], latent[row : row + 1], torch.tensor([row]))
        torch.testing.assert_close(mixed[row], alone[0], rtol=1e-4, atol=1e-5)


def test_mixed_rows_keep_their_order():
    network = _network()
    codes, latent = _inputs(batch=5)
    targets = torch.tensor([1, 0, 1, 1, 0])
    mixed = network(codes, latent, targets)
    for row, target in enumerate(targets):
        alone = network(codes[row : row + 1], latent[row : row + 1], target[None])
        torch.testing.assert_close(mixed[row], alone[0], rtol=1e-4, atol=1e-5)


def test_decoders_that_are_held_elsewhere_are_missing_and_said_to_be():
    network, whole = _network(), _network()
    network.hold(["organ"])
    assert list(network.decoders) == ["organ"] and network.config == whole.config
    codes, latent = _inputs()
    assert torch.equal(network(codes, latent, torch.tensor([1, 1])), whole(codes, latent, torch.tensor([1, 1])))
    with pytest.raises(UsageError, match="the decoder of 'flute' is not here; here are organ"):
        network(codes, latent, torch.tensor([1, 0]))
    with pytest.raises(UsageError, match="no decoder of flute to hold; here are organ"):
        network.hold(["flute", "organ"])
    with pytest.raises(UsageError, match="share cannot be held apart"):
        _network(shared_decoder=True).hold(["organ"])


def test_the_classifier_averages_over_frames():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier = DomainClassifier(3, 8, 4)
    latent = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    frames = torch.stack([classifier(latent[:, f : f + 1]) for f in range(5)])
    torch.testing.assert_close(classifier(latent), frames.mean(0))


def test_requests_that_make_no_sense_are_refused():
    network = _network()
    with pytest.raises(UsageError, match="no domain 'whistle'.*flute, organ"):
        network.decoder_state("whistle")
    with pytest.raises(UsageError, match="already"):
        network.fork()
    with pytest.raises(UsageError, match="kazoo"):
        _config(targets=("kazoo",))
    with pytest.raises(UsageError, match="distinct"):
        _config(domains=("flute", "flute"), targets=("flute",))
    with pytest.raises(UsageError, match="hop_length: 40 and 41"):
        _config(decoder=WaveNetConfig(1, 3, 2, 6, 5, 4, 7, latent_channels=3, hop_length=41))
