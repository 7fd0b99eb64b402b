from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.datasets.domains.excerpts import DUET_DEPTH, Excerpt, ExcerptSettings, excerpts, generator, plan
from wavecore.datasets.splits import split_of
from wavecore.errors import InputError, UsageError
from wavecore.symbolic import score as scores
from wavecore.symbolic.score import Note, Score

RATE = 16_000


def song(name: str, *, seconds: float = 60, low: int = 55, gaps: float = 0.0, seed: int = 0) -> Score:
    """A random walk over an octave and a half in half-second notes."""
    rng = np.random.default_rng(seed)
    pitches = low + rng.integers(0, 18, int(seconds * 2))
    notes = (Note(0.5 * i, 0.5 * (1 - gaps), int(p), 64) for i, p in enumerate(pitches))
    return Score(tuple(notes), name, "made up", "CC0")


def chosen_from(*songs: Score, seconds: float | None = 40, seed: int = 0, **options) -> list[Excerpt]:
    return plan(songs, seconds=seconds, settings=ExcerptSettings(**options), sample_rate=RATE, seed=seed)


@given(st.integers(30, 80), st.integers(0, 10))
@settings(deadline=None, max_examples=20)
def test_every_excerpt_fits_its_settings(low, seed):
    limits = ExcerptSettings()
    found = chosen_from(song("a", low=low, seed=seed), song("b", low=low + 3, seed=seed + 1), seed=seed)
    assert sum(e.n_samples for e in found) / RATE >= 40
    for excerpt in found:
        length_s = excerpt.n_samples / RATE - limits.tail_s
        assert limits.seconds[0] - 1e-3 <= length_s <= limits.seconds[1] + 1e-3
        assert excerpt.score.notes[0].onset_s == 0
        assert excerpt.score.duration_s <= length_s + 1e-3
        assert scores.is_monophonic(excerpt.score)
        low_pitch, high_pitch = scores.pitch_range(excerpt.score)
        assert limits.pitches[0] <= low_pitch <= high_pitch <= limits.pitches[1]
        assert scores.sounding_s(excerpt.score.notes) >= 0.7 * length_s
        assert all(70 < n.velocity < 110 for n in excerpt.score.notes)
        assert (excerpt.score.source, excerpt.score.licence) == ("made up", "CC0")


def test_the_melody_is_the_tunes_own():
    tune = song("a")
    intervals = np.diff([n.pitch for n in tune.notes])
    for excerpt in chosen_from(tune, seconds=20):
        own = np.diff([n.pitch for n in excerpt.score.notes])
        assert any(np.array_equal(own, intervals[i : i + len(own)]) for i in range(len(intervals)))
        # Half-second notes at 0.9 to 1.3 times the speed; the last one may be cut.
        assert all(0.5 / 1.3 - 1e-6 <= n.duration_s <= 0.5 / 0.9 + 1e-6 for n in excerpt.score.notes[:-1])


def test_excerpts_of_a_tune_do_not_overlap():
    # Every pitch of this tune occurs once, so a shared note would show as a shared interval to the ends.
    tune = Score(tuple(Note(0.5 * i, 0.5, 60 + [0, 2, 4, 5, 7][i % 5], 90) for i in range(240)), "a")
    found = list(excerpts(tune, settings=ExcerptSettings(tempo=(1, 1)), sample_rate=RATE, seed=0))
    assert len(found) > 4
    assert sum(e.n_samples / RATE - 0.4 for e in found) <= tune.duration_s
    assert len({e.id for e in found}) == len(found)


def test_one_of_every_tune_comes_before_a_second_one():
    songs = [song(f"s{i}", seed=i) for i in range(6)]
    found = chosen_from(*songs, seconds=90)
    assert {e.tune for e in found[:6]} == {s.name for s in songs}
    assert all(e.id.endswith("#0") for e in found[:6])
    assert found[6].id.endswith("#1")


