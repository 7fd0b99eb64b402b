"""Generated pieces: length, opening, instruments, a window that moves, and the critic's scores."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.errors import UsageError
from wavecore.models.musenet import sample
from wavecore.models.musenet.config import MuseNetConfig
from wavecore.models.musenet.model import MuseNet
from wavecore.models.musenet.sample import Beginning, Request, continue_pieces, critic_scores, generate
from wavecore.models.musenet.tokens import START, WAITS, Timeline, Vocabulary, instrument_numbers, is_onset, wait_ticks

SPARSE = {"patterns": ("dense", "strided"), "block": 4}
CONFIG = MuseNetConfig(n_layers=2, channels=16, n_heads=2, context=32, styles=("bach", "pop"), critic=True, **SPARSE)


@pytest.fixture(scope="module")
def network():
    """A network of random weights that often waits."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = MuseNet(CONFIG).eval()
        with torch.no_grad():
            for parameter in made.parameters():
                parameter += 0.3 * torch.randn_like(parameter)
            direction = torch.randn(16)
            made.tokens.kinds[31] += 0.6 * direction
            made.norm.bias += 0.6 * direction
    return made


def rng(seed=0):
    return np.random.default_rng(seed)


def log_odds(network, prefix, timeline, body, begin, end):
    """Return the critic's log odds of a window, computed without a cache."""
    tokens = torch.from_numpy(np.concatenate([prefix, body[begin:end]]).astype(np.int64))[None]
    features = torch.from_numpy(timeline.window(begin, end, n_prefix=len(prefix)))[None]
    hidden = network.hidden(network.embed(tokens, features, network.tokens()))
    return network.critic_logits(hidden)[0, len(prefix) :].tolist()


