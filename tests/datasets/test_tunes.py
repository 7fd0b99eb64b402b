import pytest

from wavecore.datasets import tunes
from wavecore.datasets.synths import whistle
from wavecore.errors import UsageError
from wavecore.symbolic import score as scores


def test_the_notes_are_those_of_the_songs():
    pitches = {name: [note.pitch for note in tunes.tune(name).notes] for name in tunes.NAMES}
    assert pitches["ode-to-joy"] == [66, 66, 67, 69, 69, 67, 66, 64, 62, 62, 64, 66, 66, 64, 64]
    assert pitches["greensleeves"][:6] == [69, 72, 74, 76, 78, 76]
    assert pitches["minuet"][:8] == [74, 67, 69, 71, 72, 74, 67, 67]
    assert pitches["twinkle"] == [60, 60, 67, 67, 69, 69, 67, 65, 65, 64, 64, 62, 62, 60]


@pytest.mark.parametrize("name", tunes.NAMES)
def test_a_tune_is_short_monophonic_and_can_be_whistled(name):
    score = tunes.tune(name)
    assert (score.name, score.licence) == (name, "public domain") and score.source
    assert 5 <= score.duration_s <= 6
    assert scores.is_monophonic(score)
    assert 60 <= scores.pitch_range(score)[0] <= scores.pitch_range(score)[1] <= 79
    assert 1 in whistle.octaves_in_range(score)


def test_bars_are_full():
    # Three quarters a bar at 0.46 s: the minuet's second bar starts at 1.38 s.
    assert [note.onset_s for note in tunes.tune("minuet").notes][5] == pytest.approx(3 * 0.46)
    assert [note.onset_s for note in tunes.tune("greensleeves").notes][1] == pytest.approx(0.245)


def test_an_unknown_tune_is_refused_and_the_known_ones_are_listed():
    with pytest.raises(UsageError, match="ode-to-joy, greensleeves, minuet, twinkle"):
        tunes.tune("yesterday")


@pytest.mark.slow
def test_a_tune_is_whistled_the_same_for_the_same_seed():
    first, again, other = (tunes.whistled("twinkle", seed=seed, sample_rate=16_000) for seed in (1, 1, 2))
    assert len(first) == round((tunes.tune("twinkle").duration_s + 0.25) * 16_000)
    assert (first == again).all() and not (first == other).all()
