"""Nothing but notes, onsets and levels passes."""

from dataclasses import replace

import pytest
import torch

from wavecore.errors import UsageError
from wavecore.models.encoders import EncoderConfig, build_encoder
from wavecore.models.note_bottleneck import LEVELS, N_CODES, NoteBottleneck, decide

CONFIG = EncoderConfig("cqt", 6, 160, channels=8, n_bins=96, fmin_hz=130.8, bottleneck="notes")


def answers(seed: int = 0) -> torch.Tensor:
    return 4 * torch.randn(3, 50, N_CODES, generator=torch.Generator().manual_seed(seed))


def test_decisions_are_yes_or_no_and_a_level_in_steps():
    found = decide(answers())
    assert set(found[..., :-1].unique().tolist()) == {0.0, 1.0}
    steps = found[..., -1] * (LEVELS - 1)
    assert torch.allclose(steps, steps.round(), atol=1e-5) and len(steps.round().unique()) == LEVELS
    assert torch.equal(found[..., :-1] > 0.5, answers()[..., :-1] > 0)


def test_gradients_pass_as_if_nothing_were_rounded():
    x = answers().requires_grad_()
    decide(x).sum().backward()
    soft = torch.sigmoid(answers())
    assert torch.allclose(x.grad, soft * (1 - soft), atol=1e-6)


def test_what_differs_without_a_decision_is_gone():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        bottleneck = NoteBottleneck(5)
    x = answers()
    other = torch.cat([x[..., :-1] * 1.7, x[..., -1:]], dim=-1)
    assert torch.equal(bottleneck(x), bottleneck(other))
    assert not torch.equal(bottleneck(x), bottleneck(-x))


def test_an_encoder_says_a_linear_image_of_its_decisions():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = build_encoder(CONFIG).eval()
    audio = 0.2 * torch.randn(1, 4_000, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        latent = encoder.encode(audio)
        margin = encoder.context_frames * 160
        spectrum = encoder.spectrum(torch.nn.functional.pad(audio, (margin, margin)))[..., : latent.shape[1] + 4]
        assert torch.allclose(latent, encoder.bottleneck.embedding(decide(encoder.hear(spectrum))), atol=1e-5)
    assert latent.shape == (1, 25, 6)


def test_decisions_around_have_a_part_once_it_is_learnt():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        bottleneck = NoteBottleneck(5, context=3)
    x = torch.randn(2, 17, N_CODES, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(bottleneck(x), bottleneck.plain(x)[:, 3:-3], atol=1e-6), "at first a frame says what it decides itself"
    with torch.no_grad():
        bottleneck.following[-1].weight.normal_(generator=torch.Generator().manual_seed(1))
        before = bottleneck(x)
        other = x.clone()
        other[:, 8] = -other[:, 8]
        changed = (bottleneck(other) - before).abs().amax(dim=(0, 2)) > 1e-4
    assert before.shape == (2, 11, 5)
    assert changed.nonzero().flatten().tolist() == list(range(2, 9)), "three frames before frame 5 and three behind"


@pytest.mark.parametrize(("hearing", "context"), [(2, 4), (6, 0), (5, 3)])
def test_an_encoder_of_more_context_encodes_in_chunks_as_at_once(hearing, context):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = build_encoder(replace(CONFIG, hearing_frames=hearing, bottleneck_context=context)).eval()
        if context:
            torch.nn.init.normal_(encoder.bottleneck.following[-1].weight)
    assert encoder.reach == hearing + context
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


@pytest.mark.parametrize("changes", [{"bottleneck": "notes", "bottleneck_context": -1}, {"bottleneck_context": 2}])
def test_a_context_without_a_bottleneck_is_refused(changes):
    with pytest.raises(UsageError, match="bottleneck_context"):
        EncoderConfig(**changes)


def test_an_encoder_hears_two_frames_at_least():
    with pytest.raises(UsageError, match="hearing_frames is 1"):
        EncoderConfig(hearing_frames=1)


@pytest.mark.parametrize("changes", [{"bottleneck": "chords"}, {"kind": "waveform", "bottleneck": "notes"}, {"bottleneck": "notes", "latent_levels": 3}])
def test_other_bottlenecks_are_refused(changes):
    with pytest.raises(UsageError, match="bottleneck"):
        EncoderConfig(**changes)
