"""The recurrent pair: each note from the past and its own noise, a verdict from all notes."""

import pytest
import torch

from wavecore.models.gan.recurrent import BidirectionalDiscriminator, RecurrentGenerator


def build(make, *sizes):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make(*sizes)


def noise(n_notes=7):
    return torch.rand(3, n_notes, 5, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_notes_come_from_the_noise_so_far(n_layers):
    generator = build(RecurrentGenerator, 4, 5, 6, n_layers)
    given = noise()
    found = generator(given)
    assert found.shape == (3, 7, 4) and (found.abs() <= 1).all() and len(generator.cells) == n_layers
    other = given.clone()
    other[:, 4] += 1
    changed = generator(other)
    assert torch.equal(found[:, :4], changed[:, :4]) and not torch.isclose(found[:, 4:], changed[:, 4:]).all(-1).any()


def test_a_note_hears_the_one_before_it():
    """By the definition: two cells, fed by hand."""
    generator = build(RecurrentGenerator, 2, 5, 6, 2)
    given, note, states = noise(), torch.zeros(3, 2), [None, None]
    for position, written in enumerate(generator(given).unbind(1)):
        states[0] = generator.cells[0](torch.cat([given[:, position], note], 1), states[0])
        states[1] = generator.cells[1](states[0][0], states[1])
        note = torch.tanh(generator.output(states[1][0]))
        torch.testing.assert_close(written, note)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_a_verdict_is_the_mean_of_the_notes_(scale):
    discriminator = build(BidirectionalDiscriminator, 4, 6, 2)
    with torch.no_grad():
        discriminator.output.weight.mul_(scale)
    notes = torch.randn(3, 7, 4, generator=torch.Generator().manual_seed(2))
    logits, heard = discriminator(notes)
    assert logits.isfinite().all() and heard.shape == (3, 7 * 12)
    each = torch.sigmoid(discriminator.output(heard.view(3, 7, 12)).double())[..., 0]
    torch.testing.assert_close(torch.sigmoid(logits.double()), each.mean(1), rtol=1e-4, atol=1e-6)


def test_all_notes_are_heard_in_both_directions():
    discriminator = build(BidirectionalDiscriminator, 4, 6, 1)
    notes = torch.randn(1, 5, 4, generator=torch.Generator().manual_seed(2), requires_grad=True)
    heard = discriminator(notes)[1].view(5, 12)
    (from_last,) = torch.autograd.grad(heard[0].sum(), notes, retain_graph=True)
    assert from_last[0, 4].abs().sum() > 0, "the first note's verdict knows the last note"
    (from_first,) = torch.autograd.grad(heard[4].sum(), notes)
    assert from_first[0, 0].abs().sum() > 0
