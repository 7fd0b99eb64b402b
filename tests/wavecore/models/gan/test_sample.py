"""Pieces from noise: their length, bar lines, scales."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import UsageError
from wavecore.models.gan.config import PRESETS
from wavecore.models.gan.model import GAN
from wavecore.models.gan.sample import compose, generate, joined, pitch_classes, snap, whole_bars
from wavecore.symbolic.note_sequence import REST, NoteLine, pitches_of

lines = st.lists(st.tuples(st.integers(0, 127).map(str), st.integers(1, 40)), min_size=1, max_size=9).map(
    lambda rows: NoteLine(*zip(*rows, strict=True))
)
CONFIGS = {
    "dense": PRESETS["tiny"],
    "pitch": replace(PRESETS["tiny"], features=1, note_steps=3),
    "recurrent": PRESETS["mogren-tiny"],
}


@pytest.fixture(scope="module", params=CONFIGS)
def network(request):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = GAN(CONFIGS[request.param]).eval()
        with torch.no_grad():  # far from zero, so that notes differ
            for parameter in network.generator.parameters():
                parameter.mul_(3)
    return network


def composed(network, seed=0, *, n_steps=200, bar=16, **options):
    return compose(network, n_steps=n_steps, bar=bar, rng=np.random.default_rng(seed), **options)


@pytest.mark.slow
@pytest.mark.parametrize(("n_steps", "bar"), [(1, 16), (16, 16), (100, 12), (333, 16)])
def test_a_piece_has_its_length(network, n_steps, bar):
    calls = []
    found = composed(network, n_steps=n_steps, bar=bar, on_progress=lambda *done: calls.append(done))
    assert found.n_steps == n_steps and calls[-1] == (n_steps, n_steps)
    config = network.config
    assert all(config.lowest <= pitch <= config.highest for symbol in found.symbols for pitch in pitches_of(symbol))
    assert bool(found.velocities) == (config.features == 4)
    assert found.to_song().n_notes == found.n_notes > 0


def test_pieces_follow_from_the_seed(network):
    one, two, other = (composed(network, seed) for seed in (3, 3, 4))
    assert one == two != other


def test_a_piece_is_its_sequences_end_to_end(network):
    rng = np.random.default_rng(5)
    parts = [whole_bars(generate(network, 1, rng)[0], 16) for _ in range(2)]
    n_steps = sum(part.n_steps for part in parts)
    assert composed(network, 5, n_steps=n_steps) == joined(*parts)


def test_sequences_of_one_noise_are_the_same_alone_and_together(network):
    together = generate(network, 3, np.random.default_rng(1))
    rng = np.random.default_rng(1)
    assert together == [generate(network, 1, rng)[0] for _ in range(3)]
    assert len({line.symbols for line in together}) == 3


@pytest.mark.slow
@given(lines, st.integers(1, 24))
def test_a_line_is_cut_at_a_bar_line(line, bar):
    found = whole_bars(line, bar)
    assert found.n_steps % bar == 0 and found.n_steps > 0 and abs(found.n_steps - line.n_steps) < bar
    assert found.symbols[: len(line.symbols)] == line.symbols[: len(found.symbols)]


def test_a_short_line_is_filled_with_a_rest():
    assert whole_bars(NoteLine(("60",), (3,), (9,)), 8) == NoteLine(("60", REST), (3, 5), (9, 0))
    assert whole_bars(NoteLine(("60",), (3,)), 8) == NoteLine(("60", REST), (3, 5))


@pytest.mark.slow
@given(lines, st.sets(st.integers(0, 11), min_size=1))
def test_notes_are_moved_to_the_nearest_of_the_scale(line, scale):
    found = snap(line, scale)
    assert found.durations == line.durations
    for before, after in zip(map(int, line.symbols), map(int, found.symbols), strict=True):
        nearer = range(before - abs(before - after) + 1, before + abs(before - after))
        assert after % 12 in scale and not any(pitch % 12 in scale for pitch in nearer if 0 <= pitch <= 127)


def test_of_two_the_lower_and_rests_stay():
    assert snap(NoteLine(("61", REST, "60.61"), (1, 2, 3)), pitch_classes("c-major")).symbols == ("60", REST, "60")


def test_names_of_scales():
    assert pitch_classes("C major") == (0, 2, 4, 5, 7, 9, 11) and pitch_classes("a-minor") == (9, 11, 0, 2, 4, 5, 7)
    tonics = {" F#:minor ": 6, "bb-major": 10, "b-major": 11, "cb-major": 11}
    assert {name: pitch_classes(name)[0] for name in tonics} == tonics
    for wrong in ("", "c", "h-major", "c-dorian", "major"):
        with pytest.raises(UsageError, match=repr(wrong)):
            pitch_classes(wrong)


@pytest.mark.parametrize("options", [{"n_steps": 0}, {"n_steps": 10**6}, {"bar": 0}])
def test_lengths_out_of_range(network, options):
    with pytest.raises(UsageError, match=str(*options.values())):
        composed(network, **options)
