import sys

import numpy as np
import pytest

from wavecore.datasets import chorale_corpus, scores
from wavecore.errors import InputError, UsageError
from wavecore.symbolic.score import is_monophonic

music21 = pytest.importorskip("music21", reason="needs music21: pip install 'wavecore[data]'")


def score(*parts):
    """Make a music21 score of (offset, quarters, pitch) notes."""
    piece = music21.stream.Score()
    for notes in parts:
        part = music21.stream.Part()
        for offset, quarters, pitch in notes:
            note = music21.note.Note(pitch)
            note.quarterLength = quarters
            part.insert(offset, note)
        piece.insert(0, part)
    return piece


STEADY = [(quarter, 1.0, 60) for quarter in range(4)]


@pytest.fixture(scope="module")
def bwv269():
    return music21.corpus.parse("bach/bwv269")


def test_notes_lie_on_the_grid_and_short_voices_rest_at_the_end():
    soprano = [(0, 0.5, 72), (0.5, 1.5, 74), (3, 0.25, 76)]
    grid = chorale_corpus.grid_of(score(soprano, STEADY, STEADY, [(0, 2.0, 48)]), "x")
    assert grid.shape == (16, 4) and grid.dtype == np.int16
    assert grid[:, 0].tolist() == [72] * 2 + [74] * 6 + [-1] * 4 + [76] + [-1] * 3
    assert grid[:, 3].tolist() == [48] * 8 + [-1] * 8


def test_ties_are_one_note_and_grace_notes_none():
    tied = score(STEADY, STEADY, STEADY, STEADY)
    first, second = list(tied.parts[0].notes)[:2]
    first.tie, second.tie = music21.tie.Tie("start"), music21.tie.Tie("stop")
    tied.parts[1].insert(0, music21.note.Note(90).getGrace())
    assert (chorale_corpus.grid_of(tied, "x") == 60).all()


def test_other_scores_are_refused():
    triplets = [(third / 3, 1 / 3, 60) for third in range(6)]
    for parts, fact in (
        ((STEADY, STEADY, STEADY), "3 parts"),
        ((STEADY, STEADY, [], STEADY), "x: the tenor"),
        ((triplets, STEADY, STEADY, STEADY), "x: 4 of 18 notes"),
    ):
        with pytest.raises(InputError, match=fact):
            chorale_corpus.grid_of(score(*parts), "x")
    with pytest.raises(InputError, match="only 4 notes"):
        chorale_corpus.voice_of(score(STEADY, STEADY, STEADY, STEADY), "x", "alto", shortest=8)


@pytest.mark.slow
def test_a_chorale_of_the_corpus_is_read_as_a_grid(bwv269):
    grid = chorale_corpus.grid_of(bwv269, "bwv269")
    # "Aus meines Herzens Grunde" in G major and 3/4: a quarter g' | a half g', d'' | ...
    assert grid[:13:4, 0].tolist() == [67, 67, 67, 74]
    assert (grid[:, 0] >= grid[:, 3]).all()


@pytest.mark.slow
def test_a_chorale_of_the_corpus_is_read_by_voices(bwv269):
    soprano, bass = (chorale_corpus.voice_of(bwv269, "bwv269", voice, shortest=8) for voice in ("soprano", "bass"))
    assert (soprano.name, soprano.track) == ("bach/bwv269", "soprano")
    assert [note.pitch for note in soprano.notes[:4]] == [67, 67, 74, 71]
    assert soprano.notes[1].onset_s == pytest.approx(chorale_corpus.QUARTER_S)
    assert sum(note.pitch for note in bass.notes) / len(bass.notes) < 60
    assert is_monophonic(soprano) and is_monophonic(bass)


@pytest.mark.slow
def test_pieces_that_cannot_be_read_are_named(monkeypatch, tmp_path):
    paths = [music21.corpus.getComposer("bach")[0]]
    monkeypatch.setattr(music21.corpus, "getComposer", lambda name: paths)
    progress = []
    results, skipped = chorale_corpus.read_all(lambda *_: 1 / 0, on_progress=lambda *done: progress.append(done))
    assert results == [] and len(skipped) == 1 and "ZeroDivisionError" in skipped[0][1] and progress == [(1, 1)]
    found = scores.chorales("tenor", cache=tmp_path / "c.json")
    assert len(found.scores) + len(found.skipped) == 1
    assert scores.chorales("tenor", cache=tmp_path / "c.json") == found


def test_a_missing_music21_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "music21", None)
    with pytest.raises(UsageError, match=r"wavecore\[data\]"):
        chorale_corpus.read_grids()
