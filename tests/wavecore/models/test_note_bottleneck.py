"""Nothing but notes, onsets and levels passes."""

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


@pytest.mark.parametrize("changes", [{"bottleneck": "chords"}, {"kind": "waveform", "bottleneck": "notes"}, {"bottleneck": "notes", "latent_levels": 3}])
def test_other_bottlenecks_are_refused(changes):
    with pytest.raises(UsageError, match="bottleneck"):
        EncoderConfig(**changes)
