"""An autoencoder of notes that begins with a translation network's decoder."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.audio import mulaw
from wavecore.errors import UsageError
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.models.nsynth.warm_start import BOUND, BoundedLatents, from_translation, with_taught_encoder
from wavecore.models.translation.model import TranslationNetwork
from wavecore.nn.encoders import EncoderConfig
from wavecore.nn.wavenet import WaveNetConfig

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
    assert start.missed.condition < 0.7 * first.missed.condition and start.missed.spectrum < 0.5 * first.missed.spectrum


def test_the_same_seed_gives_the_same_start_and_leaves_the_source_and_the_dice_alone(source, notes):
    before = {name: tensor.clone() for name, tensor in source.state_dict().items()}
    dice = torch.random.get_rng_state()
    seen = []
    shared = {"latent_channels": 3, "hop_length": HOP, "steps": 4}
    states = [
        from_translation(
            source, notes, seed=seed, on_progress=lambda *done: seen.append(done), **shared
        ).network.state_dict()
        for seed in (1, 1, 2)
    ]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["expansion.linear.weight"], states[2]["expansion.linear.weight"])
    assert all(torch.equal(tensor, before[name]) for name, tensor in source.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), dice)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)] * 3


def test_a_source_whose_latent_is_decisions_about_frames_around(network_config, notes):
    """The autoencoder has a free latent; where a crop ends, its note goes on for the old encoder."""
    encoder = replace(network_config.encoder, bottleneck="notes", bottleneck_context=3, hearing_frames=4)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        source = TranslationNetwork(replace(network_config, encoder=encoder)).eval()
        torch.nn.init.normal_(source.encoder.bottleneck.following[-1].weight)
    start = from_translation(source, notes, latent_channels=3, hop_length=HOP, steps=40, seed=5)
    found = start.network.config.encoder
    assert (found.bottleneck, found.bottleneck_context, found.hearing_frames) == ("", 0, 2)
    assert np.isfinite(start.missed.condition) and all(np.isfinite(bits) for bits in start.bits.values())
    assert start.missed.condition < 3.0  # in units of the conditions' own spread


def test_a_channel_that_is_usually_the_same_keeps_its_spread():
    rare = torch.zeros(40, 5, 8)
    rare[::4, 0] = 3.0
    latents = BoundedLatents(lambda spectra: spectra.transpose(1, 2)[..., :2], rare)
    assert latents.middle.tolist() == [0.0, 0.0] and (latents.spread > 0).all()
    assert latents.spread[0] > 1.0, "the median deviation is zero"
    assert torch.isfinite(latents(rare)).all() and latents(rare)[0, 0, 0] > 2.5


def test_what_the_old_encoder_exaggerates_is_bounded(source, notes):
    sounds = torch.from_numpy(mulaw.decode(np.array(notes.codes("train"))))
    hop, margin = source.config.encoder.hop_length, source.encoder.context_frames
    with torch.no_grad():
        spectra = source.encoder.spectrum(torch.nn.functional.pad(sounds, (margin * hop, margin * hop)))
        latents = BoundedLatents(source.encoder.encode_spectrum, spectra)
        middle, spread = latents.middle, latents.spread
        assert torch.equal(middle, source.encoder.encode_spectrum(spectra).flatten(0, 1).median(dim=0).values)
        wild = 20 * spectra  # nothing that it ever heard
        assert float(((source.encoder.encode_spectrum(wild) - middle).abs() / spread).max()) > 2 * BOUND
        told = latents(wild)
        assert told.shape == (len(sounds), spectra.shape[2] - 4, source.config.encoder.latent_channels)
        assert float(((told - middle).abs() / spread).max()) <= BOUND + 1e-4
        # What is near the middle is kept as it is.
        small = source.encoder.encode_spectrum(spectra)
        missed = (latents(spectra) - small).abs() / latents.spread
        near = (small - latents.middle).abs() < 0.3 * latents.spread
    assert near.float().mean() > 0.1 and float(missed[near].max()) < 0.01


@pytest.fixture(scope="module")
def autoencoder():
    encoder = EncoderConfig("cqt", 3, HOP, channels=12, n_bins=96, fmin_hz=130.8)
    with torch.random.fork_rng():
        torch.manual_seed(6)
        return NSynthNetwork(
            NSynthConfig(
                encoder, WaveNetConfig(1, 3, 2, 4, 4, 4, 8, latent_channels=5, hop_length=HOP), condition_channels=5
            )
        )


def test_an_autoencoder_s_encoder_is_taught_and_its_decoder_kept(autoencoder, notes):
    before = {name: tensor.clone() for name, tensor in autoencoder.state_dict().items()}
    dice = torch.random.get_rng_state()
    (network, missed), (again, _) = (with_taught_encoder(autoencoder, notes, steps=200, seed=1) for _ in range(2))
    _, first = with_taught_encoder(autoencoder, notes, steps=2, seed=1)
    assert missed.pitch < first.pitch and missed.spectrum < first.spectrum
    state = network.state_dict()
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in state.items())
    assert all(torch.equal(tensor, before[name]) for name, tensor in autoencoder.state_dict().items())
    same = {name for name in state if torch.equal(state[name], before[name])}
    assert {name for name in state if name.startswith("decoder.")} <= same
    assert not any(name.startswith("encoder.convolutions") for name in same)
    assert not network.training and torch.equal(torch.random.get_rng_state(), dice)


def test_what_the_decoder_knows_is_kept(autoencoder, notes):
    network, _ = with_taught_encoder(autoencoder, notes, steps=300, seed=1)
    sounds = torch.from_numpy(mulaw.decode(np.array(notes.codes("valid"))))
    with torch.no_grad():
        old, new = (each.condition(each.encoder.encode(sounds)).flatten(0, 1) for each in (autoencoder, network))
    assert float((new - old).square().mean()) < 0.5 * float(old.var(dim=0).mean())


@pytest.mark.parametrize(
    ("encoder", "pitch_channels", "message"),
    [("waveform", 0, "a waveform encoder"), ("cqt", 2, "told the pitch has no use")],
)
def test_an_encoder_that_cannot_be_taught(notes, encoder, pitch_channels, message):
    sizes = EncoderConfig(encoder, 3, HOP, channels=4, dilation_cycles=1, layers_per_cycle=2)
    decoder = WaveNetConfig(1, 3, 2, 4, 4, 4, 8, latent_channels=3 + pitch_channels, hop_length=HOP)
    with pytest.raises(UsageError, match=message):
        with_taught_encoder(NSynthNetwork(NSynthConfig(sizes, decoder, pitch_channels)), notes, steps=1)


def test_notes_at_another_rate_teach_nobody(autoencoder, make_notes, tmp_path):
    with pytest.raises(UsageError, match="32000 Hz, the model at 16000 Hz"):
        with_taught_encoder(autoencoder, make_notes(tmp_path / "fast", sample_rate=32_000), steps=1)


@pytest.mark.parametrize(
    ("changes", "latent", "hop", "message"),
    [
        ({"encoder": EncoderConfig("waveform", 4, 160, channels=4)}, 3, HOP, "with a cqt encoder, not waveform"),
        ({"shared_decoder": True}, 3, HOP, "a decoder per domain, not a shared one"),
        ({}, 3, 1000, "shorter than 12 frames of 1000"),
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


def test_a_decoder_begins_to_listen_to_an_oscillator(autoencoder, notes):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        torch.nn.init.normal_(autoencoder.decoder.output.weight, std=0.3)
    before, dice = dict(autoencoder.state_dict()), torch.random.get_rng_state()
    (network, missed), (again, _), (other, _) = (
        with_taught_encoder(autoencoder, notes, harmonics=3, steps=2, seed=seed) for seed in (0, 0, 1)
    )
    assert network.config == replace(
        autoencoder.config,
        decoder=replace(autoencoder.config.decoder, latent_channels=5 + 6, hop_length=1),
        harmonics=3,
    )
    assert missed.pitch == 0 and missed.levels > 0
    state = network.state_dict()
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in state.items())
    assert any(not torch.equal(other.state_dict()[name], tensor) for name, tensor in state.items())
    assert torch.equal(torch.random.get_rng_state(), dice) and not network.training
    widened = 0
    for name, tensor in before.items():
        if name.startswith("decoder."):
            widened += state[name].shape != tensor.shape
            assert torch.equal(state[name][: len(tensor)] if tensor.ndim else state[name], tensor), name
    assert widened == autoencoder.config.decoder.n_layers + 1  # every layer's map from the condition, and the head's


def test_timbre_alone_leads_to_what_the_decoder_knows(autoencoder, notes):
    sounds = torch.from_numpy(mulaw.decode(np.array(notes.codes("train"))))
    midi = torch.tensor([[float(note.pitch)] for note in notes.notes("train")])
    apart, levels_db = [], []
    for steps in (2, 600):
        network, missed = with_taught_encoder(autoencoder, notes, harmonics=2, steps=steps, seed=1)
        with torch.no_grad():
            old = autoencoder.condition(autoencoder.encoder.encode(sounds)).flatten(0, 1)
            new = network.expand(network.encode(sounds, midi)).flatten(0, 1)
        apart.append(float((new - old).square().mean()) / float(old.var(dim=0).mean()))
        levels_db.append(missed.levels)
    assert apart[1] < 0.5 * apart[0] and apart[1] < 0.5
    assert levels_db[1] < 0.5 * levels_db[0]


@pytest.mark.parametrize(("changes", "harmonics", "message"), [
    ({"condition_channels": 5}, -1, "harmonics must not be negative, not -1"),
    ({}, 2, "with condition_channels; this one has none"),
    ({"harmonics": 1, "condition_channels": 5}, 2, "told the pitch has no use"),
    ({"condition_channels": 5}, 65, "harmonics is 65"),
])  # fmt: skip
def test_oscillators_that_make_no_sense(notes, changes, harmonics, message):
    encoder = EncoderConfig("cqt", 3, HOP, channels=4, n_bins=96, fmin_hz=130.8)
    told = changes.get("condition_channels", 3) + 2 * changes.get("harmonics", 0)
    decoder = WaveNetConfig(1, 3, 2, 4, 4, 4, 8, latent_channels=told, hop_length=1 if "harmonics" in changes else HOP)
    with pytest.raises(UsageError, match=message):
        with_taught_encoder(
            NSynthNetwork(NSynthConfig(encoder, decoder, **changes)), notes, harmonics=harmonics, steps=1
        )
