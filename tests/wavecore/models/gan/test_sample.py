"""Pieces from noise: as long as asked, joined at bar lines, in a scale where one is wanted."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import UsageError
from wavecore.models.gan.config import PRESETS
from wavecore.models.gan.model import GAN
from wavecore.models.gan.sample import compose, joined, pitch_classes, sequences, snapped, to_bar_line
from wavecore.symbolic.note_sequence import REST, NoteLine, pitches_of

lines = st.lists(st.tuples(st.integers(0, 127).map(str), st.integers(1, 40)), min_size=1, max_size=9).map(
    lambda rows: NoteLine(*zip(*rows, strict=True))
)


def build(config):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = GAN(config).eval()
        with torch.no_grad():  # far from zero, so that notes differ
            for parameter in network.generator.parameters():
                parameter.mul_(3)
    return network


@pytest.fixture(scope="module", params=["tiny", "one", "mogren-tiny"])
def network(request):
    return build(
        replace(PRESETS["tiny"], features=1, note_steps=3) if request.param == "one" else PRESETS[request.param]
    )


@pytest.mark.parametrize(("n_steps", "bar"), [(1, 16), (16, 16), (100, 12), (333, 16)])
def test_a_piece_is_as_long_as_asked(network, n_steps, bar):
    told = []
    found = compose(
        network, n_steps=n_steps, bar=bar, rng=np.random.default_rng(0), on_progress=lambda *now: told.append(now)
    )
    assert found.n_steps == n_steps and told[-1] == (n_steps, n_steps)
    config = network.config
    assert all(config.lowest <= pitch <= config.highest for symbol in found.symbols for pitch in pitches_of(symbol))
    assert bool(found.velocities) == (config.features == 4)
    assert found.to_song().n_notes == found.n_notes > 0


def test_the_seed_decides(network):
    one, two, other = (compose(network, n_steps=200, bar=16, rng=np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert one == two != other


def test_a_piece_is_its_sequences_end_to_end(network):
    rng = np.random.default_rng(5)
    parts = [to_bar_line(sequences(network, 1, rng)[0], 16) for _ in range(2)]
    n_steps = sum(part.n_steps for part in parts)
    assert compose(network, n_steps=n_steps, bar=16, rng=np.random.default_rng(5)) == joined(*parts)


def test_of_one_noise_sequences_are_the_same_alone_and_together(network):
    together = sequences(network, 3, np.random.default_rng(1))
    rng = np.random.default_rng(1)
    assert together == [sequences(network, 1, rng)[0] for _ in range(3)]
    assert len({line.symbols for line in together}) == 3


@given(lines, st.integers(1, 24))
def test_a_line_ends_at_a_bar_line(line, bar):
    found = to_bar_line(line, bar)
    assert found.n_steps % bar == 0 and 0 < found.n_steps and abs(found.n_steps - line.n_steps) < bar
    assert found.symbols[: len(line.symbols)] == line.symbols[: len(found.symbols)]


def test_a_short_line_is_filled_with_a_rest():
    assert to_bar_line(NoteLine(("60",), (3,), (9,)), 8) == NoteLine(("60", REST), (3, 5), (9, 0))
    assert to_bar_line(NoteLine(("60",), (3,)), 8) == NoteLine(("60", REST), (3, 5))


@given(lines, st.sets(st.integers(0, 11), min_size=1))
def test_snapped_notes_are_of_the_scale_and_the_nearest(line, scale):
    found = snapped(line, scale)
    assert found.durations == line.durations
    for before, after in zip(line.symbols, found.symbols, strict=True):
        assert int(after) % 12 in scale
        apart = abs(int(before) - int(after))
        assert not any((int(before) + d) % 12 in scale for d in range(-apart + 1, apart) if 0 <= int(before) + d <= 127)
    assert snapped(found, scale) == found


def test_of_two_the_lower_and_rests_stay():
    assert snapped(NoteLine(("61", REST, "60.61"), (1, 2, 3)), pitch_classes("c-major")).symbols == ("60", REST, "60")


def test_names_of_scales():
    assert pitch_classes("C major") == (0, 2, 4, 5, 7, 9, 11) and pitch_classes("a-minor") == (9, 11, 0, 2, 4, 5, 7)
    assert (
        pitch_classes(" F#:minor ")[0] == 6
        and pitch_classes("bb-major")[0] == 10
        and pitch_classes("b-major")[0] == 11
        and pitch_classes("cb-major")[0] == 11
    )
    for wrong in ("", "c", "h-major", "c-dorian", "major"):
        with pytest.raises(UsageError, match="no scale"):
            pitch_classes(wrong)


def test_what_is_refused(network):
    for options, message in (
        ({"n_steps": 0}, "0 steps"), ({"n_steps": 10**6}, "1000000 steps"), ({"bar": 0}, "bars of 0"), ({"scale": ()}, "holds no pitch"),
        ({"scale": (12,)}, "holds no pitch"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=message):
            compose(network, **({"n_steps": 16, "bar": 16, "rng": np.random.default_rng(0)} | options))
