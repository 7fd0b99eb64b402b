"""The autoencoder: its sizes, what the decoder is told, and what is generated from it."""

import json
import math
from dataclasses import replace

import pytest
import torch

from wavecore import checkpoint
from wavecore.errors import ModelError, UsageError
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.model import N_PITCHES, Expansion, NSynthNetwork
from wavecore.models.translation.config import TranslationConfig
from wavecore.models.translation.model import TranslationNetwork
from wavecore.nn import oscillator
from wavecore.nn.encoders import EncoderConfig
from wavecore.nn.generate import open_generator
from wavecore.nn.wavenet import WaveNet, WaveNetConfig, preset

ENCODER = EncoderConfig("waveform", 3, 40, channels=4, dilation_cycles=1, layers_per_cycle=2)
DECODER = WaveNetConfig(1, 3, 2, 6, 5, 4, 7, latent_channels=3, hop_length=40)


def _config(pitch_channels=0, condition_channels=0):
    decoder = replace(DECODER, latent_channels=condition_channels or 3 + pitch_channels)
    return NSynthConfig(ENCODER, decoder, pitch_channels, condition_channels)


def _network(pitch_channels=0, condition_channels=0):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NSynthNetwork(_config(pitch_channels, condition_channels))
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


def _inputs(n_frames=3, batch=2):
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(0, 256, (batch, n_frames * 40), generator=generator)
    return codes, torch.randn(batch, n_frames, 3, generator=generator), torch.tensor([60, 127][:batch])


def _pitches(network, pitches):
    return pitches if network.config.pitch_channels else None


def test_the_usual_sizes_are_those_of_notes():
    config = NSynthConfig()
    assert (config.encoder.latent_channels, config.encoder.hop_length, config.pitch_channels) == (16, 512, 0)
    assert config.decoder == preset("small-nsynth")


@pytest.mark.parametrize("channels", [(0, 0), (2, 0), (0, 6), (2, 6)])
def test_the_configuration_survives_json(channels):
    config = _config(*channels)
    assert NSynthConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("name", ["pitch_channels", "condition_channels", "harmonics"])
@pytest.mark.parametrize("value", [-1, 1.0, True, "2", None])
def test_channels_that_are_no_number_of_channels_are_refused(name, value):
    with pytest.raises(UsageError, match=f"{name} must be a whole number.*{value!r}"):
        NSynthConfig(ENCODER, DECODER, **{name: value})


def test_a_decoder_of_other_channels_than_the_condition_is_refused():
    with pytest.raises(UsageError, match="takes 3 latent channels, not the 6 of condition"):
        NSynthConfig(ENCODER, DECODER, 0, 6)


@pytest.mark.parametrize(
    ("encoder", "decoder", "pitch_channels", "message"),
    [
        ({"hop_length": 50}, {}, 0, "hop_length must be 50, not 40"),
        ({}, {"sample_rate": 8000}, 0, "sample_rate: 16000 and 8000"),
        ({"latent_channels": 4}, {}, 0, "takes 3 latent channels, not the 4 of condition"),
        ({}, {}, 2, "takes 3 latent channels, not the 5 of condition"),
        ({}, {"latent_channels": 5}, 0, "takes 5 latent channels, not the 3 of condition"),
    ],
)
def test_parts_that_do_not_fit_are_refused(encoder, decoder, pitch_channels, message):
    with pytest.raises(UsageError, match=message):
        NSynthConfig(replace(ENCODER, **encoder), replace(DECODER, **decoder), pitch_channels)


def test_without_pitch_the_network_is_its_decoder():
    network = _network()
    codes, latent, _ = _inputs()
    assert network.condition(latent) is latent
    assert torch.equal(network(codes, latent), network.decoder(codes, latent))
    assert not any("pitch" in name for name in network.state_dict())