@pytest.mark.slow
def test_pieces_have_their_length_and_the_seed_decides(network):
    calls, request = [], Request(200, "bach", 90.0)
    first = generate(network, request, rng=rng(1), n_samples=3, on_progress=lambda *done: calls.append(done))
    again, other = (generate(network, request, rng=rng(seed), n_samples=3) for seed in (1, 2))
    for body, same, different in zip(first, again, other, strict=True):
        assert int(wait_ticks(body).sum()) == int(wait_ticks(different).sum()) == 200
        assert (body < START).all() and wait_ticks(body)[-1] > 0
        np.testing.assert_array_equal(body, same)
        assert not np.array_equal(body, different)
    assert calls[-1] == (200, 200) and [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_an_opening_stays_and_has_an_effect(network):
    opening = np.array([700, WAITS + 23, 60, 701, WAITS + 3])
    (body,) = generate(network, Request(60, opening=opening), rng=rng())
    np.testing.assert_array_equal(body[:5], opening)
    (other,) = generate(network, Request(60, opening=opening[1:]), rng=rng())
    assert not np.array_equal(other[4:], body[5:])


@pytest.mark.parametrize("opening_length", [0, 3, 27, 28, 29, 70])
def test_every_token_is_sampled_from_the_logits_of_its_window(network, opening_length, monkeypatch):
    """The cached logits are those of the prefix and the window's tokens, also after it moved."""
    seen, pick = [], sample.pick
    monkeypatch.setattr(sample, "pick", lambda logits, *rest: seen.append(logits) or pick(logits, *rest))
    prefix = Vocabulary(CONFIG.styles).prefix(style="pop", beats_per_minute=100.0)
    opening, timeline = np.tile([800, WAITS], 40)[:opening_length], Timeline(3000, 100.0)
    timeline.extend(opening)
    (new,) = continue_pieces(network, [Beginning(prefix, opening, timeline)], 45, rng=rng(3))
    body, capacity, begin = np.concatenate([opening, new]), 32 - len(prefix), 0
    for number, logits in enumerate(seen, start=opening_length):
        if number - begin > capacity:
            begin = number - capacity // 2
        if number % 5:
            continue
        tokens = torch.from_numpy(np.concatenate([prefix, body[begin:number]]).astype(np.int64))[None]
        features = torch.from_numpy(timeline.window(begin, number, n_prefix=len(prefix)))[None]
        expected = network(tokens, features)[0, -1, :START].detach().numpy()
        np.testing.assert_allclose(logits[0], expected, atol=1e-3)


@pytest.mark.slow
def test_instruments_are_requested_but_not_forced(network):
    def share_of_violins(instruments, shift):
        bodies = generate(network, Request(1500, instruments=instruments), rng=rng(5), n_samples=4, shift=shift)
        notes = np.concatenate([instrument_numbers(body[is_onset(body)]) for body in bodies])
        return (notes == 1).mean(), set(notes.tolist())

    free, requested, forced = (share_of_violins(*of) for of in (((), 2.0), (("violin",), 2.0), (("violin",), 60.0)))
    assert 3 * free[0] < requested[0] < 1 and len(requested[1]) > 2, "more violins, but others remain"
    assert forced[1] == {1}


def test_top_k_and_temperature_zero(network):
    request = Request(60)
    (greedy,) = generate(network, request, rng=rng(), temperature=0)
    (one,) = generate(network, request, rng=rng(9), top_k=1)
    np.testing.assert_array_equal(greedy, one)
    (all_tokens,), (whole,) = (generate(network, request, rng=rng(4), top_k=k) for k in (START, None))
    np.testing.assert_array_equal(all_tokens, whole)


def test_a_wait_is_forced_where_none_is_likely(network):
    stuck = MuseNet(CONFIG).eval()
    stuck.load_state_dict(network.state_dict())
    with torch.no_grad():
        stuck.tokens.kinds[31] -= 50 * stuck.norm.weight.sign()
        stuck.norm.bias += 3 * stuck.norm.weight.sign()
    (body,) = generate(stuck, Request(3), rng=rng())
    positions = np.flatnonzero(wait_ticks(body))
    assert set(np.diff(positions, prepend=-1).tolist()) == {sample.MAX_TOKENS_AT_ONCE + 1}


def test_the_critic_scores_what_follows_the_opening(network):
    request = Request(200, "bach", opening=np.tile([900, WAITS + 2, 4, WAITS], 10))
    bodies = generate(network, request, rng=rng(0), n_samples=3)
    scores = critic_scores(network, request, bodies)
    assert scores.shape == (3,) and len(set(scores.tolist())) == 3
    prefix, body = request.prefix(network), bodies[1]
    capacity, timeline, values = 32 - len(prefix), Timeline.of(body, 120.0), []
    for begin in range(0, len(body), capacity):
        values += log_odds(network, prefix, timeline, body, begin, min(begin + capacity, len(body)))
    assert len(values) == len(body) and scores[1] == pytest.approx(np.mean(values[40:]), abs=1e-5)
    with pytest.raises(UsageError, match="critic"):
        critic_scores(MuseNet(replace(CONFIG, critic=False)).eval(), request, bodies)


def test_pieces_are_continued_side_by_side(network):
    """Each as it would be alone: the random numbers are those of the first row."""
    prefixes = [Vocabulary(CONFIG.styles).prefix(style=style) for style in CONFIG.styles]
    bodies, begins = [np.array([700, WAITS + 3, 5, 9, WAITS]), np.array([WAITS, 17, 18])], [3, 1]

    def beginning(row):
        return Beginning(prefixes[row], bodies[row], Timeline.of(bodies[row], 80.0), begins[row])

    both = continue_pieces(network, [beginning(0), beginning(1)], 50, rng=rng(2))
    assert [len(body) for body in both] == [50, 50]
    (alone,) = continue_pieces(network, [beginning(0)], 1, rng=rng(2))
    assert alone[0] == both[0][0]


@pytest.mark.parametrize(
    ("opening", "n_ticks", "message"),
    [
        ([], 0, "0 ticks.* 0"),
        ([WAITS + 23], 24, "24 ticks.* 24"),
        ([START], 24, str(START - 1)),
        ([[5]], 24, r"\(1, 1\)"),
        ([-1], 24, str(START - 1)),
    ],
)
def test_openings_that_do_not_fit(opening, n_ticks, message):
    with pytest.raises(UsageError, match=message):
        Request(n_ticks, opening=opening)


@pytest.mark.parametrize(
    "options", [{"n_samples": 0}, {"temperature": -1.0}, {"top_k": 0}, {"shift": -1.0}], ids=lambda x: next(iter(x))
)
def test_numbers_out_of_range(network, options):
    ((name, value),) = options.items()
    with pytest.raises(UsageError, match=f"{value} samples" if name == "n_samples" else f"{name} {value}"):
        generate(network, Request(24), rng=rng(), **options)
