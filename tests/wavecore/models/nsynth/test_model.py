"""The autoencoder: what the decoder is conditioned on, and that it generates what the network predicts."""

import math
from dataclasses import replace

import pytest
import torch

from wavecore.errors import UsageError
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.model import N_PITCHES, Expansion, NSynthNetwork
from wavecore.nn import oscillator
from wavecore.nn.config import EncoderConfig, WaveNetConfig
from wavecore.nn.generate import open_generator
from wavecore.nn.wavenet import WaveNet

ENCODER = EncoderConfig("waveform", 3, 40, channels=4, dilation_cycles=1, layers_per_cycle=2)
DECODER = WaveNetConfig(1, 3, 2, 6, 5, 4, 7, latent_channels=3, hop_length=40)
VARIANTS = [(0, 0), (2, 0), (0, 6), (2, 6)]
"""Channels of the pitch embedding and of the conditioning."""


def build(config):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NSynthNetwork(config)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


def plain(pitch_channels=0, condition_channels=0):
    decoder = replace(DECODER, latent_channels=condition_channels or 3 + pitch_channels)
    return build(NSynthConfig(ENCODER, decoder, pitch_channels, condition_channels))


def driven(condition_channels=0, harmonics=2):
    """A network with an oscillator."""
    decoder = replace(DECODER, latent_channels=(condition_channels or 4) + 2 * harmonics, hop_length=1)
    return build(NSynthConfig(ENCODER, decoder, 0, condition_channels, harmonics))


def inputs(network, n_frames=3):
    """Codes, latent and, where the network takes them, pitches of two sounds."""
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(0, 256, (2, n_frames * 40), generator=generator)
    latent = torch.randn(2, n_frames, 3, generator=generator)
    if network.config.harmonics:
        octaves = torch.linspace(-1, 1, n_frames).expand(2, -1)[..., None]
        latent = torch.cat([latent, octaves], dim=-1)
    return codes, latent, torch.tensor([60, 127]) if network.config.pitch_channels else None


def unreached_weights(network, output):
    """Names of weights without a gradient; of the last layer only the skip connection is used."""
    output.square().mean().backward()
    last = f"layers.{DECODER.n_layers - 1}.residual"
    return [name for name, p in network.named_parameters() if (p.grad is None or not p.grad.any()) and last not in name]


def test_without_pitch_the_latent_is_the_conditioning():
    network = plain()
    codes, latent, _ = inputs(network)
    assert network.condition(latent) is latent
    assert torch.equal(network(codes, latent), network.decoder(codes, latent))
    assert torch.equal(network(codes, latent, context=codes.flip(1)), network.decoder(codes.flip(1), latent))


def test_the_pitch_embedding_stands_beside_every_frame():
    network = plain(2)
    codes, latent, pitches = inputs(network)
    conditioning = network.condition(latent, pitches)
    assert conditioning.shape == (2, 3, 5) and torch.equal(conditioning[..., :3], latent)
    for row, pitch in enumerate((60, 127)):
        assert torch.equal(conditioning[row, :, 3:], network.pitch_embedding[pitch].expand(3, 2))
    assert network.pitch_embedding.shape == (N_PITCHES, 2)
    assert torch.equal(network(codes, latent, pitches), network.decoder(codes, conditioning))


@pytest.mark.parametrize("pitch_channels", [0, 2])
def test_every_frame_is_expanded_by_itself(pitch_channels):
    network = plain(pitch_channels, 6)
    _, latent, pitches = inputs(network)
    conditioning = network.condition(latent, pitches)
    assert conditioning.shape == (2, 3, 6)
    torch.testing.assert_close(network.condition(latent[:, 1:2], pitches), conditioning[:, 1:2])


def test_a_new_expansion_is_linear():
    expansion = Expansion(3, 6)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(expansion(x), expansion.linear(x))
    torch.nn.init.normal_(expansion.hidden[-1].weight)
    zero = expansion(torch.zeros_like(x))
    assert not torch.allclose(expansion(2 * x) - zero, 2 * (expansion(x) - zero), rtol=0.1)