def test_the_pitch_stands_beside_every_frame_of_the_latent():
    network = _network(2)
    codes, latent, pitches = _inputs()
    told = network.condition(latent, pitches)
    assert told.shape == (2, 3, 5) and torch.equal(told[..., :3], latent)
    for row, pitch in enumerate((60, 127)):
        assert torch.equal(told[row, :, 3:], network.pitch_embedding[pitch].expand(3, 2))
    assert network.pitch_embedding.shape == (N_PITCHES, 2)
    assert torch.equal(network(codes, latent, pitches), network.decoder(codes, told))
    assert not torch.equal(network(codes, latent, pitches), network(codes, latent, pitches.flip(0)))


@pytest.mark.parametrize("pitch_channels", [0, 2])
def test_a_condition_is_made_of_every_frame_by_itself(pitch_channels):
    network = _network(pitch_channels, 6)
    codes, latent, pitches = _inputs()
    pitches = _pitches(network, pitches)
    told = network.condition(latent, pitches)
    assert told.shape == (2, 3, 6)
    torch.testing.assert_close(network.condition(latent[:, 1:2], pitches), told[:, 1:2])
    assert torch.equal(network(codes, latent, pitches), network.decoder(codes, told))


def test_a_new_expansion_is_linear_and_what_is_learnt_bends_it():
    expansion = Expansion(3, 6)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(expansion(x), expansion.linear(x))
    torch.nn.init.normal_(expansion.hidden[-1].weight)
    doubled = expansion(2 * x) - expansion(torch.zeros_like(x))
    assert not torch.allclose(doubled, 2 * (expansion(x) - expansion(torch.zeros_like(x))), rtol=0.1)


def test_another_history_is_what_the_decoder_hears():
    network = _network()
    codes, latent, _ = _inputs()
    assert torch.equal(network(codes, latent, history=codes.flip(1)), network.decoder(codes.flip(1), latent))


@pytest.mark.parametrize("channels", [(0, 0), (2, 0), (0, 6), (2, 6)])
def test_a_prediction_depends_on_the_past_alone(channels):
    network = _network(*channels)
    codes, latent, pitches = _inputs()
    before = network(codes, latent, _pitches(network, pitches))
    t = 57
    changed = codes.clone()
    changed[:, t] = (changed[:, t] + 100) % 256
    after = network(changed, latent, _pitches(network, pitches))
    assert torch.equal(after[:, : t + 1], before[:, : t + 1])
    assert not torch.equal(after[:, t + 1], before[:, t + 1])


@pytest.mark.parametrize("channels", [(0, 0), (2, 0), (0, 6), (2, 6)])
def test_the_decoder_s_state_generates_what_the_network_predicts(channels):
    network = _network(*channels)
    forced, latent, pitches = _inputs()
    with torch.inference_mode():
        told = network.condition(latent, _pitches(network, pitches))
    shared = {"batch": 2, "seed": 0, "temperature": 0, "backend": "reference"}
    generator = open_generator(network.decoder_state(), network.config.decoder, **shared)
    generator.feed(told.numpy())
    codes = torch.from_numpy(generator.generate(120)).long()
    teacher = open_generator(network.decoder_state(), network.config.decoder, **shared)
    teacher.feed(told.numpy())
    with torch.inference_mode():
        likeliest = network(codes, latent, _pitches(network, pitches)).argmax(-1)
        logits = network(forced, latent, _pitches(network, pitches))
    assert torch.equal(likeliest, codes) and len(codes.unique()) >= 3
    torch.testing.assert_close(
        torch.from_numpy(teacher.force(forced.numpy().astype("uint8"))).float(), logits, rtol=1e-4, atol=1e-4
    )


def test_the_decoder_s_state_is_a_copy_of_a_plain_wavenet():
    network = _network(2)
    state = network.decoder_state()
    WaveNet(network.config.decoder).load_state_dict(state)
    state["head.bias"].fill_(99)
    assert network.decoder.head.bias.max() < 99 and not any(tensor.requires_grad for tensor in state.values())


