"""A listener of timbres, on timbres that are known."""

import numpy as np
import pytest

from wavecore.errors import InputError
from wavecore.models.translation.domain_classifier import DomainEar

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


@pytest.fixture(scope="module")
def ear():
    return DomainEar(
        {name: [sound(name, seed) for seed in range(15 + 5 * (name == "odd"))] for name in PARTIALS}, sample_rate=RATE
    )


@pytest.mark.parametrize("name", PARTIALS)
def test_timbres_are_told_apart_whatever_they_play(ear, name):
    assert ear.accuracy([sound(name, seed) for seed in range(100, 120)], name) >= 0.95
    others = [other for other in PARTIALS if other != name]
    assert ear.accuracy([sound(other, seed) for other in others for seed in range(100, 110)], name) <= 0.05


def test_loudness_and_length_do_not_matter(ear):
    x = sound("organ", 200)
    assert ear.posterior([x]) == pytest.approx(ear.posterior([0.01 * x]), abs=0.01)
    assert ear.accuracy([sound("organ", seed, seconds=3.0) for seed in range(5)], "organ") == 1


def test_posteriors_are_shares(ear):
    found = ear.posterior([sound("flute", 300), np.random.default_rng(0).standard_normal(RATE)])
    assert found.shape == (2, 3) and found.sum(axis=1) == pytest.approx([1, 1]) and (found >= 0).all()


def test_silence_is_nobody_s(ear):
    assert all(ear.accuracy([np.zeros(RATE, np.float32)], name) == 0 for name in PARTIALS)


def test_the_same_sounds_give_the_same_listener(ear):
    again = DomainEar(
        {name: [sound(name, seed) for seed in range(15 + 5 * (name == "odd"))] for name in PARTIALS}, sample_rate=RATE
    )
    x = [sound("odd", 400)]
    assert np.array_equal(ear.posterior(x), again.posterior(x))


def test_what_cannot_be_learnt_or_asked(ear):
    with pytest.raises(InputError, match="two or more; there are {'flute': 1}"):
        DomainEar({"flute": [sound("flute", 0)]}, sample_rate=RATE)
    with pytest.raises(InputError, match="'organ': 0"):
        DomainEar({"flute": [sound("flute", 0)], "organ": []}, sample_rate=RATE)
    with pytest.raises(InputError, match="does not know 'kazoo'; it knows flute, organ, odd"):
        ear.accuracy([sound("flute", 0)], "kazoo")
