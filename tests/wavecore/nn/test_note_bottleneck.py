"""The bottleneck of notes: only pitches, onsets and levels pass."""

from dataclasses import replace

import pytest
import torch

from wavecore.errors import UsageError
from wavecore.nn.config import EncoderConfig
from wavecore.nn.encoders import build_encoder
from wavecore.nn.note_bottleneck import LEVELS, N_CODES, N_PITCHES, NEAR, NoteBottleneck, decide

CONFIG = EncoderConfig("cqt", 6, 160, channels=8, n_bins=96, fmin_hz=130.8, bottleneck="notes")


def some_logits() -> torch.Tensor:
    return 4 * torch.randn(3, 50, N_CODES, generator=torch.Generator().manual_seed(0))


def seeded(build):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build()


def test_decisions_are_binary_and_the_level_has_steps():
    decisions = decide(some_logits())
    assert set(decisions[..., :-1].unique().tolist()) == {0.0, 1.0}
    steps = decisions[..., -1] * (LEVELS - 1)
    assert torch.allclose(steps, steps.round(), atol=1e-5) and len(steps.round().unique()) == LEVELS
    clear = some_logits()[..., :-1] > 0
    assert (decisions[..., :-1][clear] == 1).all() and torch.equal(decisions[..., N_PITCHES] > 0.5, clear[..., -1])
    further = (decisions[..., :N_PITCHES] > 0.5) & ~clear[..., :N_PITCHES]
    for row, column, pitch in further.nonzero().tolist():
        assert not clear[row, column, max(0, pitch - NEAR) : min(N_PITCHES, pitch + NEAR + 1)].any()


@pytest.mark.parametrize(
    ("probabilities", "sounding"),
    [
        ({40: 0.6}, [40]),
        ({40: 0.45}, []),
        ({39: 0.25, 40: 0.3, 41: 0.1}, [40]),  # a glide
        ({39: 0.6, 41: 0.4}, [39]),  # one note
        ({39: 0.6, 50: 0.3, 51: 0.35}, [39, 51]),  # a glide of another voice
        ({40: 0.3, 46: 0.3}, []),  # too far apart to be one note
        ({0: 0.3, 1: 0.29}, [0]),
        ({N_PITCHES - 1: 0.4, N_PITCHES - 2: 0.3}, [N_PITCHES - 1]),
        ({N_PITCHES - 1: 0.4, N_PITCHES: 0.4}, []),  # the second is an onset
    ],
)
def test_ambiguous_pitches_sound_once(probabilities, sounding):
    logits = torch.full((1, 1, N_CODES), -12.0)
    for code, probability in probabilities.items():
        logits[0, 0, code] = torch.logit(torch.tensor(probability))
    assert decide(logits)[0, 0, :N_PITCHES].nonzero().flatten().tolist() == sounding


def test_straight_through_gradients():
    x = some_logits().requires_grad_()
    decide(x).sum().backward()
    soft = torch.sigmoid(some_logits())
    assert torch.allclose(x.grad, soft * (1 - soft), atol=1e-6)


def test_confidence_does_not_pass():
    bottleneck = seeded(lambda: NoteBottleneck(5))
    x = torch.cat([9 * some_logits()[..., :-1].sign(), some_logits()[..., -1:]], dim=-1)
    other = torch.cat([1.7 * x[..., :-1], x[..., -1:]], dim=-1)
    assert torch.equal(bottleneck(x), bottleneck(other))
    assert not torch.equal(bottleneck(x), bottleneck(-x))


def test_latent_of_an_encoder_is_linear_in_its_decisions():
    encoder = seeded(lambda: build_encoder(CONFIG).eval())
    audio = 0.2 * torch.randn(1, 4_000, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        latent = encoder.encode(audio)
        margin = encoder.context_frames * 160
        spectrum = encoder.spectrum(torch.nn.functional.pad(audio, (margin, margin)))[..., : latent.shape[1] + 4]
        assert torch.allclose(latent, encoder.bottleneck.embedding(decide(encoder.features(spectrum))), atol=1e-5)
    assert latent.shape == (1, 25, 6)


def test_context_is_ignored_at_first_and_reaches_its_frames():
    bottleneck = seeded(lambda: NoteBottleneck(5, context=3))
    x = torch.randn(2, 17, N_CODES, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(bottleneck(x), bottleneck.embed(x)[:, 3:-3], atol=1e-6)
    with torch.no_grad():
        bottleneck.following[-1].weight.normal_(generator=torch.Generator().manual_seed(1))
        before = bottleneck(x)
        other = x.clone()
        other[:, 8] = -other[:, 8]
        changed = (bottleneck(other) - before).abs().amax(dim=(0, 2)) > 1e-4
    assert before.shape == (2, 11, 5)
    assert changed.nonzero().flatten().tolist() == list(range(2, 9)), "three frames before frame 5 and three after"


@pytest.mark.parametrize(("frames", "context"), [(2, 4), (6, 0), (5, 3)])
def test_chunks_equal_the_whole(frames, context):
    config = replace(CONFIG, hearing_frames=frames, bottleneck_context=context)
    encoder = seeded(lambda: build_encoder(config).eval())
    if context:
        generator = torch.Generator().manual_seed(2)
        torch.nn.init.normal_(encoder.bottleneck.following[-1].weight, generator=generator)
    assert encoder.reach == frames + context
    audio = 0.2 * torch.randn(1, 30 * 160, generator=torch.Generator().manual_seed(1))
    margin = encoder.context_frames * 160
    padded = torch.nn.functional.pad(audio, (margin, margin))
    with torch.no_grad():
        whole = encoder.encode(audio)
        parts = [encoder(padded[:, begin * 160 : (begin + 10) * 160 + 2 * margin]) for begin in (0, 10, 20)]
        shifted = encoder.encode(audio, octave_shift=torch.full((1, 30), -1))
        assert torch.allclose(shifted, encoder.encode(audio, octave_shift=-1), atol=1e-5)
    assert whole.shape == (1, 30, 6)
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"bottleneck": "notes", "bottleneck_context": -1}, "bottleneck_context is -1"),
        ({"bottleneck_context": 2}, "bottleneck_context is 2"),
        ({"hearing_frames": 1}, "hearing_frames is 1"),
        ({"bottleneck": "chords"}, "chords"),
        ({"kind": "waveform", "bottleneck": "notes"}, "waveform"),
        ({"bottleneck": "notes", "latent_levels": 3}, "latent_levels 3"),
    ],
)
def test_invalid_configurations(changes, match):
    with pytest.raises(UsageError, match=match):
        EncoderConfig(**changes)