@pytest.mark.parametrize("channels", VARIANTS)
def test_a_prediction_depends_on_the_past_alone(channels):
    network = plain(*channels)
    codes, latent, pitches = inputs(network)
    changed = codes.clone()
    changed[:, 57] = (changed[:, 57] + 100) % 256
    before, after = network(codes, latent, pitches), network(changed, latent, pitches)
    assert torch.equal(after[:, :58], before[:, :58]) and not torch.equal(after[:, 58], before[:, 58])


@pytest.mark.slow
@pytest.mark.parametrize("channels", VARIANTS)
def test_the_decoder_generates_what_the_network_predicts(channels):
    network = plain(*channels)
    forced, latent, pitches = inputs(network)
    with torch.inference_mode():
        conditioning = network.condition(latent, pitches).numpy()
    shared = {"batch": 2, "seed": 0, "temperature": 0, "backend": "reference"}
    free, teacher = (open_generator(network.decoder_state(), network.config.decoder, **shared) for _ in range(2))
    free.feed(conditioning)
    teacher.feed(conditioning)
    codes = torch.from_numpy(free.generate(120)).long()
    with torch.inference_mode():
        assert torch.equal(network(codes, latent, pitches).argmax(-1), codes) and len(codes.unique()) >= 3
        logits = network(forced, latent, pitches)
    found = torch.from_numpy(teacher.force(forced.numpy().astype("uint8"))).float()
    torch.testing.assert_close(found, logits, rtol=1e-4, atol=1e-4)


def test_the_decoder_s_state_is_a_copy_of_a_plain_wavenet():
    network = plain(2)
    state = network.decoder_state()
    WaveNet(network.config.decoder).load_state_dict(state)
    state["head.bias"].fill_(99)
    assert network.decoder.head.bias.max() < 99 and not any(tensor.requires_grad for tensor in state.values())


@pytest.mark.parametrize("channels", VARIANTS)
def test_gradients_reach_every_weight(channels):
    network = plain(*channels)
    codes, _, pitches = inputs(network)
    audio = torch.randn(2, (3 + 2 * network.encoder.context_frames) * 40, generator=torch.Generator().manual_seed(2))
    assert unreached_weights(network, network(codes, network.encoder(audio), pitches)) == []


@pytest.mark.parametrize(
    "pitches",
    [None, torch.tensor([-1, 60]), torch.tensor([60, 128]), torch.tensor([60.0, 61.0]), torch.tensor([60])],
)
def test_pitches_that_make_no_sense_are_refused(pitches):
    network = plain(2)
    codes, latent, _ = inputs(network)
    with pytest.raises(UsageError):
        network(codes, latent, pitches)


def test_inputs_that_the_network_does_not_have_are_refused():
    codes, latent, _ = inputs(plain())
    with pytest.raises(UsageError, match="pitch"):
        plain()(codes, latent, torch.tensor([60, 61]))
    with pytest.raises(UsageError, match="latent"):
        plain()(codes, latent[..., :2])
    sounds = torch.zeros(1, 400)
    with pytest.raises(UsageError, match="pitch"):
        driven().encode(sounds)
    with pytest.raises(UsageError, match="pitch"):
        plain().encode(sounds, torch.full((1, 1), 60.0))
    assert torch.equal(plain().encode(sounds), plain().encoder.encode(sounds))


@pytest.mark.parametrize(
    ("network", "conditioned"), [(plain(), False), (plain(2), True), (driven(), True)], ids=["plain", "pitch", "driven"]
)
def test_the_card_holds_the_latent_s_hop_and_whether_a_pitch_is_needed(network, conditioned):
    assert network.card() == {"pitch_conditioned": conditioned, "hop_length": 40}


# Conditioned on the pitch by an oscillator


