import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wavecore.datasets.domains.excerpts import (
    DUET_DEPTH,
    MIN_INTERVAL,
    Excerpt,
    ExcerptSettings,
    excerpts,
    generator,
    plan,
    second_voice,
)
from wavecore.datasets.splits import split_of
from wavecore.errors import InputError, UsageError
from wavecore.symbolic import score as scores
from wavecore.symbolic.score import Note, Score

RATE = 16_000


def song(name: str, *, seconds: float = 60, low: int = 55, gaps: float = 0.0, seed: int = 0) -> Score:
    """Make random notes of half a second within an octave and a half."""
    rng = np.random.default_rng(seed)
    pitches = low + rng.integers(0, 18, int(seconds * 2))
    notes = (Note(0.5 * i, 0.5 * (1 - gaps), int(p), 64) for i, p in enumerate(pitches))
    return Score(tuple(notes), name, "made up", "CC0")


def line(*pitches: int, length_s: float = 0.5) -> Score:
    return Score(tuple(Note(length_s * i, length_s, pitch) for i, pitch in enumerate(pitches)))


def choose(*songs: Score, seconds: float | None = 40, seed: int = 0, companions=None, **options) -> list[Excerpt]:
    limits = ExcerptSettings(**options)
    return plan(songs, seconds=seconds, settings=limits, sample_rate=RATE, seed=seed, companions=companions)


@given(st.integers(30, 80), st.integers(0, 10))
@settings(deadline=None, max_examples=10)
def test_every_excerpt_fits_its_settings(low, seed):
    limits = ExcerptSettings()
    chosen = choose(song("a", low=low, seed=seed), song("b", low=low + 3, seed=seed + 1), seed=seed)
    assert sum(excerpt.n_samples for excerpt in chosen) / RATE >= 40
    for excerpt in chosen:
        length_s = excerpt.n_samples / RATE - limits.tail_s
        assert limits.seconds[0] - 1e-3 <= length_s <= limits.seconds[1] + 1e-3
        assert excerpt.score.notes[0].onset_s == 0 and excerpt.score.duration_s <= length_s + 1e-3
        assert scores.is_monophonic(excerpt.score)
        lowest, highest = scores.pitch_range(excerpt.score)
        assert limits.pitches[0] <= lowest <= highest <= limits.pitches[1]
        assert scores.sounding_s(excerpt.score.notes) >= 0.7 * length_s
        assert all(70 < note.velocity < 110 for note in excerpt.score.notes)
        assert (excerpt.score.source, excerpt.score.licence) == ("made up", "CC0")


def test_the_melody_is_the_tunes_own():
    tune = song("a")
    intervals = np.diff([note.pitch for note in tune.notes])
    for excerpt in choose(tune, seconds=20):
        own = np.diff([note.pitch for note in excerpt.score.notes])
        assert any(np.array_equal(own, intervals[i : i + len(own)]) for i in range(len(intervals)))
        # Half-second notes at 0.9 to 1.3 times the speed; the last one may be cut.
        assert all(0.5 / 1.3 - 1e-6 <= note.duration_s <= 0.5 / 0.9 + 1e-6 for note in excerpt.score.notes[:-1])


def test_excerpts_of_a_tune_do_not_overlap():
    tune = Score(tuple(Note(0.5 * i, 0.5, 60 + [0, 2, 4, 5, 7][i % 5], 90) for i in range(240)), "a")
    chosen = list(excerpts(tune, settings=ExcerptSettings(tempo=(1, 1)), sample_rate=RATE, seed=0))
    assert len({excerpt.id for excerpt in chosen}) == len(chosen) > 4
    assert sum(excerpt.n_samples / RATE - 0.4 for excerpt in chosen) <= tune.duration_s


def test_one_of_every_tune_comes_before_a_second_one():
    songs = [song(f"s{i}", seed=i) for i in range(6)]
    chosen = choose(*songs, seconds=90)
    assert {excerpt.tune for excerpt in chosen[:6]} == {tune.name for tune in songs}
    assert [excerpt.id[-2:] for excerpt in chosen[:7]] == ["#0"] * 6 + ["#1"]
    # Keys and tempos vary.
    assert len({excerpt.score.notes[0].duration_s for excerpt in chosen}) > 5


def test_the_plan_ignores_the_order_and_grows_with_the_seconds():
    songs = [song(f"s{i}", seed=i) for i in range(6)]
    chosen = choose(*songs)
    assert chosen == choose(*reversed(songs))
    assert choose(*songs, seconds=120)[: len(chosen)] == chosen
    assert choose(*songs, seed=1) != choose(*songs, seed=2)