@pytest.mark.parametrize("channels", [(0, 0), (2, 0), (0, 6), (2, 6)])
def test_gradients_reach_every_weight(channels):
    network = _network(*channels)
    codes, _, pitches = _inputs()
    audio = torch.randn(2, (3 + 2 * network.encoder.context_frames) * 40, generator=torch.Generator().manual_seed(2))
    network(codes, network.encoder(audio), _pitches(network, pitches)).square().mean().backward()
    last = f"layers.{DECODER.n_layers - 1}.residual"  # of the last layer nothing but the skip is used
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert [name for name in silent if last not in name] == []


@pytest.mark.parametrize(
    ("pitches", "message"),
    [
        (None, "give a MIDI note number"),
        (torch.tensor([-1, 60]), r"0 to 127, not \[-1, 60\]"),
        (torch.tensor([60, 128]), r"0 to 127, not \[60, 128\]"),
        (torch.tensor([60.0, 61.0]), r"shape \(2,\), not torch.float32"),
        (torch.tensor([60]), r"shape \(2,\), not torch.int64 of shape \(1,\)"),
        (torch.tensor([[60], [61]]), r"of shape \(2, 1\)"),
    ],
)
def test_pitches_that_make_no_sense_are_refused(pitches, message):
    codes, latent, _ = _inputs()
    with pytest.raises(UsageError, match=message):
        _network(2)(codes, latent, pitches)


def test_a_pitch_that_is_of_no_use_is_refused():
    codes, latent, pitches = _inputs()
    with pytest.raises(UsageError, match="leave the pitch out"):
        _network()(codes, latent, pitches)


def test_a_latent_of_other_channels_is_refused():
    codes, latent, _ = _inputs()
    with pytest.raises(UsageError, match="latent must have shape"):
        _network()(codes, latent[..., :2])


@pytest.mark.parametrize("channels", [(0, 0), (2, 0), (0, 6), (2, 6)])
def test_a_model_folder_holds_the_network(channels, tmp_path):
    network = _network(*channels)
    digest = checkpoint.save(network, tmp_path / "m", training={"steps": 3})
    loaded = checkpoint.load(tmp_path / "m", kind="nsynth")
    assert (loaded.sha256, loaded.card["kind"], loaded.network.config) == (digest, "nsynth", network.config)
    assert loaded.card["pitch_conditioned"] == bool(channels[0])
    assert (loaded.card["hop_length"], loaded.card["codec"]) == (40, "mu-law-256")
    found = loaded.network.state_dict()
    assert found.keys() == network.state_dict().keys() and not loaded.network.training
    assert all(torch.equal(found[name], tensor) for name, tensor in network.state_dict().items())


def test_a_model_of_the_other_kind_is_refused(tmp_path):
    checkpoint.save(_network(), tmp_path / "notes")
    translation = TranslationNetwork(TranslationConfig(("a", "b"), ("b",), ENCODER, DECODER))
    checkpoint.save(translation, tmp_path / "domains")
    with pytest.raises(ModelError, match="kind 'nsynth', not 'translation'"):
        checkpoint.load(tmp_path / "notes")
    with pytest.raises(ModelError, match="kind 'translation', not 'nsynth'"):
        checkpoint.load(tmp_path / "domains", kind="nsynth")


