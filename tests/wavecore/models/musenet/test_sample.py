"""What is asked for is written: length, opening, instruments; a sliding window; a critic that chooses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.errors import UsageError
from wavecore.models.musenet import sample as musenet_sampling
from wavecore.models.musenet.config import MuseNetConfig
from wavecore.models.musenet.features import measured
from wavecore.models.musenet.model import MuseNet
from wavecore.models.musenet.sample import MOST_IN_TICK, Begun, Wish, extended, generate, scores
from wavecore.models.musenet.tokens import START, WAITS, Vocabulary, player, players, waits

CONFIG = MuseNetConfig(
    n_layers=2,
    channels=16,
    n_heads=2,
    context=32,
    patterns=("dense", "strided"),
    block=4,
    styles=("bach", "pop"),
    critic=True,
)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = MuseNet(CONFIG).eval()
        with torch.no_grad():
            for parameter in made.parameters():
                parameter += 0.3 * torch.randn_like(parameter)
            likes = torch.randn(16)  # to wait
            made.tokens.kinds[31] += 0.6 * likes
            made.norm.bias += 0.6 * likes
    return made


def rng(seed=0):
    return np.random.default_rng(seed)


def test_pieces_are_as_long_as_asked_and_the_seed_decides(network):
    told = []
    first = generate(
        network, Wish(200, "bach", 90.0), rng=rng(1), n_samples=3, on_progress=lambda *done: told.append(done)
    )
    again, other = (generate(network, Wish(200, "bach", 90.0), rng=rng(seed), n_samples=3) for seed in (1, 2))
    for body, twin, foe in zip(first, again, other, strict=True):
        assert int(waits(body).sum()) == int(waits(foe).sum()) == 200 and (body < START).all() and waits(body)[-1] > 0
        np.testing.assert_array_equal(body, twin)
        assert len(body) != len(foe) or (body != foe).any()
    assert told[-1] == (200, 200) and [done for done, _ in told] == sorted(done for done, _ in told)


def test_an_opening_stays_and_decides_what_follows(network):
    opening = np.array([700, WAITS + 23, 60, 701, WAITS + 3])
    (found,) = generate(network, Wish(60, opening=opening), rng=rng())
    np.testing.assert_array_equal(found[:5], opening)
    (other,) = generate(network, Wish(60, opening=opening[1:]), rng=rng())
    assert len(other) != len(found) - 1 or (other[4:] != found[5:]).any()


@pytest.mark.parametrize("opening_length", [0, 3, 27, 28, 29, 70])
def test_every_draw_is_from_what_the_network_says_of_its_window(network, opening_length, monkeypatch):
    """The cached logits are those of the prefix and the window's tokens, also when it has slid."""
    seen = []
    real = musenet_sampling.pick
    monkeypatch.setattr(musenet_sampling, "pick", lambda logits, *rest: seen.append(logits) or real(logits, *rest))
    monkeypatch.setattr(musenet_sampling, "MOST_IN_TICK", 10**6)
    opening = np.tile([800, WAITS], 40)[:opening_length]
    wish = Wish(int(waits(opening).sum()) + 2000, "pop", 100.0, opening=opening)
    (body,) = generate(network, wish, rng=rng(3))
    prefix = Vocabulary(CONFIG.styles).prefix(style="pop", beats_per_minute=100.0)
    room = 32 - len(prefix)
    line = measured(body, 100.0)
    line.total_ticks = wish.n_ticks
    begin = 0
    assert len(body) - opening_length == len(seen) > 30
    for number, logits in enumerate(seen, start=opening_length):
        if number - begin > room:
            begin = number - room // 2
        if number % 3:
            continue
        tokens = torch.from_numpy(np.concatenate([prefix, body[begin:number]]).astype(np.int64))[None]
        features = torch.from_numpy(line.window(begin, number, n_prefix=len(prefix)))[None]
        wanted = network(tokens, features)[0, -1, :START].detach().numpy()
        np.testing.assert_allclose(logits[0], wanted, atol=1e-3)


def test_instruments_are_asked_for_and_not_forced(network):
    def shares(instruments, shift):
        bodies = generate(network, Wish(6000, instruments=instruments), rng=rng(5), n_samples=2, shift=shift)
        notes = np.concatenate([player(body[musenet_sampling.begins_note(body)]) for body in bodies])
        return (notes == 1).mean(), set(notes.tolist())

    free, asked, forced = shares((), 2.0), shares(("violin",), 2.0), shares(("violin",), 60.0)
    assert 3 * free[0] < asked[0] < 1 and len(asked[1]) > 2, "more violins, but others still come"
    assert forced[1] == {1}
    assert players(np.array([129 * 15])) == ("violin",)