def test_the_plan_ignores_the_order_and_grows_with_the_seconds():
    songs = [song(f"s{i}", seed=i) for i in range(6)]
    assert chosen_from(*songs) == chosen_from(*reversed(songs))
    long = chosen_from(*songs, seconds=120)
    assert long[: len(chosen_from(*songs))] == chosen_from(*songs)
    assert chosen_from(*songs, seed=1) != chosen_from(*songs, seed=2)


def test_all_of_a_tune_is_in_one_split():
    songs = [song(f"s{i}", seed=i) for i in range(30)]
    found = chosen_from(*songs, seconds=None)
    assert len(found) > 60
    assert {e.split for e in found} == {"train", "valid", "test"}
    for excerpt in found:
        assert excerpt.split == split_of(excerpt.tune)
        assert excerpt.id.startswith(excerpt.tune + "#")


def test_keys_and_speeds_vary():
    songs = [song(f"s{i}", seed=0) for i in range(12)]
    found = chosen_from(*songs, seconds=100)
    # The same notes under different names come in different keys and tempos.
    assert len({e.score.notes[0].duration_s for e in found}) > 5
    assert len({e.n_samples for e in found}) > 5


def test_silent_and_wide_tunes_give_nothing():
    with pytest.raises(InputError, match="melodies give 0 s"):
        chosen_from(song("sparse", gaps=0.5))
    wide = Score(tuple(Note(0.5 * i, 0.5, 40 + 45 * (i % 2), 90) for i in range(60)), "wide")
    with pytest.raises(InputError, match="1 melodies give 0 s"):
        chosen_from(wide, seconds=None)


def test_too_much_is_refused_with_what_there_is():
    with pytest.raises(InputError, match=r"give \d\d s .* 5000 s were asked for"):
        chosen_from(song("a"), seconds=5_000)
    with pytest.raises(UsageError, match="more than 0"):
        chosen_from(song("a"), seconds=0)


def test_two_tunes_of_one_name_are_refused():
    with pytest.raises(UsageError, match="two melodies are called 'a'"):
        chosen_from(song("a"), song("b"), song("a", seed=3))


@pytest.mark.parametrize(
    "values",
    [
        {"seconds": (12, 8)}, {"seconds": (0, 8)}, {"pitches": (60, 65)}, {"tempo": (float("nan"), 1)},
        {"semitones": 13}, {"tail_s": -1}, {"sounding": 1.1},
    ],
)  # fmt: skip
def test_senseless_settings_are_refused(values):
    with pytest.raises(UsageError):
        ExcerptSettings(**values)


def test_generators_depend_on_every_name():
    draws = {generator(*key).random() for key in [(0, "a", "b"), (0, "ab"), (0, "a"), (1, "a", "b"), (0, "b", "a")]}
    assert len(draws) == 5
    assert generator(0, "a").random() == generator(0, "a").random()


def test_a_share_gets_a_second_voice_and_the_melodies_stay_the_same():
    tune = song("a", seconds=120)
    below = Score(tuple(Note(0.5 * i, 0.5, 43, 64) for i in range(240)), "a")
    alone, none, some, all_of_them = (
        plan([tune], seconds=60, settings=ExcerptSettings(duets=share), sample_rate=RATE, seed=1, companions=companions)
        for share, companions in ((0.0, {"a": below}), (1.0, {}), (0.5, {"a": below}), (1.0, {"a": below}))
    )
    assert alone == none
    duets = [not scores.is_monophonic(excerpt.score) for excerpt in some]
    assert 0 < sum(duets) < len(duets)
    for one, other in zip(alone, all_of_them, strict=True):
        assert (one.id, one.n_samples) == (other.id, other.n_samples)
        assert set(one.score.notes) < set(other.score.notes)
        added = set(other.score.notes) - set(one.score.notes)
        assert min(note.pitch for note in added) >= ExcerptSettings().pitches[0] - DUET_DEPTH
        assert max(note.end_s for note in added) <= other.n_samples / RATE


def test_a_share_of_duets_beyond_1_is_refused():
    with pytest.raises(UsageError, match="duets 0 to 1"):
        ExcerptSettings(duets=1.5)