def test_a_configuration_that_was_tampered_with_is_refused(tmp_path):
    checkpoint.save(_network(2), tmp_path)
    card = json.loads((tmp_path / "config.json").read_text())
    card["config"]["pitch_channels"] = 2.0
    (tmp_path / "config.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="does not describe.*2.0"):
        checkpoint.load(tmp_path, kind="nsynth")


# Told the pitch by an oscillator


def _driven(condition_channels=0, harmonics=2):
    decoder = replace(DECODER, latent_channels=(condition_channels or 4) + 2 * harmonics, hop_length=1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NSynthNetwork(NSynthConfig(ENCODER, decoder, 0, condition_channels, harmonics))
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


def _latent(n_frames=5, batch=2):
    generator = torch.Generator().manual_seed(3)
    octaves = torch.linspace(-1, 1, n_frames).expand(batch, -1)[..., None]
    return torch.cat([torch.randn(batch, n_frames, 3, generator=generator), octaves], dim=-1)


@pytest.mark.parametrize(
    ("decoder", "pitch_channels", "message"),
    [
        ({"hop_length": 40, "latent_channels": 7}, 0, "hop_length must be 1, not 40"),
        ({"hop_length": 1}, 0, "takes 3 latent channels, not the 4 of condition and 4 of the oscillator"),
        ({"hop_length": 1, "latent_channels": 9}, 2, "not by both"),
    ],
)
def test_an_oscillator_that_does_not_fit_is_refused(decoder, pitch_channels, message):
    with pytest.raises(UsageError, match=message):
        NSynthConfig(ENCODER, replace(DECODER, **decoder), pitch_channels, 0, 2)


def test_an_oscillator_has_so_many_partials():
    with pytest.raises(UsageError, match="harmonics is 65; the oscillator has 64 partials"):
        NSynthConfig(ENCODER, DECODER, 0, 0, 65)


def test_a_configuration_from_before_there_were_oscillators_is_read():
    values = _config(0, 6).to_dict()
    del values["harmonics"]
    assert NSynthConfig.from_dict(values) == _config(0, 6)


@pytest.mark.parametrize("condition_channels", [0, 6])
def test_every_sample_is_told_the_latent_and_where_in_the_period_it_is(condition_channels):
    network = _driven(condition_channels)
    assert network.config.latent_size == 4 and _network().config.latent_size == 3
    latent = _latent()
    told = network.condition(latent)
    assert told.shape == (2, 200, (condition_channels or 4) + 4)
    phase, f0_hz = network.run_oscillator(latent)
    middle_c_hz = 440 * 2 ** (-9 / 12)
    assert float(f0_hz[0, 100]) == pytest.approx(middle_c_hz, rel=0.01)
    assert float(f0_hz[0, 0]) == pytest.approx(middle_c_hz / 2) and float(f0_hz[0, -1]) == pytest.approx(
        2 * middle_c_hz
    )
    sizes = oscillator.upsample(oscillator.amplitudes(network.levels(latent)), 40)
    rate = network.config.encoder.sample_rate
    usual = oscillator.default_phases()
    torch.testing.assert_close(told[..., -4:], oscillator.excite(phase, f0_hz, sizes, usual, 2, rate))
    torch.testing.assert_close(told[..., -4], sizes[..., 0] * phase.cos())
    frames = latent if not condition_channels else network.expansion(latent)
    # The first sample after a frame's middle is half a sample on its way to the next.
    torch.testing.assert_close(told[:, 20:180:40, :-4], frames[:, :-1] + (frames[:, 1:] - frames[:, :-1]) * 0.5 / 40)
    torch.testing.assert_close(told[:, :20, :-4], frames[:, :1].expand(-1, 20, -1))
    assert torch.equal(told, network.sampled_condition(latent, phase, f0_hz))
    ahead = torch.rand(2, 200, 64, generator=torch.Generator().manual_seed(5))
    known = network.sampled_condition(latent, phase, f0_hz, ahead)
    torch.testing.assert_close(known[..., -4:], oscillator.excite(phase, f0_hz, sizes, ahead, 2, rate))
    assert torch.equal(known[..., :-4], told[..., :-4])


def test_the_encoder_hears_every_sound_at_one_pitch():
    encoder = EncoderConfig("cqt", 3, 40, channels=4, n_bins=96, fmin_hz=110.0)
    decoder = replace(DECODER, latent_channels=4 + 2, hop_length=1)
    network = NSynthNetwork(NSynthConfig(encoder, decoder, harmonics=1)).eval()
    t = torch.arange(12 * 40) / network.config.encoder.sample_rate
    sounds = torch.stack(
        [sum(0.2 / k * torch.cos(2 * math.pi * k * f0 * t) for k in (1, 2, 3)) for f0 in (200.0, 400.0)]
    )
    midi = 69 + 12 * torch.log2(torch.tensor([[200.0], [400.0]]) / 440)
    latent = network.encode(sounds, midi)
    assert latent.shape == (2, 12, 4) and torch.allclose(latent[..., 3], ((midi - 60) / 12).expand(-1, 12))
    for row, shift in enumerate((48 - midi[:, 0]) / 12):
        alone = network.encoder.encode(sounds[row : row + 1], octave_shift=shift)
        # In decibels, close to the floor, rounding in a batch of another size is worth more than usual.
        torch.testing.assert_close(latent[row : row + 1, :, :3], alone, rtol=1e-4, atol=1e-4)
    assert torch.equal(network.encode(sounds, midi.expand(-1, 12)), latent)
    margin = network.encoder.context_frames * 40
    padded = torch.nn.functional.pad(sounds, (margin, margin))
    assert torch.equal(network.encode(padded, midi, whole=False), latent)


def test_a_pitch_that_is_missing_or_of_no_use_is_refused():
    sounds = torch.zeros(1, 400)
    with pytest.raises(UsageError, match="latent holds the pitch; give"):
        _driven().encode(sounds)
    with pytest.raises(UsageError, match="latent holds no pitch"):
        _network().encode(sounds, torch.full((1, 1), 60.0))
    assert torch.equal(_network().encode(sounds), _network().encoder.encode(sounds))


def test_a_waveform_is_heard_as_it_is():
    network = _driven()
    sounds = torch.rand(1, 400, generator=torch.Generator().manual_seed(0))
    low, high = (network.encode(sounds, torch.full((1, 1), midi)) for midi in (50.0, 70.0))
    assert torch.equal(low[..., :3], high[..., :3]) and not torch.equal(low, high)


@pytest.mark.parametrize("block_frames", [1, 2, 3, 5, 99])
def test_blocks_of_the_condition_are_the_condition(block_frames):
    network, latent = _driven(6), _latent(7)
    blocks = list(network.condition_blocks(latent, block_frames))
    assert len(blocks) == -(-7 // block_frames)
    # Sums over partials are grouped by the length of what is summed.
    torch.testing.assert_close(torch.cat(blocks, dim=1), network.condition(latent), rtol=1e-5, atol=1e-6)
    plain = _network(0, 6)
    (only,) = plain.condition_blocks(latent[..., :3], block_frames)
    assert torch.equal(only, plain.condition(latent[..., :3]))


def test_a_driven_decoder_generates_what_the_network_predicts():
    network, latent = _driven(6), _latent(3)
    codes, _, _ = _inputs()
    with torch.inference_mode():
        told = network.condition(latent)
        logits = network(codes, latent)
    for backend in ("reference", "native"):
        generator = open_generator(
            network.decoder_state(), network.config.decoder, batch=2, seed=0, backend=backend, dtype="float32"
        )
        generator.feed(told.numpy())
        found = torch.from_numpy(generator.force(codes.numpy().astype("uint8"))).float()
        torch.testing.assert_close(found, logits, rtol=1e-3, atol=1e-3)


def test_gradients_reach_every_weight_of_a_driven_network():
    network = _driven(6)
    codes, _, _ = _inputs()
    audio = torch.randn(2, (3 + 2 * network.encoder.context_frames) * 40, generator=torch.Generator().manual_seed(2))
    latent = network.encode(audio, torch.full((2, 1), 55.0), whole=False)
    network.decoder(
        codes, network.sampled_condition(latent, *network.run_oscillator(_latent(3)))
    ).square().mean().backward()
    last = f"layers.{DECODER.n_layers - 1}.residual"
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert [name for name in silent if last not in name] == []


def test_a_driven_model_s_card_tells_the_latent_s_hop(tmp_path):
    network = _driven()
    checkpoint.save(network, tmp_path / "m")
    loaded = checkpoint.load(tmp_path / "m", kind="nsynth")
    assert loaded.network.config == network.config
    assert loaded.card["pitch_conditioned"] is True and loaded.card["hop_length"] == 40
