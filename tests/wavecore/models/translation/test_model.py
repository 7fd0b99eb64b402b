"""The translation network: decoders, sharing, forking, the classifier."""

import pytest
import torch

from wavecore.errors import UsageError
from wavecore.models.translation.config import TranslationConfig
from wavecore.models.translation.model import DomainClassifier, TranslationNetwork
from wavecore.nn.config import EncoderConfig, WaveNetConfig
from wavecore.nn.wavenet import WaveNet

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


def test_a_fork_generates_as_the_shared_decoder_and_its_decoders_are_independent():
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
def test_a_batch_may_mix_domains_in_any_order(shared):
    network = _network(shared_decoder=shared)
    codes, latent = _inputs(batch=5)
    targets = torch.tensor([1, 0, 1, 1, 0])
    mixed = network(codes, latent, targets)
    for row, target in enumerate(targets):
        alone = network(codes[row : row + 1], latent[row : row + 1], target[None])
        torch.testing.assert_close(mixed[row], alone[0], rtol=1e-4, atol=1e-5)


def test_dropped_decoders_are_missing():
    network, whole = _network(), _network()
    network.keep_decoders(["organ"])
    assert list(network.decoders) == network.trained_here() == ["organ"] and network.config == whole.config
    codes, latent = _inputs()
    assert torch.equal(network(codes, latent, torch.tensor([1, 1])), whole(codes, latent, torch.tensor([1, 1])))
    with pytest.raises(UsageError, match="'flute'.*organ"):
        network(codes, latent, torch.tensor([1, 0]))
    with pytest.raises(UsageError, match="flute"):
        network.keep_decoders(["flute", "organ"])
    with pytest.raises(UsageError, match="organ.*shared"):
        _network(shared_decoder=True).keep_decoders(["organ"])


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("targets", [("flute", "organ"), ("organ",)])
def test_some_targets_of_a_shared_decoder_generate_the_same(shared, targets):
    network = _network(shared_decoder=True)
    other = network.with_targets(_config(targets=targets, shared_decoder=shared))
    codes, latent = _inputs()
    for index, target in enumerate(targets):
        before = network(codes, latent, torch.full((2,), network.config.targets.index(target)))
        after = other(codes, latent, torch.full((2,), index))
        torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)


def test_some_targets_keep_their_decoders():
    network = _network()
    other = network.with_targets(_config(targets=("organ",)))
    assert list(other.decoders) == ["organ"]
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in other.state_dict().items())


def test_the_classifier_averages_over_frames():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier = DomainClassifier(3, 8, 4)
    latent = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    frames = torch.stack([classifier(latent[:, f : f + 1]) for f in range(5)])
    torch.testing.assert_close(classifier(latent), frames.mean(0))


def test_requests_that_make_no_sense_are_refused():
    network = _network()
    with pytest.raises(UsageError, match="whistle.*flute, organ"):
        network.decoder_state("whistle")
    with pytest.raises(UsageError):
        network.fork()
    with pytest.raises(UsageError, match="kazoo"):
        _config(targets=("kazoo",))
    with pytest.raises(UsageError, match="flute"):
        _config(domains=("flute", "flute"), targets=("flute",))
    with pytest.raises(UsageError, match="hop_length: 40 and 41"):
        _config(decoder=WaveNetConfig(1, 3, 2, 6, 5, 4, 7, latent_channels=3, hop_length=41))
