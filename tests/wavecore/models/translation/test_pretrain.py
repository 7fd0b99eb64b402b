"""An encoder is taught notes, and to forget the instrument, without a decoder."""

import math
from dataclasses import astuple, replace

import pytest
import torch

from wavecore.models.translation import pretrain_encoder
from wavecore.models.translation.pretrain_data import collect
from wavecore.models.translation.pretrain_encoder import LessonConfig, teach
from wavecore.nn.encoders import build_encoder


def test_an_encoder_learns_the_notes_and_forgets_the_domain(lessons, encoder):
    before = [parameter.clone() for parameter in encoder.parameters()]
    found = teach(encoder, lessons, LessonConfig(steps=200, moved=0.0))
    assert any(not torch.equal(a, b) for a, b in zip(before, encoder.parameters(), strict=True))
    assert found.notes_f1 > 0.8
    assert found.apart < 0.6
    assert found.weight is None and found.condition == 0.0


def test_the_way_to_the_latent_that_decoders_know(dataset, encoder, known):
    lessons = collect(dataset, encoder, known=known, known_domains=("flute", "organ"))
    found = teach(encoder, lessons, LessonConfig(steps=300, moved=0.0))
    assert found.weight.shape == (6, 4) and found.bias.shape == (4,)
    assert found.condition < 0.9


def test_lessons_are_repeatable_and_leave_torch_s_generator_alone(lessons, network_config):
    state, results = torch.get_rng_state(), []
    for _ in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(5)
            encoder = build_encoder(network_config.encoder)
        results.append(
            (astuple(teach(encoder, lessons, LessonConfig(steps=5), seed=1)), [p.clone() for p in encoder.parameters()])
        )
    assert results[0][0] == results[1][0]
    assert all(torch.equal(a, b) for a, b in zip(results[0][1], results[1][1], strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_no_steps_teach_nothing(lessons, encoder):
    assert math.isnan(teach(encoder, lessons, LessonConfig(steps=0)).notes_f1)


def test_an_encoder_with_a_bottleneck_of_notes_answers_itself(dataset, network_config, known):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = build_encoder(replace(network_config.encoder, latent_channels=4, channels=24, bottleneck="notes"))
    lessons = collect(dataset, encoder, known=known, known_domains=("flute", "organ"))
    found = teach(encoder, lessons, LessonConfig(steps=200, moved=0.0))
    assert found.notes_f1 > 0.8 and found.apart < 0.6
    assert found.weight.shape == (4, 4)


def test_a_latent_that_is_rounded_is_taught(dataset, network_config):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = build_encoder(replace(network_config.encoder, latent_channels=6, channels=24, latent_levels=5))
    found = teach(encoder, collect(dataset, encoder), LessonConfig(steps=60, moved=0.0))
    assert math.isfinite(found.notes_f1) and 0 <= found.apart < 2


def test_who_sums_more_weights_moves_each_less(dataset, network_config):
    config = replace(network_config.encoder, bottleneck="notes", hearing_frames=6)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = build_encoder(config)
    encoder.bottleneck.embedding.requires_grad_(False)
    school = pretrain_encoder._School(encoder, collect(dataset, encoder), LessonConfig(), seed=0)
    rates = {id(parameter): group["lr"] for group in school.optimizer.param_groups for parameter in group["params"]}
    wide = encoder.convolutions[2].weight
    assert wide.shape[2] == 11 and rates[id(wide)] == pytest.approx(pretrain_encoder.LEARNING_RATE * 3 / 11)
    assert rates[id(encoder.convolutions[0].weight)] == pretrain_encoder.LEARNING_RATE
    assert id(encoder.bottleneck.embedding.weight) not in rates
    assert sum(len(group["params"]) for group in school.optimizer.param_groups) == len(rates)


def test_what_counts_nothing_is_not_learnt(lessons, network_config):
    """Where the domain need not be forgotten, latents stay apart, and a classifier tells them."""
    found = {}
    for name, other in (("usual", {}), ("free", {"apart": 0.0, "confusion": 0.0})):
        with torch.random.fork_rng():
            torch.manual_seed(5)
            encoder = build_encoder(network_config.encoder)
        found[name] = teach(encoder, lessons, LessonConfig(steps=200, moved=0.0, changed=0.0, **other))
    assert found["free"].apart > found["usual"].apart
    assert found["free"].adversary > found["usual"].adversary + 0.05
