"""An autoencoder of notes that begins with a translation network's decoder."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.audio import mulaw
from wavecore.errors import UsageError
from wavecore.models.encoders import EncoderConfig
from wavecore.models.translation import TranslationNetwork
from wavecore.training import nsynth_start
from wavecore.training.nsynth_start import BOUND, from_translation

HOP = 200


@pytest.fixture(scope="module")
def source(network_config):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = TranslationNetwork(network_config)
        for decoder in network.decoders.values():
            torch.nn.init.normal_(decoder.output.weight, std=0.3)
    return network.eval()


@pytest.fixture(scope="module")
def start(source, notes):
    return from_translation(source, notes, latent_channels=3, hop_length=HOP, steps=300, seed=5)


def test_sizes_are_the_source_s_but_for_latent_and_hop(start, source):
    config, old = start.network.config, source.config
    assert config.encoder == replace(old.encoder, latent_channels=3, hop_length=HOP)
    assert config.decoder == replace(old.decoder, hop_length=HOP)
    assert (config.pitch_channels, config.condition_channels) == (0, old.decoder.latent_channels)
    assert not start.network.training


def test_the_decoder_is_that_of_the_domain_that_fits_best(start, source):
    assert set(start.bits) == set(source.config.targets)
    assert start.target == min(start.bits, key=start.bits.get)
    wanted = source.decoder_state(start.target)
    found = start.network.decoder_state()
    assert found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_more_steps_miss_less(start, source, notes):
    first = from_translation(source, notes, latent_channels=3, hop_length=HOP, steps=3, seed=5)
    assert start.latent_error < 0.7 * first.latent_error and start.spectrum_error < 0.5 * first.spectrum_error


def test_the_same_seed_gives_the_same_start_and_leaves_the_source_and_the_dice_alone(source, notes):
    before = {name: tensor.clone() for name, tensor in source.state_dict().items()}
    dice = torch.random.get_rng_state()
    seen = []
    shared = {"latent_channels": 3, "hop_length": HOP, "steps": 4}
    states = [
        from_translation(source, notes, seed=seed, on_progress=lambda *done: seen.append(done), **shared).network.state_dict()
        for seed in (1, 1, 2)
    ]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["expansion.linear.weight"], states[2]["expansion.linear.weight"])
    assert all(torch.equal(tensor, before[name]) for name, tensor in source.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), dice)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)] * 3


def test_what_the_old_encoder_exaggerates_is_bounded(source, notes):
    wild = TranslationNetwork(source.config)
    wild.load_state_dict(source.state_dict())
    with torch.no_grad():  # few of the frames excite the channels, and those a thousand times
        for parameter in wild.encoder.convolutions[4].parameters():
            parameter *= 1000
    sounds = torch.from_numpy(mulaw.decode(np.array(notes.codes("train"))))
    encoder = replace(source.config.encoder, hop_length=HOP)
    spectra, wanted, spread = nsynth_start._lessons(wild, encoder, sounds)
    n_frames = sounds.shape[1] // HOP
    assert spectra.shape == (len(sounds), encoder.n_bins, n_frames + 4)
    assert wanted.shape == (len(sounds), n_frames, source.config.encoder.latent_channels)
    middle = wanted.flatten(0, 1).median(dim=0).values
    assert float(((wanted - middle).abs() / spread).max()) <= BOUND + 0.1
    # What is near the middle is kept as it is.
    small = _small(source, sounds)
    _, kept, spread = nsynth_start._lessons(source, source.config.encoder, sounds)
    near = ((small - small.flatten(0, 1).median(dim=0).values).abs() < 0.3 * spread)
    assert near.float().mean() > 0.1 and float(((kept - small)[near] / spread.expand_as(small)[near]).abs().max()) < 0.01


def _small(source, sounds):
    """The old latent of whole frames, without the silence after them."""
    hop = source.config.encoder.hop_length
    with torch.inference_mode():
        return source.encoder.encode(sounds[:, : sounds.shape[1] // hop * hop])


@pytest.mark.parametrize(
    ("changes", "latent", "hop", "message"),
    [
        ({"encoder": EncoderConfig("waveform", 4, 160, channels=4)}, 3, HOP, "with a cqt encoder, not waveform"),
        ({"shared_decoder": True}, 3, HOP, "a decoder per domain, not a shared one"),
        ({}, 3, 1000, "shorter than 16 frames of 1000"),
    ],
)
def test_what_cannot_be_started_from(network_config, notes, changes, latent, hop, message):
    network = TranslationNetwork(replace(network_config, **changes))
    with pytest.raises(UsageError, match=message):
        from_translation(network, notes, latent_channels=latent, hop_length=hop, steps=1)


def test_notes_at_another_rate_are_refused(network_config, notes):
    encoder = replace(network_config.encoder, sample_rate=32_000)
    decoder = replace(network_config.decoder, sample_rate=32_000)
    network = TranslationNetwork(replace(network_config, encoder=encoder, decoder=decoder))
    with pytest.raises(UsageError, match="16000 Hz, the model at 32000 Hz"):
        from_translation(network, notes, steps=1)