@pytest.mark.slow
def test_all_of_a_tune_is_in_one_split():
    chosen = choose(*(song(f"s{i}", seed=i) for i in range(30)), seconds=None)
    assert len(chosen) > 60 and {excerpt.split for excerpt in chosen} == {"train", "valid", "test"}
    for excerpt in chosen:
        assert excerpt.split == split_of(excerpt.tune) and excerpt.id.startswith(excerpt.tune + "#")


def test_too_little_music_is_an_error_that_names_the_seconds():
    wide = Score(tuple(Note(0.5 * i, 0.5, 40 + 45 * (i % 2), 90) for i in range(60)), "wide")
    for tune, seconds, fact in ((song("a", gaps=0.5), 40, " 0 s"), (wide, None, " 0 s"), (song("a"), 5_000, "5000 s")):
        with pytest.raises(InputError, match=fact):
            choose(tune, seconds=seconds)


def test_repeated_names_and_no_seconds_are_refused():
    with pytest.raises(UsageError, match="'a'"):
        choose(song("a"), song("b"), song("a", seed=3))
    with pytest.raises(UsageError, match="seconds is 0"):
        choose(song("a"), seconds=0)


@pytest.mark.parametrize(
    "values",
    [
        {"seconds": (12, 8)},
        {"seconds": (0, 8)},
        {"pitches": (60, 65)},
        {"tempo": (float("nan"), 1)},
        {"semitones": 13},
        {"tail_s": -1},
        {"sounding": 1.1},
        {"duets": 1.5},
    ],
)
def test_settings_out_of_range_are_refused(values):
    with pytest.raises(UsageError, match=next(iter(values))):
        ExcerptSettings(**values)


def test_generators_depend_on_every_name():
    keys = [(0, "a", "b"), (0, "ab"), (0, "a"), (1, "a", "b"), (0, "b", "a")]
    assert len({generator(*key).random() for key in keys}) == 5
    assert generator(0, "a").random() == generator(0, "a").random()


def test_a_share_gets_a_second_voice_and_the_melodies_stay_the_same():
    tune = song("a", seconds=120)
    below = {"a": Score(tuple(Note(0.5 * i, 0.5, 43, 64) for i in range(240)), "a")}
    alone, none, some, every = (
        choose(tune, seconds=60, seed=1, duets=share, companions=companions)
        for share, companions in ((0.0, below), (1.0, {}), (0.5, below), (1.0, below))
    )
    assert alone == none
    duets = [not scores.is_monophonic(excerpt.score) for excerpt in some]
    assert 0 < sum(duets) < len(duets)
    for one, other in zip(alone, every, strict=True):
        assert (one.id, one.n_samples) == (other.id, other.n_samples)
        assert set(one.score.notes) < set(other.score.notes)
        added = set(other.score.notes) - set(one.score.notes)
        assert min(note.pitch for note in added) >= ExcerptSettings().pitches[0] - DUET_DEPTH
        assert max(note.end_s for note in added) <= other.n_samples / RATE


NOTES = st.builds(
    Note,
    onset_s=st.floats(0, 8).map(lambda onset_s: round(onset_s, 2)),
    duration_s=st.floats(0.1, 2).map(lambda length_s: round(length_s, 2)),
    pitch=st.integers(20, 100),
)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.lists(NOTES, max_size=30))
@example([Note(5.25, 0.25, 20), Note(5.56, 1.0, 20)])  # legato lengthens the first into the melody's next note
def test_a_second_voice_is_one_line_below_the_melody_of_the_same_pitch_classes(notes):
    melody = line(*(60 + (5 * i) % 13 for i in range(16)))
    voice = second_voice(melody, Score(tuple(notes)), lowest=48)
    assert scores.is_monophonic(voice)
    for note in voice.notes:
        assert note.pitch >= 48 and note.pitch % 12 in {one.pitch % 12 for one in notes}
        sounding = [one for one in melody.notes if one.onset_s < note.end_s - 1e-6 and note.onset_s < one.end_s - 1e-6]
        assert all(note.pitch <= one.pitch - MIN_INTERVAL for one in sounding)


def test_where_the_melody_rests_or_no_note_fits_there_is_no_second_voice():
    assert second_voice(line(72), Score((Note(3, 1, 40),)), lowest=48).notes == ()
    assert second_voice(line(50), Score((Note(0, 1, 40),)), lowest=48).notes == ()
