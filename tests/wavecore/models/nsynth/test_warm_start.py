"""An autoencoder of notes that starts with a translation network's decoder, or with its own."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.audio import mulaw
from wavecore.errors import UsageError
from wavecore.models.nsynth import pretrain_encoder
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.models.nsynth.warm_start import BOUND, BoundedLatents, from_translation, with_pretrained_encoder
from wavecore.models.translation.model import TranslationNetwork
from wavecore.nn.config import EncoderConfig, WaveNetConfig

HOP = 200


@pytest.fixture(scope="module", autouse=True)
def small_batches():
    """Pretrain on fewer crops a step, faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrain_encoder, "BATCH", 8)
        patch.setattr(pretrain_encoder, "LEARNING_RATE", 3e-3)
        yield


def build(network_class, config, *, seed=3):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return network_class(config).eval()


@pytest.fixture(scope="module")
def source(network_config):
    network = build(TranslationNetwork, network_config)
    for decoder in network.decoders.values():
        torch.nn.init.normal_(decoder.output.weight, std=0.3, generator=torch.Generator().manual_seed(1))
    return network


@pytest.fixture(scope="module")
def start(source, notes):
    return from_translation(source, notes, latent_channels=3, hop_length=HOP, steps=100, seed=5)


@pytest.fixture(scope="module")
def autoencoder():
    encoder = EncoderConfig("cqt", 3, HOP, channels=12, n_bins=96, fmin_hz=130.8)
    decoder = WaveNetConfig(1, 3, 2, 4, 4, 4, 8, latent_channels=5, hop_length=HOP)
    network = build(NSynthNetwork, NSynthConfig(encoder, decoder, condition_channels=5), seed=6)
    torch.nn.init.normal_(network.decoder.output.weight, std=0.3, generator=torch.Generator().manual_seed(1))
    return network


def same_state(one, other):
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.slow
def test_sizes_are_the_source_s_but_for_latent_and_hop(start, source):
    config, old = start.network.config, source.config
    assert config.encoder == replace(old.encoder, latent_channels=3, hop_length=HOP)
    assert config.decoder == replace(old.decoder, hop_length=HOP)
    assert (config.pitch_channels, config.condition_channels) == (0, old.decoder.latent_channels)
    assert not start.network.training


@pytest.mark.slow
def test_the_decoder_is_that_of_the_domain_that_fits_best(start, source):
    assert set(start.bits) == set(source.config.targets)
    assert start.target == min(start.bits, key=start.bits.get)
    expected, found = source.decoder_state(start.target), start.network.decoder_state()
    assert found.keys() == expected.keys() and same_state(found, expected)


@pytest.mark.slow
def test_seed_and_steps_decide_and_the_source_and_the_caller_s_generator_stay(start, source, notes):
    before = {name: tensor.clone() for name, tensor in source.state_dict().items()}
    generator, reports = torch.random.get_rng_state(), []
    options = {"latent_channels": 3, "hop_length": HOP, "steps": 3, "on_progress": lambda *done: reports.append(done)}
    first, again, other = (from_translation(source, notes, seed=seed, **options) for seed in (5, 5, 2))
    assert same_state(first.network.state_dict(), again.network.state_dict())
    assert not torch.equal(first.network.expansion.linear.weight, other.network.expansion.linear.weight)
    assert same_state(source.state_dict(), before) and torch.equal(torch.random.get_rng_state(), generator)
    assert reports == [(1, 3), (2, 3), (3, 3)] * 3
    assert start.errors.condition < 0.7 * first.errors.condition
    assert start.errors.spectrum < 0.5 * first.errors.spectrum