@pytest.mark.parametrize("condition_channels", [0, 6])
def test_every_sample_is_conditioned_on_the_latent_and_the_oscillator(condition_channels):
    network = driven(condition_channels)
    assert network.config.latent_size == 4 and plain().config.latent_size == 3
    _, latent, _ = inputs(network, 5)
    conditioning = network.condition(latent)
    assert conditioning.shape == (2, 200, (condition_channels or 4) + 4)
    phase, f0_hz = network.run_oscillator(latent)
    middle_c_hz = 440 * 2 ** (-9 / 12)
    assert f0_hz[0, [0, -1]].tolist() == pytest.approx([middle_c_hz / 2, 2 * middle_c_hz])
    assert float(f0_hz[0, 100]) == pytest.approx(middle_c_hz, rel=0.01)
    sizes = oscillator.upsample(oscillator.amplitudes(network.levels(latent)), 40)
    rate, phases = network.config.encoder.sample_rate, oscillator.default_phases()
    torch.testing.assert_close(conditioning[..., -4:], oscillator.excite(phase, f0_hz, sizes, phases, 2, rate))
    frames = latent if not condition_channels else network.expansion(latent)
    # The first sample after a frame's middle is half a sample on its way to the next.
    between = frames[:, :-1] + (frames[:, 1:] - frames[:, :-1]) * 0.5 / 40
    torch.testing.assert_close(conditioning[:, 20:180:40, :-4], between)
    torch.testing.assert_close(conditioning[:, :20, :-4], frames[:, :1].expand(-1, 20, -1))
    offsets = torch.rand(2, 200, 64, generator=torch.Generator().manual_seed(5))
    known = network.sampled_condition(latent, phase, f0_hz, offsets)
    torch.testing.assert_close(known[..., -4:], oscillator.excite(phase, f0_hz, sizes, offsets, 2, rate))
    assert torch.equal(known[..., :-4], conditioning[..., :-4])


def test_every_spectrum_is_encoded_at_one_pitch():
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
        # Close to the floor, the rounding in a batch of another size is larger in decibels.
        torch.testing.assert_close(latent[row : row + 1, :, :3], alone, rtol=1e-4, atol=1e-4)
    assert torch.equal(network.encode(sounds, midi.expand(-1, 12)), latent)
    margin = network.encoder.context_frames * 40
    padded = torch.nn.functional.pad(sounds, (margin, margin))
    assert torch.equal(network.encode(padded, midi, whole=False), latent)


def test_a_waveform_is_not_shifted():
    network = driven()
    sounds = torch.rand(1, 400, generator=torch.Generator().manual_seed(0))
    low, high = (network.encode(sounds, torch.full((1, 1), midi)) for midi in (50.0, 70.0))
    assert torch.equal(low[..., :3], high[..., :3]) and not torch.equal(low, high)


@pytest.mark.parametrize("block_frames", [1, 3, 99])
def test_blocks_of_the_conditioning_are_the_conditioning(block_frames):
    network = driven(6)
    _, latent, _ = inputs(network, 7)
    blocks = list(network.condition_blocks(latent, block_frames))
    assert len(blocks) == -(-7 // block_frames)
    # Sums over partials are grouped by the length of what is summed.
    torch.testing.assert_close(torch.cat(blocks, dim=1), network.condition(latent), rtol=1e-5, atol=1e-6)
    (only,) = plain(0, 6).condition_blocks(latent[..., :3], block_frames)
    assert torch.equal(only, plain(0, 6).condition(latent[..., :3]))


def test_a_driven_decoder_generates_what_the_network_predicts():
    network = driven(6)
    codes, latent, _ = inputs(network)
    with torch.inference_mode():
        conditioning = network.condition(latent).numpy()
        logits = network(codes, latent)
    for backend in ("reference", "native"):
        options = {"batch": 2, "seed": 0, "backend": backend, "dtype": "float32"}
        generator = open_generator(network.decoder_state(), network.config.decoder, **options)
        generator.feed(conditioning)
        found = torch.from_numpy(generator.force(codes.numpy().astype("uint8"))).float()
        torch.testing.assert_close(found, logits, rtol=1e-3, atol=1e-3)


def test_gradients_reach_every_weight_of_a_driven_network():
    network = driven(6)
    codes, other, _ = inputs(network)
    audio = torch.randn(2, (3 + 2 * network.encoder.context_frames) * 40, generator=torch.Generator().manual_seed(2))
    latent = network.encode(audio, torch.full((2, 1), 55.0), whole=False)
    conditioning = network.sampled_condition(latent, *network.run_oscillator(other))
    assert unreached_weights(network, network.decoder(codes, conditioning)) == []