def test_a_few_likely_tokens_and_the_likeliest(network):
    wish = Wish(60)
    (greedy,) = generate(network, wish, rng=rng(), temperature=0)
    (one,) = generate(network, wish, rng=rng(9), top_k=1)
    np.testing.assert_array_equal(greedy, one)
    (all_of_them,), (whole,) = generate(network, wish, rng=rng(4), top_k=START), generate(network, wish, rng=rng(4))
    np.testing.assert_array_equal(all_of_them, whole)


def test_a_piece_never_stands_still(network):
    stuck = MuseNet(replace(CONFIG, critic=False)).eval()
    stuck.load_state_dict(
        {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("critic")}
    )
    with torch.no_grad():
        stuck.tokens.kinds[31] -= 50 * stuck.norm.weight.sign()
        stuck.norm.bias += 3 * stuck.norm.weight.sign()  # waits have become unthinkable
    (body,) = generate(stuck, Wish(3), rng=rng())
    places = np.flatnonzero(waits(body))
    assert set(np.diff(places, prepend=-1).tolist()) == {MOST_IN_TICK + 1}


def test_the_critic_hears_what_was_written(network):
    opening = np.tile([900, WAITS + 2, 4, WAITS], 10)
    wish = Wish(300, "bach", opening=opening)
    bodies = generate(network, wish, rng=rng(0), n_samples=3)
    found = scores(network, wish, bodies)
    assert found.shape == (3,) and len(set(found.tolist())) == 3
    prefix, body = wish.prefix(network), bodies[1]
    room, odds = 32 - len(prefix), []
    line = measured(body, 120.0)
    for begin in range(0, len(body), room):
        part = torch.from_numpy(np.concatenate([prefix, body[begin : begin + room]]).astype(np.int64))[None]
        features = torch.from_numpy(line.window(begin, min(begin + room, len(body)), n_prefix=len(prefix)))[None]
        said = network.judge(network.hidden(network.embed(part, features, network.tokens())))[0, len(prefix) :].tolist()
        odds += [value for place, value in enumerate(said, start=begin) if place >= 40]
    assert len(odds) == len(body) - 40
    assert found[1] == pytest.approx(np.mean(odds), abs=1e-5)
    silent = MuseNet(replace(CONFIG, critic=False)).eval()
    with pytest.raises(UsageError, match="no inner critic"):
        scores(silent, wish, bodies)


def test_pieces_of_other_places_go_on_beside_each_other(network):
    """Each as it would alone: the drawn numbers are those of the first row."""
    prefixes = [Vocabulary(CONFIG.styles).prefix(style=style) for style in CONFIG.styles]
    bodies, begins = [np.array([700, WAITS + 3, 5, 9, WAITS]), np.array([WAITS, 17, 18])], [3, 1]

    def begun(row):
        return Begun(prefixes[row], bodies[row], measured(bodies[row], 80.0), begins[row])

    both = extended(network, [begun(0), begun(1)], 50, rng=rng(2))
    assert [len(body) for body in both] == [50, 50]
    (alone,) = extended(network, [begun(0)], 1, rng=rng(2))
    assert alone[0] == both[0][0]
    line = measured(np.concatenate([bodies[1], both[1]]), 80.0)
    assert line.tick == int(waits(bodies[1]).sum() + waits(both[1]).sum())


def test_what_cannot_be_wished(network):
    for options, message in (
        ({"n_ticks": 0}, "nothing would be left"),
        ({"n_ticks": 24, "opening": np.array([WAITS + 23])}, "24 ticks long and the piece is to be 24"),
        ({"n_ticks": 24, "opening": np.array([START])}, "other numbers than tokens"),
        ({"n_ticks": 24, "opening": np.array([[5]])}, r"shape \(1, 1\)"),
        ({"n_ticks": 24, "opening": np.array([-1])}, "other numbers"),
        ({"n_ticks": 24, "instruments": ("oboe",)}, "'oboe'"),
    ):
        with pytest.raises(UsageError, match=message):
            Wish(**options)
    for options, message in (
        ({"n_samples": 0}, "0 samples"),
        ({"temperature": -1.0}, "temperature -1"),
        ({"top_k": 0}, "top_k 0"),
        ({"shift": -1.0}, "shift -1"),
    ):
        with pytest.raises(UsageError, match=message):
            generate(network, Wish(24), rng=rng(), **options)
    for wish, message in ((Wish(24, "jazz"), "knows bach, pop"), (Wish(24, beats_per_minute=-3.0), "must be positive")):
        with pytest.raises(UsageError, match=message):
            generate(network, wish, rng=rng())
