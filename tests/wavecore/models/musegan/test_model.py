"""The whole network: variants, given tracks, neurons, critics."""

from dataclasses import replace

import pytest
import torch

from wavecore.errors import UsageError
from wavecore.models.musegan.config import VARIANTS
from wavecore.models.musegan.model import MuseGAN, MuseGANConfig, binarised
from wavecore.models.musegan.tracks import Track

SMALL = MuseGANConfig(
    (Track("a"), Track("b", 33), Track("kit", 0, True)), bars=2, steps=8, n_pitches=24, lowest=48, noise=4, channels=8, critic_channels=3
)  # fmt: skip


def build(**changes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MuseGAN(replace(SMALL, **changes)).eval()


def noise_for(network, n=2):
    return torch.randn(
        n, len(network.config.noise_rows), network.config.noise, generator=torch.Generator().manual_seed(0)
    )


@pytest.mark.parametrize("given", ["", "b"])
@pytest.mark.parametrize(
    ("variant", "n_generators", "n_critics"), [("jamming", 3, 3), ("composer", 1, 1), ("hybrid", 3, 1)]
)
def test_variants_have_generators_and_critics_of_their_own(variant, n_generators, n_critics, given):
    network = build(variant=variant, given=given)
    told = (
        torch.where(torch.rand(2, 2, 8, 24, generator=torch.Generator().manual_seed(1)) < 0.5, -1.0, 1.0)
        if given
        else None
    )
    assert len(network.generator.bars) == n_generators - (bool(given) and n_generators > 1)
    phrases = network(noise_for(network), told)
    assert phrases.shape == (2, 2, 8, 24, 3)
    if given:
        assert torch.equal(phrases[..., 1], told)
    judged = network.judge(phrases)
    assert judged.shape == (2, n_critics - (bool(given) and n_critics > 1))
    assert network.card() == {"variant": variant, "tracks": ["a", "b", "kit"], "given": given}


def heard(network, number):
    """Tracks that a critic hears."""
    phrases = torch.randn(1, *network.config.shape, generator=torch.Generator().manual_seed(0), requires_grad=True)
    (slope,) = torch.autograd.grad(network.judge(phrases)[0, number], phrases)
    return [track for track in range(3) if slope[..., track].any()]


def test_who_jams_is_judged_alone_or_with_what_is_given():
    assert [heard(build(variant="jamming"), number) for number in range(3)] == [[0], [1], [2]]
    assert [heard(build(variant="jamming", given="b"), number) for number in range(2)] == [[0, 1], [1, 2]]
    assert heard(build(variant="composer"), 0) == heard(build(given="a"), 0) == [0, 1, 2]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_weight_of_the_generators_learns(variant):
    for given in ("", "a"):
        network = build(variant=variant, given=given).train()
        network.judge(
            network(noise_for(network, 4), torch.full((4, 2, 8, 24), 0.5) if given else None)
        ).mean().backward()
        silent = [name for name, parameter in network.named_parameters() if parameter.grad is None]
        assert not silent


def test_neurons_light_cells_and_let_gradients_through():
    cells = torch.tensor([-0.9, -0.1, 0.0, 0.2, 0.8], requires_grad=True)
    assert binarised(cells, "real") is cells
    lit = binarised(cells, "threshold")
    assert lit.tolist() == [-1, -1, -1, 1, 1]
    drawn = binarised(cells, "bernoulli", torch.tensor([0.04, 0.5, 0.49, 0.61, 0.0]))
    assert drawn.tolist() == [1, -1, 1, -1, 1], "with the probability (x + 1) / 2"
    for found in (lit, drawn):
        (slope,) = torch.autograd.grad((found * torch.arange(5)).sum(), cells, retain_graph=True)
        assert slope.tolist() == [0, 1, 2, 3, 4]


def test_bernoulli_neurons_keep_their_probability():
    cells = torch.tensor([-0.6, 0.0, 0.5]).expand(20_000, 3)
    lit = binarised(cells, "bernoulli", torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close((lit > 0).float().mean(0), torch.tensor([0.2, 0.5, 0.75]), atol=0.01, rtol=0)


def test_the_network_s_neurons_are_those_of_its_sizes():
    network = build(neurons="threshold")
    phrases = network(noise_for(network))
    assert set(phrases.unique().tolist()) <= {-1.0, 1.0} and torch.equal(phrases > 0, build()(noise_for(network)) > 0)
    drawing = build(neurons="bernoulli")
    uniform = torch.full((2, 2, 8, 24, 3), 0.01)
    assert (drawing(noise_for(drawing), uniform=uniform) == 1).any()


def test_what_is_refused():
    with pytest.raises(UsageError, match="needs the track 'b'"):
        network = build(given="b")
        network(noise_for(network))
    with pytest.raises(UsageError, match="none can be given"):
        network = build()
        network(noise_for(network), torch.zeros(2, 2, 8, 24))
    with pytest.raises(UsageError, match="need draws"):
        binarised(torch.zeros(2), "bernoulli")
    with pytest.raises(UsageError, match="'soft'"):
        binarised(torch.zeros(2), "soft")