@pytest.mark.slow
def test_a_source_whose_latent_is_decisions_about_frames_around(network_config, notes):
    encoder = replace(network_config.encoder, bottleneck="notes", bottleneck_context=3, hearing_frames=4)
    source = build(TranslationNetwork, replace(network_config, encoder=encoder))
    torch.nn.init.normal_(source.encoder.bottleneck.following[-1].weight, generator=torch.Generator().manual_seed(1))
    start = from_translation(source, notes, latent_channels=3, hop_length=HOP, steps=40, seed=5)
    config = start.network.config.encoder
    assert (config.bottleneck, config.bottleneck_context, config.hearing_frames) == ("", 0, 2)
    assert all(np.isfinite(bits) for bits in start.bits.values())
    assert start.errors.condition < 3.0  # in units of the conditionings' own spread


def test_a_channel_that_is_mostly_constant_keeps_its_spread():
    rare = torch.zeros(40, 5, 8)
    rare[::4, 0] = 3.0
    latents = BoundedLatents(lambda spectra: spectra.transpose(1, 2)[..., :2], rare)
    assert latents.middle.tolist() == [0.0, 0.0] and (latents.spread > 0).all()
    assert latents.spread[0] > 1.0, "the median deviation is zero"
    assert torch.isfinite(latents(rare)).all() and latents(rare)[0, 0, 0] > 2.5


def test_latents_of_unusual_spectra_are_bounded(source, notes):
    sounds = torch.from_numpy(mulaw.decode(np.array(notes.codes("train"))))
    margin = source.config.encoder.hop_length * source.encoder.context_frames
    with torch.no_grad():
        spectra = source.encoder.spectrum(torch.nn.functional.pad(sounds, (margin, margin)))
        latents = BoundedLatents(source.encoder.encode_spectrum, spectra)
        middle, spread = latents.middle, latents.spread
        free, wild = (source.encoder.encode_spectrum(x) for x in (spectra, 20 * spectra))
        assert torch.equal(middle, free.flatten(0, 1).median(dim=0).values)
        assert float(((wild - middle).abs() / spread).max()) > 2 * BOUND
        bounded = latents(20 * spectra)
        assert bounded.shape == (len(sounds), spectra.shape[2] - 4, source.config.encoder.latent_channels)
        assert float(((bounded - middle).abs() / spread).max()) <= BOUND + 1e-4
        difference, near = (latents(spectra) - free).abs() / spread, (free - middle).abs() < 0.3 * spread
    assert near.float().mean() > 0.1 and float(difference[near].max()) < 0.01, "near the middle nothing changes"


@pytest.mark.slow
def test_an_encoder_is_pretrained_and_its_decoder_kept(autoencoder, notes):
    before = {name: tensor.clone() for name, tensor in autoencoder.state_dict().items()}
    generator = torch.random.get_rng_state()
    network, errors = with_pretrained_encoder(autoencoder, notes, steps=300, seed=1)
    (few, first), (again, _) = (with_pretrained_encoder(autoencoder, notes, steps=2, seed=1) for _ in range(2))
    assert errors.pitch < first.pitch and errors.spectrum < first.spectrum
    assert same_state(few.state_dict(), again.state_dict()) and same_state(autoencoder.state_dict(), before)
    state = network.state_dict()
    same = {name for name in state if torch.equal(state[name], before[name])}
    assert {name for name in state if name.startswith("decoder.")} <= same
    assert not any(name.startswith("encoder.convolutions") for name in same)
    assert not network.training and torch.equal(torch.random.get_rng_state(), generator)
    sounds = torch.from_numpy(mulaw.decode(np.array(notes.codes("valid"))))
    with torch.no_grad():
        old, new = (each.condition(each.encoder.encode(sounds)).flatten(0, 1) for each in (autoencoder, network))
    assert float((new - old).square().mean()) < 0.5 * float(old.var(dim=0).mean()), "near what the decoder knows"


