"""A judge of timbres, on timbres that are known."""

import numpy as np
import pytest

from wavecore.errors import InputError
from wavecore.models.translation.judge import DomainJudge

RATE = 16_000
PARTIALS = {"flute": (1, 0.2), "organ": (1, 0.8, 0.6, 0.5, 0.4), "odd": (1, 0, 0.7, 0, 0.5, 0, 0.3)}


def sound(name, seed, seconds=1.0):
    """A few notes of one timbre, of another melody and loudness for every seed."""
    rng = np.random.default_rng((len(name), seed))
    t = np.arange(int(seconds * RATE)) / RATE
    f0_hz = 440 * 2 ** (rng.integers(-9, 9, 4)[(4 * t / seconds).astype(int)] / 12)
    angle = 2 * np.pi * np.cumsum(f0_hz) / RATE
    x = sum(a * np.sin((k + 1) * angle) for k, a in enumerate(PARTIALS[name]))
    return (rng.uniform(0.02, 0.3) * x + 1e-4 * rng.standard_normal(len(x))).astype(np.float32)


def fit():
    sounds = {name: [sound(name, seed) for seed in range(15 + 5 * (name == "odd"))] for name in PARTIALS}
    return DomainJudge(sounds, sample_rate=RATE)


@pytest.fixture(scope="module")
def judge():
    return fit()


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTIALS)
def test_timbres_are_classified_whatever_the_melody(judge, name):
    assert judge.accuracy([sound(name, seed) for seed in range(100, 120)], name) >= 0.95
    others = [other for other in PARTIALS if other != name]
    assert judge.accuracy([sound(other, seed) for other in others for seed in range(100, 110)], name) <= 0.05


@pytest.mark.slow
def test_level_and_length_do_not_matter(judge):
    x = sound("organ", 200)
    assert judge.posterior([x]) == pytest.approx(judge.posterior([0.01 * x]), abs=0.01)
    assert judge.accuracy([sound("organ", seed, seconds=3.0) for seed in range(5)], "organ") == 1


@pytest.mark.slow
def test_posteriors_are_probabilities_and_the_fit_repeats(judge):
    sounds = [sound("flute", 300), np.random.default_rng(0).standard_normal(RATE)]
    posterior = judge.posterior(sounds)
    assert posterior.shape == (2, 3) and posterior.sum(axis=1) == pytest.approx([1, 1]) and (posterior >= 0).all()
    assert np.array_equal(posterior, fit().posterior(sounds))


@pytest.mark.slow
def test_silence_belongs_to_no_domain(judge):
    assert all(judge.accuracy([np.zeros(RATE, np.float32)], name) == 0 for name in PARTIALS)


def test_too_few_domains_and_unknown_ones_are_refused(judge):
    with pytest.raises(InputError, match="{'flute': 1}"):
        DomainJudge({"flute": [sound("flute", 0)]}, sample_rate=RATE)
    with pytest.raises(InputError, match="'organ': 0"):
        DomainJudge({"flute": [sound("flute", 0)], "organ": []}, sample_rate=RATE)
    with pytest.raises(InputError, match="'kazoo'.*flute, organ, odd"):
        judge.accuracy([sound("flute", 0)], "kazoo")
