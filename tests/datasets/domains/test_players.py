import numpy as np
import pytest

from wavecore.datasets.domains.excerpts import Excerpt
from wavecore.datasets.domains.players import (
    DEFAULT_DOMAINS,
    DomainSpec,
    Section,
    choose_performance,
    perform,
    playable_in,
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
ENSEMBLE = DomainSpec(
    "ensemble", "violin", sections=(Section("oboe", level_db=-6), Section("cello", octave=-1, level_db=-9))
)


def excerpt(*notes: Note, n_samples: int = RATE) -> Excerpt:
    return Excerpt("a#0", "a", "train", Score(notes), n_samples)


def test_several_voices_are_not_whistled():
    assert playable_in(excerpt(Note(0, 1, 60), Note(1, 1, 62)), SPECS) == [0, 1, 2]
    assert playable_in(excerpt(Note(0, 1, 60), Note(0.5, 1, 55)), SPECS) == [0, 1]


def test_an_orchestra_is_among_the_default_domains():
    (orchestra,) = (spec for spec in DEFAULT_DOMAINS if spec.name == "orchestra")
    assert len(orchestra.players) >= 4 and orchestra.players[0].instrument == orchestra.instrument


def test_instruments_play_as_written_and_whistles_one_or_two_octaves_above(sounds):
    line = excerpt(Note(0, 1, 60), Note(1, 1, 62))
    assert choose_performance(line, SPECS[0], 0) == (0, False)
    performances = {choose_performance(line, SPECS[2], seed) for seed in range(30)}
    assert performances == {(octave, whistled) for octave in (1, 2) for whistled in (False, True)}
    with pytest.raises(UsageError, match="MIDI 40 to 60"):
        perform(excerpt(Note(0, 0.3, 40), Note(0.3, 0.3, 60)), SPECS[2], (1.0,), sounds, seed=0)


def test_a_passage_too_loud_is_attenuated(sounds):
    note = excerpt(Note(0, 0.3, 72, 127), n_samples=RATE // 2)
    loud, quiet = (perform(note, SPECS[0], (gain,), sounds, seed=0) for gain in (20.0, 1.0))
    assert np.abs(loud).max() == pytest.approx(0.99, abs=1e-6)
    assert np.allclose(loud / np.abs(loud).max(), quiet / np.abs(quiet).max(), atol=1e-6)


@pytest.mark.slow
def test_sections_are_as_loud_as_one_player_and_not_in_time_to_the_sample(sounds):
    line = excerpt(*(Note(0.3 * i, 0.3, 64 + i % 5) for i in range(4)), n_samples=round(1.5 * RATE))
    gains = player_gains(ENSEMBLE, sounds)
    alone = DomainSpec("alone", "violin")
    alone_gains = player_gains(alone, sounds)
    together = perform(line, ENSEMBLE, gains, sounds, seed=0)
    solo = perform(line, alone, alone_gains, sounds, seed=0)
    assert len(gains) == 3 and gains[0] < alone_gains[0]
    assert 0.5 < np.std(together) / np.std(solo) < 2
    # The ensemble's violin has its own onsets: subtracting the solo leaves more than the other sections.
    rest = together - solo * gains[0] / alone_gains[0]
    oboe = perform(line, DomainSpec("x", "oboe"), gains[1:2], sounds, seed=0)
    assert np.std(rest) > 1.2 * np.std(oboe)
    assert np.array_equal(together, perform(line, ENSEMBLE, gains, sounds, seed=0))
    assert not np.array_equal(together, perform(line, ENSEMBLE, gains, sounds, seed=1))


@pytest.mark.parametrize(
    ("make", "fact"),
    [
        (lambda: DomainSpec("", "violin"), "''"),
        (lambda: DomainSpec("a/b", "violin"), "'a/b'"),
        (lambda: DomainSpec("a", "kazoo"), "'kazoo'"),
        (lambda: DomainSpec("a", 200), "200"),
        (lambda: DomainSpec("a", "violin", 0, 1.5), "1.5"),
        (lambda: DomainSpec("a", "whistle", whistled=0.5, sections=(Section("oboe"),)), "'a'"),
        (lambda: Section("kazoo"), "'kazoo'"),
        (lambda: Section("oboe", octave=3), "octave=3"),
    ],
)
def test_values_out_of_range_are_refused(make, fact):
    with pytest.raises(UsageError, match=fact):
        make()
