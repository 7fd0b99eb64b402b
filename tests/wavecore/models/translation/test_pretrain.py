"""An encoder is pretrained on notes and against the domain; decoders are refitted or start from the nearest."""

import functools
import math
from dataclasses import astuple, replace

import pytest
import torch

from wavecore.errors import UsageError
from wavecore.models.translation import pretrain as pretraining
from wavecore.models.translation import pretrain_data
from wavecore.models.translation.config import TranslationTrainingConfig
from wavecore.models.translation.model import TranslationNetwork
from wavecore.models.translation.pretrain import PretrainingConfig, pretrain, refit, with_pretrained_encoder
from wavecore.models.translation.pretrain_data import collect
from wavecore.nn.wavenet import WaveNet
from wavecore.training.task import build_network

DRAW = pretrain_data.draw


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Let a step take fewer crops, and the measures be the means over fewer steps."""

    def take(n_crops):
        monkeypatch.setattr(pretrain_data, "draw", functools.partial(DRAW, n_crops=n_crops))

    monkeypatch.setattr(pretraining, "RECENT_STEPS", 25)
    take(16)
    return take


@pytest.mark.slow
def test_an_encoder_is_trained_on_the_notes_and_against_the_domain(pretraining_data, encoder):
    before = [parameter.clone() for parameter in encoder.parameters()]
    measures = pretrain(encoder, pretraining_data, PretrainingConfig(steps=200, moved=0.0))
    assert any(not torch.equal(a, b) for a, b in zip(before, encoder.parameters(), strict=True))
    assert measures.notes_f1 > 0.8
    assert measures.apart < 0.6
    assert measures.weight is None and measures.condition == 0.0


@pytest.mark.slow
def test_the_known_latent_is_predicted(dataset, encoder, known):
    data = collect(dataset, encoder, known=known, known_domains=("flute", "organ"))
    measures = pretrain(encoder, data, PretrainingConfig(steps=200, moved=0.0))
    assert measures.weight.shape == (6, 4) and measures.bias.shape == (4,)
    assert measures.condition < 0.9


@pytest.mark.slow
def test_a_pretraining_repeats_and_leaves_torch_s_generator_alone(pretraining_data, new_encoder):
    state, results = torch.get_rng_state(), []
    for _ in range(2):
        encoder = new_encoder(seed=5)
        measures = pretrain(encoder, pretraining_data, PretrainingConfig(steps=5), seed=1)
        results.append((astuple(measures), [p.clone() for p in encoder.parameters()]))
    assert results[0][0] == results[1][0]
    assert all(torch.equal(a, b) for a, b in zip(results[0][1], results[1][1], strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_without_steps_nothing_is_measured(pretraining_data, encoder):
    assert math.isnan(pretrain(encoder, pretraining_data, PretrainingConfig(steps=0)).notes_f1)


@pytest.mark.slow
def test_an_encoder_with_a_bottleneck_of_notes_predicts_them_itself(dataset, new_encoder, known):
    encoder = new_encoder(channels=24, bottleneck="notes")
    data = collect(dataset, encoder, known=known, known_domains=("flute", "organ"))
    measures = pretrain(encoder, data, PretrainingConfig(steps=200, moved=0.0))
    assert measures.notes_f1 > 0.8 and measures.apart < 0.6
    assert measures.weight.shape == (4, 4)


@pytest.mark.slow
def test_a_rounded_latent_is_pretrained(pretraining_data, new_encoder):
    encoder = new_encoder(latent_channels=6, channels=24, latent_levels=5)
    measures = pretrain(encoder, pretraining_data, PretrainingConfig(steps=40, moved=0.0))
    assert math.isfinite(measures.notes_f1) and 0 <= measures.apart < 2


def test_long_kernels_have_a_lower_learning_rate_and_frozen_weights_none(dataset, new_encoder):
    encoder = new_encoder(bottleneck="notes", hearing_frames=6)
    encoder.bottleneck.embedding.requires_grad_(False)
    trainer = pretraining._Pretrainer(encoder, collect(dataset, encoder), PretrainingConfig(), seed=0)
    rates = {id(parameter): group["lr"] for group in trainer.optimizer.param_groups for parameter in group["params"]}
    wide = encoder.convolutions[2].weight
    assert wide.shape[2] == 11 and rates[id(wide)] == pytest.approx(pretraining.LEARNING_RATE * 3 / 11)
    assert rates[id(encoder.convolutions[0].weight)] == pretraining.LEARNING_RATE
    assert id(encoder.bottleneck.embedding.weight) not in rates
    assert sum(len(group["params"]) for group in trainer.optimizer.param_groups) == len(rates)


@pytest.mark.slow
def test_without_their_weights_the_losses_of_the_domain_have_no_effect(pretraining_data, new_encoder, small_batches):
    small_batches(12)
    default, free = (
        pretrain(new_encoder(seed=5), pretraining_data, PretrainingConfig(steps=200, moved=0.0, changed=0.0, **weights))
        for weights in ({}, {"apart": 0.0, "confusion": 0.0})
    )
    assert free.apart > default.apart
    assert free.adversary > default.adversary + 0.05


@pytest.fixture
def wider(network_config):
    """A configuration with finer frames, a narrower latent, one target more."""
    latent = {"hop_length": 80, "latent_channels": 3}
    encoder, decoder = (replace(part, **latent) for part in (network_config.encoder, network_config.decoder))
    return replace(network_config, targets=("flute", "organ", "whistle"), encoder=encoder, decoder=decoder)


def start(source, dataset, config, steps=2, **options):
    return with_pretrained_encoder(source, dataset, config, settings=PretrainingConfig(steps=steps), seed=3, **options)


def test_a_refitted_decoder_takes_the_new_latent_for_the_old_one(random_network):
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(3, 4, generator=generator), torch.randn(4, generator=generator)
    state = random_network.decoder_state("organ")
    before = {name: tensor.clone() for name, tensor in state.items()}
    config = random_network.config.decoder
    old, new = WaveNet(config), WaveNet(replace(config, latent_channels=3))
    old.load_state_dict(state)
    new.load_state_dict(refit(state, weight, bias, n_layers=config.n_layers))
    assert all(torch.equal(state[name], tensor) for name, tensor in before.items())
    codes = torch.randint(256, (2, 400), generator=generator)
    latent = torch.randn(2, 3, 3, generator=generator)
    with torch.no_grad():
        assert torch.allclose(new(codes, latent), old(codes, latent @ weight + bias), atol=1e-4)


@pytest.mark.slow
def test_decoders_of_another_latent_are_refitted(random_network, dataset, wider):
    begun = start(random_network, dataset, wider, steps=10)
    network, measures = begun.network, begun.pretrained
    assert network.config == wider
    assert begun.origins["flute"] == "flute" and begun.origins["organ"] == "organ"
    assert begun.origins["whistle"] in ("flute", "organ")
    for target, origin in begun.origins.items():
        old = random_network.decoder_state(origin)
        state = refit(old, measures.weight, measures.bias, n_layers=wider.decoder.n_layers)
        assert all(torch.equal(state[name], tensor) for name, tensor in network.decoders[target].state_dict().items())


@pytest.mark.slow
def test_decoders_of_the_same_code_stay_as_they_are(dataset, wider):
    """The code of a bottleneck is the same whatever the size of the encoder before it."""
    notes = replace(wider, encoder=replace(wider.encoder, bottleneck="notes"))
    source = build_network(TranslationNetwork, notes, seed=5).eval()
    larger = replace(notes, encoder=replace(notes.encoder, hearing_frames=4, bottleneck_context=2))
    begun = start(source, dataset, larger)
    network = begun.network
    assert begun.pretrained.weight is None
    assert torch.equal(network.encoder.bottleneck.embedding.weight, source.encoder.bottleneck.embedding.weight)
    assert all(parameter.requires_grad for parameter in network.encoder.parameters())
    for target in ("flute", "organ"):
        for name, tensor in network.decoders[target].state_dict().items():
            assert torch.equal(tensor, source.decoder_state(target)[name])
    torch.nn.init.normal_(network.encoder.bottleneck.following[-1].weight)
    again = start(network, dataset, replace(larger, targets=("flute",)), steps=1).network
    for name, tensor in network.encoder.bottleneck.state_dict().items():
        assert torch.equal(again.encoder.bottleneck.state_dict()[name], tensor)
    # Decoders with a context do not know the latent without one, and a free latent is another code.
    for other in (notes, wider):
        assert start(network, dataset, replace(other, targets=("flute",)), steps=1).pretrained.weight is not None


@pytest.mark.slow
def test_without_another_network_the_decoders_are_new(dataset, wider):
    progress = []
    begun = start(None, dataset, wider, steps=3, on_progress=lambda *done: progress.append(done))
    assert begun.origins == {} and begun.pretrained.weight is None and progress == [(1, 3), (2, 3), (3, 3)]
    fresh = build_network(TranslationNetwork, wider, seed=3)
    assert begun.network.decoders["organ"].head.weight.equal(fresh.decoders["organ"].head.weight)
    assert not begun.network.encoder.convolutions[0].weight.equal(fresh.encoder.convolutions[0].weight)


def test_networks_that_do_not_fit_are_refused(random_network, dataset, wider):
    others = (
        replace(wider, decoder=replace(wider.decoder, residual_channels=16)),
        replace(wider, shared_decoder=True),
        replace(wider, encoder=replace(wider.encoder, kind="waveform")),
    )
    for other, name in zip(others, ("--preset", "shared", "--encoder cqt"), strict=True):
        with pytest.raises(UsageError, match=name):
            start(random_network, dataset, other)


@pytest.mark.parametrize(
    ("training", "changes"),
    [
        ({"paired_probability": 0.8}, {}),
        ({"pretraining_steps": 7}, {"steps": 7, "apart": 0.0}),
        ({"confusion_weight": 0.0}, {"apart": 0.0, "confusion": 0.0}),
        ({"confusion_weight": 0.1}, {"apart": 0.0, "confusion": pytest.approx(3.0)}),
        ({"transpose_semitones": 0.0}, {"apart": 0.0}),
        ({"transpose_semitones": 0.0, "glide_probability": 0.0}, {"apart": 0.0, "moved": 0.0}),
        ({"augment_probability": 0.0}, {"apart": 0.0}),
        ({"augment_probability": 0.0, "noise_probability": 0.0}, {"apart": 0.0, "changed": 0.0}),
    ],
)
def test_what_a_run_leaves_out_its_pretraining_leaves_out(training, changes):
    settings = PretrainingConfig.for_training(TranslationTrainingConfig(**training))
    assert vars(settings) == vars(PretrainingConfig()) | changes