@pytest.mark.slow
def test_an_oscillator_is_added_to_a_decoder(autoencoder, notes):
    before, generator = dict(autoencoder.state_dict()), torch.random.get_rng_state()
    (network, errors), (again, _), (other, _) = (
        with_pretrained_encoder(autoencoder, notes, harmonics=3, steps=2, seed=seed) for seed in (0, 0, 1)
    )
    decoder = replace(autoencoder.config.decoder, latent_channels=5 + 6, hop_length=1)
    assert network.config == replace(autoencoder.config, decoder=decoder, harmonics=3)
    assert errors.pitch == 0 and errors.levels > 0
    state = network.state_dict()
    assert same_state(again.state_dict(), state) and not same_state(other.state_dict(), state)
    assert torch.equal(torch.random.get_rng_state(), generator) and not network.training
    widened = 0
    for name, tensor in before.items():
        if name.startswith("decoder."):
            widened += state[name].shape != tensor.shape
            assert torch.equal(state[name][: len(tensor)] if tensor.ndim else state[name], tensor), name
    assert widened == autoencoder.config.decoder.n_layers + 1  # every layer's map from the conditioning, and the head's


@pytest.mark.slow
def test_timbre_alone_leads_to_what_the_decoder_knows(autoencoder, notes):
    sounds = torch.from_numpy(mulaw.decode(np.array(notes.codes("train"))))
    midi = torch.tensor([[float(note.pitch)] for note in notes.notes("train")])
    distances, levels_db = [], []
    for steps in (2, 400):
        network, errors = with_pretrained_encoder(autoencoder, notes, harmonics=2, steps=steps, seed=1)
        with torch.no_grad():
            old = autoencoder.condition(autoencoder.encoder.encode(sounds)).flatten(0, 1)
            new = network.expand(network.encode(sounds, midi)).flatten(0, 1)
        distances.append(float((new - old).square().mean()) / float(old.var(dim=0).mean()))
        levels_db.append(errors.levels)
    assert distances[1] < 0.5 * distances[0] and distances[1] < 0.5
    assert levels_db[1] < 0.5 * levels_db[0]


@pytest.mark.parametrize(
    ("kind", "config", "harmonics", "offending"),
    [
        ("waveform", {}, 0, "waveform"),
        ("cqt", {"pitch_channels": 2}, 0, "pitch"),
        ("cqt", {"condition_channels": 5}, -1, "-1"),
        ("cqt", {"condition_channels": 5}, 65, "65"),
        ("cqt", {}, 2, "condition_channels"),
        ("cqt", {"harmonics": 1, "condition_channels": 5}, 2, "pitch"),
    ],
)
def test_encoders_that_cannot_be_pretrained(notes, kind, config, harmonics, offending):
    encoder = EncoderConfig(kind, 3, HOP, channels=4, n_bins=96, fmin_hz=130.8, dilation_cycles=1, layers_per_cycle=2)
    channels = config.get("condition_channels", 3 + config.get("pitch_channels", 0)) + 2 * config.get("harmonics", 0)
    hop = 1 if "harmonics" in config else HOP
    decoder = WaveNetConfig(1, 3, 2, 4, 4, 4, 8, latent_channels=channels, hop_length=hop)
    network = NSynthNetwork(NSynthConfig(encoder, decoder, **config))
    with pytest.raises(UsageError, match=offending):
        with_pretrained_encoder(network, notes, harmonics=harmonics, steps=1)


@pytest.mark.parametrize(
    ("changes", "hop", "offending"),
    [
        ({"encoder": EncoderConfig("waveform", 4, 160, channels=4)}, HOP, "waveform"),
        ({"shared_decoder": True}, HOP, "shared"),
        ({}, 1000, "12 frames of 1000"),
    ],
)
def test_sources_that_cannot_be_started_from(network_config, notes, changes, hop, offending):
    network = TranslationNetwork(replace(network_config, **changes))
    with pytest.raises(UsageError, match=offending):
        from_translation(network, notes, latent_channels=3, hop_length=hop, steps=1)


def test_notes_at_another_rate_are_refused(source, autoencoder, make_notes, tmp_path):
    fast = make_notes(tmp_path / "fast", sample_rate=32_000)
    for begin, network in ((with_pretrained_encoder, autoencoder), (from_translation, source)):
        with pytest.raises(UsageError, match="32000 Hz.*16000 Hz"):
            begin(network, fast, steps=1)
