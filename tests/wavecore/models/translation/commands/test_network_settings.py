import argparse
import json
from dataclasses import asdict, replace

import pytest
import torch

from wavecore.console import run_settings
from wavecore.errors import UsageError
from wavecore.nn.wavenet import preset
from wavecore.training.config import TrainingConfig

DOMAINS = ("whistle", "strings", "organ")


def flags(**changes) -> argparse.Namespace:
    plain = {
        "data": None,
        "preset": None,
        "encoder": None,
        "targets": None,
        "shared_decoder": False,
        "seed": None,
        "settings": [],
        "teach_encoder": False,
        "hop": None,
        "latent_channels": None,
        "latent_levels": None,
        "bottleneck": None,
        "bottleneck_context": None,
        "hearing_frames": None,
    }
    return argparse.Namespace(**(plain | changes))


@pytest.fixture
def before(network):
    config = network().config
    return {
        "network": json.loads(json.dumps(config.to_dict())),
        "training": asdict(TrainingConfig(steps=7, seed=3)),
        "data": "somewhere",
        "init": None,
    }


def test_defaults_are_small_cqt_and_a_decoder_per_domain():
    config = run_settings.network_settings(flags(), DOMAINS, None, None)
    assert config.domains == config.targets == DOMAINS and not config.shared_decoder
    assert config.decoder == preset("small") and config.encoder.kind == "cqt"
    assert (config.encoder.hop_length, config.encoder.latent_channels) == (800, 64)


def test_flags_choose_the_network():
    args = flags(preset="tiny", encoder="waveform", targets=["organ"], shared_decoder=True)
    config = run_settings.network_settings(args, DOMAINS, None, None)
    assert config.targets == ("organ",) and config.shared_decoder
    assert config.encoder.kind == "waveform" and config.encoder.hop_length == 512


def test_unknown_targets_and_presets_are_refused():
    with pytest.raises(UsageError, match="did you mean organ"):
        run_settings.network_settings(flags(targets=["orgen"]), DOMAINS, None, None)
    with pytest.raises(UsageError, match="huge"):
        run_settings.network_settings(flags(preset="huge"), DOMAINS, None, None)


def test_a_model_to_start_with_settles_the_sizes(network):
    initial = network(shared_decoder=True).config
    config = run_settings.network_settings(flags(targets=["organ"]), DOMAINS, initial, None)
    assert config == replace(initial, targets=("organ",), shared_decoder=False)
    assert run_settings.network_settings(flags(shared_decoder=True), DOMAINS, initial, None) == initial


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "small"}, "--preset small"),
        ({"encoder": "waveform"}, "cqt encoder"),
        ({"targets": ["whistle"]}, "targets: strings, organ"),
        ({"shared_decoder": True}, "no shared one"),
    ],
)
def test_flags_that_contradict_the_model_to_start_with(network, changes, message):
    with pytest.raises(UsageError, match=message):
        run_settings.network_settings(flags(**changes), DOMAINS, network().config, None)


def test_the_latent_can_be_another_one():
    config = run_settings.network_settings(flags(hop=320, latent_channels=32, latent_levels=5), DOMAINS, None, None)
    assert (config.encoder.hop_length, config.decoder.hop_length, config.encoder.latent_levels) == (320, 320, 5)
    assert config.encoder.latent_channels == config.decoder.latent_channels == 32
    assert run_settings.network_settings(flags(bottleneck="notes"), DOMAINS, None, None).encoder.bottleneck == "notes"


def test_a_taught_encoder_hears_all_domains_of_the_data(network):
    initial = network().config
    args = flags(teach_encoder=True, hop=80, targets=["organ", "whistle"])
    config = run_settings.network_settings(args, DOMAINS, initial, None)
    assert config.domains == DOMAINS and config.targets == ("organ", "whistle")
    assert config.decoder == replace(initial.decoder, hop_length=80)
    assert run_settings.network_settings(flags(teach_encoder=True), DOMAINS, initial, None).targets == initial.targets


def test_a_taught_encoder_may_have_no_bottleneck_where_the_old_one_had(network):
    initial = network().config
    notes = replace(initial, encoder=replace(initial.encoder, bottleneck="notes", bottleneck_context=3))
    kept = run_settings.network_settings(flags(teach_encoder=True), DOMAINS, notes, None).encoder
    assert (kept.bottleneck, kept.bottleneck_context) == ("notes", 3)
    free = run_settings.network_settings(flags(teach_encoder=True, bottleneck="none"), DOMAINS, notes, None).encoder
    assert (free.bottleneck, free.bottleneck_context) == ("", 0)


def test_a_latent_that_is_there_is_not_changed(network, before):
    with pytest.raises(UsageError, match="leave --hop out"):
        run_settings.network_settings(flags(hop=80), DOMAINS, network().config, None)
    with pytest.raises(UsageError, match="the run has a latent already"):
        run_settings.network_settings(flags(latent_levels=3), DOMAINS, None, before)
    with pytest.raises(UsageError, match="leave --hearing-frames out"):
        run_settings.network_settings(flags(hearing_frames=5), DOMAINS, network().config, None)


def test_a_resumed_run_keeps_its_network(network, before):
    again = flags(preset="tiny", encoder="cqt", targets=["strings", "organ"])
    for args in (flags(), again):
        assert run_settings.network_settings(args, ("other",), None, before) == network().config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "small"}, "the run"),
        ({"targets": ["organ"]}, "targets strings, organ"),
        ({"shared_decoder": True}, "per target"),
    ],
)
def test_flags_that_contradict_a_resumed_run(before, changes, message):
    with pytest.raises(UsageError, match=message):
        run_settings.network_settings(flags(**changes), DOMAINS, None, before)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("targets", [("strings", "organ"), ("organ",)])
def test_starting_from_a_shared_decoder_keeps_what_it_says(network, shared, targets):
    model = network(shared_decoder=True).eval()
    config = replace(model.config, targets=targets, shared_decoder=shared)
    started = run_settings.starting_network(model, config).eval()
    codes = torch.arange(1000)[None] % 256
    latent = torch.linspace(-1, 1, 32).view(1, 2, 16)
    with torch.no_grad():
        for target in targets:
            expected = model(codes, latent, torch.tensor([model.config.targets.index(target)]))
            found = started(codes, latent, torch.tensor([targets.index(target)]))
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_starting_from_decoders_takes_those_that_are_wanted(network):
    model = network()
    started = run_settings.starting_network(model, replace(model.config, targets=("organ",)))
    assert list(started.decoders) == ["organ"]
    for name, tensor in started.state_dict().items():
        torch.testing.assert_close(tensor, model.state_dict()[name], rtol=0, atol=0)
