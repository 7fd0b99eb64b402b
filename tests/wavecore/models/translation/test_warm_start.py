"""A network with a taught encoder: decoders refitted, new domains like their nearest."""

from dataclasses import replace

import pytest
import torch

from wavecore.errors import UsageError
from wavecore.models.translation.config import TranslationTrainingConfig
from wavecore.models.translation.model import TranslationNetwork
from wavecore.models.translation.pretrain_encoder import LessonConfig
from wavecore.models.translation.warm_start import lessons_like, refit, with_taught_encoder
from wavecore.nn.wavenet import WaveNet


@pytest.fixture
def wanted(network_config):
    """Finer frames, a narrower latent, one target more."""
    latent = {"hop_length": 80, "latent_channels": 3}
    return replace(
        network_config, targets=("flute", "organ", "whistle"),
        encoder=replace(network_config.encoder, **latent), decoder=replace(network_config.decoder, **latent),
    )  # fmt: skip


def test_a_refitted_decoder_says_of_a_latent_what_the_old_one_says_of_what_it_leads_to(speaking_network):
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(3, 4, generator=generator), torch.randn(4, generator=generator)
    state = speaking_network.decoder_state("organ")
    before = {name: tensor.clone() for name, tensor in state.items()}
    config = speaking_network.config.decoder
    old, new = WaveNet(config), WaveNet(replace(config, latent_channels=3))
    old.load_state_dict(state)
    new.load_state_dict(refit(state, weight, bias, n_layers=config.n_layers))
    assert all(torch.equal(state[name], tensor) for name, tensor in before.items())
    codes = torch.randint(256, (2, 400), generator=generator)
    latent = torch.randn(2, 3, 3, generator=generator)
    with torch.no_grad():
        assert torch.allclose(new(codes, latent), old(codes, latent @ weight + bias), atol=1e-4)


def test_a_network_starts_from_another_one(speaking_network, dataset, wanted):
    start = with_taught_encoder(speaking_network, dataset, wanted, how=LessonConfig(steps=20), seed=3)
    network = start.network
    assert network.config == wanted
    assert start.origins["flute"] == "flute" and start.origins["organ"] == "organ"
    assert start.origins["whistle"] in ("flute", "organ")
    state = refit(
        speaking_network.decoder_state("organ"),
        start.taught.weight,
        start.taught.bias,
        n_layers=wanted.decoder.n_layers,
    )
    assert all(torch.equal(state[name], tensor) for name, tensor in network.decoders["organ"].state_dict().items())
    assert (
        network.decoders["whistle"]
        .layers[1]
        .filter.weight.equal(speaking_network.decoders[start.origins["whistle"]].layers[1].filter.weight)
    )


def test_decoders_of_the_same_code_go_on_unchanged(dataset, wanted):
    """Whatever decides, and by hearing how much: what a decision is called stays."""
    notes = replace(wanted, encoder=replace(wanted.encoder, bottleneck="notes"))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        source = TranslationNetwork(notes).eval()
    wider = replace(notes, encoder=replace(notes.encoder, hearing_frames=4, bottleneck_context=2))
    start = with_taught_encoder(source, dataset, wider, how=LessonConfig(steps=5), seed=3)
    network = start.network
    assert start.taught.weight is None
    embedding = network.encoder.bottleneck.embedding
    assert torch.equal(embedding.weight, source.encoder.bottleneck.embedding.weight)
    assert all(parameter.requires_grad for parameter in network.encoder.parameters())
    for target in ("flute", "organ"):
        for name, tensor in network.decoders[target].state_dict().items():
            assert torch.equal(tensor, source.decoder_state(target)[name])
    torch.nn.init.normal_(network.encoder.bottleneck.following[-1].weight)
    again = with_taught_encoder(
        network, dataset, replace(wider, targets=("flute",)), how=LessonConfig(steps=2), seed=3
    ).network
    for name, tensor in network.encoder.bottleneck.state_dict().items():
        assert torch.equal(again.encoder.bottleneck.state_dict()[name], tensor), (
            "what follows the decisions stays as well"
        )
    narrower = with_taught_encoder(
        network, dataset, replace(notes, targets=("flute",)), how=LessonConfig(steps=2), seed=3
    )
    assert narrower.taught.weight is not None, "decoders that knew of the frames around do not know the plain latent"
    other = with_taught_encoder(
        network, dataset, replace(wanted, targets=("flute",)), how=LessonConfig(steps=2), seed=3
    )
    assert other.taught.weight is not None, "a free latent is another code"


def test_without_another_one_the_decoders_are_new(dataset, wanted):
    start = with_taught_encoder(None, dataset, wanted, how=LessonConfig(steps=3), seed=3)
    assert start.origins == {} and start.taught.weight is None
    with torch.random.fork_rng():
        torch.manual_seed(3)
        fresh = type(start.network)(wanted)
    assert start.network.decoders["organ"].head.weight.equal(fresh.decoders["organ"].head.weight)
    assert not start.network.encoder.convolutions[0].weight.equal(fresh.encoder.convolutions[0].weight)


def test_progress_is_told(dataset, wanted):
    told = []
    with_taught_encoder(None, dataset, wanted, how=LessonConfig(steps=3), on_progress=lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_what_does_not_fit_is_refused(speaking_network, dataset, wanted):
    other = replace(wanted, decoder=replace(wanted.decoder, residual_channels=16))
    with pytest.raises(UsageError, match="other sizes"):
        with_taught_encoder(speaking_network, dataset, other)
    with pytest.raises(UsageError, match="no shared one"):
        with_taught_encoder(speaking_network, dataset, replace(wanted, shared_decoder=True))
    waveform = replace(wanted, encoder=replace(wanted.encoder, kind="waveform"))
    with pytest.raises(UsageError, match="constant-Q"):
        with_taught_encoder(speaking_network, dataset, waveform)


def test_what_a_run_leaves_out_its_lessons_leave_out():
    usual = LessonConfig()
    assert lessons_like(TranslationTrainingConfig(paired_probability=0.8)) == usual
    assert lessons_like(TranslationTrainingConfig(pretraining_steps=7)) == replace(usual, steps=7, apart=0.0)
    assert lessons_like(TranslationTrainingConfig(confusion_weight=0.0)).confusion == 0.0
    assert lessons_like(TranslationTrainingConfig(confusion_weight=0.1)).confusion == pytest.approx(
        10 * usual.confusion
    )
    assert lessons_like(TranslationTrainingConfig(transpose_semitones=0.0)).moved == usual.moved
    assert lessons_like(TranslationTrainingConfig(transpose_semitones=0.0, glide_probability=0.0)).moved == 0.0
    assert lessons_like(TranslationTrainingConfig(augment_probability=0.0)).changed == usual.changed
    assert lessons_like(TranslationTrainingConfig(augment_probability=0.0, noise_probability=0.0)).changed == 0.0
