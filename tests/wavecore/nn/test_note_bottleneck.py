"""Nothing but notes, onsets and levels passes."""

from dataclasses import replace

import pytest
import torch

from wavecore.errors import UsageError
from wavecore.nn.encoders import EncoderConfig, build_encoder
from wavecore.nn.note_bottleneck import LEVELS, N_CODES, N_PITCHES, NEAR, NoteBottleneck, decide

CONFIG = EncoderConfig("cqt", 6, 160, channels=8, n_bins=96, fmin_hz=130.8, bottleneck="notes")


def answers(seed: int = 0) -> torch.Tensor:
    return 4 * torch.randn(3, 50, N_CODES, generator=torch.Generator().manual_seed(seed))


def test_decisions_are_yes_or_no_and_a_level_in_steps():
    found = decide(answers())
    assert set(found[..., :-1].unique().tolist()) == {0.0, 1.0}
    steps = found[..., -1] * (LEVELS - 1)
    assert torch.allclose(steps, steps.round(), atol=1e-5) and len(steps.round().unique()) == LEVELS
    clear = answers()[..., :-1] > 0
    assert (found[..., :-1][clear] == 1).all() and torch.equal(found[..., N_PITCHES] > 0.5, clear[..., -1])
    further = (found[..., :N_PITCHES] > 0.5) & ~clear[..., :N_PITCHES]
    for row, column, pitch in further.nonzero().tolist():
        assert not clear[row, column, max(0, pitch - NEAR) : min(N_PITCHES, pitch + NEAR + 1)].any()


def heard(**likely: float) -> torch.Tensor:
    """Answers of one frame in which nothing is likely but what is named: ``at_40=0.3``."""
    frame = torch.full((1, 1, N_CODES), -12.0)
    for name, value in likely.items():
        frame[0, 0, int(name.removeprefix("at_"))] = torch.logit(torch.tensor(value))
    return frame


@pytest.mark.parametrize(
    ("likely", "decided"),
    [
        ({"at_40": 0.6}, [40]),
        ({"at_40": 0.45}, []),
        ({"at_39": 0.25, "at_40": 0.3, "at_41": 0.1}, [40]),  # it slides
        ({"at_39": 0.6, "at_41": 0.4}, [39]),  # what is near is the same note
        ({"at_39": 0.6, "at_50": 0.3, "at_51": 0.35}, [39, 51]),  # another voice slides
        ({"at_40": 0.3, "at_46": 0.3}, []),  # neither is likely, and they are too far apart to be one
        ({"at_0": 0.3, "at_1": 0.29}, [0]),
        ({f"at_{N_PITCHES - 1}": 0.4, f"at_{N_PITCHES - 2}": 0.3}, [N_PITCHES - 1]),
        ({f"at_{N_PITCHES - 1}": 0.4, f"at_{N_PITCHES}": 0.4}, []),  # an onset is no pitch
    ],
)
def test_a_note_sounds_while_its_pitch_is_hard_to_name(likely, decided):
    assert decide(heard(**likely))[0, 0, :N_PITCHES].nonzero().flatten().tolist() == decided


def test_gradients_pass_as_if_nothing_were_rounded():
    x = answers().requires_grad_()
    decide(x).sum().backward()
    soft = torch.sigmoid(answers())
    assert torch.allclose(x.grad, soft * (1 - soft), atol=1e-6)


def test_what_differs_without_a_decision_is_gone():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        bottleneck = NoteBottleneck(5)
    # Of clear answers, however clear they are.
    x = torch.cat([9 * answers()[..., :-1].sign(), answers()[..., -1:]], dim=-1)
    other = torch.cat([1.7 * x[..., :-1], x[..., -1:]], dim=-1)
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
    assert torch.allclose(bottleneck(x), bottleneck.plain(x)[:, 3:-3], atol=1e-6), (
        "at first a frame says what it decides itself"
    )
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


@pytest.mark.parametrize(
    "changes",
    [
        {"bottleneck": "chords"},
        {"kind": "waveform", "bottleneck": "notes"},
        {"bottleneck": "notes", "latent_levels": 3},
    ],
)
def test_other_bottlenecks_are_refused(changes):
    with pytest.raises(UsageError, match="bottleneck"):
        EncoderConfig(**changes)
