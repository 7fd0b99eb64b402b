from __future__ import annotations

import numpy as np
import pytest

from wavecore.datasets.domains.excerpts import Excerpt
from wavecore.datasets.domains.players import (
    DEFAULT_DOMAINS,
    DomainSpec,
    Section,
    able,
    perform,
    performance,
    player_gains,
)
from wavecore.errors import UsageError
from wavecore.symbolic.score import Note, Score

RATE = 16_000
SPECS = (
    DomainSpec("organ", "reed organ"),
    DomainSpec("harpsichord", "harpsichord"),
    DomainSpec("whistle", "whistle", whistled=0.5),
)


def test_nobody_whistles_two_voices():
    one = Excerpt("a#0", "a", "train", Score((Note(0, 1, 60), Note(1, 1, 62))), RATE)
    two = Excerpt("a#1", "a", "train", Score((Note(0, 1, 60), Note(0.5, 1, 55))), RATE)
    assert able(one, SPECS) == [0, 1, 2] and able(two, SPECS) == [0, 1]


def test_an_orchestra_is_among_the_usual_domains():
    (orchestra,) = (spec for spec in DEFAULT_DOMAINS if spec.name == "orchestra")
    assert len(orchestra.players) >= 4 and orchestra.players[0].instrument == orchestra.instrument


def test_instruments_play_as_written_and_whistles_above():
    excerpt = Excerpt("a#0", "a", "train", Score((Note(0, 1, 60), Note(1, 1, 62))), RATE)
    assert performance(excerpt, SPECS[0], 0).octave == 0
    assert {performance(excerpt, SPECS[2], seed).octave for seed in range(20)} <= {1, 2}


def test_a_passage_too_loud_is_turned_down(sounds):
    score = Score((Note(0, 0.3, 72, 127),))
    excerpt = Excerpt("a#0", "a", "train", score, RATE // 2)
    x = perform(excerpt, SPECS[0], (20.0,), sounds, seed=0)
    assert np.abs(x).max() == pytest.approx(0.99, abs=1e-6)
    quiet = perform(excerpt, SPECS[0], (1.0,), sounds, seed=0)
    assert np.allclose(x / np.abs(x).max(), quiet / np.abs(quiet).max(), atol=1e-6)


def test_what_cannot_be_whistled_is_refused(sounds):
    score = Score((Note(0, 0.3, 40), Note(0.3, 0.3, 60)))
    with pytest.raises(UsageError, match="MIDI 40 to 60 cannot be whistled"):
        perform(Excerpt("a#0", "a", "train", score, RATE), SPECS[2], (1.0,), sounds, seed=0)


ENSEMBLE = DomainSpec(
    "ensemble", "violin", sections=(Section("oboe", level_db=-6), Section("cello", octave=-1, level_db=-9))
)


def test_sections_play_together_as_loud_as_one_and_not_in_unison_to_the_sample(sounds):
    score = Score(tuple(Note(0.4 * i, 0.4, 64 + i % 5) for i in range(6)))
    excerpt = Excerpt("a#0", "a", "train", score, 3 * RATE)
    gains = player_gains(ENSEMBLE, sounds)
    alone = DomainSpec("alone", "violin")
    together, solo = (perform(excerpt, spec, player_gains(spec, sounds), sounds, seed=0) for spec in (ENSEMBLE, alone))
    assert len(gains) == 3 and gains[0] < player_gains(alone, sounds)[0]
    assert 0.5 < np.std(together) / np.std(solo) < 2
    # The violin's part of it starts at its own times: taking it away leaves more than the others.
    rest = together - solo * gains[0] / player_gains(alone, sounds)[0]
    others = sum(
        perform(excerpt, DomainSpec("x", player.instrument), (gain,), sounds, seed=0)
        for player, gain in zip(ENSEMBLE.sections[:1], gains[1:2], strict=True)
    )
    assert np.std(rest) > 1.2 * np.std(others)
    assert np.array_equal(together, perform(excerpt, ENSEMBLE, gains, sounds, seed=0))
    assert not np.array_equal(together, perform(excerpt, ENSEMBLE, gains, sounds, seed=1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("", "violin"), "cannot be called"),
        (("a/b", "violin"), "cannot be called"),
        (("a", "kazoo"), "no instrument"),
        (("a", 200), "no instrument"),
        (("a", "violin", 0, 1.5), "it is a share"),
    ],
)
def test_senseless_domains_are_refused(values, message):
    with pytest.raises(UsageError, match=message):
        DomainSpec(*values)


def test_senseless_sections_are_refused():
    with pytest.raises(UsageError, match="no instrument"):
        Section("kazoo")
    with pytest.raises(UsageError, match="octaves -2 to 2"):
        Section("oboe", octave=3)
    with pytest.raises(UsageError, match="no sections can join"):
        DomainSpec("a", "whistle", whistled=0.5, sections=(Section("oboe"),))
