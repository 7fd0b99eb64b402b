"""Scores in seconds: validation, top lines, transposition, cropping."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.errors import InputError, UsageError
from wavecore.symbolic import score as scores
from wavecore.symbolic.score import Note, Score

NOTES = st.builds(Note, st.floats(0, 20), st.floats(0.01, 4), st.integers(40, 90), st.integers(1, 127))
SCORES = st.builds(Score, notes=st.lists(NOTES, max_size=30).map(tuple), name=st.just("x"))


def line(*triples: tuple[float, float, int]) -> Score:
    """A score of (onset, end, pitch)."""
    return Score(tuple(Note(a, b - a, pitch) for a, b, pitch in triples), name="line", source="s", licence="l")


def triples(score: Score) -> list[tuple[float, float, int]]:
    return [(round(n.onset_s, 6), round(n.end_s, 6), n.pitch) for n in score.notes]


def test_order_duration_and_range():
    score = line((2, 3, 60), (0, 1, 72), (0, 4, 48))
    assert [n.pitch for n in score.notes] == [48, 72, 60]
    assert score.duration_s == 4 and Score(()).duration_s == 0
    assert scores.pitch_range(score) == (48, 72)
    with pytest.raises(InputError, match="'nothing'"):
        scores.pitch_range(Score((), name="nothing"))


@pytest.mark.parametrize(
    "values",
    [
        (-0.1, 1, 60, 90), (float("nan"), 1, 60, 90), (float("inf"), 1, 60, 90),
        (0, 0, 60, 90), (0, -1, 60, 90), (0, float("nan"), 60, 90),
        (0, 1, 128, 90), (0, 1, -1, 90), (0, 1, 60.5, 90), (0, 1, 60, 0), (0, 1, 60, 128),
    ],
)  # fmt: skip
def test_values_out_of_range(values):
    with pytest.raises(InputError):
        Note(*values)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # A legato overlap ends where the next note starts.
        ([(0, 1.1, 60), (1, 2, 62)], [(0, 1, 60), (1, 2, 62)]),
        ([(0, 1.1, 62), (1, 2, 60)], [(0, 1, 62), (1, 2, 60)]),
        # A small gap is closed, a rest is kept.
        ([(0, 0.95, 60), (1, 2, 62)], [(0, 1, 60), (1, 2, 62)]),
        ([(0, 0.5, 60), (1, 2, 62)], [(0, 0.5, 60), (1, 2, 62)]),
        # Of a chord the highest note stays, also when it comes a little late.
        ([(0, 1, 60), (0, 1, 64), (0, 1, 67)], [(0, 1, 67)]),
        ([(0, 1, 60), (0.01, 1, 67)], [(0, 1, 67)]),
        ([(0, 1, 67), (0.01, 1, 60)], [(0, 1, 67)]),
        # A note below a long higher one is accompaniment.
        ([(0, 2, 72), (0.5, 1, 60), (2, 3, 74)], [(0, 2, 72), (2, 3, 74)]),
        # A note above a held one is melody.
        ([(0, 4, 48), (1, 2, 72)], [(0, 1, 48), (1, 2, 72)]),
        # What is left below 30 ms is dropped.
        ([(0, 1, 60), (1, 1.02, 61), (1.5, 2, 62)], [(0, 1, 60), (1.5, 2, 62)]),
        ([], []),
    ],
)
def test_monophonic(before, after):
    assert triples(scores.monophonic(line(*before))) == after


@pytest.mark.slow
@given(SCORES)
@settings(deadline=None, max_examples=100)
def test_monophonic_is_idempotent(score):
    once = scores.monophonic(score)
    assert scores.is_monophonic(once)
    assert all(n.duration_s >= scores.MIN_NOTE_S for n in once.notes)
    assert {n.pitch for n in once.notes} <= {n.pitch for n in score.notes}
    assert triples(scores.monophonic(once, legato_gap_s=0.0)) == triples(once)
    assert not scores.is_monophonic(line((0, 1.01, 60), (1, 2, 60)))


@given(SCORES, st.integers(-30, 30))
@settings(deadline=None, max_examples=50)
def test_transposing_back(score, semitones):
    moved = scores.transpose(score, semitones)
    assert [n.pitch for n in moved.notes] == [n.pitch + semitones for n in score.notes]
    assert scores.transpose(moved, -semitones) == score
    with pytest.raises(InputError, match="130"):
        scores.transpose(line((0, 1, 100)), 30)


def test_stretch():
    assert triples(scores.stretch(line((1, 2, 60)), 1.5)) == [(1.5, 3.0, 60)]
    for bad in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UsageError):
            scores.stretch(line((0, 1, 60)), bad)


def test_crop():
    score = line((0, 1.5, 60), (1, 3, 62), (3, 5, 64), (4, 5, 65))
    assert triples(scores.crop(score, 1, 4)) == [(0, 2, 62), (2, 3, 64)]
    assert scores.crop(score, 1, 4).source == "s"
    for start, end in ((1, 1), (2, 1), (-1, 1), (float("nan"), 1)):
        with pytest.raises(UsageError):
            scores.crop(score, start, end)


@given(SCORES, st.floats(0, 10), st.floats(0.01, 10))
@settings(deadline=None, max_examples=50)
def test_crop_keeps_the_notes_that_start_inside(score, start, length):
    cut = scores.crop(score, start, start + length)
    assert len(cut.notes) == sum(start <= n.onset_s < start + length for n in score.notes)
    assert cut.duration_s <= length + 1e-9


def test_sounding_s():
    assert scores.sounding_s(line((0, 2, 60), (1, 3, 62), (1, 2, 64), (5, 6, 60)).notes) == pytest.approx(4)
    assert scores.sounding_s(()) == 0
